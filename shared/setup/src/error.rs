//! Why a connection cannot be used.

use mailkeep_exchange::SourceError;
use mailkeep_vault::VaultError;

/// Why a connection cannot be made, read or opened. Holds no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A part of a new connection is not usable.
    #[error("{field} {cause}")]
    Field {
        /// Which part.
        field: &'static str,
        /// What it must be.
        cause: &'static str,
    },
    /// A stored connection cannot be used.
    #[error("connection {name}: {cause}")]
    Connection {
        /// Its name.
        name: String,
        /// Why, and what to do.
        cause: String,
    },
    /// The connector refuses it.
    #[error("{source}. {}", source.class.advice())]
    Exchange {
        /// The failed call.
        source: Box<SourceError>,
    },
    /// The vault that it is stored in.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl From<SourceError> for SetupError {
    fn from(source: SourceError) -> Self {
        let source = Box::new(source);
        Self::Exchange { source }
    }
}
