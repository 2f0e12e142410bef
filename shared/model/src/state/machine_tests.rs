//! The state machine, as a table of everything that can happen.

use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::FailureClass;

const NET: Reason = Reason::Failure(FailureClass::Connection);
const AUTH: Reason = Reason::Failure(FailureClass::AuthCredential);

const ENDS: [End; 4] = [
    End::Completed,
    End::CompletedWithWarnings(Reason::Gaps),
    End::Partial(Reason::SomeMailboxes),
    End::Failed(NET),
];

const CANCELS: [CancelReason; 4] = [
    CancelReason::Person,
    CancelReason::RetryLimit,
    CancelReason::Window,
    CancelReason::Superseded,
];

fn states() -> Vec<State> {
    use State as S;
    let mut all = vec![
        S::Queued,
        S::Running,
        S::OutOfWindow,
        S::AttemptFailed(NET),
        S::Retrying(NET),
        S::WaitingForPerson(AUTH),
        S::Stopping,
        S::Stopped,
        S::LinkReady,
        S::Expired,
    ];
    all.extend(ENDS.map(S::Idle));
    all.extend(ENDS.map(S::Ended));
    all.extend(CANCELS.map(S::Cancelled));
    all
}

fn events() -> Vec<Event> {
    use Event as E;
    let mut all = vec![
        E::Start,
        E::AttemptFailed(NET),
        E::Retry,
        E::Recovered,
        E::NeedPerson(AUTH),
        E::Resume,
        E::WindowClosed,
        E::WindowOpened,
        E::Stop,
        E::Halted,
        E::Expire,
    ];
    all.extend(ENDS.map(E::Finish));
    all.extend(CANCELS.map(E::Cancel));
    all
}

/// Everything that can happen to a one-time backup, but ends and cancelling.
const TABLE: &[(&str, &str, &str)] = &[
    ("queued", "Start", "running"),
    ("queued", "AttemptFailed", "attempt_failed"),
    ("queued", "NeedPerson", "waiting_for_person"),
    ("queued", "WindowClosed", "out_of_window"),
    ("queued", "Stop", "stopped"),
    ("running", "AttemptFailed", "attempt_failed"),
    ("running", "NeedPerson", "waiting_for_person"),
    ("running", "WindowClosed", "out_of_window"),
    ("running", "Stop", "stopping"),
    ("attempt_failed", "Retry", "retrying"),
    ("attempt_failed", "NeedPerson", "waiting_for_person"),
    ("attempt_failed", "WindowClosed", "out_of_window"),
    ("attempt_failed", "Stop", "stopped"),
    ("retrying", "Recovered", "running"),
    ("retrying", "AttemptFailed", "attempt_failed"),
    ("retrying", "NeedPerson", "waiting_for_person"),
    ("retrying", "WindowClosed", "out_of_window"),
    ("retrying", "Stop", "stopping"),
    ("waiting_for_person", "Resume", "queued"),
    ("waiting_for_person", "WindowClosed", "waiting_for_person"),
    ("waiting_for_person", "Stop", "stopped"),
    ("out_of_window", "WindowOpened", "queued"),
    ("out_of_window", "WindowClosed", "out_of_window"),
    ("out_of_window", "Stop", "stopped"),
    ("stopping", "Halted", "stopped"),
    ("stopping", "WindowClosed", "stopping"),
    ("stopping", "Stop", "stopping"),
];

fn name(event: Event) -> String {
    let text = format!("{event:?}");
    text.split('(').next().unwrap().to_owned()
}

#[test]
fn nothing_happens_but_what_the_table_says() {
    for state in states() {
        if matches!(state, State::Idle(_) | State::LinkReady | State::Expired) {
            continue;
        }
        for event in events() {
            let after = state.after(Activity::OneTimeBackup, event);
            let found = after.map(State::code).ok();
            let row = TABLE
                .iter()
                .find(|(from, by, _)| *from == state.code() && *by == name(event));
            let expected = match event {
                Event::Cancel(_) => (!state.is_terminal()).then_some("cancelled"),
                Event::Finish(end) => matches!(state, State::Running | State::Stopping)
                    .then_some(State::Ended(end).code()),
                _ => row.map(|(_, _, to)| *to),
            };
            assert_eq!(found, expected, "{state:?} {event:?}");
        }
    }
}

