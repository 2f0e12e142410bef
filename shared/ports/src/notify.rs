//! Telling people and programs outside.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// Largest body of a message, for people or for programs.
pub const MAX_MESSAGE_BYTES: usize = 256 << 10;

/// Who is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Recipient {
    /// A mail address.
    Mail(String),
    /// A webhook, by its name in the settings.
    Webhook(String),
    /// A topic of Amazon SNS, by its name in the settings.
    Topic(String),
}

/// What is told, in a form for people and one for programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Stays the same however often it is delivered, so that a receiver can drop what it has: 1 to
    /// 100 characters of `A-Z a-z 0-9 . _ -`.
    pub id: String,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// One line for people.
    pub subject: String,
    /// Text for people.
    pub text: String,
    /// A JSON document for programs.
    pub json: String,
}

/// What went wrong, as far as the caller must tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotifyErrorKind {
    /// Told to come back later.
    Busy,
    /// No answer, or a broken one. The message may have been delivered.
    Unreachable,
    /// The other side does not let us in: credentials, permission, certificate.
    Denied,
    /// There is no such recipient.
    BadAddress,
    /// The message itself was refused, or the settings make no sense.
    Refused,
}

/// Why a message was not delivered. Holds no secret; the recipient is named by whoever knows it.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct NotifyError {
    /// What kind.
    pub kind: NotifyErrorKind,
    /// The cause and the next step in words, without secrets and addresses.
    pub cause: String,
    /// How long the other side asks to wait.
    pub retry_after: Option<Duration>,
}

impl NotifyError {
    /// An error.
    #[must_use]
    pub fn new(kind: NotifyErrorKind, cause: impl Into<String>) -> Self {
        Self {
            kind,
            cause: cause.into(),
            retry_after: None,
        }
    }

    /// True when the same message may get through later, without a person.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            NotifyErrorKind::Busy | NotifyErrorKind::Unreachable
        )
    }
}

/// A way to deliver messages.
///
/// Contract: `Ok` means that the other side took the message. `Unreachable` is *in doubt*: the
/// caller delivers again with the same id, and a receiver may see a message twice.
#[async_trait]
pub trait Notify: Send + Sync + 'static {
    /// Delivers one message to one recipient. Ends within a bounded time.
    ///
    /// # Errors
    /// See [`NotifyErrorKind`].
    async fn deliver(&self, to: &Recipient, message: &Message) -> Result<(), NotifyError>;
}

/// Keeps what is delivered, and fails as a test wants it.
#[derive(Default)]
pub struct MemoryNotify {
    state: Mutex<MemoryState>,
}

#[derive(Default)]
struct MemoryState {
    delivered: Vec<(Recipient, Message)>,
    failures: Vec<(Recipient, NotifyErrorKind, bool)>,
}

impl MemoryNotify {
    /// Nothing delivered yet, and nothing fails.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The next delivery to this recipient fails; with `arrives` the message gets there all the same.
    pub fn fail_next(&self, to: Recipient, kind: NotifyErrorKind, arrives: bool) {
        self.lock().failures.push((to, kind, arrives));
    }

    /// What was delivered, in order.
    #[must_use]
    pub fn delivered(&self) -> Vec<(Recipient, Message)> {
        self.lock().delivered.clone()
    }

    fn lock(&self) -> MutexGuard<'_, MemoryState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Notify for MemoryNotify {
    async fn deliver(&self, to: &Recipient, message: &Message) -> Result<(), NotifyError> {
        let mut state = self.lock();
        let failure = state.failures.iter().position(|(whom, ..)| whom == to);
        let failure = failure.map(|at| state.failures.remove(at));
        if failure.as_ref().is_none_or(|(.., arrives)| *arrives) {
            state.delivered.push((to.clone(), message.clone()));
        }
        match failure {
            Some((_, kind, _)) => Err(NotifyError::new(kind, "a test wants it so")),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{self, KnownRecipients, Mailroom};

    #[async_trait]
    impl Mailroom for MemoryNotify {
        async fn arrived(&self) -> Vec<String> {
            let all = self.delivered().into_iter();
            all.map(|(_, message)| message.json).collect()
        }
    }

    #[tokio::test]
    async fn keeps_the_contract() {
        let memory = MemoryNotify::new();
        let nobody = Recipient::Mail("nobody@contoso.example".to_owned());
        memory.fail_next(nobody.clone(), NotifyErrorKind::BadAddress, false);
        let known = KnownRecipients {
            good: Recipient::Webhook("ops".to_owned()),
            bad: vec![nobody],
            mailroom: &memory,
        };
        conformance::notify(&memory, &known).await.unwrap();
    }
}
