//! What is told of restores and exports.

use chrono::{DateTime, Utc};
use mailkeep_engine::operation::{
    Act, ItemSelection, OperationCounts, OperationEventRecord, OperationPlan, OperationRecord,
    Phase, PlanDetails, Problems,
};
use mailkeep_engine::restore::{ItemProblem, PlannedFolder};
use mailkeep_model::state::Vocabulary;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::problem::Problem;
use crate::routes::bodies::StateBody;
use crate::routes::filter::FilterBody;

/// What restores and exports have in common.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct CommonBody {
    /// Its id.
    id: String,
    /// What it does.
    state: StateBody,
    /// Where it is on its way.
    phase: PhaseBody,
    /// Its plan is made and waits for somebody to confirm it.
    waits_for_confirmation: bool,
    /// The last failure in words; empty when there was none.
    message: String,
    /// The mailbox that items come from, as it was asked for.
    mailbox: String,
    /// The restore point, as its number; null until it is planned.
    snapshot: Option<u64>,
    /// Who asked for it.
    asked_by: String,
    /// Why.
    purpose: String,
    /// When.
    created_at: DateTime<Utc>,
    /// Who confirmed its plan.
    confirmed: Option<ActBody>,
    /// Who cancelled it.
    cancelled: Option<ActBody>,
    /// When work on it began.
    started_at: Option<DateTime<Utc>>,
    /// When it was over.
    ended_at: Option<DateTime<Utc>>,
    /// Its plan in figures; null until it is planned.
    plan: Option<FiguresBody>,
    /// What was done so far.
    done: CountsBody,
}

/// Where an operation is on its way.
#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Phase")]
enum PhaseBody {
    /// It is being planned.
    Plan,
    /// Its plan is to be confirmed.
    Confirm,
    /// It is being carried out, or over.
    Work,
}

/// Something that somebody did.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Act")]
struct ActBody {
    /// Who.
    by: String,
    /// When.
    at: DateTime<Utc>,
}

/// A plan in figures.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PlanFigures")]
struct FiguresBody {
    /// When it was made.
    made_at: DateTime<Utc>,
    /// Folders with something in them.
    folders: u64,
    /// Folders that the target lacks.
    new_folders: u64,
    /// Items selected.
    items: u64,
    /// Their size.
    bytes: u64,
    /// Items that would be created.
    to_create: u64,
    /// Items that would be left alone, because the target holds them.
    to_skip: u64,
    /// Items that would take the place of others.
    to_replace: u64,
    /// Items that an earlier restore brought.
    already_there: u64,
    /// Items of kinds that the target cannot have; they will count as failed.
    not_restorable: u64,
}

/// What was done.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DoneFigures")]
struct CountsBody {
    /// Items dealt with in any way.
    items: u64,
    /// Items created or exported.
    created: u64,
    /// Existing items that were moved away after their replacement was complete.
    replaced: u64,
    /// Items left alone because the target holds them.
    skipped: u64,
    /// Items that were there already.
    already_there: u64,
    /// Items that failed.
    failed: u64,
    /// Items that came back without something that the target could not keep.
    with_losses: u64,
    /// Folders created.
    folders_created: u64,
    /// Bytes of content created or exported.
    bytes: u64,
}

impl CommonBody {
    pub(super) fn of(record: &OperationRecord, vocabulary: Vocabulary) -> Self {
        let act = |act: &Option<Act>| act.as_ref().map(ActBody::of);
        Self {
            id: record.id.to_string(),
            state: StateBody::with(record.state, vocabulary, record.reason()),
            phase: match record.phase {
                Phase::Plan => PhaseBody::Plan,
                Phase::Confirm => PhaseBody::Confirm,
                Phase::Work => PhaseBody::Work,
            },
            waits_for_confirmation: record.waits_for_confirmation(),
            message: record.message.clone(),
            mailbox: record.request.mailbox.clone(),
            snapshot: record.pinned.as_ref().map(|pinned| pinned.sequence),
            asked_by: record.asked_by.clone(),
            purpose: record.purpose.clone(),
            created_at: record.created_at,
            confirmed: act(&record.confirmed),
            cancelled: act(&record.cancelled),
            started_at: record.started_at,
            ended_at: record.ended_at,
            plan: record.plan.as_ref().map(FiguresBody::of),
            done: CountsBody::of(&record.counts),
        }
    }
}

impl ActBody {
    fn of(act: &Act) -> Self {
        Self {
            by: act.by.clone(),
            at: act.at,
        }
    }
}

impl FiguresBody {
    fn of(plan: &OperationPlan) -> Self {
        Self {
            made_at: plan.made_at,
            folders: plan.folders,
            new_folders: plan.new_folders,
            items: plan.items,
            bytes: plan.bytes,
            to_create: plan.to_create,
            to_skip: plan.to_skip,
            to_replace: plan.to_replace,
            already_there: plan.already_there,
            not_restorable: plan.not_restorable,
        }
    }
}

