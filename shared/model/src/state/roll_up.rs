//! From tasks to the run, from mailboxes to the job. Only counts decide, so that the order in which
//! tasks end makes no difference.

use serde::{Deserialize, Serialize};

use super::{End, Reason};
use crate::MailboxOutcome;

/// How the task of one mailbox ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskEnd {
    /// Everything is done.
    Complete,
    /// Done, but there is something to know: gaps, or another job that held the mailbox.
    Warning(Reason),
    /// Stopped before its end.
    Stopped,
    /// A part is done and the rest cannot be, for example because the target is full.
    Partial(Reason),
    /// Not done.
    Failed(Reason),
}

impl From<&MailboxOutcome> for TaskEnd {
    fn from(outcome: &MailboxOutcome) -> Self {
        match outcome {
            MailboxOutcome::Complete => Self::Complete,
            MailboxOutcome::WithGaps { .. } => Self::Warning(Reason::Gaps),
            MailboxOutcome::Stopped => Self::Stopped,
            MailboxOutcome::Failed { class, .. } => Self::Failed(Reason::Failure(*class)),
        }
    }
}

/// Counts of ended tasks, from which follows how the run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    tasks: u64,
    failed: u64,
    partial: Worst,
    failure: Worst,
    stopped: u64,
    warning: Worst,
    fails_run: bool,
}

/// The reason to show when there are several: the same whatever the order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Worst(Option<Reason>);

impl Worst {
    fn add(&mut self, other: Option<Reason>) {
        self.0 = match (self.0, other) {
            (Some(one), Some(two)) => Some(rank(one).min(rank(two)).1),
            (one, two) => one.or(two),
        };
    }
}

/// First what needs a person.
fn rank(reason: Reason) -> (bool, Reason) {
    (!reason.needs_person(), reason)
}

impl Tally {
    /// How many tasks were counted.
    #[must_use]
    pub fn tasks(&self) -> u64 {
        self.tasks
    }

    /// How many of them failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Counts a task.
    pub fn add(&mut self, end: TaskEnd) {
        self.tasks += 1;
        match end {
            TaskEnd::Complete => {}
            TaskEnd::Warning(reason) => self.warning.add(Some(reason)),
            TaskEnd::Stopped => self.stopped += 1,
            TaskEnd::Partial(reason) => self.partial.add(Some(reason)),
            TaskEnd::Failed(reason) => {
                self.failed += 1;
                self.failure.add(Some(reason));
                // The job is set to fail as a whole then, whatever became of the others.
                self.fails_run |= reason == Reason::ChangeTracking;
            }
        }
    }

    /// Adds the counts of others.
    pub fn merge(&mut self, other: &Self) {
        self.tasks += other.tasks;
        self.failed += other.failed;
        self.stopped += other.stopped;
        self.fails_run |= other.fails_run;
        self.partial.add(other.partial.0);
        self.failure.add(other.failure.0);
        self.warning.add(other.warning.0);
    }

    /// How the run ended; `None` when it was stopped.
    ///
    /// Failed when all tasks failed (or one, of a kind that fails the job); partial when some did;
    /// else stopped when a task was; else with warnings when there are any. A run without tasks has
    /// nothing in scope, which is a warning.
    #[must_use]
    pub fn end(&self) -> Option<End> {
        if self.tasks == 0 {
            return Some(End::CompletedWithWarnings(Reason::EmptyScope));
        }
        if self.fails_run {
            return Some(End::Failed(Reason::ChangeTracking));
        }
        let is_all = self.failed == self.tasks;
        match (self.failure.0, self.partial.0, self.warning.0) {
            (Some(reason), _, _) if is_all => Some(End::Failed(reason)),
            (Some(_), _, _) => Some(End::Partial(Reason::SomeMailboxes)),
            (None, Some(reason), _) => Some(End::Partial(reason)),
            _ if self.stopped > 0 => None,
            (None, None, Some(reason)) => Some(End::CompletedWithWarnings(reason)),
            (None, None, None) => Some(End::Completed),
        }
    }
}

impl FromIterator<TaskEnd> for Tally {
    fn from_iter<I: IntoIterator<Item = TaskEnd>>(ends: I) -> Self {
        let mut tally = Self::default();
        ends.into_iter().for_each(|end| tally.add(end));
        tally
    }
}

/// How a mailbox of a job fares, by its last task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MailboxHealth {
    /// Nothing to report, also when it was not its turn yet.
    Ok,
    /// There is something to know.
    Warning,
    /// It failed.
    Error,
}

impl From<TaskEnd> for MailboxHealth {
    fn from(end: TaskEnd) -> Self {
        match end {
            TaskEnd::Complete | TaskEnd::Stopped => Self::Ok,
            TaskEnd::Warning(_) | TaskEnd::Partial(_) => Self::Warning,
            TaskEnd::Failed(_) => Self::Error,
        }
    }
}

/// How a job fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// Switched off.
    Disabled,
    /// Active, nothing to report.
    Enabled,
    /// Active, at least one mailbox has a warning, or there is none in scope.
    EnabledWithWarning,
    /// Active, at least one mailbox failed.
    EnabledWithErrors,
    /// Active, and all mailboxes failed.
    Failed,
}

impl Health {
    /// The words for it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Disabled => "Disabled",
            Self::Enabled => "Enabled",
            Self::EnabledWithWarning => "Enabled With Warning",
            Self::EnabledWithErrors => "Enabled With Errors",
            Self::Failed => "Failed",
        }
    }
}

/// How a job fares, by its mailboxes.
#[must_use]
pub fn health(is_enabled: bool, mailboxes: impl IntoIterator<Item = MailboxHealth>) -> Health {
    let (mut all, mut warnings, mut errors) = (0_u64, 0_u64, 0_u64);
    for mailbox in mailboxes {
        all += 1;
        match mailbox {
            MailboxHealth::Ok => {}
            MailboxHealth::Warning => warnings += 1,
            MailboxHealth::Error => errors += 1,
        }
    }
    if !is_enabled {
        Health::Disabled
    } else if errors > 0 && errors == all {
        Health::Failed
    } else if errors > 0 {
        Health::EnabledWithErrors
    } else if warnings > 0 || all == 0 {
        Health::EnabledWithWarning
    } else {
        Health::Enabled
    }
}
