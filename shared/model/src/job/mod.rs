//! Jobs as administrators define them, in a file or through the API.
//!
//! Reading a definition refuses unknown fields and values that cannot be read, each with its name.
//! [`JobDefinition::problems`] then finds everything that is wrong, all at once.

mod addresses;
mod hook;
mod idle;
mod name;
mod public_folders;
mod rule;
mod scope;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use addresses::{AddressList, MAX_ADDRESSES};
pub use hook::{Hook, HookFailure, HookKind, Hooks};
pub(crate) use hook::{is_loopback_host, is_safe_address};
pub use idle::IdleTime;
pub use name::{MAX_NAME, name_key};
pub use public_folders::{MAX_PUBLIC_FOLDERS, PublicFolderChoice, PublicFolders};
pub use rule::{Attribute, Rule};
pub use scope::{MAX_NAMED_MAILBOXES, Mailboxes, Scope};

use crate::filter::{FolderFilter, ItemFilter};
use crate::schedule::{ActivityPattern, Blackout, Schedule, Zone};
use crate::state::RetryPolicy;
use crate::{Extent, FieldErrors};

/// A backup job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JobDefinition {
    /// Name for people; unique among all jobs by its [`name_key`].
    pub name: String,
    /// One cycle, or one after another.
    #[serde(rename = "type", default)]
    pub kind: JobKind,
    /// Name of the connection to the source.
    pub connection: String,
    /// Name of the storage.
    pub storage: String,
    /// Pause from the end of a cycle to the start of the next, for continuous jobs; a minute when
    /// missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_time: Option<IdleTime>,
    /// What happens to a cycle that is not done when its activity period ends.
    #[serde(default)]
    pub on_window_end: WindowEnd,
    /// Whether the job is active as soon as it is made; when missing, exactly if it has a schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_on_create: Option<bool>,
    /// 1 is served first, 5 last.
    #[serde(default = "default_priority")]
    pub priority: u8,
    /// Most mailboxes at a time.
    #[serde(default = "default_mailboxes")]
    pub concurrent_mailboxes: u32,
    /// Most items at a time of each mailbox.
    #[serde(default = "default_items")]
    pub concurrent_items: u32,
    /// When it may work; without, it is started by a person only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<JobSchedule>,
    /// When it must not work.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blackouts: Vec<Blackout>,
    /// Which mailboxes.
    #[serde(default)]
    pub scope: Scope,
    /// Which folders.
    #[serde(default)]
    pub folders: FolderFilter,
    /// Which items.
    #[serde(default)]
    pub items: ItemFilter,
    /// What is taken beside the visible folders and the portable form of items.
    #[serde(default, skip_serializing_if = "Extent::is_usual")]
    pub extent: Extent,
    /// How changes are found.
    #[serde(default)]
    pub change_tracking: ChangeTracking,
    /// How failures are tried again.
    #[serde(default)]
    pub retry: RetryPolicy,
    /// What is called before and after.
    #[serde(default)]
    pub hooks: Hooks,
    /// Who is told.
    #[serde(default)]
    pub notifications: Notifications,
}

/// One cycle, or one after another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Many cycles, each after the idle time, inside of activity periods.
    #[default]
    Continuous,
    /// Exactly one cycle, over as many activity periods as it needs.
    OneTime,
}

/// What happens to a cycle that is not done when its activity period ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WindowEnd {
    /// It stops softly and goes on in the next period.
    #[default]
    Pause,
    /// It goes on to its end.
    Finish,
}

/// When a job may work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct JobSchedule {
    /// Switched off, the job is as one without schedule.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The time zone of the pattern.
    #[serde(default)]
    pub zone: Zone,
    /// The pattern.
    pub pattern: ActivityPattern,
}

/// How changes at the source are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ChangeTracking {
    /// The method.
    pub method: TrackingMethod,
    /// What happens to a mailbox for which Microsoft's method failed.
    pub on_failure: TrackingFailure,
}

/// A method of finding changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrackingMethod {
    /// Microsoft's lists of changes.
    #[default]
    Microsoft,
    /// Listing everything and comparing it with what is stored.
    Comparison,
    /// None: everything is read in each cycle. What is equal is not stored again.
    None,
}

/// What happens to a mailbox for which Microsoft's method failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrackingFailure {
    /// It is compared instead.
    #[default]
    Switch,
    /// It fails, and the job with it; other mailboxes go on.
    Fail,
}

/// Who is told what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Notifications {
    /// Addresses that get the report of each run, besides those that get all news.
    pub report_to: AddressList,
    /// The report may name mailboxes by their addresses; otherwise by their ids in the vault.
    pub name_mailboxes: bool,
}

