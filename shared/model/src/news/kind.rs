//! What happens, and which news it is.

use serde::{Deserialize, Serialize};

use crate::state::{CancelReason, End, Reason, State};

/// What happened to a run of a job, as far as somebody may want to hear of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Happening {
    /// A cycle came to its end. Also when that end changes afterwards, because a hook that nobody
    /// waited for failed the job.
    Ended(End),
    /// An attempt failed and another one will follow.
    AttemptFailed {
        /// Why.
        reason: Reason,
        /// Which attempt, counted from 1.
        attempt: u32,
        /// How many there are at most.
        attempts: u32,
    },
    /// It goes on only when a person did something.
    NeedsPerson(Reason),
    /// It was cancelled for good.
    Cancelled(CancelReason),
    /// A script or webhook failed, and that means nothing for the job.
    HookFailed(Reason),
}

impl Happening {
    /// What reaching this state means; `None` for states that are no news. The end of an activity
    /// period is none, nor is what a person did.
    #[must_use]
    pub fn of(state: State, attempt: u32, attempts: u32) -> Option<Self> {
        match state {
            State::Idle(end) | State::Ended(end) => Some(Self::Ended(end)),
            State::AttemptFailed(reason) => Some(Self::AttemptFailed {
                reason,
                attempt,
                attempts,
            }),
            State::WaitingForPerson(reason) => Some(Self::NeedsPerson(reason)),
            State::Cancelled(why) => Some(Self::Cancelled(why)),
            State::Queued
            | State::Running
            | State::OutOfWindow
            | State::Retrying(_)
            | State::Stopping
            | State::Stopped
            | State::LinkReady
            | State::Expired => None,
        }
    }

    /// Why it is no plain success.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Ended(end) => end.reason(),
            Self::AttemptFailed { reason, .. }
            | Self::NeedsPerson(reason)
            | Self::HookFailed(reason) => Some(reason),
            Self::Cancelled(why) => State::Cancelled(why).reason(),
        }
    }

    /// What it is compared with.
    #[must_use]
    pub fn track(self) -> Track {
        match self {
            Self::HookFailed(_) => Track::Hooks,
            _ => Track::Runs,
        }
    }
}

/// News are repeated or new with regard to those of the same track.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Track {
    /// How the job's runs go.
    Runs,
    /// Hooks whose failure means nothing for the job.
    Hooks,
}

/// Good or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Good news.
    Good,
    /// Bad news.
    Bad,
}

/// Kinds of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum NewsKind {
    /// A run came to a good end.
    Completed,
    /// The same, after bad news.
    Recovered,
    /// Done, but there is something to know.
    Warnings,
    /// A part is done.
    Partial,
    /// Not done.
    Failed,
    /// An attempt failed, another one will follow.
    AttemptFailed,
    /// It waits for a person.
    NeedsPerson,
    /// It was tried as often as allowed, or its activity period ended for good.
    GaveUp,
    /// A script or webhook failed, the job did not.
    HookFailed,
}

impl NewsKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::Completed,
        Self::Recovered,
        Self::Warnings,
        Self::Partial,
        Self::Failed,
        Self::AttemptFailed,
        Self::NeedsPerson,
        Self::GaveUp,
        Self::HookFailed,
    ];

    /// Good or bad.
    #[must_use]
    pub fn tone(self) -> Tone {
        match self {
            Self::Completed | Self::Recovered => Tone::Good,
            _ => Tone::Bad,
        }
    }

    /// What follows the name of the job in a sentence.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Recovered => "works again",
            Self::Warnings => "completed with warnings",
            Self::Partial => "completed in part",
            Self::Failed => "failed",
            Self::AttemptFailed => "failed and will be tried again",
            Self::NeedsPerson => "waits for a person",
            Self::GaveUp => "gave up",
            Self::HookFailed => "has a script that failed",
        }
    }

    /// The kind of an event; `None` for what is no news. `after_bad_news` makes a good end a recovery.
    #[must_use]
    pub fn of(happening: Happening, after_bad_news: bool) -> Option<Self> {
        Some(match happening {
            Happening::Ended(End::Completed) if after_bad_news => Self::Recovered,
            Happening::Ended(End::Completed) => Self::Completed,
            Happening::Ended(End::CompletedWithWarnings(_)) => Self::Warnings,
            Happening::Ended(End::Partial(_)) => Self::Partial,
            Happening::Ended(End::Failed(_)) => Self::Failed,
            Happening::AttemptFailed { .. } => Self::AttemptFailed,
            Happening::NeedsPerson(_) => Self::NeedsPerson,
            Happening::Cancelled(CancelReason::RetryLimit | CancelReason::Window) => Self::GaveUp,
            Happening::Cancelled(CancelReason::Person | CancelReason::Superseded) => return None,
            Happening::HookFailed(_) => Self::HookFailed,
        })
    }
}
