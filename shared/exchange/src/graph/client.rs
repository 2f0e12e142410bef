//! One tenant's Graph: sends calls within each mailbox's budget, renews tokens, tries again within
//! bounds and turns answers into errors of one taxonomy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_model::{FailureClass, SourceMailboxId};
use mailkeep_ports::{Clock, Rng};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, redirect};
use serde::de::DeserializeOwned;

use super::answer::{Answer, connection_error, request_id};
use super::call::Call;
use super::connection::{GraphConnection, configuration, is_loopback};
use super::error_map::{ErrorBody, Operation, classify};
use super::links::Links;
use crate::auth::{BearerToken, TokenSource};
use crate::budget::{Budget, Limits, TooLong};
use crate::metrics::Counters;
use crate::retry::{Backoff, retry_after};
use crate::{SourceError, SourceMetrics};

/// Immutable ids, asked for on every call.
pub(crate) const IMMUTABLE_IDS: &str = "IdType=\"ImmutableId\"";
/// Nothing in an error body beyond this is looked at.
const LONGEST_ERROR: usize = 64 * 1024;
/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long to wait for the next bytes of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// How often a call takes a new token. A sign-in may be revoked right after the token before had ended.
pub(crate) const RENEWALS: u32 = 3;

/// How patient a connection is.
#[derive(Clone, Copy, Debug)]
pub struct GraphOptions {
    /// A wait longer than this is not slept but returned as `Throttled` with its time.
    pub longest_wait: Duration,
    /// Attempts for one call.
    pub attempts: u32,
    /// Items on one page of changes, at most.
    pub page_size: u32,
}

impl Default for GraphOptions {
    fn default() -> Self {
        Self {
            longest_wait: Limits::default().longest_wait,
            attempts: 8,
            page_size: 200,
        }
    }
}

/// What is kept per mailbox.
pub(crate) struct MailboxState {
    pub(crate) budget: Budget,
    pub(crate) counters: Counters,
}

/// A connection to one tenant's Microsoft Graph. [`GraphSource`](super::GraphSource) and
/// [`GraphTarget`](super::GraphTarget) that share one client share the budget of each mailbox, as
/// the service counts it.
pub struct GraphClient {
    http: reqwest::Client,
    pub(crate) links: Links,
    pub(crate) tokens: TokenSource,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) options: GraphOptions,
    states: Mutex<HashMap<Option<SourceMailboxId>, Arc<MailboxState>>>,
}

impl std::fmt::Debug for GraphClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GraphClient").finish_non_exhaustive()
    }
}

impl GraphClient {
    /// A client for one tenant. Checks hosts and credential; sends nothing.
    ///
    /// # Errors
    /// Class `Configuration` when an id, a host or the certificate is not usable.
    pub fn new(
        connection: &GraphConnection,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Arc<Self>, SourceError> {
        Self::with_options(connection, clock, rng, GraphOptions::default())
    }

    /// Like [`GraphClient::new`] with own patience.
    ///
    /// # Errors
    /// As [`GraphClient::new`].
    pub fn with_options(
        connection: &GraphConnection,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        options: GraphOptions,
    ) -> Result<Arc<Self>, SourceError> {
        let hosts = connection.check()?;
        let mut http = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .user_agent(concat!("mailkeep/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&hosts.graph) {
            http = http.no_proxy();
        }
        let http = http
            .build()
            .map_err(|_| configuration("tls", "the TLS library could not be set up"))?;
        Ok(Arc::new(Self {
            tokens: TokenSource::new(connection, http.clone(), clock.clone(), rng.clone())?,
            http,
            links: Links::new(hosts.graph, connection.cloud),
            clock,
            rng,
            options,
            states: Mutex::default(),
        }))
    }

    /// What is kept of a mailbox (`None`: of calls that belong to none).
    pub(crate) fn state(&self, mailbox: Option<&SourceMailboxId>) -> Arc<MailboxState> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.get(&mailbox.cloned()) {
            return state.clone();
        }
        if states.len().is_multiple_of(256) {
            states.values().for_each(|state| state.budget.tidy());
        }
        let limits = Limits {
            longest_wait: self.options.longest_wait,
            ..match mailbox {
                Some(_) => Limits::default(),
                None => Limits::of_directory(),
            }
        };
        let state = Arc::new(MailboxState {
            budget: Budget::new(self.clock.clone(), limits),
            counters: Counters::default(),
        });
        states.insert(mailbox.cloned(), state.clone());
        state
    }

    /// What was counted for a mailbox.
    pub(crate) fn metrics(&self, mailbox: Option<&SourceMailboxId>) -> SourceMetrics {
        self.state(mailbox).counters.read()
    }

    /// Until when a mailbox is left alone, if it is.
    pub(crate) fn throttled_until(&self, mailbox: &SourceMailboxId) -> Option<DateTime<Utc>> {
        let wait = self.state(Some(mailbox)).budget.blocked_for();
        (!wait.is_zero()).then(|| self.clock.now() + TimeDelta::from_std(wait).unwrap_or_default())
    }

    /// The roles that the token claims, unverified.
    pub(crate) async fn claimed_roles(&self) -> Result<Option<Vec<String>>, SourceError> {
        Ok(self.tokens.token().await?.roles())
    }

    /// The backoff of a call.
    pub(crate) fn backoff(&self, attempts: Option<u32>) -> Backoff {
        Backoff::new(attempts.unwrap_or(self.options.attempts))
    }

    /// Sends a call and reads its JSON answer. An answer that was cut off counts as a passing fault.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
    ) -> Result<T, SourceError> {
        let mut backoff = self.backoff(call.attempts);
        loop {
            let outcome = match self.attempt(call).await {
                Ok(answer) => answer.json().await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(value) => return Ok(value),
                Err(error) => self.again(call, &mut backoff, error).await?,
            }
        }
    }

