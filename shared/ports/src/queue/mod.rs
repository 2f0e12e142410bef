//! A queue of small messages, delivered at least once: what hands tasks to workers. It fits SQS and
//! one SQLite file alike.
//!
//! A message that is received is hidden for a while and comes back unless it is acknowledged. One
//! that was received too often without that is a dead letter: set aside, looked at by people, and
//! brought back by [`Queue::redrive`].

mod fault;
mod memory;

use std::time::Duration;

use async_trait::async_trait;

pub use fault::FaultQueue;
pub use memory::MemoryQueue;

/// Most messages of one call.
pub const MAX_BATCH: usize = 10;

/// Largest message, and largest batch, in bytes of UTF-8.
pub const MAX_MESSAGE_BYTES: usize = 256 << 10;

/// Longest delay of a new message.
pub const MAX_DELAY: Duration = Duration::from_secs(900);

/// Longest time for which a received message is hidden.
pub const MAX_VISIBILITY: Duration = Duration::from_hours(12);

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Text without control characters other than tab and line ends.
    pub body: String,
    /// How long nobody receives it; at most [`MAX_DELAY`].
    pub delay: Duration,
}

impl Outgoing {
    /// A message to be received at once.
    #[must_use]
    pub fn now(body: impl Into<String>) -> Self {
        Self {
            body: body.into(),
            delay: Duration::ZERO,
        }
    }
}

/// Refuses a batch that exceeds the bounds, before anything is sent. For adapters.
///
/// # Errors
/// [`QueueErrorKind::TooLarge`] and [`QueueErrorKind::Invalid`].
pub fn check_batch(messages: &[Outgoing]) -> Result<(), QueueError> {
    let refused = |kind, cause: &str| Err(QueueError::new(kind, "send", cause));
    if messages.is_empty() || messages.len() > MAX_BATCH {
        return refused(QueueErrorKind::Invalid, "a batch has 1 to 10 messages");
    }
    if messages.iter().map(|m| m.body.len()).sum::<usize>() > MAX_MESSAGE_BYTES {
        return refused(
            QueueErrorKind::TooLarge,
            "the batch has more than 262,144 bytes",
        );
    }
    let is_text = |message: &Outgoing| {
        let is_odd = |c: char| {
            (c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
                || matches!(c, '\u{fffe}' | '\u{ffff}')
        };
        !message.body.is_empty() && !message.body.contains(is_odd)
    };
    if !messages.iter().all(is_text) {
        return refused(
            QueueErrorKind::Invalid,
            "a message is empty or has control characters",
        );
    }
    if messages.iter().any(|message| message.delay > MAX_DELAY) {
        return refused(
            QueueErrorKind::Invalid,
            "a delay is longer than 900 seconds",
        );
    }
    Ok(())
}

/// The right to a received message, until it comes back into sight.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt(pub String);

/// A message that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What was sent.
    pub body: String,
    /// To acknowledge it or to keep it hidden.
    pub receipt: Receipt,
    /// How often it was received, this time included, as far as the queue counts.
    pub receives: u32,
}

/// How many messages there are, roughly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Waiting to be received.
    pub ready: u64,
    /// Received, hidden and not acknowledged.
    pub in_flight: u64,
    /// Sent with a delay that is not over.
    pub delayed: u64,
    /// Dead letters.
    pub dead: u64,
}

/// What went wrong, as far as the caller must tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QueueErrorKind {
    /// The receipt is of no use any more: the message was acknowledged or came back into sight.
    Gone,
    /// Told to slow down.
    Busy,
    /// No permission.
    Denied,
    /// A message, a batch or the queue itself exceeds what is allowed.
    TooLarge,
    /// No answer, or a broken one. Any part of the call may have happened: in doubt.
    Unavailable,
    /// The request makes no sense: our bug or a wrong setting.
    Invalid,
}

/// An error of a queue: which call, what, why.
#[derive(Debug, thiserror::Error)]
#[error("queue, {call}: {cause}")]
pub struct QueueError {
    /// What kind.
    pub kind: QueueErrorKind,
    /// What was called.
    pub call: &'static str,
    /// The cause in words. Holds no secret and no message.
    pub cause: String,
    /// The underlying error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl QueueError {
    /// An error without an underlying one.
    #[must_use]
    pub fn new(kind: QueueErrorKind, call: &'static str, cause: impl Into<String>) -> Self {
        Self {
            kind,
            call,
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

/// A queue of messages.
///
/// Contract, held by the conformance suite:
/// * what was sent is received at least once, by one receiver at a time while it is hidden; it may be
///   received twice, late, and in any order;
/// * a message that was received and not acknowledged comes back when it is no longer hidden, until
///   it was received as often as the queue allows; then it is a dead letter;
/// * messages survive the end of the process where the adapter says so.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Sends 1 to [`MAX_BATCH`] messages.
    ///
    /// # Errors
    /// See [`QueueErrorKind`]; any of the messages may have been sent, so send all of them again.
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), QueueError>;

    /// Receives up to `most` messages, at most [`MAX_BATCH`], and hides them for `visibility`, at most
    /// [`MAX_VISIBILITY`]. Returns at once; no messages does not mean that there are none.
    ///
    /// # Errors
    /// See [`QueueErrorKind`].
    async fn receive(&self, most: usize, visibility: Duration)
    -> Result<Vec<Received>, QueueError>;

    /// Hides a received message for `visibility` from now; zero gives it back.
    ///
    /// # Errors
    /// `Gone` when it was acknowledged; an adapter that can tell also when somebody else received it.
    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError>;

    /// Removes a received message for good. Succeeds when it is removed already. With a receipt from
    /// before the message came back, it may or may not be removed.
    ///
    /// # Errors
    /// See [`QueueErrorKind`].
    async fn acknowledge(&self, receipt: &Receipt) -> Result<(), QueueError>;

    /// Looks at up to `most` dead letters, at most [`MAX_BATCH`], and hides them from further looks
    /// for `visibility`. They stay dead letters; their receipts serve to acknowledge them.
    ///
    /// # Errors
    /// See [`QueueErrorKind`].
    async fn dead_letters(
        &self,
        most: usize,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError>;

    /// Brings up to `most` dead letters that are not hidden back, as if they were new. Returns how
    /// many.
    ///
    /// # Errors
    /// See [`QueueErrorKind`].
    async fn redrive(&self, most: usize) -> Result<usize, QueueError>;

    /// How many messages there are.
    ///
    /// # Errors
    /// See [`QueueErrorKind`].
    async fn depth(&self) -> Result<Depth, QueueError>;
}
