//! Item kinds and message classes that a job takes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{FieldErrors, ItemKind};

/// Most additional message classes of a job.
pub const MAX_CLASSES: usize = 100;

/// The kinds of items that a job takes; all unless switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Kinds {
    /// Mail, meeting messages, posts, and whatever else lies in mail folders.
    pub mail: bool,
    /// Calendar events.
    pub calendar: bool,
    /// Contacts and distribution lists.
    pub contacts: bool,
    /// Tasks.
    pub tasks: bool,
    /// Sticky notes.
    pub notes: bool,
    /// Journal entries.
    pub journal: bool,
}

impl Default for Kinds {
    fn default() -> Self {
        Self {
            mail: true,
            calendar: true,
            contacts: true,
            tasks: true,
            notes: true,
            journal: true,
        }
    }
}

impl Kinds {
    pub(super) fn contain(&self, kind: ItemKind) -> bool {
        match kind {
            ItemKind::Event => self.calendar,
            ItemKind::Contact | ItemKind::DistributionList => self.contacts,
            ItemKind::Task => self.tasks,
            ItemKind::Note => self.notes,
            ItemKind::Journal => self.journal,
            ItemKind::Message | ItemKind::MeetingMessage | ItemKind::Post | ItemKind::Other => {
                self.mail
            }
        }
    }

    pub(super) fn are_empty(&self) -> bool {
        *self
            == Self {
                mail: false,
                calendar: false,
                contacts: false,
                tasks: false,
                notes: false,
                journal: false,
            }
    }
}

/// A message class such as `IPM.Note`, with all classes below it (`IPM.Note.SMIME`). Case does not
/// matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct MessageClass(String);

impl MessageClass {
    /// True when the class of an item is this one or lies below it.
    #[must_use]
    pub fn covers(&self, class: &str) -> bool {
        let (head, rest) = class.split_at_checked(self.0.len()).unwrap_or(("", ""));
        head.eq_ignore_ascii_case(&self.0) && (rest.is_empty() || rest.starts_with('.'))
    }
}

impl fmt::Display for MessageClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for MessageClass {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_graphic());
        if text.len() <= 255 && text.split('.').all(is_part) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` is no message class; write one such as IPM.Note.Invoice"
            ))
        }
    }
}

impl TryFrom<String> for MessageClass {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<MessageClass> for String {
    fn from(class: MessageClass) -> Self {
        class.0
    }
}

/// Which message classes a job takes from among mail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Classes {
    /// Every class.
    #[default]
    All,
    /// The classes that mail programs themselves make, and these. A class covers those below it.
    BuiltInAnd(Vec<MessageClass>),
}

impl Classes {
    pub(super) fn contain(&self, kind: ItemKind, class: &str) -> bool {
        match (self, kind) {
            (Self::BuiltInAnd(more), ItemKind::Other) => more.iter().any(|one| one.covers(class)),
            // A kind is known by its class, which is built in then.
            _ => true,
        }
    }

    pub(super) fn check(&self, kinds: &Kinds, errors: &mut FieldErrors) {
        let Self::BuiltInAnd(classes) = self else {
            return;
        };
        errors.require(
            classes.is_empty() || kinds.mail,
            "classes",
            "named, though kinds.mail is off; they are classes of mail",
        );
        errors.require(
            classes.len() <= MAX_CLASSES,
            "classes",
            format!("more than {MAX_CLASSES}"),
        );
    }
}
