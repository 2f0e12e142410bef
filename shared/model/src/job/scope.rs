//! Which mailboxes a job backs up. Everything but a list of mailboxes is looked up anew in each
//! cycle, so that new ones join by themselves.

use serde::{Deserialize, Serialize};

use super::PublicFolders;
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

/// An attribute with a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The attribute.
    pub attribute: Attribute,
    /// Its value; case does not matter.
    pub equals: String,
}

/// An attribute that a directory keeps of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Attribute {
    Department,
    Company,
    Office,
    City,
    State,
    Country,
    UsageLocation,
    JobTitle,
    EmployeeType,
    ExtensionAttribute1,
    ExtensionAttribute2,
    ExtensionAttribute3,
    ExtensionAttribute4,
    ExtensionAttribute5,
    ExtensionAttribute6,
    ExtensionAttribute7,
    ExtensionAttribute8,
    ExtensionAttribute9,
    ExtensionAttribute10,
    ExtensionAttribute11,
    ExtensionAttribute12,
    ExtensionAttribute13,
    ExtensionAttribute14,
    ExtensionAttribute15,
}

impl Attribute {
    /// Its name in Entra. The fifteen `extensionAttribute…` are those that Exchange calls custom
    /// attributes.
    #[must_use]
    pub fn directory_name(self) -> &'static str {
        match self {
            Self::Department => "department",
            Self::Company => "companyName",
            Self::Office => "officeLocation",
            Self::City => "city",
            Self::State => "state",
            Self::Country => "country",
            Self::UsageLocation => "usageLocation",
            Self::JobTitle => "jobTitle",
            Self::EmployeeType => "employeeType",
            Self::ExtensionAttribute1 => "extensionAttribute1",
            Self::ExtensionAttribute2 => "extensionAttribute2",
            Self::ExtensionAttribute3 => "extensionAttribute3",
            Self::ExtensionAttribute4 => "extensionAttribute4",
            Self::ExtensionAttribute5 => "extensionAttribute5",
            Self::ExtensionAttribute6 => "extensionAttribute6",
            Self::ExtensionAttribute7 => "extensionAttribute7",
            Self::ExtensionAttribute8 => "extensionAttribute8",
            Self::ExtensionAttribute9 => "extensionAttribute9",
            Self::ExtensionAttribute10 => "extensionAttribute10",
            Self::ExtensionAttribute11 => "extensionAttribute11",
            Self::ExtensionAttribute12 => "extensionAttribute12",
            Self::ExtensionAttribute13 => "extensionAttribute13",
            Self::ExtensionAttribute14 => "extensionAttribute14",
            Self::ExtensionAttribute15 => "extensionAttribute15",
        }
    }

    /// True for the fifteen that are parts of one property of an account.
    #[must_use]
    pub fn is_extension(self) -> bool {
        self.directory_name().starts_with("extensionAttribute")
    }
}

impl Rule {
    /// True when an account with this value fits.
    #[must_use]
    pub fn fits(&self, value: &str) -> bool {
        value.trim().to_lowercase() == self.equals.trim().to_lowercase()
    }
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
            Mailboxes::Rule(rule) => errors.require(
                !rule.equals.trim().is_empty(),
                "mailboxes.rule.equals",
                "empty; give the value",
            ),
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