    /// Sends a call; the body of the good answer is the caller's to read.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Answer, SourceError> {
        let mut backoff = self.backoff(call.attempts);
        loop {
            match self.attempt(call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.again(call, &mut backoff, error).await?,
            }
        }
    }

    /// Waits for the next attempt, or gives the error back.
    async fn again(
        &self,
        call: &Call<'_>,
        backoff: &mut Backoff,
        error: SourceError,
    ) -> Result<(), SourceError> {
        if !(call.is_replayable || was_not_carried_out(&error)) || error.code == WAIT_TOO_LONG {
            return Err(error);
        }
        let is_throttled = error.class == FailureClass::Throttled;
        let wait = backoff.next(error.clone(), &*self.rng)?;
        if wait > self.options.longest_wait {
            return Err(SourceError {
                retry_after: Some(wait),
                ..error
            });
        }
        let state = self.state(call.mailbox);
        state.counters.retry();
        tracing::debug!(
            operation = call.operation.name,
            code = error.code,
            request_id = error.request_id,
            wait_ms = wait.as_millis(),
            "trying again"
        );
        if is_throttled {
            // The next attempt waits in the budget, as does everybody else on this mailbox.
            state.budget.block(wait);
        } else {
            self.clock.sleep(wait).await;
        }
        Ok(())
    }

    /// One attempt, and again with a new token when the token was refused.
    pub(crate) async fn attempt(&self, call: &Call<'_>) -> Result<Answer, SourceError> {
        let state = self.state(call.mailbox);
        let upload = match call.method {
            Method::GET => 0,
            _ => call.body.as_ref().map_or(0, |(_, body)| body.len() as u64),
        };
        let permit = state
            .budget
            .enter(call.calls, upload)
            .await
            .map_err(|TooLong(wait)| SourceError {
                retry_after: Some(wait),
                ..call.operation.error(
                    FailureClass::Throttled,
                    WAIT_TOO_LONG,
                    "the mailbox's request budget is used up",
                )
            })?;
        let response = if call.is_anonymous {
            self.exchange(call, None, &state).await?
        } else {
            let mut token = self.tokens.token().await?;
            let mut response = self.exchange(call, Some(&token), &state).await?;
            for _ in 0..RENEWALS {
                if response.status().as_u16() != 401 {
                    break;
                }
                token = self.tokens.renewed(&token).await?;
                response = self.exchange(call, Some(&token), &state).await?;
            }
            response
        };
        if response.status().is_success() {
            return Ok(Answer::new(response, call.operation, state, permit));
        }
        let error = self.refused(call.operation, response).await;
        if error.class == FailureClass::Throttled {
            state.counters.throttle();
        }
        Err(error)
    }

    async fn exchange(
        &self,
        call: &Call<'_>,
        token: Option<&BearerToken>,
        state: &MailboxState,
    ) -> Result<reqwest::Response, SourceError> {
        let mut request = self
            .http
            .request(call.method.clone(), call.url.clone())
            .header("client-request-id", self.uuid());
        if let Some(token) = token {
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.secret()))
                .map_err(|_| configuration("token", "the access token is no header text"))?;
            value.set_sensitive(true);
            request = request
                .header(AUTHORIZATION, value)
                .header("Prefer", IMMUTABLE_IDS);
        }
        if call.is_eventual {
            request = request.header("ConsistencyLevel", "eventual");
        }
        for preference in &call.prefer {
            request = request.header("Prefer", preference);
        }
        if let Some(range) = &call.range {
            request = request.header("Content-Range", range);
        }
        if let Some((media_type, body)) = &call.body {
            request = request
                .header("Content-Type", *media_type)
                .body(body.clone());
        }
        state.counters.request();
        request
            .send()
            .await
            .map_err(|error| connection_error(call.operation, &error))
    }

    /// The error that a refusal stands for.
    async fn refused(&self, operation: &Operation, mut response: reqwest::Response) -> SourceError {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let mut body = vec![];
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_ERROR {
                break;
            }
        }
        let mut error = classify(operation, status, &ErrorBody::parse(&body));
        error.retry_after = retry_after(&headers, self.clock.now());
        if error.request_id.is_none() {
            error.request_id = request_id(&headers);
        }
        error
    }

    /// A random version 4 UUID.
    pub(crate) fn uuid(&self) -> String {
        let high = self.rng.next_u64();
        let low = self.rng.next_u64();
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff,
        )
    }
}

/// Code of an error whose wait is for the caller to decide about.
const WAIT_TOO_LONG: &str = "wait_too_long";

/// True when the service surely did nothing.
fn was_not_carried_out(error: &SourceError) -> bool {
    error.class == FailureClass::Throttled
        || (error.class == FailureClass::Connection && error.code == "connect")
}
