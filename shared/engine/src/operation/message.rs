//! What a queue's message says about an operation.

use serde::{Deserialize, Serialize};

use super::OperationId;
use crate::ledger::JobError;

/// The message of one operation. It has the form of a task's message and names an operation instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationMessage {
    /// The operation.
    pub operation: OperationId,
    /// Which time it was handed out. Another number than the operation's own means an old message.
    pub dispatch: u32,
}

impl OperationMessage {
    /// The message's text.
    ///
    /// # Errors
    /// Never, as far as we know.
    pub fn encode(&self) -> Result<String, JobError> {
        serde_json::to_string(self).map_err(|error| JobError::Bug(error.to_string()))
    }

    /// Reads a message; `None` for one that is about no operation.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