impl CountsBody {
    fn of(counts: &OperationCounts) -> Self {
        Self {
            items: counts.items_done,
            created: counts.created,
            replaced: counts.replaced,
            skipped: counts.skipped,
            already_there: counts.already_there,
            failed: counts.failed,
            with_losses: counts.with_losses,
            folders_created: counts.folders_created,
            bytes: counts.bytes,
        }
    }
}

/// What an operation would do.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Plan")]
pub(super) struct PlanBody {
    /// It is made. Until then there are no folders.
    is_made: bool,
    /// Which items were asked for.
    selection: SelectedBody,
    /// Folder by folder, as far as there is room for them.
    folders: Vec<PlannedFolderBody>,
    /// Folders beyond those.
    more_folders: u64,
}

/// Which items were asked for.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SelectedItems")]
struct SelectedBody {
    /// Only in these folders and those below them; empty means all.
    folders: Vec<Vec<String>>,
    /// Only these, by their references; empty means all.
    items: Vec<String>,
    /// Only those that fit.
    filter: FilterBody,
}

/// One folder of a plan.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PlannedFolder")]
struct PlannedFolderBody {
    /// Where the items were.
    from: String,
    /// Where they go.
    to: String,
    /// The target has no such folder yet.
    is_new: bool,
    /// Items selected.
    items: u64,
    /// Their size.
    bytes: u64,
    /// Items that an earlier restore brought.
    already_there: u64,
    /// Items that an unfinished restore left incomplete and that will be done again.
    unfinished: u64,
    /// Items that the target folder holds already, from elsewhere.
    conflicts: u64,
    /// Items of kinds that the target cannot have.
    not_restorable: u64,
}

impl PlanBody {
    pub(super) fn of(record: OperationRecord, details: PlanDetails) -> Self {
        let ItemSelection {
            folders,
            items,
            filter,
        } = record.request.selection;
        Self {
            is_made: record.plan.is_some(),
            selection: SelectedBody {
                folders: folders.into_iter().map(|path| path.0).collect(),
                items,
                filter: FilterBody::of(filter),
            },
            folders: details
                .folders
                .into_iter()
                .map(PlannedFolderBody::of)
                .collect(),
            more_folders: details.more,
        }
    }
}

impl PlannedFolderBody {
    fn of(folder: PlannedFolder) -> Self {
        Self {
            from: folder.from,
            to: folder.to,
            is_new: folder.is_new,
            items: folder.items,
            bytes: folder.bytes,
            already_there: folder.already_there,
            unfinished: folder.unfinished,
            conflicts: folder.conflicts,
            not_restorable: folder.not_restorable,
        }
    }
}

/// The items that failed, or lost something.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problems")]
pub(super) struct ProblemsBody {
    /// How many failed altogether.
    failed: u64,
    /// How many lost something altogether.
    with_losses: u64,
    /// As many of them as are kept.
    problems: Vec<ItemProblemBody>,
}

/// An item that failed, or lost something.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ItemProblem")]
struct ItemProblemBody {
    /// Its reference.
    item: String,
    /// The folder that it was in.
    folder: String,
    /// It failed; otherwise it lost something.
    is_failed: bool,
    /// The service's or the vault's code.
    code: String,
    /// In words.
    message: String,
}

impl ProblemsBody {
    pub(super) fn of(record: &OperationRecord, problems: Problems) -> Self {
        let shown = |problem: ItemProblem| ItemProblemBody {
            item: problem.item,
            folder: problem.folder,
            is_failed: problem.class.is_some(),
            code: problem.code,
            message: problem.message,
        };
        Self {
            failed: record.counts.failed,
            with_losses: record.counts.with_losses,
            problems: problems.problems.into_iter().map(shown).collect(),
        }
    }
}

/// Something that happened to a restore or an export.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "OperationEvent")]
pub(super) struct EventBody {
    /// When.
    at: DateTime<Utc>,
    /// What.
    what: String,
    /// More, depending on what.
    details: Map<String, Value>,
}

impl EventBody {
    pub(super) fn of(record: &OperationEventRecord) -> Result<Self, Problem> {
        let wrong = || Problem::bug("an event cannot be shown");
        let event = serde_json::to_value(&record.event).map_err(|_| wrong())?;
        let Value::Object(mut details) = event else {
            return Err(wrong());
        };
        let what = details.remove("what");
        let what = what.as_ref().and_then(Value::as_str).ok_or_else(wrong)?;
        Ok(Self {
            at: record.at,
            what: what.to_owned(),
            details,
        })
    }
}
