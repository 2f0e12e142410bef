//! Which items a job takes. A filter governs what is captured, never what is kept: an item that is
//! stored stays, whatever the filter says later.
//!
//! What is left out is remembered, because a source names an item only when it changes: a cycle asks
//! again about those whose time has come, and about all of them when the filter was edited.

mod age;
mod class;
mod folders;

#[cfg(test)]
mod folder_tests;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use age::{Age, AgeBasis, AgeFilter, AgeUnit, MAX_AGE, Occurrence};
pub use class::{Classes, Kinds, MAX_CLASSES, MessageClass};
pub use folders::{FolderChoice, FolderFilter, FolderRef, SpecialFolder};

use crate::schedule::{Blackout, MAX_BLACKOUTS};
use crate::{FieldErrors, FolderId, Item, ItemId, ItemKind, Sensitivity};

/// The rules by which a job takes items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ItemFilter {
    /// By age.
    pub age: AgeFilter,
    /// By which time mail is judged.
    pub age_basis: AgeBasis,
    /// All contacts, whatever their age.
    pub all_contacts: bool,
    /// By kind.
    pub kinds: Kinds,
    /// By message class.
    pub classes: Classes,
    /// Also mail and events that are marked private or confidential. (The mark personal does not
    /// matter.)
    pub sensitive_items: bool,
    /// Without mail received at these times.
    pub not_received_in: Vec<Blackout>,
}

/// What the filter needs to know of an item.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Kind.
    pub kind: ItemKind,
    /// Message class.
    pub class: &'a str,
    /// Sensitivity.
    pub sensitivity: Sensitivity,
    /// Last modified.
    pub modified_at: Option<DateTime<Utc>>,
    /// Received, else sent.
    pub received_at: Option<DateTime<Utc>>,
    /// When it takes place, if it is something that does.
    pub occurrence: Option<Occurrence>,
}

impl<'a> Facts<'a> {
    /// The facts of an item, with the time at which it takes place, if any.
    #[must_use]
    pub fn new(item: &'a Item, occurrence: Option<Occurrence>) -> Self {
        Self {
            kind: item.kind,
            class: &item.class,
            sensitivity: item.sensitivity,
            modified_at: item.modified_at,
            received_at: item.received_at.or(item.sent_at),
            occurrence,
        }
    }
}

/// What to do with an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Back it up.
    Take,
    /// Leave it out, and remember it.
    LeaveOut {
        /// Why.
        reason: Reason,
        /// When to ask again although nothing changed; `None` when only a change of the item or the
        /// filter can make a difference.
        recheck_at: Option<DateTime<Utc>>,
    },
}

/// Why an item is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its kind is switched off.
    Kind,
    /// Its message class is not listed.
    Class,
    /// It is private or confidential.
    Sensitive,
    /// It was received at an excluded time.
    ReceivedTime,
    /// It is not old enough yet.
    TooYoung,
    /// It is too old.
    TooOld,
    /// Its folder is not chosen, or excluded.
    Folder,
}

/// An item that a filter left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOutItem {
    /// The item at the source.
    pub item: ItemId,
    /// Its folder.
    pub folder: FolderId,
    /// Why.
    pub reason: Reason,
    /// When to ask again although nothing changed.
    pub recheck_at: Option<DateTime<Utc>>,
}

impl LeftOutItem {
    /// True when a cycle must ask again about it.
    #[must_use]
    pub fn is_due(&self, now: DateTime<Utc>, was_filter_edited: bool) -> bool {
        was_filter_edited || self.recheck_at.is_some_and(|at| at <= now)
    }
}

impl ItemFilter {
    /// What is wrong with it.
    #[must_use]
    pub fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        errors.require(
            !self.kinds.are_empty(),
            "kinds",
            "all off; leave at least one on",
        );
        self.classes.check(&self.kinds, &mut errors);
        errors.require(
            self.not_received_in.len() <= MAX_BLACKOUTS,
            "not_received_in",
            format!("more than {MAX_BLACKOUTS}"),
        );
        for (index, time) in self.not_received_in.iter().enumerate() {
            errors.add_part(&format!("not_received_in[{index}]"), time.problems());
        }
        errors
    }

    /// The filter of a cycle that began at `now`. All workers of a cycle use the same, so that they
    /// agree on every item.
    #[must_use]
    pub fn for_cycle(&self, now: DateTime<Utc>) -> CycleFilter<'_> {
        CycleFilter { filter: self, now }
    }
}

/// The filter of one cycle.
#[derive(Clone, Copy, Debug)]
pub struct CycleFilter<'a> {
    filter: &'a ItemFilter,
    now: DateTime<Utc>,
}

impl CycleFilter<'_> {
    /// The moment that separates old from young, for the record of the cycle.
    #[must_use]
    pub fn cut_off(&self) -> Option<DateTime<Utc>> {
        match self.filter.age {
            AgeFilter::All => None,
            AgeFilter::OlderThan(age) | AgeFilter::NotOlderThan(age) => Some(age.before(self.now)),
        }
    }

    /// What to do with an item.
    #[must_use]
    pub fn decide(&self, facts: &Facts<'_>) -> Decision {
        if let Some(reason) = self.reason_without_age(facts) {
            return Decision::LeaveOut {
                reason,
                recheck_at: None,
            };
        }
        let is_contact = matches!(facts.kind, ItemKind::Contact | ItemKind::DistributionList);
        if is_contact && self.filter.all_contacts {
            return Decision::Take;
        }
        age::decide(self.filter.age, self.filter.age_basis, self.now, facts)
    }

    fn reason_without_age(&self, facts: &Facts<'_>) -> Option<Reason> {
        let filter = self.filter;
        let may_be_sensitive = filter.sensitive_items
            || matches!(
                facts.kind,
                ItemKind::Contact | ItemKind::DistributionList | ItemKind::Task
            )
            || matches!(facts.kind, ItemKind::Note | ItemKind::Journal);
        let is_sensitive = matches!(
            facts.sensitivity,
            Sensitivity::Private | Sensitivity::Confidential
        );
        let is_mail = matches!(facts.kind, ItemKind::Message | ItemKind::MeetingMessage);
        let is_excluded_time = |at| filter.not_received_in.iter().any(|time| time.holds_at(at));
        if !filter.kinds.contain(facts.kind) {
            Some(Reason::Kind)
        } else if !filter.classes.contain(facts.kind, facts.class) {
            Some(Reason::Class)
        } else if is_sensitive && !may_be_sensitive {
            Some(Reason::Sensitive)
        } else if is_mail && facts.received_at.is_some_and(is_excluded_time) {
            Some(Reason::ReceivedTime)
        } else {
            None
        }
    }
}
