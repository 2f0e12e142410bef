//! One cycle of a job.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use mailkeep_model::news::{Figures, Happening};
use mailkeep_model::state::{Activity, End, Event, Reason, State, Tally};
use mailkeep_model::{Counters, RunId};
use mailkeep_ports::Write;
use serde::{Deserialize, Serialize};

use super::RunScope;
use crate::hooks::{RunHooks, failed_by};
use crate::job::StartRequest;
use crate::ledger::{EventRecord, JobError, JobEvent, RunKey};
use crate::news::{NewsEvent, ReportOrder, announce};

/// One cycle of a job: one pass over its scope, over as many activity periods as it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Which.
    pub key: RunKey,
    /// The definition that it works by, whatever is edited meanwhile.
    pub version: u32,
    /// Where it is.
    pub state: State,
    /// Counts the changes of state.
    pub steps: u32,
    /// When it was opened. Filters by age are cut off by this moment, on all workers alike.
    pub opened_at: DateTime<Utc>,
    /// When it was over.
    pub ended_at: Option<DateTime<Utc>>,
    /// Works outside of activity periods, too; never in blackouts.
    pub ignores_schedule: bool,
    /// Which mailboxes of the job's scope.
    pub scope: RunScope,
    /// How far the mailboxes in scope were listed.
    pub listing: Listing,
    /// Tasks that wait to be handed out.
    pub waiting: u64,
    /// Tasks that were handed out and did not come back.
    pub in_flight: u32,
    /// When a task was handed out last, or the run was opened.
    pub served_at: DateTime<Utc>,
    /// How the tasks that are over ended.
    pub tally: Tally,
    /// What they counted.
    pub counters: Counters,
    /// Since when it is at work without a break.
    #[serde(default)]
    pub running_since: Option<DateTime<Utc>>,
    /// How long it was at work before that.
    #[serde(default)]
    pub worked_ms: u64,
    /// How far its hooks are.
    #[serde(default, skip_serializing_if = "RunHooks::is_untouched")]
    pub hooks: RunHooks,
}

/// How far the mailboxes in scope were listed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    /// Where the next page starts; `None` before the first.
    pub cursor: Option<String>,
    /// All pages were read.
    pub is_done: bool,
    /// Of the mailboxes that the scope names one by one: the places of those that turned up.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub found: BTreeSet<u32>,
    /// Attempts at the next page that failed.
    #[serde(default)]
    pub failures: u32,
    /// The next attempt is not made before.
    #[serde(default)]
    pub not_before: Option<DateTime<Utc>>,
}

/// A cycle after a change of its state, with the event that explains it.
#[derive(Clone, Debug)]
pub struct StepOfRun {
    /// The cycle.
    pub run: RunRecord,
    /// The event.
    pub event: EventRecord,
    /// What names the event.
    pub cause: String,
}

impl StepOfRun {
    /// What announces the cycle's new state, if that is news. It belongs into the transaction that
    /// makes the step.
    pub(crate) fn news(&self, report: Option<ReportOrder>) -> Result<Option<Write>, JobError> {
        let Some(happening) = Happening::of(self.run.state, 0, 0) else {
            return Ok(None);
        };
        let event = NewsEvent {
            id: format!("{}-{}", self.event.job, self.cause),
            job: self.event.job.to_string(),
            job_name: self.event.name.clone(),
            run: Some(RunId(self.run.key.to_string())),
            at: self.event.at,
            happening,
            figures: Some(self.run.figures(self.event.at)),
            report,
        };
        Ok(Some(announce(&event)?))
    }
}

/// A cycle is one pass: it ends. That a continuous job begins another one is a matter of the job.
const ACTIVITY: Activity = Activity::OneTimeBackup;

impl RunRecord {
    /// A new cycle.
    #[must_use]
    pub fn new(key: RunKey, version: u32, now: DateTime<Utc>) -> Self {
        Self {
            key,
            version,
            state: State::Queued,
            steps: 0,
            opened_at: now,
            ended_at: None,
            ignores_schedule: false,
            scope: RunScope::All,
            listing: Listing::default(),
            waiting: 0,
            in_flight: 0,
            served_at: now,
            tally: Tally::default(),
            counters: Counters::default(),
            running_since: None,
            worked_ms: 0,
            hooks: RunHooks::default(),
        }
    }

    /// What it did up to `now`, in figures.
    #[must_use]
    pub fn figures(&self, now: DateTime<Utc>) -> Figures {
        let time = self.ended_at.unwrap_or(now) - self.opened_at;
        Figures {
            mailboxes: self.tally.tasks(),
            mailboxes_failed: self.tally.failed(),
            items_scanned: self.counters.items_scanned,
            items_stored: self.counters.items_stored,
            items_failed: self.counters.items_failed,
            bytes_read: self.counters.bytes_read,
            bytes_stored: self.counters.bytes_stored,
            seconds: u64::try_from(time.num_seconds()).unwrap_or_default(),
            ..Figures::default()
        }
    }

