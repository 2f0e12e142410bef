//! Which mailboxes a job backs up. Everything but a list of mailboxes is looked up anew in each
//! cycle, so that new ones join by themselves.

use serde::{Deserialize, Serialize};

use super::{PublicFolders, Rule};
use crate::FieldErrors;

/// Most mailboxes that a definition may name.
pub const MAX_NAMED_MAILBOXES: usize = 10_000;

/// Which mailboxes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Scope {
    /// The mailboxes to choose from.
    pub mailboxes: Mailboxes,
    /// But not these: addresses or ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Public folders beside the mailboxes; none when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_folders: Option<PublicFolders>,
    /// Also shared mailboxes.
    pub shared: bool,
    /// Also rooms.
    pub rooms: bool,
    /// Also equipment.
    pub equipment: bool,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            mailboxes: Mailboxes::All,
            exclude: vec![],
            public_folders: None,
            shared: true,
            rooms: true,
            equipment: true,
        }
    }
}

/// The mailboxes to choose from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Mailboxes {
    /// All of the connection.
    #[default]
    All,
    /// None: the job is about public folders only.
    None,
    /// These: addresses or ids.
    Chosen(Vec<String>),
    /// The members of a group, also those of groups inside it: its address, id or display name.
    Group(String),
    /// Those that a rule fits.
    Rule(Rule),
}

impl Scope {
    pub(super) fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        match &self.mailboxes {
            Mailboxes::All => {}
            Mailboxes::None => errors.require(
                self.public_folders.is_some(),
                "mailboxes",
                "none, and no public folders either; nothing would be backed up",
            ),
            Mailboxes::Chosen(list) => {
                errors.require(
                    !list.is_empty(),
                    "mailboxes.chosen",
                    "empty; name mailboxes",
                );
                check_list("mailboxes.chosen", list, &mut errors);
            }
            Mailboxes::Group(group) => errors.require(
                !group.trim().is_empty(),
                "mailboxes.group",
                "empty; name a group",
            ),
            Mailboxes::Rule(rule) => errors.add_part("mailboxes.rule", rule.problems()),
        }
        check_list("exclude", &self.exclude, &mut errors);
        if let Some(public_folders) = &self.public_folders {
            errors.add_part("public_folders", public_folders.problems());
        }
        errors
    }
}

fn check_list(field: &str, list: &[String], errors: &mut FieldErrors) {
    errors.require(
        list.len() <= MAX_NAMED_MAILBOXES,
        field,
        format!("more than {MAX_NAMED_MAILBOXES}; use a group"),
    );
    for (index, name) in list.iter().enumerate() {
        errors.require(
            !name.trim().is_empty(),
            &format!("{field}[{index}]"),
            "empty",
        );
    }
}
