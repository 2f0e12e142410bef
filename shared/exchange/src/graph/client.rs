//! One tenant's Graph: sends calls within each mailbox's budget, renews tokens, tries again within
//! bounds and turns answers into errors of one taxonomy.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::stream;
use mailkeep_model::{FailureClass, SourceMailboxId};
use mailkeep_ports::{Clock, Rng};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, redirect};
use serde::de::DeserializeOwned;
use url::Url;

use super::connection::{GraphConnection, configuration, is_loopback};
use super::error_map::{ErrorBody, Operation, classify};
use super::json;
use super::links::Links;
use crate::auth::{BearerToken, TokenSource};
use crate::budget::{Budget, Limits, Permit, TooLong};
use crate::metrics::Counters;
use crate::retry::{Backoff, retry_after};
use crate::{ByteStream, SourceError, SourceMetrics};

/// Immutable ids, asked for on every call.
pub(crate) const IMMUTABLE_IDS: &str = "IdType=\"ImmutableId\"";
/// A JSON answer is never longer.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;
/// Nothing in an error body beyond this is looked at.
const LONGEST_ERROR: usize = 64 * 1024;
/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long to wait for the next bytes of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

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
    tokens: TokenSource,
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

/// One call.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) mailbox: Option<&'a SourceMailboxId>,
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// `Prefer` beside immutable ids.
    pub(crate) prefer: Vec<String>,
    /// Media type and bytes.
    pub(crate) body: Option<(&'static str, Bytes)>,
    /// `Content-Range` of an upload.
    pub(crate) range: Option<String>,
    /// The address is a secret of its own; no token goes there.
    pub(crate) is_anonymous: bool,
    /// May be sent again although the first may have been carried out.
    pub(crate) is_replayable: bool,
    /// How many calls the service counts.
    pub(crate) calls: u32,
    /// Attempts; `None` means as configured.
    pub(crate) attempts: Option<u32>,
}

impl<'a> Call<'a> {
    /// A read.
    pub(crate) fn get(
        operation: &'a Operation,
        mailbox: Option<&'a SourceMailboxId>,
        url: Url,
    ) -> Self {
        Self {
            operation,
            mailbox,
            method: Method::GET,
            url,
            prefer: vec![],
            body: None,
            range: None,
            is_anonymous: false,
            is_replayable: true,
            calls: 1,
            attempts: None,
        }
    }

    /// A call with a JSON body. Not sent again when it may have been carried out.
    pub(crate) fn write(
        operation: &'a Operation,
        mailbox: &'a SourceMailboxId,
        method: Method,
        url: Url,
        body: &serde_json::Value,
    ) -> Self {
        Self {
            method,
            body: Some(("application/json", Bytes::from(body.to_string()))),
            is_replayable: false,
            ..Self::get(operation, Some(mailbox), url)
        }
    }

    /// Allows replays: carrying it out twice is the same as once.
    pub(crate) fn replayable(mut self) -> Self {
        self.is_replayable = true;
        self
    }

    /// Limits the attempts.
    pub(crate) fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Adds a preference.
    pub(crate) fn prefer(mut self, preference: impl Into<String>) -> Self {
        self.prefer.push(preference.into());
        self
    }
}

/// A good answer whose body is still to be read. Counts against the mailbox until it is.
pub(crate) struct Answer {
    pub(crate) status: u16,
    response: reqwest::Response,
    operation: Operation,
    state: Arc<MailboxState>,
    _permit: Permit,
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
            ..Limits::default()
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

    /// One attempt, with one more when the token was refused.
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
            let token = self.tokens.token().await?;
            let response = self.exchange(call, Some(&token), &state).await?;
            if response.status().as_u16() == 401 {
                let token = self.tokens.renewed(&token).await?;
                self.exchange(call, Some(&token), &state).await?
            } else {
                response
            }
        };
        if response.status().is_success() {
            return Ok(Answer {
                status: response.status().as_u16(),
                response,
                operation: *call.operation,
                state,
                _permit: permit,
            });
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
    fn uuid(&self) -> String {
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

fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("request-id")?.to_str().ok()?;
    Some(id.chars().take(100).collect())
}

/// Code and words for a failed exchange. The library's own text holds addresses and is not used.
pub(crate) fn connection_words(error: &reqwest::Error) -> (&'static str, &'static str) {
    if error.is_timeout() {
        ("timeout", "the service did not answer in time")
    } else if error.is_connect() {
        (
            "connect",
            "no connection to the service; check network, DNS, TLS and proxy",
        )
    } else if error.is_body() || error.is_decode() {
        ("broken_answer", "the answer broke off")
    } else {
        ("network", "the connection failed")
    }
}

fn connection_error(operation: &Operation, error: &reqwest::Error) -> SourceError {
    let (code, words) = connection_words(error);
    operation.error(FailureClass::Connection, code, words)
}

impl Answer {
    /// The whole body.
    pub(crate) async fn bytes(mut self) -> Result<Vec<u8>, SourceError> {
        let mut body = vec![];
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_ANSWER {
                return Err(self.operation.error(
                    FailureClass::Transient,
                    "answer_too_long",
                    "the answer is longer than any should be",
                ));
            }
        }
        Ok(body)
    }

    /// The body as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Result<T, SourceError> {
        let operation = self.operation;
        let request_id = request_id(self.response.headers());
        let body = self.bytes().await?;
        json::parse(&body).map_err(|_| SourceError {
            request_id,
            ..operation.error(
                FailureClass::Transient,
                TRUNCATED,
                "the answer was cut off or is no JSON",
            )
        })
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, SourceError> {
        match self.response.chunk().await {
            Ok(chunk) => {
                if let Some(bytes) = &chunk {
                    self.state.counters.received(bytes.len());
                }
                Ok(chunk)
            }
            Err(error) => Err(connection_error(&self.operation, &error)),
        }
    }

    /// The body as it comes in. Ends with an error when less arrives than was announced.
    pub(crate) fn stream(self) -> ByteStream {
        let announced = self.response.content_length();
        Box::pin(stream::unfold(
            Some((self, 0u64)),
            move |state| async move {
                let (mut answer, received) = state?;
                match answer.chunk().await {
                    Ok(Some(chunk)) => {
                        let received = received + chunk.len() as u64;
                        Some((Ok(chunk), Some((answer, received))))
                    }
                    Ok(None) if announced.is_some_and(|length| length != received) => {
                        let error = answer.operation.error(
                            FailureClass::Connection,
                            "short_answer",
                            "less arrived than was announced",
                        );
                        Some((Err(error), None))
                    }
                    Ok(None) => None,
                    Err(error) => Some((Err(error), None)),
                }
            },
        ))
    }
}

/// Code of an answer that was cut off.
pub(crate) const TRUNCATED: &str = "truncated_answer";
