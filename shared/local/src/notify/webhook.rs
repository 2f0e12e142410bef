//! Posting messages to an address, signed.

use std::sync::Arc;
use std::time::Duration;

use mailkeep_model::news::Webhook;
use mailkeep_ports::{Clock, Message, NotifyError, NotifyErrorKind, Secrets};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, StatusCode, Url};

use super::signature::Signer;
use super::{SetUpError, is_certificate_error, read};
use crate::http;

/// Tries of one delivery; the caller tries again much later.
const ATTEMPTS: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Whoever asks for a longer wait is left to the caller.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(30);

/// Posts to one address. Never follows a redirect: what is signed for one host is for no other.
pub struct WebhookNotify {
    client: Client,
    url: Url,
    signer: Signer,
    clock: Arc<dyn Clock>,
}

impl WebhookNotify {
    /// Reads key and certificate. Connects to nobody.
    ///
    /// # Errors
    /// When they are not there or of no use.
    pub async fn new(
        webhook: &Webhook,
        secrets: &dyn Secrets,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, SetUpError> {
        let url = Url::parse(&webhook.url);
        let url = url.map_err(|_| SetUpError::unusable("url", "it is no address"))?;
        let secret = read(secrets, "secret", &webhook.secret).await?;
        let signer = Signer::new(&secret).map_err(|why| SetUpError::unusable("secret", why))?;
        let ca = match &webhook.ca {
            Some(place) => Some(read(secrets, "ca", place).await?),
            None => None,
        };
        let client = http::client(&url, ca.as_ref().map(|pem| pem.as_slice()));
        let client = client.map_err(|why| SetUpError::unusable("ca", why))?;
        Ok(Self {
            client,
            url,
            signer,
            clock,
        })
    }

    /// Posts a message.
    ///
    /// # Errors
    /// See [`NotifyErrorKind`].
    pub async fn deliver(&self, message: &Message) -> Result<(), NotifyError> {
        let mut wait = FIRST_WAIT;
        for _ in 1..ATTEMPTS {
            let error = match self.post(message).await {
                Err(error) if error.is_retryable() => error,
                done => return done,
            };
            let asked = error.retry_after.unwrap_or_default();
            if asked > LONGEST_WAIT {
                return Err(error);
            }
            self.clock.sleep(wait.max(asked)).await;
            wait *= 2;
        }
        self.post(message).await
    }

    async fn post(&self, message: &Message) -> Result<(), NotifyError> {
        let now = self.clock.now().timestamp();
        let request = self
            .client
            .post(self.url.clone())
            .timeout(TIMEOUT)
            .header("content-type", "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", now.to_string())
            .header(
                "webhook-signature",
                self.signer.sign(&message.id, now, &message.json),
            )
            .body(message.json.clone());
        match request.send().await {
            Ok(response) => {
                let header = response.headers().get(RETRY_AFTER);
                let seconds = header.and_then(|value| value.to_str().ok()?.parse().ok());
                judge(response.status(), seconds.map(Duration::from_secs))
            }
            Err(error) if is_certificate_error(&error) => Err(NotifyError::new(
                NotifyErrorKind::Denied,
                "the webhook's certificate is not trusted; give its authority as `ca`",
            )),
            // The library's own words hold the address, which may hold a secret.
            Err(error) => Err(NotifyError::new(
                NotifyErrorKind::Unreachable,
                http::words(&error),
            )),
        }
    }
}

fn judge(status: StatusCode, retry_after: Option<Duration>) -> Result<(), NotifyError> {
    use NotifyErrorKind as K;
    if status.is_success() {
        return Ok(());
    }
    let (kind, words) = match status.as_u16() {
        300..=399 => (
            K::Refused,
            "it points elsewhere, which is not followed; correct the address",
        ),
        401 | 403 | 407 => (K::Denied, "it does not let us in"),
        404 | 410 => (K::BadAddress, "nobody listens at this address"),
        408 | 425 | 429 | 503 => (K::Busy, "it asks to come back later"),
        500..=599 => (K::Unreachable, "it failed"),
        _ => (K::Refused, "it refuses the message"),
    };
    let mut error = NotifyError::new(
        kind,
        format!("the webhook answered {}: {words}", status.as_u16()),
    );
    error.retry_after = retry_after;
    Err(error)
}