fn default_priority() -> u8 {
    3
}

fn default_mailboxes() -> u32 {
    3
}

fn default_items() -> u32 {
    4
}

fn yes() -> bool {
    true
}

impl JobDefinition {
    /// A job over all mailboxes of a connection, with all settings as they are when left out.
    #[must_use]
    pub fn new(name: &str, connection: &str, storage: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: JobKind::default(),
            connection: connection.to_owned(),
            storage: storage.to_owned(),
            idle_time: None,
            on_window_end: WindowEnd::default(),
            start_on_create: None,
            priority: default_priority(),
            concurrent_mailboxes: default_mailboxes(),
            concurrent_items: default_items(),
            schedule: None,
            blackouts: vec![],
            scope: Scope::default(),
            folders: FolderFilter::default(),
            items: ItemFilter::default(),
            extent: Extent::default(),
            change_tracking: ChangeTracking::default(),
            retry: RetryPolicy::default(),
            hooks: Hooks::default(),
            notifications: Notifications::default(),
        }
    }

    /// Everything that is wrong with it, with the paths of the fields.
    #[must_use]
    pub fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        name::check(&self.name, &mut errors);
        for (field, text) in [("connection", &self.connection), ("storage", &self.storage)] {
            errors.require(!text.trim().is_empty(), field, "empty; name one");
        }
        errors.require(
            self.kind == JobKind::Continuous || self.idle_time.is_none(),
            "idle_time",
            "given for a one-time job; only continuous jobs have one",
        );
        check_range(&mut errors, "priority", self.priority.into(), 5);
        check_range(
            &mut errors,
            "concurrent_mailboxes",
            self.concurrent_mailboxes,
            1_000,
        );
        check_range(&mut errors, "concurrent_items", self.concurrent_items, 100);
        self.check_schedule(&mut errors);
        errors.add_part("scope", self.scope.problems());
        errors.add_part("folders", self.folders.problems());
        errors.add_part("items", self.items.problems());
        check_range(&mut errors, "retry.attempts", self.retry.attempts, 100);
        errors.require(
            self.retry.first_wait_seconds <= self.retry.longest_wait_seconds,
            "retry.first_wait_seconds",
            "more than longest_wait_seconds",
        );
        errors.add_part("hooks", self.hooks.problems());
        errors
    }

    fn check_schedule(&self, errors: &mut FieldErrors) {
        // A schedule that is switched off must be right, too: it can be switched on at any time.
        let (zone, pattern) = match &self.schedule {
            Some(schedule) => (schedule.zone, Some(&schedule.pattern)),
            None => (Zone::UTC, None),
        };
        let Err(found) = Schedule::new(zone, pattern, &self.blackouts) else {
            return;
        };
        for error in found.list() {
            let prefix = if error.field.starts_with("pattern") {
                "schedule."
            } else {
                ""
            };
            errors.add(format!("{prefix}{}", error.field), error.problem.clone());
        }
    }

    /// True when it starts by itself, inside of activity periods. Others are started by a person.
    #[must_use]
    pub fn is_scheduled(&self) -> bool {
        self.schedule
            .as_ref()
            .is_some_and(|schedule| schedule.enabled)
    }

    /// Whether it is active as soon as it is made.
    #[must_use]
    pub fn starts_on_create(&self) -> bool {
        self.start_on_create.unwrap_or_else(|| self.is_scheduled())
    }

    /// The pause between cycles; `None` for a job that has one cycle.
    #[must_use]
    pub fn pause(&self) -> Option<IdleTime> {
        match self.kind {
            JobKind::Continuous => Some(self.idle_time.unwrap_or_default()),
            JobKind::OneTime => None,
        }
    }

    /// When it may work, blackouts regarded. Without a schedule: always, once it was started.
    ///
    /// # Errors
    /// When the definition has [`problems`](Self::problems).
    pub fn activity(&self) -> Result<Schedule, FieldErrors> {
        let schedule = self.schedule.as_ref().filter(|schedule| schedule.enabled);
        let zone = schedule.map_or(Zone::UTC, |schedule| schedule.zone);
        Schedule::new(
            zone,
            schedule.map(|schedule| &schedule.pattern),
            &self.blackouts,
        )
    }
}

fn check_range(errors: &mut FieldErrors, field: &str, value: u32, most: u32) {
    errors.require(
        (1..=most).contains(&value),
        field,
        format!("{value} is out of range; use 1 to {most}"),
    );
}
