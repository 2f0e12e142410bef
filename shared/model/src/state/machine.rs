//! States, and the events that lead from one to another.

use serde::{Deserialize, Serialize};

use super::Reason;

/// What runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activity {
    /// A backup that has one cycle.
    OneTimeBackup,
    /// A backup that has one cycle after another.
    ContinuousBackup,
    /// A restore.
    Restore,
    /// An export that ends with a link.
    Export,
    /// A migration.
    Migration,
}

impl Activity {
    /// Every activity.
    pub const ALL: [Self; 5] = [
        Self::OneTimeBackup,
        Self::ContinuousBackup,
        Self::Restore,
        Self::Export,
        Self::Migration,
    ];
}

/// Where something that runs is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "reason")]
pub enum State {
    /// Waits for a worker.
    Queued,
    /// At work.
    Running,
    /// Between two cycles; how the last one ended.
    Idle(End),
    /// Waits for its activity period.
    OutOfWindow,
    /// An attempt failed; another one will follow.
    AttemptFailed(Reason),
    /// Trying again.
    Retrying(Reason),
    /// Can only go on when a person did something.
    WaitingForPerson(Reason),
    /// Told to stop; what is at work is being finished.
    Stopping,
    /// Stopped; can be started again.
    Stopped,
    /// At its end.
    Ended(End),
    /// Cancelled for good.
    Cancelled(CancelReason),
    /// An export's link can be used.
    LinkReady,
    /// An export's link can be used no longer.
    Expired,
}

/// How work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "end", content = "because")]
pub enum End {
    /// Everything done.
    Completed,
    /// Done, but there is something to know.
    CompletedWithWarnings(Reason),
    /// A part is done.
    Partial(Reason),
    /// Not done.
    Failed(Reason),
}

impl End {
    /// Why it is not a plain success.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Completed => None,
            Self::CompletedWithWarnings(reason) | Self::Partial(reason) | Self::Failed(reason) => {
                Some(reason)
            }
        }
    }
}

/// Why something was cancelled for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    /// A person wanted it.
    Person,
    /// Tried as often as allowed.
    RetryLimit,
    /// The activity period ended.
    Window,
    /// A newer run took its place.
    Superseded,
}

/// What happens to something that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A worker took it, or the idle time is over.
    Start,
    /// All is done that could be done.
    Finish(End),
    /// An attempt failed in a way that may pass.
    AttemptFailed(Reason),
    /// The wait before another attempt is over.
    Retry,
    /// The attempt succeeded.
    Recovered,
    /// It cannot go on without a person.
    NeedPerson(Reason),
    /// A person did what was needed.
    Resume,
    /// The activity period ended.
    WindowClosed,
    /// An activity period began.
    WindowOpened,
    /// Stop, so that it can be started again.
    Stop,
    /// Nothing is at work any more.
    Halted,
    /// End it for good.
    Cancel(CancelReason),
    /// The link's time is over.
    Expire,
}

/// An event that cannot happen in a state: a bug of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("bug: a {activity:?} in the state {state:?} cannot meet {event:?}")]
pub struct IllegalStep {
    /// What runs.
    pub activity: Activity,
    /// Where it is.
    pub state: State,
    /// What happened.
    pub event: Event,
}

impl State {
    /// The state after an event.
    ///
    /// # Errors
    /// When the event cannot happen in this state.
    pub fn after(self, activity: Activity, event: Event) -> Result<Self, IllegalStep> {
        self.common(event)
            .or_else(|| self.at_work(activity, event))
            .or_else(|| self.waiting(activity, event))
            .ok_or(IllegalStep {
                activity,
                state: self,
                event,
            })
    }

