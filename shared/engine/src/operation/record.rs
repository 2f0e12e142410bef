//! What is kept of an operation.

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_model::state::{Activity, Event, Reason, State, Vocabulary, words};
use serde::{Deserialize, Serialize};

use super::{OperationAction, OperationId, OperationKind, OperationRequest};
use crate::cursor::Cursor;
use crate::ledger::JobError;
use crate::restore::{ItemProblem, PlannedFolder};

/// For how long an operation is kept that waits for somebody, or is over.
const KEPT: TimeDelta = TimeDelta::days(35);
/// For how long one is kept that did not go well.
const KEPT_TROUBLE: TimeDelta = TimeDelta::days(400);

/// Where an operation is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is being planned.
    Plan,
    /// It is planned, and waits for somebody to confirm it.
    Confirm,
    /// It is being carried out, or over.
    Work,
}

/// An operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationRecord {
    /// Id.
    pub id: OperationId,
    /// What was asked for.
    pub request: OperationRequest,
    /// Who asked.
    pub asked_by: String,
    /// Why, in the words of whoever asked.
    pub purpose: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// The plan needs nobody to confirm it.
    pub confirms_itself: bool,
    /// Where it is on its way.
    pub phase: Phase,
    /// What it does there.
    pub state: State,
    /// Who confirmed the plan.
    pub confirmed: Option<Act>,
    /// Who cancelled it.
    pub cancelled: Option<Act>,
    /// What the plan found behind the names of the request; it does not change afterwards.
    pub pinned: Option<Pinned>,
    /// The plan in figures.
    pub plan: Option<OperationPlan>,
    /// What was done so far.
    pub counts: OperationCounts,
    /// Where to go on.
    pub cursor: Option<Cursor>,
    /// Parts of an export that are complete.
    pub parts: u32,
    /// The size of those parts.
    pub part_bytes: u64,
    /// The last failure in words. Holds no address and no subject.
    pub message: String,
    /// How often it was handed out. A message with another number is an old one.
    pub dispatch: u32,
    /// It was handed out and did not come back.
    pub is_out: bool,
    /// When it was handed out, or the message was sent again.
    pub sent_at: Option<DateTime<Utc>>,
    /// How often work was begun since it was handed out: more than once means that workers were lost.
    pub starts: u32,
    /// Attempts in a row that failed without anything done.
    pub failures: u32,
    /// Somebody else works on the mailbox; said once for each time that it was handed out.
    pub was_held: bool,
    /// When a planner looks at it next.
    pub look_at: Option<DateTime<Utc>>,
    /// When carrying it out began.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was over. An export with a link is over; its files are deleted later.
    pub ended_at: Option<DateTime<Utc>>,
    /// Until when an export's files are kept.
    pub link_until: Option<DateTime<Utc>>,
    /// There may be files of it in the store of exports.
    pub has_files: bool,
}

/// Something that somebody did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Act {
    /// Who.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// What the names of a request mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// The mailbox's id in the vault.
    pub vault_mailbox: String,
    /// The commit that is restored from.
    pub sequence: u64,
    /// The mailbox that is written to, for a restore.
    pub target: Option<PinnedTarget>,
}

/// A mailbox that is written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedTarget {
    /// The tenant or server that the id is unique in.
    pub realm: String,
    /// Its id there.
    pub mailbox: String,
    /// The new folder at its top, if there is to be one.
    pub new_folder: Option<String>,
}

