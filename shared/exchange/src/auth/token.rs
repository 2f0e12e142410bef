//! Access tokens: fetched once for many callers, renewed before they expire.

use std::sync::Arc;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use mailkeep_model::FailureClass;
use mailkeep_ports::{Clock, Rng};
use oauth2::basic::BasicClient;
use oauth2::{
    AuthType, ClientId, ClientSecret, HttpRequest, HttpResponse, RequestTokenError, Scope,
    TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::assertion::SigningKey;
use super::entra_error::entra_error;
use crate::SourceError;
use crate::graph::{Credential, GraphConnection, configuration};
use crate::retry::{Backoff, retry_after};

/// Lifetime to assume when the service names none.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);
/// How long before its end a token is renewed, at most.
const RENEW_EARLY: Duration = Duration::from_secs(300);
/// Attempts for one token.
const ATTEMPTS: u32 = 5;
/// A token answer is never longer.
const LONGEST_ANSWER: usize = 256 * 1024;

/// An access token.
pub(crate) struct BearerToken {
    secret: SecretString,
    generation: u64,
}

impl BearerToken {
    /// The token itself.
    pub(crate) fn secret(&self) -> &str {
        self.secret.expose_secret()
    }

    /// The roles that the token claims, unverified; `None` when it is no readable JWT.
    pub(crate) fn roles(&self) -> Option<Vec<String>> {
        let claims = self.secret().split('.').nth(1)?;
        let claims = URL_SAFE_NO_PAD
            .decode_to_vec(claims.trim_end_matches('='))
            .ok()?;
        let claims: serde_json::Value = serde_json::from_slice(&claims).ok()?;
        let roles = claims.get("roles").and_then(|roles| roles.as_array());
        Some(
            roles
                .into_iter()
                .flatten()
                .filter_map(|role| role.as_str().map(str::to_owned))
                .collect(),
        )
    }
}

struct Held {
    token: Arc<BearerToken>,
    renew_at: Duration,
    ends_at: Duration,
}

enum Proof {
    Secret(SecretString),
    Key(Box<SigningKey>),
}

/// Where tokens come from. Concurrent callers share one request.
pub(crate) struct TokenSource {
    http: reqwest::Client,
    endpoint: String,
    client_id: String,
    scope: String,
    proof: Proof,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    held: Mutex<(u64, Option<Held>)>,
}

impl TokenSource {
    /// Checks the credential; sends nothing yet.
    pub(crate) fn new(
        connection: &GraphConnection,
        http: reqwest::Client,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, SourceError> {
        let hosts = connection.check()?;
        let proof = match &connection.credential {
            Credential::Secret(secret) => Proof::Secret(secret.clone()),
            Credential::Certificate {
                certificate_pem,
                private_key_pem,
            } => Proof::Key(Box::new(SigningKey::from_pem(
                certificate_pem,
                private_key_pem,
            )?)),
        };
        let origin = |url: &url::Url| url.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            http,
            endpoint: format!(
                "{}/{}/oauth2/v2.0/token",
                origin(&hosts.login),
                connection.tenant_id
            ),
            client_id: connection.client_id.clone(),
            scope: format!("{}/.default", origin(&hosts.graph)),
            proof,
            clock,
            rng,
            held: Mutex::new((0, None)),
        })
    }

    /// A token that is still good for a while.
    pub(crate) async fn token(&self) -> Result<Arc<BearerToken>, SourceError> {
        let mut held = self.held.lock().await;
        let now = self.clock.monotonic();
        match &held.1 {
            Some(current) if now < current.renew_at => return Ok(current.token.clone()),
            _ => {}
        }
        match self.fetch(&mut held).await {
            Ok(token) => Ok(token),
            Err(error) => match &held.1 {
                // The early renewal failed, but the old token still holds.
                Some(current) if self.clock.monotonic() < current.ends_at => {
                    Ok(current.token.clone())
                }
                _ => Err(error),
            },
        }
    }

    /// A token newer than `refused`. Callers whose token was refused together share one renewal.
    pub(crate) async fn renewed(
        &self,
        refused: &BearerToken,
    ) -> Result<Arc<BearerToken>, SourceError> {
        let mut held = self.held.lock().await;
        match &held.1 {
            Some(current) if current.token.generation > refused.generation => {
                Ok(current.token.clone())
            }
            _ => self.fetch(&mut held).await,
        }
    }

    async fn fetch(&self, held: &mut (u64, Option<Held>)) -> Result<Arc<BearerToken>, SourceError> {
        let mut backoff = Backoff::new(ATTEMPTS);
        loop {
            match self.request().await {
                Ok((secret, lifetime)) => {
                    held.0 += 1;
                    let token = Arc::new(BearerToken {
                        secret,
                        generation: held.0,
                    });
                    let now = self.clock.monotonic();
                    held.1 = Some(Held {
                        token: token.clone(),
                        renew_at: now + lifetime - RENEW_EARLY.min(lifetime / 5),
                        ends_at: now + lifetime,
                    });
                    return Ok(token);
                }
                Err(error) => backoff.wait(error, &*self.clock, &*self.rng).await?,
            }
        }
    }

    async fn request(&self) -> Result<(SecretString, Duration), SourceError> {
        let endpoint = TokenUrl::new(self.endpoint.clone())
            .map_err(|_| configuration("login_url", "the login address is no URL"))?;
        let mut client = BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_token_uri(endpoint)
            .set_auth_type(AuthType::RequestBody);
        if let Proof::Secret(secret) = &self.proof {
            client = client.set_client_secret(ClientSecret::new(secret.expose_secret().into()));
        }
        let mut request = client
            .exchange_client_credentials()
            .add_scope(Scope::new(self.scope.clone()));
        if let Proof::Key(key) = &self.proof {
            let now = self.clock.now();
            let assertion = key.sign(&self.endpoint, &self.client_id, now, &*self.rng)?;
            request = request
                .add_extra_param(
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                )
                .add_extra_param("client_assertion", assertion.expose_secret().to_owned());
        }
        let now = self.clock.now();
        let http = |request| exchange(self.http.clone(), request, now);
        let answer = request
            .request_async(&http)
            .await
            .map_err(|error| match error {
                RequestTokenError::ServerResponse(answer) => entra_error(
                    answer.error().as_ref(),
                    answer.error_description().map_or("", String::as_str),
                ),
                RequestTokenError::Request(TokenHttpError(error)) => error,
                _ => SourceError::new(
                    FailureClass::Transient,
                    "get access token",
                    "unreadable_answer",
                    "the token endpoint's answer is no token; check the login host if this repeats",
                ),
            })?;
        let lifetime = answer.expires_in().unwrap_or(DEFAULT_LIFETIME);
        let secret = SecretString::from(answer.access_token().secret().clone());
        Ok((secret, lifetime))
    }
}

