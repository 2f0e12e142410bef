//! Secrets in AWS Secrets Manager.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::primitives::Blob;
use mailkeep_ports::{SecretError, Secrets};
use zeroize::Zeroizing;

use crate::fault::{Fault, FaultKind};

/// What the names of these secrets begin with.
pub const PREFIX: &str = "aws:";

/// Secrets of Secrets Manager: `aws:NAME` or `aws:ARN`, text or bytes, always the current version.
/// Nothing is remembered.
#[derive(Clone, Debug)]
pub struct AwsSecrets {
    client: Client,
}

impl AwsSecrets {
    /// The secrets of an account and region. Sends nothing yet.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        let config = aws_sdk_secretsmanager::config::Builder::from(config)
            .retry_config(crate::client::few_retries())
            .build();
        Self {
            client: Client::from_conf(config),
        }
    }
}

#[async_trait]
impl Secrets for AwsSecrets {
    async fn read(&self, name: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
        let invalid = |cause: &str| SecretError::Invalid {
            name: name.to_owned(),
            cause: cause.to_owned(),
        };
        let id = name.strip_prefix(PREFIX).filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| invalid("the name must be aws:NAME or aws:ARN"))?;
        let answer = self.client.get_secret_value().secret_id(id).send().await;
        let answer = answer.map_err(|error| refused(name, &Fault::of(&error)))?;
        let value = match (answer.secret_string, answer.secret_binary) {
            (Some(text), _) => text.into_bytes(),
            (None, Some(bytes)) => Blob::into_inner(bytes),
            (None, None) => vec![],
        };
        if value.is_empty() {
            return Err(invalid("it is empty"));
        }
        Ok(Zeroizing::new(value))
    }
}

fn refused(name: &str, fault: &Fault) -> SecretError {
    let name = name.to_owned();
    match (fault.code.as_deref().unwrap_or_default(), fault.kind) {
        ("ResourceNotFoundException", _) => SecretError::Missing {
            name,
            next_step: "create this secret in Secrets Manager, or check its name and the region"
                .to_owned(),
        },
        // Marked for deletion.
        ("InvalidRequestException", _) => SecretError::Missing {
            name,
            next_step: format!("restore this secret in Secrets Manager ({})", fault.words),
        },
        (_, FaultKind::Denied | FaultKind::NoCredentials) => SecretError::Denied {
            name,
            cause: format!("{}; it takes secretsmanager:GetSecretValue", fault.words),
        },
        _ => SecretError::Invalid {
            name,
            cause: format!("it cannot be read now: {}", fault.words),
        },
    }
}
