//! One organisation's EWS: sends calls within each mailbox's budget, tries again within bounds and
//! turns answers into errors of one taxonomy.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::stream;
use hyper::header::{HeaderName, HeaderValue};
use mailkeep_model::{FailureClass, ItemId, SourceMailboxId};
use mailkeep_ports::{Clock, Rng};

use super::answer::{AnswerReader, Reply};
use super::call::{Call, VERSIONS};
use super::connection::{EwsConnection, MailboxAccess};
use super::cookies::Cookies;
use super::error_map::{http_error, message_error};
use super::lookahead::Lookahead;
use super::public::{Public, is_public, public_id};
use super::wire::{Wire, WireAnswer};
use super::xml::Element;
use crate::budget::{Budget, Limits, Permit, TooLong};
use crate::metrics::Counters;
use crate::retry::{Backoff, retry_after};
use crate::{SourceError, SourceMetrics};

/// How patient a connection is, and how much it asks at once.
#[derive(Clone, Copy, Debug)]
pub struct EwsOptions {
    /// A wait longer than this is not slept but returned as `Throttled` with its time.
    pub longest_wait: Duration,
    /// Attempts for one call.
    pub attempts: u32,
    /// Calls at once for one mailbox.
    pub calls_per_mailbox: u32,
    /// Calls at once for the whole server.
    pub calls_per_server: usize,
}

impl Default for EwsOptions {
    fn default() -> Self {
        Self {
            longest_wait: Duration::from_secs(900),
            attempts: 6,
            calls_per_mailbox: 3,
            calls_per_server: 10,
        }
    }
}

/// What is kept per mailbox.
pub(crate) struct MailboxState {
    budget: Arc<Budget>,
    counters: Counters,
    cookies: Mutex<Cookies>,
    /// Messages fetched ahead.
    pub(crate) lookahead: Lookahead,
    /// Export streams fetched ahead.
    pub(crate) exports: Lookahead,
    /// Items that were uploaded and do not bear our mark yet.
    pub(crate) unmarked: Mutex<HashSet<ItemId>>,
}

/// A connection to one Exchange organisation. [`EwsSource`](super::EwsSource) and
/// [`EwsTarget`](super::EwsTarget) that share one client share budgets and connections.
pub struct EwsClient {
    wire: Wire,
    pub(crate) access: MailboxAccess,
    pub(crate) addresses: Vec<String>,
    /// How public folders are reached, if they are.
    pub(crate) public: Option<Public>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) options: EwsOptions,
    /// Place in the list of schema versions.
    version: AtomicUsize,
    /// What the server calls its version.
    server_version: Mutex<String>,
    states: Mutex<HashMap<Option<SourceMailboxId>, Arc<MailboxState>>>,
}

impl std::fmt::Debug for EwsClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EwsClient").finish_non_exhaustive()
    }
}

/// A good answer that is still to be read. Counts against the mailbox until it is.
pub(crate) struct Answer {
    reader: AnswerReader,
    _permit: Permit,
}

impl Answer {
    /// The next part; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Reply>, SourceError> {
        self.reader.next().await
    }
}

