//! Roll-up, retries and words.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{FailureClass, MailboxOutcome};

const NET: Reason = Reason::Failure(FailureClass::Connection);
const AUTH: Reason = Reason::Failure(FailureClass::AuthCredential);
const FULL: Reason = Reason::Failure(FailureClass::TargetFull);

fn end(tasks: &[TaskEnd]) -> Option<End> {
    tasks.iter().copied().collect::<Tally>().end()
}

#[test]
fn tasks_roll_up_to_their_run() {
    use TaskEnd as T;
    let gaps = T::Warning(Reason::Gaps);
    for (tasks, expected) in [
        (
            &[][..],
            Some(End::CompletedWithWarnings(Reason::EmptyScope)),
        ),
        (&[T::Complete, T::Complete], Some(End::Completed)),
        (
            &[T::Complete, gaps],
            Some(End::CompletedWithWarnings(Reason::Gaps)),
        ),
        (&[T::Failed(NET), T::Failed(NET)], Some(End::Failed(NET))),
        // What needs a person is named first.
        (&[T::Failed(NET), T::Failed(AUTH)], Some(End::Failed(AUTH))),
        (
            &[T::Failed(NET), T::Complete],
            Some(End::Partial(Reason::SomeMailboxes)),
        ),
        (
            &[T::Failed(NET), T::Stopped],
            Some(End::Partial(Reason::SomeMailboxes)),
        ),
        (&[T::Partial(FULL), gaps], Some(End::Partial(FULL))),
        (&[T::Stopped, gaps], None),
        // One mailbox whose change tracking failed fails the job, though the others are done.
        (
            &[T::Complete, T::Failed(Reason::ChangeTracking)],
            Some(End::Failed(Reason::ChangeTracking)),
        ),
    ] {
        assert_eq!(end(tasks), expected, "{tasks:?}");
    }
}

#[test]
fn outcomes_of_mailboxes_are_ends_of_tasks() {
    let failed = MailboxOutcome::Failed {
        class: FailureClass::Connection,
        code: String::new(),
        message: String::new(),
    };
    for (outcome, expected) in [
        (MailboxOutcome::Complete, TaskEnd::Complete),
        (
            MailboxOutcome::WithGaps { gaps: 1 },
            TaskEnd::Warning(Reason::Gaps),
        ),
        (MailboxOutcome::Stopped, TaskEnd::Stopped),
        (failed, TaskEnd::Failed(NET)),
    ] {
        assert_eq!(TaskEnd::from(&outcome), expected);
    }
}

#[test]
fn mailboxes_roll_up_to_the_health_of_their_job() {
    use MailboxHealth as M;
    for (is_enabled, mailboxes, expected) in [
        (false, &[M::Error][..], Health::Disabled),
        (true, &[M::Ok, M::Ok], Health::Enabled),
        (true, &[M::Ok, M::Warning], Health::EnabledWithWarning),
        (true, &[M::Warning, M::Error], Health::EnabledWithErrors),
        (true, &[M::Ok, M::Error], Health::EnabledWithErrors),
        (true, &[M::Error, M::Error], Health::Failed),
        (true, &[], Health::EnabledWithWarning),
    ] {
        assert_eq!(
            health(is_enabled, mailboxes.iter().copied()),
            expected,
            "{mailboxes:?}"
        );
    }
    assert_eq!(Health::EnabledWithErrors.words(), "Enabled With Errors");
    // Another job that holds the mailbox is a warning, not an error.
    let held = TaskEnd::Warning(Reason::HeldByOtherJob);
    assert_eq!(MailboxHealth::from(held), MailboxHealth::Warning);
}

fn any_end() -> impl Strategy<Value = TaskEnd> {
    let reasons = prop::sample::select(vec![NET, AUTH, FULL, Reason::Gaps, Reason::ChangeTracking]);
    (0..5_u8, reasons).prop_map(|(kind, reason)| match kind {
        0 => TaskEnd::Complete,
        1 => TaskEnd::Stopped,
        2 => TaskEnd::Warning(reason),
        3 => TaskEnd::Partial(reason),
        _ => TaskEnd::Failed(reason),
    })
}

proptest! {
    #[test]
    fn roll_up_does_not_depend_on_the_order_or_on_groups(
        (ends, shuffled) in prop::collection::vec(any_end(), 0..12)
            .prop_flat_map(|ends| (Just(ends.clone()), Just(ends).prop_shuffle())),
        cut in any::<prop::sample::Index>(),
    ) {
        let (one, two) = shuffled.split_at(cut.index(shuffled.len() + 1));
        let mut merged = one.iter().copied().collect::<Tally>();
        merged.merge(&two.iter().copied().collect());
        prop_assert_eq!(end(&ends), merged.end());
        let health_of = |ends: &[TaskEnd]| health(true, ends.iter().map(|end| (*end).into()));
        prop_assert_eq!(health_of(&ends), health_of(&shuffled));
    }

    /// Only when every mailbox failed has a job failed.
    #[test]
    fn one_mailbox_that_did_not_fail_keeps_a_job_from_failed(ends in prop::collection::vec(any_end(), 1..8)) {
        let all_failed = ends.iter().all(|end| matches!(end, TaskEnd::Failed(_)));
        let found = health(true, ends.iter().map(|end| (*end).into()));
        prop_assert_eq!(found == Health::Failed, all_failed);
    }

    #[test]
    fn waits_grow_within_their_bounds(attempt in 1_u32..40, jitter: u16, asked in 0_u64..10_000) {
        let policy = RetryPolicy { attempts: 100, ..RetryPolicy::default() };
        let whole = (30_u64 << (attempt - 1).min(20)).min(3_600);
        let found = policy.after(attempt, FailureClass::Connection, None, jitter);
        let Retry::After(wait) = found else { panic!("{found:?}") };
        prop_assert!(wait >= Duration::from_secs(whole) / 2 && wait <= Duration::from_secs(whole));
        let asked = Duration::from_secs(asked);
        let found = policy.after(attempt, FailureClass::Throttled, Some(asked), jitter);
        prop_assert_eq!(found, Retry::After(wait.max(asked)));
    }
}

