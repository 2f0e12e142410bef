//! Errors of the command line, and how a process ends.

use std::io;
use std::path::{Path, PathBuf};

use mailkeep_exchange::SourceError;
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
    /// Standard output is closed or full.
    #[error("writing the output: {0}")]
    Output(io::Error),
    /// The source or target.
    #[error("{source}. {}", source.class.advice())]
    Exchange {
        /// The failed call.
        source: SourceError,
    },
    /// A stored connection cannot be used.
    #[error("connection {name}: {cause}")]
    Connection {
        /// Its name.
        name: String,
        /// Why, and what to do.
        cause: String,
    },
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
            Self::Key(_) => 4,
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
        Self::Exchange { source }
    }
}
