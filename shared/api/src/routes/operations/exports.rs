//! Exports: items are written into archives that can be downloaded for some days.

use chrono::{DateTime, Utc};
use mailkeep_engine::export::ExportFormat;
use mailkeep_engine::operation::{
    ExportAction, OperationAction, OperationKind, OperationRecord, OperationRequest,
};
use mailkeep_model::state::Vocabulary;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::answers::CommonBody;
use super::kind::{Asked, Kind, Route, Routes};
use super::requests::{SelectionBody, latest};
use crate::problem::Problem;

/// An export that is asked for.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewExport {
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
    /// The form of the files inside of the archives.
    #[serde(default)]
    format: FormatBody,
    /// For how many days it can be downloaded; then it is deleted.
    #[serde(default = "week")]
    #[schemars(range(min = 1, max = 30))]
    keep_days: u16,
    /// Why: for those who look at it later.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    purpose: String,
    /// The plan needs nobody to confirm it.
    #[serde(default)]
    is_confirmed: bool,
}

fn week() -> u16 {
    ExportAction::default().keep_days
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ExportFormat")]
enum FormatBody {
    /// One file per item, byte for byte what the source gave.
    #[default]
    Eml,
    /// One mbox (mboxrd) per folder.
    Mbox,
}

/// An export.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Export")]
pub(super) struct ExportBody {
    #[serde(flatten)]
    common: CommonBody,
    /// The form of the files inside of the archives.
    format: FormatBody,
    /// For how many days it can be downloaded.
    keep_days: u16,
    /// Files that are complete.
    parts: u32,
    /// Their size.
    part_bytes: u64,
    /// The files can be downloaded now.
    is_ready: bool,
    /// Until when they can; null before it is complete.
    ready_until: Option<DateTime<Utc>>,
}

/// Exports.
pub(super) struct Exports;

impl Kind for Exports {
    const KIND: OperationKind = OperationKind::Export;
    const ROUTES: Routes = Routes {
        list: Route(
            "/v1/exports",
            "listExports",
            "The exports that were asked for, newest first",
        ),
        create: Route(
            "/v1/exports",
            "createExport",
            "Asks for an export: its plan is made, and waits to be confirmed",
        ),
        get: Route(
            "/v1/exports/{export}",
            "getExport",
            "One export: its state, its plan in figures, and what was done so far",
        ),
        plan: Route(
            "/v1/exports/{export}/plan",
            "getExportPlan",
            "What an export would hold, folder by folder",
        ),
        problems: Route(
            "/v1/exports/{export}/problems",
            "listExportProblems",
            "The items that an export could not write",
        ),
        events: Route(
            "/v1/exports/{export}/events",
            "listExportEvents",
            "What happened to an export, newest first",
        ),
        confirm: Route(
            "/v1/exports/{export}/confirm",
            "confirmExport",
            "Confirms the plan of an export: it is carried out",
        ),
        cancel: Route(
            "/v1/exports/{export}/cancel",
            "cancelExport",
            "Cancels an export, or ends its time: its files are deleted",
        ),
        resume: Route(
            "/v1/exports/{export}/resume",
            "resumeExport",
            "Has an export go on that waited for somebody",
        ),
    };
    const ACTION: &'static str = "";
    type New = NewExport;
    type Body = ExportBody;

    fn asked(new: NewExport, storage: &str) -> Result<Asked, Problem> {
        let action = ExportAction {
            format: match new.format {
                FormatBody::Eml => ExportFormat::Eml,
                FormatBody::Mbox => ExportFormat::Mbox,
            },
            keep_days: new.keep_days,
        };
        Ok(Asked {
            request: OperationRequest {
                storage: storage.to_owned(),
                mailbox: new.mailbox,
                snapshot: new.snapshot,
                selection: new.selection.into_selection()?,
                action: OperationAction::Export(action),
            },
            purpose: new.purpose,
            is_confirmed: new.is_confirmed,
        })
    }

    fn shown(record: &OperationRecord) -> Option<ExportBody> {
        let OperationAction::Export(action) = &record.request.action else {
            return None;
        };
        Some(ExportBody {
            common: CommonBody::of(record, Vocabulary::Download),
            format: match action.format {
                ExportFormat::Eml => FormatBody::Eml,
                ExportFormat::Mbox => FormatBody::Mbox,
            },
            keep_days: action.keep_days,
            parts: record.parts,
            part_bytes: record.part_bytes,
            is_ready: record.state == mailkeep_model::state::State::LinkReady,
            ready_until: record.link_until,
        })
    }

    fn missing() -> Problem {
        Problem::not_found("no_such_export", "there is no such export")
    }
}