impl EwsClient {
    /// A client. Checks the settings; sends nothing.
    ///
    /// # Errors
    /// Class `Configuration`.
    pub fn new(
        connection: &EwsConnection,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Arc<Self>, SourceError> {
        Self::with_options(connection, clock, rng, EwsOptions::default())
    }

    /// Like [`EwsClient::new`] with own patience.
    ///
    /// # Errors
    /// As [`EwsClient::new`].
    pub fn with_options(
        connection: &EwsConnection,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
        options: EwsOptions,
    ) -> Result<Arc<Self>, SourceError> {
        let checked = connection.check()?;
        let at_once = options.calls_per_server;
        Ok(Arc::new(Self {
            wire: Wire::new(connection, &checked, at_once, clock.clone(), rng.clone())?,
            access: connection.access,
            addresses: connection.mailboxes.clone(),
            public: Public::new(connection, &checked, &clock, &rng)?,
            clock,
            rng,
            options,
            version: AtomicUsize::new(0),
            server_version: Mutex::default(),
            states: Mutex::default(),
        }))
    }

    /// What is kept of a mailbox (`None`: of calls that belong to none).
    pub(crate) fn state(&self, mailbox: Option<&SourceMailboxId>) -> Arc<MailboxState> {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.get(&mailbox.cloned()) {
            return state.clone();
        }
        // With delegate access the server counts all calls on the service account.
        let shared = match (self.access, &self.public, mailbox) {
            (MailboxAccess::Delegate, ..) => {
                states.values().next().map(|state| state.budget.clone())
            }
            // Public folders are opened by the owner of a mailbox: all that they do is one budget.
            (_, Some(public), Some(mailbox)) if self.acting(mailbox) == public.reader() => {
                let mut all = states.iter();
                let same = all.find(|(other, _)| {
                    other.as_ref().map(|other| self.acting(other)) == Some(public.reader())
                });
                same.map(|(_, state)| state.budget.clone())
            }
            _ => None,
        };
        let state = Arc::new(MailboxState {
            budget: shared.unwrap_or_else(|| Arc::new(self.new_budget())),
            counters: Counters::default(),
            cookies: Mutex::default(),
            lookahead: Lookahead::default(),
            exports: Lookahead::default(),
            unmarked: Mutex::default(),
        });
        states.insert(mailbox.cloned(), state.clone());
        state
    }

    /// Who acts in a call about this mailbox: its owner, or the one who opens public folders.
    fn acting<'a>(&'a self, mailbox: &'a SourceMailboxId) -> &'a str {
        match &self.public {
            Some(public) if is_public(mailbox) => public.reader(),
            _ => mailbox.as_str(),
        }
    }

    fn new_budget(&self) -> Budget {
        // Exchange tells no numbers of calls; it says when it had enough.
        let limits = Limits {
            at_once: self.options.calls_per_mailbox.max(1),
            requests: u64::MAX,
            upload: u64::MAX,
            longest_wait: self.options.longest_wait,
            ..Limits::default()
        };
        Budget::new(self.clock.clone(), limits)
    }

    /// What was counted for a mailbox.
    pub(crate) fn metrics(&self, mailbox: Option<&SourceMailboxId>) -> SourceMetrics {
        let own = self.state(mailbox).counters.read();
        let is_all_public = mailbox.is_some_and(|mailbox| *mailbox == public_id());
        if !is_all_public {
            return own;
        }
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = states.iter().filter(|(other, _)| {
            other
                .as_ref()
                .is_some_and(|other| is_public(other) && Some(other) != mailbox)
        });
        parts.fold(own, |sum, (_, state)| {
            let part = state.counters.read();
            SourceMetrics {
                requests: sum.requests + part.requests,
                throttles: sum.throttles + part.throttles,
                retries: sum.retries + part.retries,
                bytes_received: sum.bytes_received + part.bytes_received,
            }
        })
    }

    /// Until when a mailbox is left alone, if it is.
    pub(crate) fn throttled_until(&self, mailbox: &SourceMailboxId) -> Option<DateTime<Utc>> {
        let wait = self.state(Some(mailbox)).budget.blocked_for();
        (!wait.is_zero()).then(|| self.clock.now() + TimeDelta::from_std(wait).unwrap_or_default())
    }

    /// True when the server takes what came with Exchange 2013.
    pub(crate) fn is_2013(&self) -> bool {
        let version = VERSIONS.get(self.version.load(Ordering::Relaxed));
        version.is_some_and(|version| version.starts_with("Exchange2013"))
    }

    fn known_version(&self) -> std::sync::MutexGuard<'_, String> {
        self.server_version
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// What the server calls its version, for example `15.2.1748.10`; empty as long as it did not say.
    pub(crate) fn server_version(&self) -> String {
        self.known_version().clone()
    }

    /// Sends a call whose answer the caller reads.
    pub(crate) async fn open(&self, call: &Call<'_>) -> Result<Answer, SourceError> {
        let mut backoff = self.backoff(call);
        loop {
            match self.attempt(call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.again(call, &mut backoff, error).await?,
            }
        }
    }

    /// Sends a call and reads its messages, each with its own error. When all of them failed with
    /// what passes, the call is repeated as a whole.
    pub(crate) async fn all(
        &self,
        call: &Call<'_>,
    ) -> Result<Vec<Result<Element, SourceError>>, SourceError> {
        let mut backoff = self.backoff(call);
        loop {
            let error = match self.messages(call).await {
                Ok(messages) => match all_failed(&messages) {
                    None => return Ok(messages),
                    Some(error) => error,
                },
                Err(error) => error,
            };
            self.again(call, &mut backoff, error).await?;
        }
    }

    /// Sends a call that is answered by one message.
    pub(crate) async fn one(&self, call: &Call<'_>) -> Result<Element, SourceError> {
        let first = self.all(call).await?.into_iter().next();
        first.unwrap_or_else(|| Err(no_answer(call)))
    }

    async fn messages(
        &self,
        call: &Call<'_>,
    ) -> Result<Vec<Result<Element, SourceError>>, SourceError> {
        let mut answer = self.attempt(call).await?;
        let mut out = vec![];
        while let Some(reply) = answer.next().await? {
            if let Reply::Message(message) = reply {
                out.push(match message_error(call.operation, &message) {
                    Some(error) => Err(error),
                    None => Ok(message),
                });
            }
        }
        if out.is_empty() {
            return Err(no_answer(call));
        }
        Ok(out)
    }

    pub(crate) fn backoff(&self, call: &Call<'_>) -> Backoff {
        Backoff::new(call.attempts.unwrap_or(self.options.attempts))
    }

    /// Waits for the next attempt, or gives the error back.
    pub(crate) async fn again(
        &self,
        call: &Call<'_>,
        backoff: &mut Backoff,
        error: SourceError,
    ) -> Result<(), SourceError> {
        if error.code == WAIT_TOO_LONG || !(call.is_replayable || was_not_carried_out(&error)) {
            return Err(error);
        }
        let is_throttled = error.class == FailureClass::Throttled;
        let wait = backoff.next(error.clone(), &*self.rng)?;
        let state = self.state(call.mailbox);
        if wait > self.options.longest_wait {
            state.budget.block(wait);
            return Err(SourceError {
                retry_after: Some(wait),
                ..error
            });
        }
        state.counters.retry();
        tracing::debug!(
            operation = call.operation.name,
            code = error.code,
            request_id = error.request_id,
            wait_ms = wait.as_millis(),
            "trying again"
        );
        if is_throttled {
            // The next attempt waits in the budget, as does everybody else who shares it.
            state.budget.block(wait);
        } else {
            self.clock.sleep(wait).await;
        }
        Ok(())
    }

    /// One attempt; more only to find a schema version that the server knows.
    async fn attempt(&self, call: &Call<'_>) -> Result<Answer, SourceError> {
        let state = self.state(call.mailbox);
        let permit = state.budget.enter(1, 0).await;
        let permit = permit.map_err(|TooLong(wait)| SourceError {
            retry_after: Some(wait),
            ..call.operation.error(
                FailureClass::Throttled,
                WAIT_TOO_LONG,
                "the server asks for a longer pause than allowed",
            )
        })?;
        loop {
            let version = self.version.load(Ordering::Relaxed);
            let error = match self.exchange(call, &state, version).await {
                Ok(reader) => {
                    return Ok(Answer {
                        reader,
                        _permit: permit,
                    });
                }
                Err(error) => error,
            };
            let is_unknown = matches!(
                error.code.as_str(),
                "ErrorInvalidServerVersion" | "ErrorIncorrectSchemaVersion"
            );
            if is_unknown && version + 1 < VERSIONS.len() {
                // Another call may have found out already.
                let _ = self.version.compare_exchange(
                    version,
                    version + 1,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                continue;
            }
            if error.class == FailureClass::Throttled {
                state.counters.throttle();
            }
            return Err(error);
        }
    }

    async fn exchange(
        &self,
        call: &Call<'_>,
        state: &Arc<MailboxState>,
        version: usize,
    ) -> Result<AnswerReader, SourceError> {
        let mut headers = vec![];
        if let Some(mailbox) = call.mailbox {
            let mut header = |name: &'static str, value: &str| {
                if let Ok(value) = HeaderValue::try_from(value) {
                    headers.push((HeaderName::from_static(name), value));
                }
            };
            match &self.public {
                Some(public) if is_public(mailbox) => {
                    let route = public.route(mailbox).await?;
                    header("x-anchormailbox", &route.anchor);
                    header("x-publicfoldermailbox", &route.mailbox);
                }
                _ => header("x-anchormailbox", mailbox.as_str()),
            }
            headers.push((
                HeaderName::from_static("x-preferserveraffinity"),
                HeaderValue::from_static("True"),
            ));
        }
        let cookie = self.cookies(state).header();
        headers.extend(cookie.map(|value| (hyper::header::COOKIE, value)));
        state.counters.request();
        let acting = match self.access {
            MailboxAccess::Impersonation => call.mailbox.map(|mailbox| self.acting(mailbox)),
            MailboxAccess::Delegate => None,
        };
        let body = call.envelope(version, acting);
        let answer = self.wire.post(&headers, &body).await;
        let answer = answer.map_err(|error| SourceError {
            operation: call.operation.name.into(),
            ..error
        })?;
        self.cookies(state).keep(&answer.headers);
        self.read(call, state, answer).await
    }

    fn cookies<'a>(&self, state: &'a MailboxState) -> std::sync::MutexGuard<'a, Cookies> {
        state.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(
        &self,
        call: &Call<'_>,
        state: &Arc<MailboxState>,
        answer: WireAnswer,
    ) -> Result<AnswerReader, SourceError> {
        let text = |name: &str| {
            answer
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let request_id = text("request-id").map(str::to_owned);
        let is_xml = text("content-type").is_some_and(|kind| {
            let kind = kind.to_ascii_lowercase();
            kind.contains("xml") && !kind.contains("html")
        });
        if !is_xml || !matches!(answer.status, 200 | 500) {
            let wait = retry_after(&answer.headers, self.clock.now());
            return Err(SourceError {
                request_id,
                ..http_error(call.operation, answer.status, wait)
            });
        }
        let state = state.clone();
        let counted = stream::unfold(answer.body.stream(), move |mut body| {
            let state = state.clone();
            async move {
                let chunk = futures::StreamExt::next(&mut body).await?;
                if let Ok(bytes) = &chunk {
                    state.counters.received(bytes.len());
                }
                Some((chunk, body))
            }
        });
        let mut reader = AnswerReader::new(
            Box::pin(counted),
            call.operation,
            request_id,
            call.leads_out,
        );
        reader.begin().await?;
        if let Some(version) = reader.server_version() {
            let mut known = self.known_version();
            if *known != version {
                *known = version;
            }
        }
        Ok(reader)
    }
}

/// The code of a wait that was refused.
pub(crate) const WAIT_TOO_LONG: &str = "wait_too_long";

/// The passing error of a call all of whose messages failed with one.
fn all_failed(messages: &[Result<Element, SourceError>]) -> Option<SourceError> {
    let is_passing = |message: &Result<Element, SourceError>| matches!(message, Err(error) if crate::retry::is_retryable(error.class));
    if !messages.iter().all(is_passing) {
        return None;
    }
    // The first one's cause stopped the others.
    messages
        .first()
        .and_then(|first| first.as_ref().err())
        .cloned()
}

/// True when the server surely did nothing.
fn was_not_carried_out(error: &SourceError) -> bool {
    error.class == FailureClass::Throttled
        || matches!(error.code.as_str(), "connect" | "connect_timeout" | "tls")
        || error.code.starts_with("ntlm_")
}

pub(crate) fn no_answer(call: &Call<'_>) -> SourceError {
    call.operation.error(
        FailureClass::Transient,
        "no_answer",
        "the answer holds no response message",
    )
}
