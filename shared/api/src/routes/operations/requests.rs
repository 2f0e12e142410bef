//! What restores and exports are asked for with.

use mailkeep_engine::operation::{ItemSelection, OperationError};
use mailkeep_model::{FieldErrors, FolderPath};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::problem::Problem;
use crate::routes::filter::FilterBody;
use crate::routes::mailboxes::LATEST;

pub(super) fn latest() -> String {
    LATEST.to_owned()
}

pub(super) fn yes() -> bool {
    true
}

/// Which items. Single items go with nothing else; folders and conditions go together.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ItemSelection")]
pub(super) struct SelectionBody {
    /// Only in these folders and those below them, each as its names from the top.
    #[schemars(length(max = 500))]
    folders: Vec<Vec<String>>,
    /// Only these, by their references (`id` of an item).
    #[schemars(length(max = 5000))]
    items: Vec<String>,
    /// Only those that fit.
    filter: FilterBody,
}

impl SelectionBody {
    pub(super) fn into_selection(self) -> Result<ItemSelection, Problem> {
        let filter = self.filter.into_filter();
        let filter = filter.map_err(|problem| problem.within("selection"))?;
        Ok(ItemSelection {
            folders: self.folders.into_iter().map(FolderPath).collect(),
            items: self.items,
            filter,
        })
    }
}

/// The same problem, with the fields called as in the request: the engine's `action` has another name there.
pub(super) fn problem_of(error: OperationError, action: &str) -> Problem {
    let OperationError::Invalid(errors) = &error else {
        return error.into();
    };
    let mut named = FieldErrors::default();
    for error in errors.list() {
        let field = match error.field.strip_prefix("action.") {
            Some(field) if action.is_empty() => field.to_owned(),
            Some(field) => format!("{action}.{field}"),
            None => error.field.clone(),
        };
        named.add(field, error.problem.clone());
    }
    Problem::invalid("invalid_field", &named)
}
