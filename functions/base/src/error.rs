//! Why an invocation failed.

use mailkeep_engine::EngineError;
use mailkeep_engine::ledger::JobError;
use mailkeep_engine::news::NewsError;
use mailkeep_ports::{QueueError, SecretError, StoreError};
use mailkeep_vault::VaultError;

/// Why a function did not do its work. Holds no secret, no address and no subject; the message is what
/// the log and the caller see.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FunctionError {
    /// The environment of the function is not as the template makes it.
    #[error(
        "the environment variable {name} {cause}; deploy the stack again, it sets this variable"
    )]
    Environment {
        /// The variable.
        name: String,
        /// What is wrong.
        cause: String,
    },
    /// The event is none that this function knows.
    #[error("the event is none of this function: {0}")]
    Event(String),
    /// The bucket.
    #[error(transparent)]
    Store(Box<StoreError>),
    /// The vault.
    #[error("{0} (`mailkeep init --vault s3://… --kms-key …` makes the vault of a new stack)")]
    Vault(Box<VaultError>),
    /// The engine.
    #[error(transparent)]
    Engine(Box<EngineError>),
    /// Jobs.
    #[error(transparent)]
    Job(Box<JobError>),
    /// News.
    #[error(transparent)]
    News(Box<NewsError>),
    /// A queue.
    #[error(transparent)]
    Queue(Box<QueueError>),
    /// A secret.
    #[error(transparent)]
    Secret(Box<SecretError>),
    /// A setting that is kept in a secret.
    #[error("{0}")]
    Setting(String),
}

/// Errors of others are boxed, so that a result stays small.
macro_rules! boxed {
    ($($variant:ident: $error:ty),*) => {
        $(impl From<$error> for FunctionError {
            fn from(error: $error) -> Self {
                Self::$variant(Box::new(error))
            }
        })*
    };
}

boxed!(
    Store: StoreError,
    Vault: VaultError,
    Engine: EngineError,
    Job: JobError,
    News: NewsError,
    Queue: QueueError,
    Secret: SecretError
);