    /// What can happen wherever it is not over.
    fn common(self, event: Event) -> Option<Self> {
        if self.is_terminal() || self == Self::LinkReady {
            return (self == Self::LinkReady && event == Event::Expire).then_some(Self::Expired);
        }
        match event {
            Event::Cancel(reason) => Some(Self::Cancelled(reason)),
            // The reason to wait stays; the period will be regarded when the person acted.
            Event::WindowClosed if matches!(self, Self::WaitingForPerson(_)) => Some(self),
            Event::WindowClosed if self == Self::Stopping => Some(self),
            Event::WindowClosed => Some(Self::OutOfWindow),
            Event::Stop if matches!(self, Self::Running | Self::Retrying(_) | Self::Stopping) => {
                Some(Self::Stopping)
            }
            Event::Stop => Some(Self::Stopped),
            _ => None,
        }
    }

    fn at_work(self, activity: Activity, event: Event) -> Option<Self> {
        match (self, event) {
            (Self::Running, Event::Finish(end)) => Some(match (activity, end) {
                (Activity::ContinuousBackup, end) => Self::Idle(end),
                (Activity::Export, End::Completed) => Self::LinkReady,
                (_, end) => Self::Ended(end),
            }),
            // What was at work turned out to be all there was.
            (Self::Stopping, Event::Finish(end)) => Some(match activity {
                Activity::ContinuousBackup => Self::Stopped,
                Activity::Export if end == End::Completed => Self::LinkReady,
                _ => Self::Ended(end),
            }),
            (Self::Stopping, Event::Halted) => Some(Self::Stopped),
            (Self::Queued | Self::Running | Self::Retrying(_), Event::AttemptFailed(reason)) => {
                Some(Self::AttemptFailed(reason))
            }
            (
                Self::Queued | Self::Running | Self::Retrying(_) | Self::AttemptFailed(_),
                Event::NeedPerson(reason),
            ) => Some(Self::WaitingForPerson(reason)),
            (Self::Retrying(_), Event::Recovered) => Some(Self::Running),
            _ => None,
        }
    }

    fn waiting(self, activity: Activity, event: Event) -> Option<Self> {
        match (self, event) {
            (Self::Queued, Event::Start) => Some(Self::Running),
            (Self::Idle(_), Event::Start) if activity == Activity::ContinuousBackup => {
                Some(Self::Running)
            }
            (Self::AttemptFailed(reason), Event::Retry) => Some(Self::Retrying(reason)),
            (Self::WaitingForPerson(_), Event::Resume)
            | (Self::OutOfWindow, Event::WindowOpened) => Some(Self::Queued),
            _ => None,
        }
    }

    /// True when nothing can happen to it any more. (Something stopped is started as a new run.)
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(
            self,
            Self::Ended(_) | Self::Cancelled(_) | Self::Stopped | Self::Expired
        )
    }

    /// Why it is not a plain success; `None` for what goes well.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Queued | Self::Running | Self::OutOfWindow | Self::LinkReady => None,
            Self::Idle(end) | Self::Ended(end) => end.reason(),
            Self::AttemptFailed(reason)
            | Self::Retrying(reason)
            | Self::WaitingForPerson(reason) => Some(reason),
            Self::Stopping | Self::Stopped => Some(Reason::Stopped),
            Self::Cancelled(CancelReason::Person) => Some(Reason::CancelledByPerson),
            Self::Cancelled(CancelReason::RetryLimit) => Some(Reason::RetryLimit),
            Self::Cancelled(CancelReason::Window) => Some(Reason::WindowEnded),
            Self::Cancelled(CancelReason::Superseded) => Some(Reason::Superseded),
            Self::Expired => Some(Reason::LinkExpired),
        }
    }

    /// The stable code, as in JSON output.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Idle(_) => "idle",
            Self::OutOfWindow => "out_of_window",
            Self::AttemptFailed(_) => "attempt_failed",
            Self::Retrying(_) => "retrying",
            Self::WaitingForPerson(_) => "waiting_for_person",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Ended(End::Completed) => "completed",
            Self::Ended(End::CompletedWithWarnings(_)) => "completed_with_warnings",
            Self::Ended(End::Partial(_)) => "partial",
            Self::Ended(End::Failed(_)) => "failed",
            Self::Cancelled(_) => "cancelled",
            Self::LinkReady => "link_ready",
            Self::Expired => "expired",
        }
    }
}
