//! Calling what an administrator wants called before and after a job.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::Clock;

/// Most output of a hook that is kept: the end of it.
pub const MAX_HOOK_OUTPUT: usize = 16 << 10;

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookTarget {
    /// A program, and its arguments. No shell reads them.
    Exec(Vec<String>),
    /// An address that is posted to.
    Webhook(String),
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookCall {
    /// Stays the same when the call is repeated: 1 to 100 characters of `A-Z a-z 0-9 . _ -`.
    pub id: String,
    /// What is called.
    pub target: HookTarget,
    /// What it is told: names in upper case and values, never secrets. A program gets them as its
    /// environment, a webhook as a JSON object with the names in lower case.
    pub facts: Vec<(String, String)>,
    /// It is ended after this time.
    pub timeout: Duration,
}

/// How a hook failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HookFault {
    /// A program ended with this code, or an address answered with this status.
    Code(i32),
    /// A signal ended the program.
    Signal(i32),
    /// It took longer than allowed and was ended.
    TimedOut,
    /// It could not be started, or the address not be reached.
    CannotStart(String),
    /// It was ended because the process that called it was told to end.
    Interrupted,
    /// The process that called it was lost: it may have done its work, a part of it, or nothing.
    Unknown,
}

impl std::fmt::Display for HookFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "it ended with {code}"),
            Self::Signal(signal) => write!(f, "signal {signal} ended it"),
            Self::TimedOut => f.write_str("it took longer than allowed"),
            Self::CannotStart(cause) => write!(f, "it could not be started: {cause}"),
            Self::Interrupted => f.write_str("it was ended because mailkeep was told to end"),
            Self::Unknown => f.write_str(
                "mailkeep was lost while it was at work, so nobody knows what it did; check that",
            ),
        }
    }
}

/// What came of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HookReport {
    /// How it failed; `None` when it did its work.
    pub fault: Option<HookFault>,
    /// The end of what it printed or answered, at most [`MAX_HOOK_OUTPUT`] bytes. For the eyes of
    /// administrators: a script may print anything.
    pub output: String,
    /// How many bytes before that were dropped.
    pub dropped_bytes: u64,
}

/// Runs hooks.
///
/// Contract: a call ends at its timeout at the latest, and leaves nothing running. Dropping the call
/// ends it, too.
#[async_trait]
pub trait HookRunner: Send + Sync + 'static {
    /// Calls, and waits for the end.
    async fn run(&self, call: &HookCall) -> HookReport;
}

/// Plays hooks: each call takes a time and ends as a test wants it. Without a script it ends well at
/// once.
pub struct MemoryHooks {
    clock: Arc<dyn Clock>,
    state: Mutex<PlayedHooks>,
}

#[derive(Default)]
struct PlayedHooks {
    scripts: Vec<(HookTarget, Duration, Option<HookFault>)>,
    started: Vec<HookCall>,
    ended: Vec<HookCall>,
}

impl MemoryHooks {
    /// No script yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Mutex::default(),
        }
    }

    /// Every call of `target` takes `time` and ends with `fault`.
    pub fn play(&self, target: HookTarget, time: Duration, fault: Option<HookFault>) {
        self.lock().scripts.push((target, time, fault));
    }

    /// The calls that began, in order.
    #[must_use]
    pub fn started(&self) -> Vec<HookCall> {
        self.lock().started.clone()
    }

    /// The calls that ended by themselves or at their timeout, in order.
    #[must_use]
    pub fn ended(&self) -> Vec<HookCall> {
        self.lock().ended.clone()
    }

    fn lock(&self) -> MutexGuard<'_, PlayedHooks> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl HookRunner for MemoryHooks {
    async fn run(&self, call: &HookCall) -> HookReport {
        let script = {
            let mut state = self.lock();
            state.started.push(call.clone());
            let mut scripts = state.scripts.iter();
            scripts.find(|(target, ..)| *target == call.target).cloned()
        };
        let (_, time, fault) = script.unwrap_or((call.target.clone(), Duration::ZERO, None));
        let fault = if time > call.timeout {
            Some(HookFault::TimedOut)
        } else {
            fault
        };
        self.clock.sleep(time.min(call.timeout)).await;
        self.lock().ended.push(call.clone());
        HookReport {
            fault,
            output: "played".to_owned(),
            dropped_bytes: 0,
        }
    }
}
