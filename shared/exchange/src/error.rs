//! Errors of a source or target.

use std::time::Duration;

use mailkeep_model::{FailureClass, ItemFailure};

/// A failed call. Holds no token, no address, no subject and no item content.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{operation}: {message} ({code})")]
pub struct SourceError {
    /// The class, which decides what to do.
    pub class: FailureClass,
    /// What was tried, for example `read message content`.
    pub operation: String,
    /// The service's own code, for example `ErrorCorruptData`, or `http_503`, `timeout`.
    pub code: String,
    /// The cause in words.
    pub message: String,
    /// The service's request id.
    pub request_id: Option<String>,
    /// How long the service asks to wait.
    pub retry_after: Option<Duration>,
}

impl SourceError {
    /// An error without request id and waiting time.
    #[must_use]
    pub fn new(
        class: FailureClass,
        operation: impl Into<String>,
        code: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            class,
            operation: operation.into(),
            code: code.into(),
            message: message.into(),
            request_id: None,
            retry_after: None,
        }
    }

    /// The part that the failed-item ledger keeps.
    #[must_use]
    pub fn item_failure(&self) -> ItemFailure {
        ItemFailure {
            class: self.class,
            code: self.code.clone(),
            request_id: self.request_id.clone(),
        }
    }
}
