//! Which of the listed mailboxes a cycle works on.

use std::collections::BTreeSet;

use mailkeep_model::job::{JobDefinition, Mailboxes};
use mailkeep_model::{MailboxKind, MailboxProfile};

use crate::run::RunScope;

/// Which mailboxes of a page are wanted.
pub(super) struct Wanted<'a> {
    definition: &'a JobDefinition,
    /// Named one by one: by the job, by the person who started the cycle, or both.
    by_job: Option<&'a [String]>,
    by_person: Option<&'a [String]>,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(scope: &'a RunScope, definition: &'a JobDefinition) -> Self {
        Self {
            definition,
            by_job: match &definition.scope.mailboxes {
                Mailboxes::Chosen(list) => Some(list),
                _ => None,
            },
            by_person: match scope {
                RunScope::Chosen(list) => Some(list),
                RunScope::All | RunScope::Failed => None,
            },
        }
    }

    /// The list whose names must all turn up.
    fn names(&self) -> &'a [String] {
        self.by_person.or(self.by_job).unwrap_or_default()
    }

    /// `None` for one that is not wanted; else its place among the names, if it is named.
    pub(super) fn place(&self, mailbox: &MailboxProfile) -> Option<Option<u32>> {
        let scope = &self.definition.scope;
        let named = |list: &[String]| list.iter().position(|name| is_named(mailbox, name));
        if named(&scope.exclude).is_some() {
            return None;
        }
        if mailbox.kind == MailboxKind::PublicFolders {
            scope.public_folders.as_ref()?;
            return match self.by_person {
                Some(list) => named(list).map(|place| u32::try_from(place).ok()),
                None => Some(None),
            };
        }
        let is_chosen = match self.by_job {
            Some(list) => named(list).is_some(),
            None => match mailbox.kind {
                MailboxKind::Shared => scope.shared,
                MailboxKind::Room => scope.rooms,
                MailboxKind::Equipment => scope.equipment,
                _ => scope.mailboxes != Mailboxes::None,
            },
        };
        if !is_chosen {
            return None;
        }
        match (self.by_person, self.by_job) {
            (Some(list), _) | (None, Some(list)) => {
                named(list).map(|place| u32::try_from(place).ok())
            }
            (None, None) => Some(None),
        }
    }

    pub(super) fn missing(&self, found: &BTreeSet<u32>) -> Vec<&'a str> {
        let names = self.names().iter().enumerate();
        names
            .filter(|(place, _)| u32::try_from(*place).is_ok_and(|place| !found.contains(&place)))
            .map(|(_, name)| name.as_str())
            .collect()
    }
}

/// Addresses are compared without regard to letter case; ids exactly.
fn is_named(mailbox: &MailboxProfile, name: &str) -> bool {
    let name = name.trim();
    mailbox.id.as_str() == name || mailbox.address.to_lowercase() == name.to_lowercase()
}
