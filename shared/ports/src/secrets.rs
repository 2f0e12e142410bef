//! Secrets by name.

use async_trait::async_trait;

/// Why a secret could not be had. Never holds the secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// There is no secret by this name.
    #[error("secret {name} is missing: {next_step}")]
    Missing {
        /// Name of the secret, for example `env:MAILKEEP_CLIENT_SECRET`.
        name: String,
        /// What to do about it.
        next_step: String,
    },
    /// The secret exists but may not be read.
    #[error("secret {name} may not be read: {cause}")]
    Denied {
        /// Name of the secret.
        name: String,
        /// Why.
        cause: String,
    },
    /// The secret is not usable, for example not text or too long.
    #[error("secret {name} is not usable: {cause}")]
    Invalid {
        /// Name of the secret.
        name: String,
        /// Why.
        cause: String,
    },
}

/// A place that holds secrets. Values are bytes that the caller must keep out of logs.
#[async_trait]
pub trait Secrets: Send + Sync + 'static {
    /// The secret called `name`.
    ///
    /// # Errors
    /// [`SecretError`] when it is missing, denied or unusable.
    async fn read(&self, name: &str) -> Result<zeroize::Zeroizing<Vec<u8>>, SecretError>;
}
