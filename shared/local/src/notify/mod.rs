//! Telling people by mail and programs by webhook.

mod signature;
mod smtp;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use mailkeep_model::news::NotificationSettings;
use mailkeep_ports::{
    Clock, Message, Notify, NotifyError, NotifyErrorKind, Recipient, SecretError, Secrets,
};

pub use smtp::SmtpNotify;
pub use webhook::WebhookNotify;

/// Delivers to the mail server and the webhooks of some settings.
pub struct LocalNotify {
    mail: Option<SmtpNotify>,
    webhooks: BTreeMap<String, WebhookNotify>,
}

/// Why notifications cannot be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetUpError {
    /// A secret or certificate is not where the settings say.
    #[error("{field}: {source}")]
    Secret {
        /// The field of the settings.
        field: String,
        /// Why.
        source: SecretError,
    },
    /// It is there, but of no use.
    #[error("{field}: {cause}")]
    Unusable {
        /// The field of the settings.
        field: String,
        /// Why, and what to do.
        cause: String,
    },
}

impl SetUpError {
    fn unusable(field: &str, cause: &str) -> Self {
        Self::Unusable {
            field: field.to_owned(),
            cause: cause.to_owned(),
        }
    }

    /// The same, of a part that stands in the field `prefix`.
    fn within(self, prefix: &str) -> Self {
        match self {
            Self::Secret { field, source } => Self::Secret {
                field: format!("{prefix}.{field}"),
                source,
            },
            Self::Unusable { field, cause } => Self::Unusable {
                field: format!("{prefix}.{field}"),
                cause,
            },
        }
    }
}

impl LocalNotify {
    /// Reads secrets and certificates. Connects to nobody.
    ///
    /// # Errors
    /// When one of them is not there or of no use.
    pub async fn new(
        settings: &NotificationSettings,
        secrets: &dyn Secrets,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, SetUpError> {
        let mail = match &settings.mail {
            Some(server) => {
                let mail = SmtpNotify::new(server, secrets).await;
                Some(mail.map_err(|error| error.within("mail"))?)
            }
            None => None,
        };
        let mut webhooks = BTreeMap::new();
        for (index, webhook) in settings.webhooks.iter().enumerate() {
            let made = WebhookNotify::new(webhook, secrets, clock.clone()).await;
            let made = made.map_err(|error| error.within(&format!("webhooks[{index}]")))?;
            webhooks.insert(webhook.name.clone(), made);
        }
        Ok(Self { mail, webhooks })
    }
}

#[async_trait]
impl Notify for LocalNotify {
    async fn deliver(&self, to: &Recipient, message: &Message) -> Result<(), NotifyError> {
        let missing = |what| Err(NotifyError::new(NotifyErrorKind::BadAddress, what));
        match to {
            Recipient::Mail(address) => match &self.mail {
                Some(mail) => mail.deliver(address, message).await,
                None => missing("there is no mail server in the settings"),
            },
            Recipient::Webhook(name) => match self.webhooks.get(name) {
                Some(webhook) => webhook.deliver(message).await,
                None => missing("there is no webhook by this name in the settings"),
            },
            Recipient::Topic(_) => missing("topics of Amazon SNS are not reached from here"),
        }
    }
}

/// A secret or certificate that a field names.
async fn read(
    secrets: &dyn Secrets,
    field: &str,
    place: &str,
) -> Result<zeroize::Zeroizing<Vec<u8>>, SetUpError> {
    let read = secrets.read(place).await;
    read.map_err(|source| SetUpError::Secret {
        field: field.to_owned(),
        source,
    })
}

/// True when the other side's certificate is the cause of a failed connection.
fn is_certificate_error(error: &(dyn std::error::Error + 'static)) -> bool {
    let is_it = |error: &(dyn std::error::Error + 'static)| {
        matches!(
            error.downcast_ref::<rustls::Error>(),
            Some(rustls::Error::InvalidCertificate(_))
        )
    };
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        if is_it(error) || inner.is_some_and(|inner| is_certificate_error(inner)) {
            return true;
        }
        next = error.source();
    }
    false
}
