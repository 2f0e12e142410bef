//! Errors of the command line, and how a process ends.

use std::io;
use std::path::{Path, PathBuf};

use mailkeep_engine::EngineError;
use mailkeep_engine::ledger::JobError;
use mailkeep_engine::operation::OperationError;
use mailkeep_exchange::SourceError;
use mailkeep_local::DatabaseError;
use mailkeep_ports::StoreError;
use mailkeep_setup::SetupError;
use mailkeep_vault::VaultError;
use serde::Serialize;

/// How a verb that was carried out ends the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Done in part, or stopped.
    Error,
    /// Done, but something is missing and was named.
    Gaps,
    /// The source or target did not let us in.
    Authentication,
}

impl Exit {
    /// The end that a summary's exit code stands for.
    #[must_use]
    pub fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Done,
            3 => Self::Gaps,
            4 => Self::Authentication,
            _ => Self::Error,
        }
    }

    /// The process exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Error => 1,
            Self::Gaps => 3,
            Self::Authentication => 4,
        }
    }
}

/// Why a verb was not carried out. Names what it was about and the next step; holds no secret, no
/// address and no subject.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CliError {
    /// What was typed cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// The key does not open the vault, or there is none.
    #[error("{0}")]
    Key(String),
    /// Something that was asked for is not there.
    #[error("{0}")]
    NotFound(String),
    /// A secret of this machine.
    #[error(transparent)]
    Secret(#[from] mailkeep_ports::SecretError),
    /// A file of this machine.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The address that the API is to listen at.
    #[error("listening at {address}: {source}; is another program listening there?")]
    Listen {
        /// The address.
        address: String,
        /// Why it failed.
        source: io::Error,
    },
    /// Standard output is closed or full.
    #[error("writing the output: {0}")]
    Output(io::Error),
    /// The source or target.
    #[error("{source}. {}", source.class.advice())]
    Exchange {
        /// The failed call.
        source: Box<SourceError>,
    },
    /// The engine.
    #[error(transparent)]
    Engine(Box<EngineError>),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The folder or bucket that holds the vault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Jobs.
    #[error(transparent)]
    Job(Box<JobError>),
    /// Operations.
    #[error(transparent)]
    Operation(Box<OperationError>),
    /// The job database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// This program could not start working.
    #[error("starting to work: {0}")]
    Runtime(io::Error),
    /// A connection cannot be used.
    #[error(transparent)]
    Setup(SetupError),
}

impl CliError {
    /// An error about a file.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            action,
            path,
            source,
        }
    }

    /// The process exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Job(error) if matches!(**error, JobError::Invalid(_)) => 2,
            Self::Operation(error) if matches!(**error, OperationError::Invalid(_)) => 2,
            Self::Key(_) => 4,
            Self::Vault(VaultError::WrongKey { .. }) => 4,
            Self::Engine(error) => match **error {
                EngineError::Vault(VaultError::WrongKey { .. }) => 4,
                _ => error.exit_code(),
            },
            Self::Exchange { source } if source.class.is_authentication() => 4,
            // The reader of our output went away (`mailkeep ls | head`): nothing went wrong.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            _ => 1,
        }
    }

    /// The error as a line for standard error.
    #[must_use]
    pub fn report(&self, json: bool) -> Option<String> {
        #[derive(Serialize)]
        struct Report {
            r#type: &'static str,
            exit_code: u8,
            message: String,
        }
        let exit_code = self.exit_code();
        if exit_code == 0 {
            return None;
        }
        if !json {
            return Some(format!("mailkeep: {self}"));
        }
        serde_json::to_string(&Report {
            r#type: "error",
            exit_code,
            message: self.to_string(),
        })
        .ok()
    }
}

impl From<SourceError> for CliError {
    fn from(source: SourceError) -> Self {
        let source = Box::new(source);
        Self::Exchange { source }
    }
}

impl From<SetupError> for CliError {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Field { field, cause } => Self::Usage(match field {
                "tenant" => format!("--tenant {cause}"),
                "client_id" => format!("--client-id {cause}"),
                _ => format!("the {field} {cause}"),
            }),
            SetupError::Exchange { source } => Self::Exchange { source },
            SetupError::Vault(error) => Self::Vault(error),
            error => Self::Setup(error),
        }
    }
}

impl From<OperationError> for CliError {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::Ledger(error) => error.into(),
            OperationError::Store(error) => Self::Store(error),
            error => Self::Operation(Box::new(error)),
        }
    }
}

impl From<JobError> for CliError {
    fn from(error: JobError) -> Self {
        Self::Job(Box::new(error))
    }
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        Self::Engine(Box::new(error))
    }
}
