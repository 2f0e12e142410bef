//! What a queue's message says: which task, and which time it was handed out.

use serde::{Deserialize, Serialize};

use crate::ledger::{JobError, TaskKey};
use crate::operation::OperationMessage;

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

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The task of a job.
    Task(TaskMessage),
    /// An operation that somebody asked for.
    Operation(OperationMessage),
}

impl Message {
    /// Reads a message; `None` for one that is none of ours.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let task = TaskMessage::decode(text).map(Self::Task);
        task.or_else(|| OperationMessage::decode(text).map(Self::Operation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::JobId;
    use crate::operation::OperationId;

    #[test]
    fn messages_of_tasks_and_operations_are_told_apart() {
        let run = JobId("j".into()).run(3);
        let task = TaskMessage {
            task: run.task(&mailkeep_model::SourceMailboxId("m".into())),
            dispatch: 2,
        };
        let operation = OperationMessage {
            operation: OperationId("o".into()),
            dispatch: 2,
        };
        let text = operation.encode().unwrap();
        assert_eq!(text, r#"{"operation":"o","dispatch":2}"#);
        assert_eq!(Message::decode(&text), Some(Message::Operation(operation)));
        let text = task.encode().unwrap();
        assert_eq!(Message::decode(&text), Some(Message::Task(task)));
        for odd in ["", "{}", r#"{"operation":"o"}"#, r#"{"dispatch":2}"#] {
            assert_eq!(Message::decode(odd), None);
        }
    }
}
