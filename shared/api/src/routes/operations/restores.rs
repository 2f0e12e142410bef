//! Restores: items are written into a mailbox.

use mailkeep_engine::operation::{
    OperationAction, OperationKind, OperationRecord, OperationRequest, RestoreAction,
};
use mailkeep_engine::restore::{ConflictPolicy, Placement};
use mailkeep_model::FolderPath;
use mailkeep_model::state::Vocabulary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answers::CommonBody;
use super::kind::{Asked, Kind, Route, Routes};
use super::requests::{SelectionBody, latest, yes};
use crate::problem::Problem;

/// A restore that is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRestore {
    /// The mailbox in the vault: its id, its address, or its id at the source.
    #[schemars(length(min = 1, max = 1000))]
    mailbox: String,
    /// A restore point: its number, a run's id, `latest`, or a time (RFC 3339): the last one that is
    /// not later.
    #[serde(default = "latest")]
    #[schemars(length(min = 1, max = 1000))]
    snapshot: String,
    /// Which items; all of them when nothing is said.
    #[serde(default)]
    selection: SelectionBody,
    /// Where they go.
    target: TargetBody,
    /// Why: for those who look at it later.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    purpose: String,
    /// The plan needs nobody to confirm it.
    #[serde(default)]
    is_confirmed: bool,
}

/// Where restored items go.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RestoreTarget")]
pub(super) struct TargetBody {
    /// The connection over which is written.
    #[schemars(length(min = 1, max = 1000))]
    connection: String,
    /// The mailbox that is written to: address or id. Without one it is the mailbox that the items
    /// come from, which must be behind the connection.
    #[serde(default)]
    #[schemars(length(min = 1, max = 1000))]
    mailbox: Option<String>,
    /// Where in it; a new folder named after the time unless said.
    #[serde(default)]
    placement: PlacementBody,
    /// The folder of the target that a new folder is made in, as its names from the top; missing ones
    /// are created.
    #[serde(default)]
    below: Vec<String>,
    /// What to do about items that are there.
    #[serde(default)]
    on_conflict: ConflictBody,
    /// Items are made from Exchange's own lossless form, where it was kept and the target takes it.
    #[serde(default = "yes")]
    use_export_streams: bool,
}

#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "RestorePlacement")]
enum PlacementBody {
    /// Below one folder at the top, with the original folders inside. The name of an earlier restore's
    /// folder goes on with that restore.
    NewFolder {
        /// Its name; made from the time unless given.
        #[serde(default)]
        #[schemars(length(min = 1, max = 255))]
        name: Option<String>,
    },
    /// Into the folders that the items came from; missing ones are created.
    Original,
}

impl Default for PlacementBody {
    fn default() -> Self {
        Self::NewFolder { name: None }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "OnConflict")]
enum ConflictBody {
    /// Leave the existing one alone and restore nothing.
    #[default]
    Skip,
    /// Restore beside it.
    Copy,
    /// Restore, and when the new one is complete, move the old one to Deleted Items.
    Replace,
}

impl From<TargetBody> for RestoreAction {
    fn from(body: TargetBody) -> Self {
        Self {
            connection: body.connection,
            mailbox: body.mailbox,
            placement: match body.placement {
                PlacementBody::NewFolder { name } => Placement::NewFolder { name },
                PlacementBody::Original => Placement::Original,
            },
            on_conflict: match body.on_conflict {
                ConflictBody::Skip => ConflictPolicy::Skip,
                ConflictBody::Copy => ConflictPolicy::Copy,
                ConflictBody::Replace => ConflictPolicy::Replace,
            },
            below: FolderPath(body.below),
            use_export_streams: body.use_export_streams,
        }
    }
}

impl TargetBody {
    fn of(action: &RestoreAction) -> Self {
        Self {
            connection: action.connection.clone(),
            mailbox: action.mailbox.clone(),
            placement: match &action.placement {
                Placement::NewFolder { name } => PlacementBody::NewFolder { name: name.clone() },
                Placement::Original => PlacementBody::Original,
            },
            below: action.below.0.clone(),
            on_conflict: match action.on_conflict {
                ConflictPolicy::Skip => ConflictBody::Skip,
                ConflictPolicy::Copy => ConflictBody::Copy,
                ConflictPolicy::Replace => ConflictBody::Replace,
            },
            use_export_streams: action.use_export_streams,
        }
    }
}

/// A restore.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Restore")]
pub(super) struct RestoreBody {
    #[serde(flatten)]
    common: CommonBody,
    /// Where items go, as it was asked for.
    target: TargetBody,
    /// Id of the mailbox that is written to; null until it is planned.
    target_id: Option<String>,
    /// The new folder at its top, if there is to be one; null until it is planned.
    new_folder: Option<String>,
}

/// Restores.
pub(super) struct Restores;

impl Kind for Restores {
    const KIND: OperationKind = OperationKind::Restore;
    const ROUTES: Routes = Routes {
        list: Route(
            "/v1/restores",
            "listRestores",
            "The restores that were asked for, newest first",
        ),
        create: Route(
            "/v1/restores",
            "createRestore",
            "Asks for a restore: its plan is made, and waits to be confirmed",
        ),
        get: Route(
            "/v1/restores/{restore}",
            "getRestore",
            "One restore: its state, its plan in figures, and what was done so far",
        ),
        plan: Route(
            "/v1/restores/{restore}/plan",
            "getRestorePlan",
            "What a restore would do, folder by folder",
        ),
        problems: Route(
            "/v1/restores/{restore}/problems",
            "listRestoreProblems",
            "The items that a restore could not write, or not whole",
        ),
        events: Route(
            "/v1/restores/{restore}/events",
            "listRestoreEvents",
            "What happened to a restore, newest first",
        ),
        confirm: Route(
            "/v1/restores/{restore}/confirm",
            "confirmRestore",
            "Confirms the plan of a restore: it is carried out",
        ),
        cancel: Route(
            "/v1/restores/{restore}/cancel",
            "cancelRestore",
            "Cancels a restore for good; what was written stays",
        ),
        resume: Route(
            "/v1/restores/{restore}/resume",
            "resumeRestore",
            "Has a restore go on that waited for somebody, for example for a new secret",
        ),
    };
    const ACTION: &'static str = "target";
    type New = NewRestore;
    type Body = RestoreBody;

    fn asked(new: NewRestore, storage: &str) -> Result<Asked, Problem> {
        Ok(Asked {
            request: OperationRequest {
                storage: storage.to_owned(),
                mailbox: new.mailbox,
                snapshot: new.snapshot,
                selection: new.selection.into_selection()?,
                action: OperationAction::Restore(new.target.into()),
            },
            purpose: new.purpose,
            is_confirmed: new.is_confirmed,
        })
    }

    fn shown(record: &OperationRecord) -> Option<RestoreBody> {
        let OperationAction::Restore(action) = &record.request.action else {
            return None;
        };
        let pinned = record.pinned.as_ref().and_then(|it| it.target.as_ref());
        Some(RestoreBody {
            common: CommonBody::of(record, Vocabulary::Restore),
            target: TargetBody::of(action),
            target_id: pinned.map(|pinned| pinned.mailbox.clone()),
            new_folder: pinned.and_then(|pinned| pinned.new_folder.clone()),
        })
    }

    fn missing() -> Problem {
        Problem::not_found("no_such_restore", "there is no such restore")
    }
}
