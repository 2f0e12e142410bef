//! The limits of one mailbox: calls at once, calls per ten minutes, bytes uploaded per five minutes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::numbers::{locked, unsigned, wide};
use crate::store::users::Account;

/// The limits of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Calls at once per mailbox.
    pub concurrent: u32,
    /// Calls per ten minutes per mailbox.
    pub calls: u64,
    /// Bytes uploaded per five minutes per mailbox.
    pub upload_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            concurrent: 4,
            calls: 10_000,
            upload_bytes: 150_000_000,
        }
    }
}

/// Counts what is going on in one mailbox.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    in_flight: u32,
    highest: u32,
    calls: VecDeque<i64>,
    uploads: VecDeque<(i64, u64)>,
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    AtOnce,
    /// Seconds until there is room again.
    Calls(u64),
    Bytes(u64),
}

/// A call in progress; ends when dropped.
#[derive(Debug)]
pub(crate) struct Pass(Arc<Account>);

impl Drop for Pass {
    fn drop(&mut self) {
        let mut state = locked(&self.0.gate.state);
        state.in_flight = state.in_flight.saturating_sub(1);
    }
}

const CALL_WINDOW_MILLIS: i64 = 600_000;
const UPLOAD_WINDOW_MILLIS: i64 = 300_000;

/// Lets a call in, or not. Refused calls count, too.
pub(crate) fn enter(
    account: &Arc<Account>,
    now_millis: i64,
    upload: u64,
    limits: &Limits,
) -> Result<Pass, Refusal> {
    let mut state = locked(&account.gate.state);
    while state
        .calls
        .front()
        .is_some_and(|at| at + CALL_WINDOW_MILLIS <= now_millis)
    {
        state.calls.pop_front();
    }
    let is_over = wide(state.calls.len()) >= limits.calls;
    if is_over {
        // The oldest calls are forgotten first: the window stays bounded.
        state.calls.pop_front();
    }
    state.calls.push_back(now_millis);
    state.highest = state.highest.max(state.in_flight + 1);
    if state.in_flight >= limits.concurrent {
        return Err(Refusal::AtOnce);
    }
    if is_over {
        let free_at = state.calls.front().copied().unwrap_or(now_millis) + CALL_WINDOW_MILLIS;
        return Err(Refusal::Calls(seconds_until(free_at, now_millis)));
    }
    if upload > 0 {
        while state
            .uploads
            .front()
            .is_some_and(|(at, _)| at + UPLOAD_WINDOW_MILLIS <= now_millis)
        {
            state.uploads.pop_front();
        }
        let sent: u64 = state.uploads.iter().map(|(_, bytes)| bytes).sum();
        if sent + upload > limits.upload_bytes {
            let oldest = state.uploads.front().map_or(now_millis, |(at, _)| *at);
            let free_at = oldest + UPLOAD_WINDOW_MILLIS;
            return Err(Refusal::Bytes(seconds_until(free_at, now_millis)));
        }
        state.uploads.push_back((now_millis, upload));
    }
    state.in_flight += 1;
    drop(state);
    Ok(Pass(Arc::clone(account)))
}

fn seconds_until(at: i64, now: i64) -> u64 {
    unsigned(at - now).div_ceil(1000).max(1)
}

impl Gate {
    /// The most calls that were tried at once.
    pub(crate) fn highest(&self) -> u32 {
        locked(&self.state).highest
    }
}
