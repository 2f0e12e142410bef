//! What a mailbox is leased for.

use serde::{Deserialize, Serialize};

use crate::ledger::TaskKey;
use crate::operation::OperationId;

/// What a mailbox is leased for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum WorkKey {
    /// The task of a job.
    Task(TaskKey),
    /// An operation that somebody asked for.
    Operation {
        /// Which.
        operation: OperationId,
    },
}

impl PartialEq<TaskKey> for WorkKey {
    fn eq(&self, other: &TaskKey) -> bool {
        matches!(self, Self::Task(task) if task == other)
    }
}

impl PartialEq<OperationId> for WorkKey {
    fn eq(&self, other: &OperationId) -> bool {
        matches!(self, Self::Operation { operation } if operation == other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Leases of before are those of tasks.
    #[test]
    fn tasks_and_operations_are_told_apart_in_a_record() {
        let task = r#"{"run":{"job":"j","cycle":1},"name":"n"}"#;
        let operation = r#"{"operation":"o"}"#;
        for (text, is_task) in [(task, true), (operation, false)] {
            let key: WorkKey = serde_json::from_str(text).unwrap();
            assert_eq!(matches!(key, WorkKey::Task(_)), is_task);
            assert_eq!(serde_json::to_string(&key).unwrap(), text);
        }
        let key: WorkKey = serde_json::from_str(operation).unwrap();
        assert!(key == OperationId("o".into()) && key != OperationId("p".into()));
    }
}