/// Carries our own error through the `oauth2` crate.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct TokenHttpError(SourceError);

async fn exchange(
    http: reqwest::Client,
    request: HttpRequest,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<HttpResponse, TokenHttpError> {
    let fail = |class, code: String, message: &str| {
        TokenHttpError(SourceError::new(class, "get access token", code, message))
    };
    let connection = |error: &reqwest::Error| {
        let (code, words) = crate::graph::connection_words(error);
        fail(FailureClass::Connection, code.into(), words)
    };
    let request = reqwest::Request::try_from(request).map_err(|error| connection(&error))?;
    let mut response = http
        .execute(request)
        .await
        .map_err(|error| connection(&error))?;
    let status = response.status();
    if status.is_server_error() || status.as_u16() == 429 {
        let mut error = fail(
            FailureClass::Transient,
            format!("http_{}", status.as_u16()),
            "the token endpoint is busy",
        );
        error.0.retry_after = retry_after(response.headers(), now);
        return Err(error);
    }
    if status.is_redirection() {
        return Err(fail(
            FailureClass::Configuration,
            format!("http_{}", status.as_u16()),
            "the token endpoint points elsewhere; check the login host",
        ));
    }
    let mut body = vec![];
    while let Some(chunk) = response.chunk().await.map_err(|error| connection(&error))? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST_ANSWER {
            return Err(fail(
                FailureClass::Configuration,
                "answer_too_long".into(),
                "the login host gives no token answers",
            ));
        }
    }
    let mut answer = HttpResponse::new(body);
    *answer.status_mut() = status;
    Ok(answer)
}
