//! Names of operations, and where their records are.

use std::fmt;

use mailkeep_model::SourceMailboxId;
use mailkeep_ports::ItemKey;
use serde::{Deserialize, Serialize};

use crate::ledger::{JobError, keys_lease};

/// The partition of all operations.
pub(super) const OPERATIONS: &str = "operations";
pub(super) const RECORD: &str = "operation/";
pub(super) const DUE: &str = "due/";
pub(super) const EVENT: &str = "event/";
pub(super) const PART: &str = "part/";
/// What leases of operations that work on no mailbox have in place of a tenant.
const OWN_REALM: &str = "mailkeep operation";

/// An operation's id: 26 characters, ordered by when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub String);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn key(partition: impl Into<String>, sort: impl Into<String>) -> Result<ItemKey, JobError> {
    Ok(ItemKey::new(partition, sort)?)
}

impl OperationId {
    /// True for what can be the id of an operation, whether there is one or not.
    #[must_use]
    pub fn is_well_formed(&self) -> bool {
        self.0.len() == 26 && self.0.bytes().all(|byte| byte.is_ascii_alphanumeric())
    }

    pub(super) fn partition(&self) -> String {
        format!("operation/{}", self.0)
    }

    pub(super) fn record(&self) -> Result<ItemKey, JobError> {
        key(OPERATIONS, format!("{RECORD}{}", self.0))
    }

    /// The place in the list of what planners look at, ordered by when.
    pub(super) fn due(&self, at_millis: i64) -> Result<ItemKey, JobError> {
        key(
            OPERATIONS,
            format!("{DUE}{:015}/{}", at_millis.max(0), self.0),
        )
    }

    /// What [`due`](Self::due) made: when, and the operation.
    pub(super) fn of_due(sort: &str) -> Option<(i64, Self)> {
        let (at, id) = sort.strip_prefix(DUE)?.split_once('/')?;
        Some((at.parse().ok()?, Self(id.to_owned())))
    }

    pub(super) fn event(&self, millis: i64, cause: &str) -> Result<ItemKey, JobError> {
        key(self.partition(), format!("{EVENT}{millis:015}/{cause}"))
    }

    pub(super) fn part(&self, number: u32) -> Result<ItemKey, JobError> {
        key(self.partition(), format!("{PART}{number:010}"))
    }

    /// The folders of its plan.
    pub(super) fn plan(&self) -> Result<ItemKey, JobError> {
        key(self.partition(), "plan")
    }

    /// The items that failed.
    pub(super) fn problems(&self) -> Result<ItemKey, JobError> {
        key(self.partition(), "problems")
    }

    /// The lease of whoever works on an operation that writes to no mailbox.
    pub(super) fn own_lease(&self) -> Result<ItemKey, JobError> {
        keys_lease(OWN_REALM, &SourceMailboxId(self.0.clone()))
    }
}
