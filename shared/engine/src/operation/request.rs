//! What somebody asks for.

use mailkeep_model::{FieldErrors, FolderPath};
use mailkeep_vault::{ItemFilter, ItemKey};
use serde::{Deserialize, Serialize};

use super::OperationId;
use crate::export::ExportFormat;
use crate::restore::{ConflictPolicy, Placement};
use crate::{EngineError, Selection};

/// Most items named one by one.
pub(super) const MAX_NAMED_ITEMS: usize = 5_000;
/// Most folders named.
pub(super) const MAX_NAMED_FOLDERS: usize = 500;
/// For how many days an export can be kept.
pub(super) const MAX_EXPORT_DAYS: u16 = 30;
/// Largest request, as JSON. Its record has more in it and 400,000 bytes at most.
const MAX_REQUEST_BYTES: usize = 150_000;
const MAX_TEXT_BYTES: usize = 1_000;
const MAX_FOLDER_NAME_BYTES: usize = 255;

/// What kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Items are written into a mailbox.
    Restore,
    /// Items are written into files that can be downloaded.
    Export,
}

/// What is to be restored or exported, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationRequest {
    /// The storage, by the name that jobs have for it.
    pub storage: String,
    /// The mailbox in its vault: address, id at the source, or id in the vault.
    pub mailbox: String,
    /// The restore point: `latest`, a run's id, a commit's number, or an RFC 3339 time.
    #[serde(default = "latest")]
    pub snapshot: String,
    /// Which items; all of them when nothing is said.
    #[serde(default)]
    pub selection: ItemSelection,
    /// What becomes of them.
    pub action: OperationAction,
}

fn latest() -> String {
    "latest".to_owned()
}

/// Which items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ItemSelection {
    /// Only in these folders and those below them; empty means all.
    pub folders: Vec<FolderPath>,
    /// Only these, by reference; empty means all.
    pub items: Vec<String>,
    /// Only those that fit. Its own `folders` stay empty.
    pub filter: ItemFilter,
}

/// What becomes of the items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum OperationAction {
    /// They are written into a mailbox.
    Restore(RestoreAction),
    /// They are written into files.
    Export(ExportAction),
}

/// How a restore is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestoreAction {
    /// The connection over which is written, by the name that jobs have for it.
    pub connection: String,
    /// The mailbox that is written to: address or id. Without one it is the mailbox that the items
    /// come from, which must be behind the connection.
    #[serde(default)]
    pub mailbox: Option<String>,
    /// Where in it.
    #[serde(default)]
    pub placement: Placement,
    /// What to do about items that are there.
    #[serde(default)]
    pub on_conflict: ConflictPolicy,
    /// Below this folder of the target instead of at the top; missing folders are created. For a new
    /// folder.
    #[serde(default)]
    pub below: FolderPath,
    /// Whether items are made from Exchange's own lossless form, where it was kept and the target
    /// takes it.
    #[serde(default = "yes")]
    pub use_export_streams: bool,
}

fn yes() -> bool {
    true
}

/// How an export is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExportAction {
    /// The form of the files inside of the archives.
    pub format: ExportFormat,
    /// For how many days they can be downloaded; then they are deleted.
    pub keep_days: u16,
}

impl Default for ExportAction {
    fn default() -> Self {
        Self {
            format: ExportFormat::default(),
            keep_days: 7,
        }
    }
}

/// A request, and who makes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewOperation {
    /// Makes it once only: a second time under the same id gives the operation that is there.
    pub id: Option<OperationId>,
    /// What.
    pub request: OperationRequest,
    /// Who asks.
    pub asked_by: String,
    /// Why, in the words of whoever asks.
    pub purpose: String,
    /// The plan needs nobody to confirm it.
    pub is_confirmed: bool,
}

impl OperationRequest {
    /// What kind of operation it is.
    #[must_use]
    pub fn kind(&self) -> OperationKind {
        match self.action {
            OperationAction::Restore(_) => OperationKind::Restore,
            OperationAction::Export(_) => OperationKind::Export,
        }
    }

