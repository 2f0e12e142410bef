//! What a restore will do, and what it did.

use std::collections::BTreeMap;

use mailkeep_model::FailureClass;
use serde::{Deserialize, Serialize};

/// One folder of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedFolder {
    /// Where the items were.
    pub from: String,
    /// Where they go.
    pub to: String,
    /// The target has no such folder yet.
    pub is_new: bool,
    /// Items selected.
    pub items: u64,
    /// Their size.
    pub bytes: u64,
    /// Items that an earlier, finished restore already brought.
    pub already_there: u64,
    /// Items that an unfinished restore left incomplete and that will be done again.
    pub unfinished: u64,
    /// Items that the target folder holds already, from elsewhere.
    pub conflicts: u64,
    /// Items of kinds that the target cannot have.
    pub not_restorable: u64,
}

/// What a restore would do. Nothing was written to make it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RestorePlan {
    /// The commit that is restored from.
    pub sequence: u64,
    /// The new folder at the top, if there is to be one.
    pub new_folder: Option<String>,
    /// Folder by folder.
    pub folders: Vec<PlannedFolder>,
}

impl RestorePlan {
    /// Items selected.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.folders.iter().map(|folder| folder.items).sum()
    }

    /// Bytes selected.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.folders.iter().map(|folder| folder.bytes).sum()
    }

    /// Items of kinds that the target cannot have.
    #[must_use]
    pub fn not_restorable(&self) -> u64 {
        self.folders
            .iter()
            .map(|folder| folder.not_restorable)
            .sum()
    }

    /// Items that are in conflict with what the target holds.
    #[must_use]
    pub fn conflicts(&self) -> u64 {
        self.folders.iter().map(|folder| folder.conflicts).sum()
    }
}

/// An item that failed, or that came back with a loss.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemProblem {
    /// The item's reference.
    pub item: String,
    /// The folder that it was in.
    pub folder: String,
    /// The class, for a failure; `None` for a loss.
    pub class: Option<FailureClass>,
    /// The service's or the vault's code.
    pub code: String,
    /// Words for a person.
    pub message: String,
}

/// How a restore or an export ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum RestoreOutcome {
    /// Everything was dealt with (single items may have failed: see the counts).
    #[default]
    Finished,
    /// Stopped by request; repeating it goes on.
    Stopped,
    /// Ended early.
    Failed {
        /// Why.
        class: FailureClass,
        /// The service's or the vault's code.
        code: String,
        /// Words for a person.
        message: String,
    },
}

/// What a restore did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RestoreSummary {
    /// The new folder at the top, if there is one. Giving it as the placement goes on with this
    /// restore.
    pub new_folder: Option<String>,
    /// Items created, the replacing ones included.
    pub restored: u64,
    /// Existing items that were moved to Deleted Items after their replacement was complete.
    pub replaced: u64,
    /// Items left alone because the target holds them.
    pub skipped: u64,
    /// Items that an earlier, finished restore had brought.
    pub already_there: u64,
    /// Items that failed.
    pub failed: u64,
    /// Those of them of kinds that the target cannot have, by kind.
    pub not_restorable: BTreeMap<String, u64>,
    /// Items that came back without something that the target could not keep.
    pub with_losses: u64,
    /// Folders created.
    pub folders_created: u64,
    /// Bytes of content of the items created.
    pub bytes: u64,
    /// The first 1,000 problems; the counts above tell of all.
    pub problems: Vec<ItemProblem>,
    /// How it ended.
    pub outcome: RestoreOutcome,
}

impl RestoreSummary {
    /// The process exit code: 0 all well, 1 ended early, 3 some items failed, 4 authentication.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match &self.outcome {
            RestoreOutcome::Failed { class, .. } if class.is_authentication() => 4,
            RestoreOutcome::Failed { .. } | RestoreOutcome::Stopped => 1,
            RestoreOutcome::Finished if self.failed > 0 => 3,
            RestoreOutcome::Finished => 0,
        }
    }
}
