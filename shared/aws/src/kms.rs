//! Keys sealed by AWS KMS.
//!
//! The context is the value of `mailkeep:vault` in KMS's encryption context, so that CloudTrail shows
//! which vault was opened, and a policy can permit some vaults only.
//!
//! Opened keys are remembered for a while, so that a function that starts often asks KMS seldom: at most
//! [`MOST_REMEMBERED`] of them for [`REMEMBERED_FOR`]. Revoking a permission takes that long to count for a
//! process that runs; rotate the vault's keys when it must count at once.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_kms::Client;
use aws_sdk_kms::config::http::HttpResponse;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use mailkeep_ports::{
    Clock, KeyService, KeyServiceError, KeyServiceErrorKind as Kind, ServiceSecret,
};

use crate::fault::{Fault, FaultKind};

/// Name of the context in KMS.
pub const CONTEXT: &str = "mailkeep:vault";

/// How many opened keys are remembered.
pub const MOST_REMEMBERED: usize = 16;

/// For how long.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(300);

/// A symmetric key of KMS. See the module for what is remembered.
pub struct KmsKeys {
    client: Client,
    key: Option<String>,
    clock: Arc<dyn Clock>,
    remembered: Mutex<VecDeque<Remembered>>,
}

struct Remembered {
    sealed: Vec<u8>,
    context: String,
    secret: ServiceSecret,
    until: Duration,
}

impl KmsKeys {
    /// Seals with this key: its id, ARN or `alias/NAME`. Without one it only opens, with whatever key
    /// something was sealed with. Sends nothing yet.
    #[must_use]
    pub fn new(config: &SdkConfig, key: Option<String>, clock: Arc<dyn Clock>) -> Self {
        let config = aws_sdk_kms::config::Builder::from(config)
            .retry_config(crate::client::few_retries())
            .build();
        Self {
            client: Client::from_conf(config),
            key,
            clock,
            remembered: Mutex::default(),
        }
    }

    fn recall(&self, sealed: &[u8], context: &str) -> Option<ServiceSecret> {
        let now = self.clock.monotonic();
        let mut remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        remembered.retain(|it| it.until > now);
        let found = remembered
            .iter()
            .find(|it| it.sealed == sealed && it.context == context);
        found.map(|it| it.secret.clone())
    }

    fn remember(&self, sealed: &[u8], context: &str, secret: &ServiceSecret) {
        let mut remembered = self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MOST_REMEMBERED {
            remembered.pop_front();
        }
        remembered.push_back(Remembered {
            sealed: sealed.to_vec(),
            context: context.to_owned(),
            secret: secret.clone(),
            until: self.clock.monotonic().saturating_add(REMEMBERED_FOR),
        });
    }

    fn error(&self, kind: Kind, cause: impl Into<String>) -> KeyServiceError {
        KeyServiceError::new(kind, self.key.as_deref().unwrap_or("of KMS"), cause)
    }

    fn failed<E>(&self, error: SdkError<E, HttpResponse>) -> KeyServiceError
    where
        E: ProvideErrorMetadata + Error + Send + Sync + 'static,
    {
        let fault = Fault::of(&error);
        let (kind, hint) = match fault.code.as_deref().unwrap_or_default() {
            "InvalidCiphertextException" | "IncorrectKeyException" => (Kind::WrongKey, ""),
            "NotFoundException" => (Kind::Missing, "; check the key's name and the region"),
            "DisabledException" | "KMSInvalidStateException" => {
                (Kind::Missing, "; enable the key, or cancel its deletion")
            }
            "KeyUnavailableException" | "DependencyTimeoutException" | "KMSInternalException" => {
                (Kind::Unavailable, "")
            }
            _ => match fault.kind {
                FaultKind::NoCredentials => (Kind::Denied, ""),
                FaultKind::Denied => (
                    Kind::Denied,
                    "; it takes kms:Encrypt to add it to a vault and kms:Decrypt to open one",
                ),
                FaultKind::Busy | FaultKind::InDoubt => (Kind::Unavailable, ""),
                FaultKind::NotSent | FaultKind::Refused => (Kind::Invalid, ""),
            },
        };
        self.error(kind, format!("{}{hint}", fault.words))
            .with_source(error)
    }
}

impl std::fmt::Debug for KmsKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KmsKeys")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl KeyService for KmsKeys {
    async fn seal(
        &self,
        secret: &ServiceSecret,
        context: &str,
    ) -> Result<Vec<u8>, KeyServiceError> {
        let Some(key) = &self.key else {
            return Err(self.error(Kind::Invalid, "no KMS key was named to seal with"));
        };
        let request = self
            .client
            .encrypt()
            .key_id(key)
            .plaintext(Blob::new(secret.as_slice()))
            .encryption_context(CONTEXT, context);
        let answer = request.send().await.map_err(|error| self.failed(error))?;
        let sealed = answer.ciphertext_blob.map(Blob::into_inner);
        sealed.ok_or_else(|| self.error(Kind::Unavailable, "the answer is broken: no ciphertext"))
    }

    async fn open(&self, sealed: &[u8], context: &str) -> Result<ServiceSecret, KeyServiceError> {
        if sealed.is_empty() {
            return Err(self.error(Kind::WrongKey, "there is nothing sealed"));
        }
        if let Some(secret) = self.recall(sealed, context) {
            return Ok(secret);
        }
        let request = self
            .client
            .decrypt()
            .set_key_id(self.key.clone())
            .ciphertext_blob(Blob::new(sealed))
            .encryption_context(CONTEXT, context);
        let answer = request.send().await.map_err(|error| self.failed(error))?;
        let plain = answer
            .plaintext
            .map(|it| zeroize::Zeroizing::new(it.into_inner()));
        let secret = plain.and_then(|plain| <[u8; 32]>::try_from(plain.as_slice()).ok());
        let secret = secret
            .map(ServiceSecret::new)
            .ok_or_else(|| self.error(Kind::WrongKey, "what it opened is not a key"))?;
        self.remember(sealed, context, &secret);
        Ok(secret)
    }
}
