use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;

use super::*;
use crate::FailureClass;
use crate::state::{CancelReason, End, State};

const REASON: Reason = Reason::Failure(FailureClass::Connection);
const OTHER: Reason = Reason::Failure(FailureClass::AuthCredential);
const GOOD: Happening = Happening::Ended(End::Completed);
const BAD: Happening = Happening::Ended(End::Failed(REASON));

fn start() -> DateTime<Utc> {
    "2026-02-03T10:20:30Z".parse().unwrap()
}

fn settings(frequency: Frequency) -> NotificationSettings {
    let mut settings = NotificationSettings::new();
    settings.good_news.frequency = frequency;
    settings.bad_news.frequency = frequency;
    settings
}

/// What becomes of events, an hour apart.
fn told(settings: &NotificationSettings, events: &[Happening]) -> Vec<(NewsKind, Delivery)> {
    let mut job = JobNews::default();
    let mut at = start();
    let mut found = vec![];
    for event in events {
        at += TimeDelta::hours(1);
        if let Some(verdict) = verdict(settings, &job, *event, at) {
            found.push((verdict.kind, verdict.delivery));
            job = verdict.remember;
        }
    }
    found
}

fn attempt(attempt: u32) -> Happening {
    Happening::AttemptFailed {
        reason: REASON,
        attempt,
        attempts: 5,
    }
}

#[test]
fn failed_attempts_are_told_only_when_the_last_one_failed() {
    let events = [
        attempt(1),
        attempt(2),
        attempt(3),
        attempt(4),
        Happening::Cancelled(CancelReason::RetryLimit),
    ];
    let mut settings = settings(Frequency::Each);
    let quiet = told(&settings, &events);
    assert_eq!(
        quiet[..4],
        [(NewsKind::AttemptFailed, Delivery::ListOnly); 4]
    );
    assert_eq!(quiet[4], (NewsKind::GaveUp, Delivery::Now));
    settings.tell_retries = true;
    let loud = told(&settings, &events);
    assert_eq!(loud[..4], [(NewsKind::AttemptFailed, Delivery::Now); 4]);
    assert_eq!(loud[4], (NewsKind::GaveUp, Delivery::Now));
}

#[test]
fn an_attempt_that_nobody_heard_of_is_followed_by_no_recovery() {
    let found = told(&settings(Frequency::Each), &[attempt(1), GOOD]);
    assert_eq!(found[1], (NewsKind::Completed, Delivery::Now));
    let found = told(&settings(Frequency::Each), &[BAD, attempt(1), GOOD, GOOD]);
    assert_eq!(found[2], (NewsKind::Recovered, Delivery::Now));
    assert_eq!(found[3], (NewsKind::Completed, Delivery::Now));
}

#[test]
fn changes_are_told_and_what_lasts_once_a_day() {
    let settings = settings(Frequency::Changes);
    let mut events = vec![
        GOOD,
        GOOD,
        BAD,
        BAD,
        Happening::Ended(End::Failed(OTHER)),
        GOOD,
    ];
    events.extend([GOOD; 25]);
    let found = told(&settings, &events);
    let now: Vec<_> = found
        .iter()
        .enumerate()
        .filter(|(_, (_, delivery))| *delivery == Delivery::Now)
        .map(|(index, (kind, _))| (index, *kind))
        .collect();
    assert_eq!(
        now,
        [
            (0, NewsKind::Completed),
            (2, NewsKind::Failed),
            (4, NewsKind::Failed),
            (5, NewsKind::Recovered),
            (29, NewsKind::Completed),
        ]
    );
}

#[test]
fn a_failure_after_a_good_end_that_nobody_heard_of_is_a_change() {
    let mut settings = settings(Frequency::Changes);
    settings.good_news.types = Some(vec![]);
    let found = told(&settings, &[BAD, GOOD, BAD]);
    assert_eq!(found[1], (NewsKind::Recovered, Delivery::ListOnly));
    assert_eq!(found[2], (NewsKind::Failed, Delivery::Now));
}

#[test]
fn collected_news_are_told_at_the_end_of_their_hour_or_day() {
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let one = |frequency| {
        let verdict = verdict(&settings(frequency), &JobNews::default(), BAD, start());
        verdict.unwrap().delivery
    };
    let hour = Delivery::With(at("2026-02-03T11:00:00Z"));
    assert_eq!(one(Frequency::Hourly), hour);
    let day = Delivery::With(at("2026-02-04T00:00:00Z"));
    assert_eq!(one(Frequency::Daily), day);
}

