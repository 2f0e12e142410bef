//! Which mailboxes of its scope one cycle of a job works on.

use serde::{Deserialize, Serialize};

/// Which mailboxes of a job's scope.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunScope {
    /// All.
    #[default]
    All,
    /// Those that failed the last time.
    Failed,
    /// These, by address or id.
    Chosen(Vec<String>),
}
