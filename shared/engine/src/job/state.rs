//! The state of a job as lists show it.

use chrono::{DateTime, Utc};
use mailkeep_model::job::JobDefinition;
use mailkeep_model::state::State;

use super::JobRecord;

/// The state of a job: that of its open cycle (`run`), or why there is none.
#[must_use]
pub fn state(
    job: &JobRecord,
    definition: &JobDefinition,
    run: Option<State>,
    now: DateTime<Utc>,
) -> State {
    if let Some(state) = run.filter(|_| job.is_open) {
        return state;
    }
    let end = job.last.and_then(|last| last.end);
    match end {
        Some(end) if job.is_finished => return State::Ended(end),
        _ => {}
    }
    if job.request.is_some() && job.is_active {
        return State::Queued;
    }
    if !job.is_active || !job.is_started {
        return end.map_or(State::Stopped, State::Ended);
    }
    let is_in_window = definition
        .activity()
        .is_ok_and(|schedule| schedule.is_active(now));
    match (is_in_window, end) {
        (false, _) => State::OutOfWindow,
        (true, Some(end)) => State::Idle(end),
        (true, None) => State::Queued,
    }
}