/// A plan in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationPlan {
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// Folders with something in them, or that are restored though they are empty.
    pub folders: u64,
    /// Folders that the target lacks.
    pub new_folders: u64,
    /// Items selected.
    pub items: u64,
    /// Their size.
    pub bytes: u64,
    /// Items that would be created.
    pub to_create: u64,
    /// Items that would be left alone, because the target holds them.
    pub to_skip: u64,
    /// Items that would take the place of others.
    pub to_replace: u64,
    /// Items that an earlier restore brought.
    pub already_there: u64,
    /// Items of kinds that the target cannot have; they will count as failed.
    #[serde(default)]
    pub not_restorable: u64,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperationCounts {
    /// Items dealt with in any way.
    pub items_done: u64,
    /// Items created or exported.
    pub created: u64,
    /// Existing items that were moved away after their replacement was complete.
    pub replaced: u64,
    /// Items left alone because the target holds them.
    pub skipped: u64,
    /// Items that were there already: from an earlier restore, or from a worker that was lost.
    pub already_there: u64,
    /// Items that failed.
    pub failed: u64,
    /// Items that came back without something that the target could not keep.
    pub with_losses: u64,
    /// Folders created.
    pub folders_created: u64,
    /// Bytes of content created or exported.
    pub bytes: u64,
}

/// The folders of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanDetails {
    /// As many as there is room for.
    pub folders: Vec<PlannedFolder>,
    /// Folders beyond those.
    pub more: u64,
}

/// The items that failed, or came back with a loss.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problems {
    /// As many as there is room for; the counts tell of all.
    pub problems: Vec<ItemProblem>,
}

/// One archive of an export, complete in itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportPart {
    /// From 1.
    pub number: u32,
    /// The object in the store of exports.
    pub key: String,
    /// The name of the file for whoever downloads it.
    pub file_name: String,
    /// Its size.
    pub size_bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// Items that end in it.
    pub items: u64,
}

impl OperationRecord {
    /// What kind of operation it is.
    #[must_use]
    pub fn kind(&self) -> OperationKind {
        self.request.kind()
    }

    fn activity(&self) -> Activity {
        match self.kind() {
            OperationKind::Restore => Activity::Restore,
            OperationKind::Export => Activity::Export,
        }
    }

    /// The words that lists show for its state.
    #[must_use]
    pub fn words(&self) -> &'static str {
        let vocabulary = match self.kind() {
            OperationKind::Restore => Vocabulary::Restore,
            OperationKind::Export => Vocabulary::Download,
        };
        words(vocabulary, self.state)
    }

    /// Why it is no plain success, with a code and what to do about it. An export that can be
    /// downloaded may lack items.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        let lacks = self.state == State::LinkReady && self.counts.failed > 0;
        self.state
            .reason()
            .or_else(|| lacks.then_some(Reason::SomeItems))
    }

    /// True when it was handed out with this number and did not come back.
    #[must_use]
    pub fn is_out(&self, dispatch: u32) -> bool {
        self.is_out && self.dispatch == dispatch && self.ended_at.is_none()
    }

    /// True when it waits for somebody to confirm its plan.
    #[must_use]
    pub fn waits_for_confirmation(&self) -> bool {
        self.phase == Phase::Confirm && matches!(self.state, State::WaitingForPerson(_))
    }

    pub(super) fn step(&mut self, event: Event) -> Result<(), JobError> {
        self.state = self.state.after(self.activity(), event)?;
        Ok(())
    }

    /// When the record stops to count; `None` while there is something to do about it.
    pub(super) fn expires_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.look_at.is_some() {
            return None;
        }
        match self.ended_at {
            Some(at) if self.went_well() => at.checked_add_signed(KEPT),
            Some(at) => at.checked_add_signed(KEPT_TROUBLE),
            // Waits for somebody.
            None => now.checked_add_signed(KEPT),
        }
    }

    fn went_well(&self) -> bool {
        let is_good = matches!(
            self.state,
            State::LinkReady | State::Expired | State::Ended(mailkeep_model::state::End::Completed)
        );
        is_good && self.counts.failed == 0
    }

    /// For how long an export is kept.
    pub(super) fn keep(&self) -> TimeDelta {
        match &self.request.action {
            OperationAction::Export(export) => TimeDelta::days(i64::from(export.keep_days)),
            OperationAction::Restore(_) => TimeDelta::zero(),
        }
    }
}
