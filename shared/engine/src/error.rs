//! Why an operation could not be carried out as a whole. Failures of single mailboxes and items are
//! in the summaries instead.

use mailkeep_exchange::SourceError;
use mailkeep_vault::VaultError;

use crate::export::SinkError;

/// An error of the engine. What it displays holds no secret, no address and no subject; the fields
/// may hold what the caller asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The source or target failed.
    #[error("{0}. {advice}", advice = .0.class.advice())]
    Source(#[from] SourceError),
    /// The export could not be written.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// No mailbox of the vault matches.
    #[error("no mailbox in this vault matches; `mailkeep mailbox ls` shows what it holds")]
    NoSuchMailbox {
        /// What was asked for.
        wanted: String,
    },
    /// Several mailboxes of the vault match.
    #[error("{count} mailboxes match; give more of the id")]
    AmbiguousMailbox {
        /// What was asked for.
        wanted: String,
        /// How many match.
        count: usize,
    },
    /// The mailbox has no such restore point.
    #[error("the mailbox has no such snapshot; `mailkeep snapshots` shows those it has")]
    NoSuchSnapshot {
        /// What was asked for.
        wanted: String,
    },
    /// The mailbox has no such folder at that time.
    #[error("the mailbox has no such folder in this snapshot; `mailkeep ls` shows those it has")]
    NoSuchFolder {
        /// What was asked for.
        wanted: String,
    },
    /// The mailbox has no such item at that time.
    #[error("the mailbox has no item by this reference in this snapshot")]
    NoSuchItem {
        /// What was asked for.
        wanted: String,
    },
    /// The backup itself was committed, but the record of the run could not be written.
    #[error("the backup is in the vault, but the record of the run is not: {cause}")]
    RunRecord {
        /// The record.
        summary: Box<mailkeep_model::RunSummary>,
        /// Why.
        cause: VaultError,
    },
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
}

impl EngineError {
    /// The process exit code: 4 for authentication, else 1.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Source(error) if error.class.is_authentication() => 4,
            _ => 1,
        }
    }
}

/// A stable code for a failure of the vault.
#[must_use]
pub fn vault_code(error: &VaultError) -> &'static str {
    match error {
        VaultError::Corrupt { .. } => "vault_corrupt",
        VaultError::Missing { .. } => "vault_missing",
        VaultError::Lost { .. } => "vault_lost",
        VaultError::NewerThanMe { .. } => "vault_newer",
        VaultError::WrongKey { .. } => "vault_wrong_key",
        VaultError::Erased { .. } => "vault_erased",
        VaultError::Stale { .. } => "vault_stale",
        VaultError::Denied { .. } => "vault_denied",
        VaultError::Busy { .. } => "vault_busy",
        VaultError::Full { .. } => "vault_full",
        VaultError::Bug { .. } => "vault_bug",
        _ => "vault_error",
    }
}