#[test]
fn kinds_that_are_left_out_are_in_the_list_only() {
    let mut settings = settings(Frequency::Each);
    settings.bad_news.types = Some(vec![NewsKind::Partial]);
    let found = told(
        &settings,
        &[BAD, Happening::Ended(End::Partial(REASON)), GOOD],
    );
    assert_eq!(
        found,
        [
            (NewsKind::Failed, Delivery::ListOnly),
            (NewsKind::Partial, Delivery::Now),
            (NewsKind::Recovered, Delivery::Now),
        ]
    );
}

/// The end of an activity period is no failure, and nobody is told what a person did.
#[test]
fn states_that_are_no_news() {
    for state in [
        State::Queued,
        State::Running,
        State::OutOfWindow,
        State::Retrying(REASON),
        State::Stopping,
        State::Stopped,
    ] {
        assert_eq!(Happening::of(state, 1, 5), None, "{state:?}");
    }
    for why in [CancelReason::Person, CancelReason::Superseded] {
        assert_eq!(NewsKind::of(Happening::Cancelled(why), false), None);
    }
}

#[test]
fn every_state_that_needs_attention_is_bad_news_with_its_reason() {
    for (state, kind) in [
        (State::Idle(End::Failed(REASON)), NewsKind::Failed),
        (State::Ended(End::Partial(REASON)), NewsKind::Partial),
        (
            State::Ended(End::CompletedWithWarnings(Reason::Gaps)),
            NewsKind::Warnings,
        ),
        (State::AttemptFailed(REASON), NewsKind::AttemptFailed),
        (State::WaitingForPerson(OTHER), NewsKind::NeedsPerson),
        (State::Cancelled(CancelReason::RetryLimit), NewsKind::GaveUp),
        (State::Cancelled(CancelReason::Window), NewsKind::GaveUp),
    ] {
        let happening = Happening::of(state, 1, 5).unwrap();
        assert_eq!(NewsKind::of(happening, false), Some(kind));
        assert_eq!(kind.tone(), Tone::Bad);
        assert_eq!(happening.reason(), state.reason());
        assert!(happening.reason().is_some());
    }
    assert_eq!(NewsKind::Completed.tone(), Tone::Good);
    assert_eq!(NewsKind::Recovered.tone(), Tone::Good);
}

#[test]
fn a_clock_that_jumped_far_silences_nobody() {
    let settings = settings(Frequency::Changes);
    let first = verdict(&settings, &JobNews::default(), BAD, start()).unwrap();
    let years_before = start() - TimeDelta::days(3_000);
    let again = verdict(&settings, &first.remember, BAD, years_before).unwrap();
    assert_eq!(again.delivery, Delivery::Now);
}

fn any_happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        Just(GOOD),
        Just(BAD),
        Just(Happening::Ended(End::Failed(OTHER))),
        Just(Happening::Ended(End::CompletedWithWarnings(Reason::Gaps))),
        Just(Happening::NeedsPerson(OTHER)),
        Just(Happening::Cancelled(CancelReason::RetryLimit)),
        Just(attempt(1)),
    ]
}

proptest! {
    /// Against a plain account of all that was told: with `changes`, what differs from the event
    /// before is told, and nothing is silent for longer than a day while events come.
    #[test]
    fn changes_are_never_lost_and_nothing_is_repeated_early(
        events in prop::collection::vec((any_happening(), 1i64..600), 1..80)
    ) {
        let settings = settings(Frequency::Changes);
        let (mut job, mut at) = (JobNews::default(), start());
        let mut before: Option<(NewsKind, Option<Reason>)> = None;
        let mut last_told: Option<DateTime<Utc>> = None;
        let mut bad_was_told = false;
        for (event, minutes) in events {
            at += TimeDelta::minutes(minutes);
            let verdict = verdict(&settings, &job, event, at).unwrap();
            job = verdict.remember.clone();
            if matches!(event, Happening::AttemptFailed { .. }) {
                prop_assert_eq!(verdict.delivery, Delivery::ListOnly);
                continue;
            }
            let is_good = verdict.kind.tone() == Tone::Good;
            prop_assert_eq!(verdict.kind == NewsKind::Recovered, is_good && bad_was_told);
            let now = Some((NewsKind::of(event, false).unwrap(), event.reason()));
            let is_due = before != now
                || last_told.is_none_or(|told| at - told >= TimeDelta::hours(24));
            prop_assert_eq!(verdict.delivery == Delivery::Now, is_due);
            if is_due {
                last_told = Some(at);
                bad_was_told |= !is_good;
            }
            if is_good {
                bad_was_told = false;
            }
            before = now;
        }
    }
}
