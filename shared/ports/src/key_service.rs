//! A service that seals keys with a key that it never gives away, such as AWS KMS.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::store::sha256;

/// A key as it is sealed.
pub type ServiceSecret = Zeroizing<[u8; 32]>;

/// What went wrong, as far as the caller must tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyServiceErrorKind {
    /// What was given was not sealed by this key, or for another purpose, or is damaged.
    WrongKey,
    /// No permission to use the key.
    Denied,
    /// There is no such key, or it is disabled or about to be deleted.
    Missing,
    /// Told to slow down, or no answer: try again.
    Unavailable,
    /// The request makes no sense: our bug or a wrong setting.
    Invalid,
}

/// An error of a key service.
#[derive(Debug, thiserror::Error)]
#[error("key {key}: {cause}")]
pub struct KeyServiceError {
    /// What kind.
    pub kind: KeyServiceErrorKind,
    /// The name of the service's key.
    pub key: String,
    /// The cause in words, and what to do. Holds no secret.
    pub cause: String,
    /// The underlying error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl KeyServiceError {
    /// An error without an underlying one.
    #[must_use]
    pub fn new(kind: KeyServiceErrorKind, key: &str, cause: impl Into<String>) -> Self {
        Self {
            kind,
            key: key.to_owned(),
            cause: cause.into(),
            source: None,
        }
    }

    /// Adds the underlying error.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }
}

/// Seals and opens keys. What is sealed is bound to a context, a text that is no secret: only who
/// gives the same one can open it, and the service can write it to its audit log.
#[async_trait]
pub trait KeyService: Send + Sync + 'static {
    /// Seals a key.
    ///
    /// # Errors
    /// See [`KeyServiceErrorKind`].
    async fn seal(&self, secret: &ServiceSecret, context: &str)
    -> Result<Vec<u8>, KeyServiceError>;

    /// Opens a sealed key.
    ///
    /// # Errors
    /// `WrongKey` when it was sealed by another key, with another context, or is damaged.
    async fn open(&self, sealed: &[u8], context: &str) -> Result<ServiceSecret, KeyServiceError>;
}

/// A key service for tests. It counts what is asked of it.
#[derive(Debug, Default)]
pub struct MemoryKeyService {
    name: String,
    seals: AtomicU64,
    opens: AtomicU64,
}

impl MemoryKeyService {
    /// A service whose key has this name; services with the same name share the key.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// How often keys were opened.
    #[must_use]
    pub fn opens(&self) -> u64 {
        self.opens.load(Ordering::Relaxed)
    }

    fn hash(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut input = self.name.as_bytes().to_vec();
        for part in parts {
            input.extend(u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            input.extend_from_slice(part);
        }
        sha256(&input)
    }
}

fn xor(bytes: &[u8; 32], with: &[u8; 32]) -> [u8; 32] {
    let mut sum = *bytes;
    for (byte, other) in sum.iter_mut().zip(with) {
        *byte ^= other;
    }
    sum
}

#[async_trait]
impl KeyService for MemoryKeyService {
    async fn seal(
        &self,
        secret: &ServiceSecret,
        context: &str,
    ) -> Result<Vec<u8>, KeyServiceError> {
        let nonce = self.seals.fetch_add(1, Ordering::Relaxed).to_le_bytes();
        let pad = self.hash(&[b"pad", &nonce, context.as_bytes()]);
        let tag = self.hash(&[b"tag", &nonce, context.as_bytes(), secret.as_slice()]);
        Ok([&nonce[..], &xor(secret, &pad), &tag].concat())
    }

    async fn open(&self, sealed: &[u8], context: &str) -> Result<ServiceSecret, KeyServiceError> {
        self.opens.fetch_add(1, Ordering::Relaxed);
        let opened = || {
            let (nonce, rest) = sealed.split_first_chunk::<8>()?;
            let (masked, tag) = rest.split_first_chunk::<32>()?;
            let pad = self.hash(&[b"pad", nonce, context.as_bytes()]);
            let secret = ServiceSecret::new(xor(masked, &pad));
            let expected = self.hash(&[b"tag", nonce, context.as_bytes(), secret.as_slice()]);
            (expected == tag).then_some(secret)
        };
        opened().ok_or_else(|| {
            let cause = "it did not seal this";
            KeyServiceError::new(KeyServiceErrorKind::WrongKey, &self.name, cause)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[tokio::test]
    async fn keeps_the_contract() {
        let services = [MemoryKeyService::new("a"), MemoryKeyService::new("b")];
        conformance::key_service(&services[0], Some(&services[1]))
            .await
            .unwrap();
    }
}