    /// The event of a new cycle.
    pub(crate) fn opening(&self, name: &str) -> (EventRecord, String) {
        self.event(None, self.opened_at, name)
    }

    fn event(&self, from: Option<State>, at: DateTime<Utc>, name: &str) -> (EventRecord, String) {
        let event = EventRecord {
            at,
            job: self.key.job.clone(),
            name: name.to_owned(),
            cycle: Some(self.key.cycle),
            event: JobEvent::RunState {
                from,
                to: self.state,
            },
        };
        (event, format!("run-{}-{:06}", self.key.cycle, self.steps))
    }

    /// The cycle after something happened to it.
    ///
    /// # Errors
    /// When that cannot happen in its state: our bug.
    pub(crate) fn step(
        &self,
        event: Event,
        now: DateTime<Utc>,
        name: &str,
    ) -> Result<StepOfRun, JobError> {
        let mut run = self.clone();
        run.state = self.state.after(ACTIVITY, event)?;
        run.steps += 1;
        let is_at_work = |state| matches!(state, State::Running | State::Stopping);
        match (run.running_since, is_at_work(run.state)) {
            (Some(_), false) => {
                run.worked_ms = u64::try_from(self.worked(now).as_millis()).unwrap_or(u64::MAX);
                run.running_since = None;
            }
            (None, true) => run.running_since = Some(now),
            _ => {}
        }
        if run.state.is_terminal() {
            run.ended_at = Some(now);
        }
        let (event, cause) = run.event(Some(self.state), now, name);
        Ok(StepOfRun { run, event, cause })
    }

    /// The cycle after it was told to stop; `None` when it was told or is over.
    pub(crate) fn stopped(
        &self,
        now: DateTime<Utc>,
        name: &str,
    ) -> Result<Option<StepOfRun>, JobError> {
        if self.state.is_terminal() || self.state == State::Stopping {
            return Ok(None);
        }
        // Whether it is at work does not depend on its state alone: tasks may still be coming back
        // after an activity period ended. So it is always told to stop, and then found to be halted.
        let mut run = self.clone();
        if !matches!(self.state, State::Running | State::Retrying(_)) {
            run.state = State::Running;
        }
        let mut step = run.step(Event::Stop, now, name)?;
        if let JobEvent::RunState { from, .. } = &mut step.event.event {
            *from = Some(self.state);
        }
        Ok(Some(step))
    }

    /// The cycle after a person did what it waited for, or said that it is to go on at once; `None` when
    /// it did not wait.
    pub(crate) fn resumed(
        &self,
        request: &StartRequest,
        now: DateTime<Utc>,
        name: &str,
    ) -> Result<Option<StepOfRun>, JobError> {
        match self.state {
            State::OutOfWindow if request.ignores_schedule && request.scope == self.scope => {
                let mut run = self.clone();
                run.ignores_schedule = true;
                run.step(Event::WindowOpened, now, name).map(Some)
            }
            State::WaitingForPerson(_) => {
                let mut step = self.step(Event::Resume, now, name)?;
                step.run.listing.failures = 0;
                step.run.listing.not_before = None;
                Ok(Some(step))
            }
            _ => Ok(None),
        }
    }

    /// True when tasks may be handed out and worked on.
    #[must_use]
    pub fn may_work(&self) -> bool {
        matches!(
            self.state,
            State::Queued | State::Running | State::Retrying(_) | State::AttemptFailed(_)
        )
    }

    /// True when there is nothing left to do.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.listing.is_done && self.waiting == 0 && self.in_flight == 0
    }

    /// What ends it when hooks are regarded: one that fails the job changes the end.
    pub(crate) fn ending(&self, event: Event) -> Event {
        let own = match event {
            Event::Finish(end) => Some(end),
            Event::Halted => None,
            other => return other,
        };
        match self.hooks.failure() {
            Some(reason) => Event::Finish(failed_by(own, reason)),
            None => event,
        }
    }

    /// The cycle after a hook that nobody waited for failed it; `None` when that changes nothing, or
    /// is dealt with when the cycle ends.
    pub(crate) fn failed_late(
        &self,
        reason: Reason,
        now: DateTime<Utc>,
        name: &str,
    ) -> Option<StepOfRun> {
        let own = match self.state {
            State::Ended(end) => Some(end),
            State::Stopped => None,
            _ => return None,
        };
        let end = failed_by(own, reason);
        if own == Some(end) {
            return None;
        }
        let mut run = self.clone();
        run.state = State::Ended(end);
        run.steps += 1;
        let (event, cause) = run.event(Some(self.state), now, name);
        Some(StepOfRun { run, event, cause })
    }

    /// How it ends when nothing is left to do.
    pub(crate) fn end(&self) -> End {
        self.tally.end().unwrap_or(End::Partial(Reason::Stopped))
    }
}