#[test]
fn a_continuous_backup_idles_between_cycles() {
    let backup = Activity::ContinuousBackup;
    for end in ENDS {
        let idle = State::Running.after(backup, Event::Finish(end)).unwrap();
        assert_eq!(idle, State::Idle(end));
        assert_eq!(idle.after(backup, Event::Start), Ok(State::Running));
        assert_eq!(
            idle.after(backup, Event::WindowClosed),
            Ok(State::OutOfWindow)
        );
        assert_eq!(idle.after(backup, Event::Stop), Ok(State::Stopped));
        assert!(idle.after(Activity::Restore, Event::Start).is_err());
    }
    assert_eq!(
        State::Stopping.after(backup, Event::Finish(End::Completed)),
        Ok(State::Stopped)
    );
}

#[test]
fn an_export_ends_with_a_link_that_expires() {
    let ready = State::Running
        .after(Activity::Export, Event::Finish(End::Completed))
        .unwrap();
    assert_eq!(ready, State::LinkReady);
    assert_eq!(
        ready.after(Activity::Export, Event::Expire),
        Ok(State::Expired)
    );
    for event in events() {
        assert!(event == Event::Expire || ready.after(Activity::Export, event).is_err());
    }
    let failed = State::Running.after(Activity::Export, Event::Finish(End::Failed(NET)));
    assert_eq!(failed, Ok(State::Ended(End::Failed(NET))));
}

/// The end of the window is no failure: it waits without a reason to act, and goes on.
#[test]
fn the_end_of_a_window_is_no_failure() {
    for state in [State::Running, State::Queued, State::Idle(End::Completed)] {
        let waiting = state
            .after(Activity::ContinuousBackup, Event::WindowClosed)
            .unwrap();
        assert_eq!(waiting, State::OutOfWindow);
        assert_eq!(waiting.reason(), None);
        let opened = waiting.after(Activity::ContinuousBackup, Event::WindowOpened);
        assert_eq!(opened, Ok(State::Queued));
    }
}

#[test]
fn every_state_that_is_no_success_has_a_reason_with_a_code_and_an_action() {
    for state in states() {
        let is_fine = matches!(
            state,
            State::Queued
                | State::Running
                | State::OutOfWindow
                | State::LinkReady
                | State::Idle(End::Completed)
                | State::Ended(End::Completed)
        );
        assert_eq!(state.reason().is_none(), is_fine, "{state:?}");
        if let Some(reason) = state.reason() {
            assert!(
                !reason.code().is_empty() && reason.action().len() > 20,
                "{state:?}"
            );
        }
    }
    let codes: HashSet<_> = Reason::OTHERS.into_iter().map(Reason::code).collect();
    assert_eq!(codes.len(), Reason::OTHERS.len());
    assert!(
        codes
            .iter()
            .all(|code| FailureClass::from_code(code).is_none())
    );
}

#[test]
fn states_survive_writing_and_reading() {
    for state in states() {
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(
            serde_json::from_str::<State>(&text).unwrap(),
            state,
            "{text}"
        );
    }
}

proptest! {
    /// Whatever happens: what is over stays over, and what is not can be ended.
    #[test]
    fn what_is_over_stays_over(
        activity in prop::sample::select(Activity::ALL.to_vec()),
        happens in prop::collection::vec(prop::sample::select(events()), 0..40),
    ) {
        let mut state = State::Queued;
        for event in happens {
            match state.after(activity, event) {
                Ok(next) => {
                    prop_assert!(!state.is_terminal(), "{:?} {:?}", state, event);
                    state = next;
                }
                Err(error) => prop_assert_eq!((error.state, error.event), (state, event)),
            }
            // Only a continuous backup idles, only an export has a link.
            prop_assert!(!matches!(state, State::Idle(_)) || activity == Activity::ContinuousBackup);
            prop_assert!(!matches!(state, State::LinkReady | State::Expired) || activity == Activity::Export);
        }
        let can_end = state == State::LinkReady
            || state.after(activity, Event::Cancel(CancelReason::Person)).is_ok();
        prop_assert_eq!(can_end, !state.is_terminal());
    }
}