    /// Checks everything that can be checked without the vault.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn check(&self) -> Result<(), FieldErrors> {
        let mut errors = FieldErrors::default();
        name(&mut errors, "storage", &self.storage);
        name(&mut errors, "mailbox", &self.mailbox);
        name(&mut errors, "snapshot", &self.snapshot);
        errors.add_part("selection", self.selection.problems());
        match &self.action {
            OperationAction::Restore(restore) => {
                name(&mut errors, "action.connection", &restore.connection);
                if let Some(mailbox) = &restore.mailbox {
                    name(&mut errors, "action.mailbox", mailbox);
                }
                if let Placement::NewFolder { name: Some(folder) } = &restore.placement {
                    let is_good = !folder.trim().is_empty()
                        && folder.len() <= MAX_FOLDER_NAME_BYTES
                        && !folder.chars().any(char::is_control);
                    let problem = "a folder's name has 1 to 255 bytes and no control characters";
                    errors.require(is_good, "action.placement.name", problem);
                }
            }
            OperationAction::Export(export) => errors.require(
                (1..=MAX_EXPORT_DAYS).contains(&export.keep_days),
                "action.keep_days",
                "an export is kept for 1 to 30 days",
            ),
        }
        let bytes = serde_json::to_vec(self).map_or(usize::MAX, |text| text.len());
        errors.require(
            bytes <= MAX_REQUEST_BYTES,
            "selection",
            "the request is too large; name folders or conditions instead of single items",
        );
        errors.into_result()
    }
}

fn name(errors: &mut FieldErrors, field: &str, text: &str) {
    let is_good = !text.trim().is_empty()
        && text.len() <= MAX_TEXT_BYTES
        && !text.chars().any(char::is_control);
    let problem = "must have 1 to 1,000 bytes and no control characters";
    errors.require(is_good, field, problem);
}

impl NewOperation {
    pub(super) fn check(&self) -> Result<(), FieldErrors> {
        let mut errors = match self.request.check() {
            Ok(()) => FieldErrors::default(),
            Err(errors) => errors,
        };
        name(&mut errors, "asked_by", &self.asked_by);
        let is_short = self.purpose.len() <= MAX_TEXT_BYTES;
        errors.require(is_short, "purpose", "has at most 1,000 bytes");
        if let Some(id) = &self.id {
            let problem = "an id has 26 letters and digits";
            errors.require(id.is_well_formed(), "id", problem);
        }
        errors.into_result()
    }
}

impl ItemSelection {
    fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        errors.require(
            self.folders.len() <= MAX_NAMED_FOLDERS,
            "folders",
            "name at most 500 folders",
        );
        let is_empty = |path: &FolderPath| path.0.is_empty() || path.0.iter().any(String::is_empty);
        errors.require(
            !self.folders.iter().any(is_empty),
            "folders",
            "a folder's path has the name of each folder on the way to it",
        );
        errors.require(
            self.items.len() <= MAX_NAMED_ITEMS,
            "items",
            "name at most 5,000 items; for more use folders or conditions",
        );
        for (at, item) in self.items.iter().enumerate() {
            if item.parse::<ItemKey>().is_err() {
                errors.add(format!("items[{at}]"), "is no item reference");
            }
        }
        let is_plain = self.folders.is_empty() && self.filter == ItemFilter::default();
        errors.require(
            self.items.is_empty() || is_plain,
            "items",
            "name the items already; leave folders and conditions away",
        );
        errors.require(
            self.filter.folders.is_none(),
            "filter.folders",
            "name folders by their paths, beside the filter",
        );
        errors
    }

    /// The same for the engine.
    ///
    /// # Errors
    /// When an item is named by what is no reference.
    pub fn selection(&self) -> Result<Selection, EngineError> {
        let key = |item: &String| {
            item.parse()
                .map_err(|_| EngineError::Invalid("an item's reference cannot be read".to_owned()))
        };
        Ok(Selection {
            folders: self.folders.clone(),
            items: self.items.iter().map(key).collect::<Result<_, _>>()?,
            filter: self.filter.clone(),
        })
    }
}