#[test]
fn connection_errors_are_tried_again_up_to_the_limit() {
    let policy = RetryPolicy::default();
    for attempt in 1..5 {
        let found = policy.after(attempt, FailureClass::Connection, None, 0);
        assert!(matches!(found, Retry::After(_)), "{attempt}");
    }
    for attempt in 5..7 {
        let found = policy.after(attempt, FailureClass::Connection, None, 0);
        assert_eq!(found, Retry::GiveUp(CancelReason::RetryLimit));
    }
}

#[test]
fn authentication_and_a_full_target_wait_for_a_person() {
    let policy = RetryPolicy::default();
    for class in [
        FailureClass::AuthCredential,
        FailureClass::AuthToken,
        FailureClass::AuthConsent,
        FailureClass::AuthScope,
        FailureClass::TargetFull,
    ] {
        let found = policy.after(1, class, Some(Duration::from_secs(1)), 0);
        assert_eq!(found, Retry::WaitForPerson(Reason::Failure(class)));
    }
    let gone = policy.after(1, FailureClass::MailboxGone, None, 0);
    assert_eq!(gone, Retry::End(Reason::Failure(FailureClass::MailboxGone)));
    let vault = policy.after(1, FailureClass::Vault, None, 0);
    assert!(matches!(vault, Retry::After(_)));
}

#[test]
fn every_list_has_its_own_words() {
    use State as S;
    use Vocabulary as V;
    let warned = End::CompletedWithWarnings(Reason::Gaps);
    let partial = End::Partial(Reason::SomeMailboxes);
    for (list, state, expected) in [
        (V::JobCard, S::Running, "active"),
        (V::JobCard, S::Idle(End::Completed), "active"),
        (V::JobCard, S::OutOfWindow, "inactive"),
        (V::JobCard, S::Stopped, "inactive"),
        (V::JobCard, S::Ended(warned), "finished"),
        (V::JobCard, S::Ended(End::Failed(NET)), "error"),
        (V::JobList, S::Running, "active"),
        (V::JobList, S::Stopped, "inactive"),
        (V::JobList, S::Ended(End::Completed), "finished"),
        (V::JobList, S::Ended(warned), "finished with warnings"),
        (
            V::JobList,
            S::Ended(End::Failed(NET)),
            "not finished (errors)",
        ),
        (V::Account, S::Queued, "Preparing Backup"),
        (V::Account, S::Running, "Running"),
        (V::Account, S::Idle(End::Completed), "Completed"),
        (
            V::Account,
            S::WaitingForPerson(AUTH),
            "Authentication Error",
        ),
        (V::Account, S::AttemptFailed(NET), "Connection Error"),
        (V::Backup, S::Queued, "Preparing Backup"),
        (V::Backup, S::Running, "In Progress/Running"),
        (V::Backup, S::Retrying(NET), "Retrying"),
        (V::Backup, S::AttemptFailed(NET), "Connection Error"),
        (V::Backup, S::WaitingForPerson(AUTH), "Authentication Error"),
        (V::Backup, S::Ended(End::Completed), "Completed"),
        (V::Backup, S::Ended(partial), "Partially Completed"),
        (V::Download, S::Queued, "On Queue"),
        (V::Download, S::Running, "In Progress/Running"),
        (V::Download, S::Retrying(NET), "Retrying"),
        (V::Download, S::AttemptFailed(NET), "Failed"),
        (
            V::Download,
            S::Cancelled(CancelReason::RetryLimit),
            "Cancelled",
        ),
        (V::Download, S::LinkReady, "Completed/Link"),
        (V::Download, S::Expired, "Expired"),
        (V::Restore, S::Queued, "On Queue"),
        (
            V::Restore,
            S::WaitingForPerson(Reason::Confirmation),
            "On Queue",
        ),
        (V::Restore, S::Running, "In Progress/Running"),
        (V::Restore, S::Retrying(NET), "Retrying"),
        (
            V::Restore,
            S::AttemptFailed(Reason::StorageUnavailable),
            "Failed",
        ),
        (
            V::Restore,
            S::Cancelled(CancelReason::RetryLimit),
            "Cancelled",
        ),
        (V::Restore, S::AttemptFailed(NET), "Connection Error"),
        (
            V::Restore,
            S::WaitingForPerson(AUTH),
            "Authentication Error",
        ),
        (
            V::Restore,
            S::Ended(End::Partial(FULL)),
            "Partially Complete",
        ),
        (V::Restore, S::Ended(End::Completed), "Completed"),
    ] {
        assert_eq!(words(list, state), expected, "{list:?} {state:?}");
    }
    for list in Vocabulary::ALL {
        assert_ne!(
            words(list, S::Ended(End::Failed(NET))),
            words(list, S::Ended(End::Completed))
        );
    }
}
