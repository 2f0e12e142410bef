//! What a queue's message says: which task, and which time it was handed out.

use serde::{Deserialize, Serialize};

use crate::ledger::{JobError, TaskKey};

/// The message of one task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskMessage {
    /// The task.
    pub task: TaskKey,
    /// Which time it was handed out. Another number than the task's own means an old message.
    pub dispatch: u32,
}

impl TaskMessage {
    /// The message's text.
    ///
    /// # Errors
    /// Never, as far as we know.
    pub fn encode(&self) -> Result<String, JobError> {
        serde_json::to_string(self).map_err(|error| JobError::Bug(error.to_string()))
    }

    /// Reads a message; `None` for one that is none of ours.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}
