//! Public folders that a job backs up.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::{FieldErrors, FolderPath};

/// Most public folders that a definition may name.
pub const MAX_PUBLIC_FOLDERS: usize = 10_000;

/// Which public folders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PublicFolders {
    /// All that the connection may see, those that will be made included.
    #[default]
    All,
    /// These.
    Chosen(Vec<PublicFolderChoice>),
}

/// A public folder that a person chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PublicFolderChoice {
    /// Its names from the top, with `/` between them and `\/` for one inside a name. Letter case does
    /// not matter.
    pub path: String,
    /// Also all folders below it, those that there are and those that will be.
    #[serde(default)]
    pub with_subfolders: bool,
}

impl PublicFolderChoice {
    /// The names from the top.
    #[must_use]
    pub fn names(&self) -> FolderPath {
        FolderPath::parse(&self.path)
    }
}

impl PublicFolders {
    pub(super) fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        let Self::Chosen(choices) = self else {
            return errors;
        };
        errors.require(
            !choices.is_empty(),
            "chosen",
            "empty; name public folders, or take all",
        );
        errors.require(
            choices.len() <= MAX_PUBLIC_FOLDERS,
            "chosen",
            format!("more than {MAX_PUBLIC_FOLDERS}; choose folders with their subfolders"),
        );
        let mut seen = HashSet::new();
        for (index, choice) in choices.iter().enumerate() {
            let names = choice.names();
            let field = format!("chosen[{index}].path");
            errors.require(!names.0.is_empty(), &field, "empty; name a public folder");
            let folded: Vec<String> = names.0.iter().map(|name| name.to_lowercase()).collect();
            errors.require(
                names.0.is_empty() || seen.insert(folded),
                &field,
                "named twice",
            );
        }
        errors
    }
}
