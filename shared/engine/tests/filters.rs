//! The rules of jobs at work: what is left out, remembered and taken later; what is never stored again
//! and never lost when rules change.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_engine::backup::CycleRules;
use mailkeep_model::filter::{AgeFilter, FolderFilter, ItemFilter, SpecialFolder};
use mailkeep_model::job::{ChangeTracking, TrackingFailure, TrackingMethod};
use mailkeep_model::{FailureClass, MailboxOutcome, MailboxSummary, Sensitivity, WellKnownFolder};
use mailkeep_ports::Clock as _;
use support::{Op, Rig, Rule};

struct Job {
    rig: Rig,
    folders: FolderFilter,
    items: ItemFilter,
    tracking: ChangeTracking,
}

impl Job {
    /// Takes everything, sensitive items too.
    async fn new() -> Self {
        Self {
            rig: Rig::new().await,
            folders: FolderFilter::default(),
            items: ItemFilter {
                sensitive_items: true,
                ..ItemFilter::default()
            },
            tracking: ChangeTracking::default(),
        }
    }

    /// A new item that was changed last so many days ago.
    fn add(&self, folder: &str, days: i64) -> String {
        let at: DateTime<Utc> = self.rig.clock.now() - TimeDelta::days(days);
        self.rig.tenant.with("ann", |mailbox| {
            let id = mailbox.add_text(folder, "text");
            let item = &mut mailbox.items.get_mut(&id).unwrap().item;
            item.modified_at = Some(at);
            item.received_at = Some(at);
            id
        })
    }

    async fn cycle(&self) -> MailboxSummary {
        let mut request = self.rig.request();
        request.rules = Some(CycleRules {
            folders: self.folders.clone(),
            items: self.items.clone(),
            tracking: self.tracking,
            cycle_at: self.rig.clock.now(),
        });
        let summary = self.rig.run_with(&self.rig.engine(), request).await;
        summary.mailboxes.into_iter().next().unwrap()
    }

    async fn stored(&self) -> Vec<String> {
        self.rig.stored("ann").await.into_keys().collect()
    }
}

fn older(text: &str) -> AgeFilter {
    AgeFilter::OlderThan(text.to_owned().try_into().unwrap())
}

fn not_older(text: &str) -> AgeFilter {
    AgeFilter::NotOlderThan(text.to_owned().try_into().unwrap())
}

#[tokio::test]
async fn what_is_too_young_is_remembered_and_taken_when_it_is_old_enough() {
    let mut job = Job::new().await;
    job.items.age = older("10 days");
    let (old, young, younger) = (
        job.add("inbox", 30),
        job.add("inbox", 6),
        job.add("inbox", 1),
    );
    let summary = job.cycle().await;
    assert_eq!(summary.outcome, MailboxOutcome::Complete);
    let counted = (
        summary.counters.items_stored,
        summary.counters.items_left_out,
    );
    assert_eq!(counted, (1, 2));
    assert_eq!(job.stored().await, [old.as_str()]);
    // Nobody touches them at the source, so its list of changes never names them again. Many commits
    // pass, enough for the index to be folded more than once.
    for _ in 0..90 {
        job.add("inbox", 40);
        job.cycle().await;
    }
    assert_eq!(job.stored().await.len(), 91);
    job.rig.clock.advance(Duration::from_secs(5 * 86_400));
    let summary = job.cycle().await;
    assert_eq!(summary.counters.items_stored, 1);
    assert!(job.stored().await.contains(&young));
    assert!(!job.stored().await.contains(&younger));
    // One that disappears meanwhile is forgotten.
    job.rig
        .tenant
        .with("ann", |mailbox| mailbox.items.remove(&younger));
    job.rig.clock.advance(Duration::from_secs(5 * 86_400));
    job.cycle().await;
    job.rig.tenant.clear_calls();
    job.cycle().await;
    assert_eq!(
        job.rig.tenant.count(Op::Locate),
        0,
        "nothing is asked about for ever"
    );
}

#[tokio::test]
async fn another_filter_takes_what_it_lacks_and_stores_nothing_again() {
    let mut job = Job::new().await;
    job.items.sensitive_items = false;
    job.items.age = not_older("30 days");
    let (fresh, stale) = (job.add("inbox", 1), job.add("inbox", 100));
    let private = job.add("inbox", 2);
    job.rig.tenant.with("ann", |mailbox| {
        mailbox.items.get_mut(&private).unwrap().item.sensitivity = Sensitivity::Private;
    });
    job.cycle().await;
    assert_eq!(job.stored().await, [fresh.as_str()]);

    job.items.sensitive_items = true;
    job.items.age = AgeFilter::All;
    job.rig.tenant.clear_calls();
    let summary = job.cycle().await;
    let counters = &summary.counters;
    assert_eq!(
        (
            counters.items_stored,
            counters.items_updated,
            counters.items_unchanged
        ),
        (2, 0, 1)
    );
    assert_eq!(job.rig.tenant.fetches_of(&fresh), 0);
    assert_eq!(
        job.stored().await,
        [fresh.as_str(), stale.as_str(), private.as_str()]
    );

    // Narrower again: nothing is deleted, nothing is read, and a quiet cycle writes nothing.
    job.items.age = not_older("30 days");
    job.items.sensitive_items = false;
    job.rig.tenant.clear_calls();
    let summary = job.cycle().await;
    assert_eq!(
        (
            summary.counters.items_stored,
            summary.counters.items_deleted
        ),
        (0, 0)
    );
    assert_eq!(job.rig.tenant.count(Op::Content), 0);
    assert_eq!(job.stored().await.len(), 3);
    assert_eq!(job.cycle().await.counters.bytes_stored, 0);

    // Without any rules everything is looked at once more.
    let left = job.add("inbox", 300);
    job.cycle().await;
    assert!(!job.stored().await.contains(&left));
    job.rig.run().await;
    assert!(job.stored().await.contains(&left));
}

#[tokio::test]
async fn a_stored_item_stays_as_it_is_when_the_filter_leaves_its_new_version_out() {
    let mut job = Job::new().await;
    job.rig
        .tenant
        .with("ann", |mailbox| mailbox.add_folder("b", None, "B"));
    let (edited, moved) = (job.add("inbox", 1), job.add("inbox", 1));
    job.cycle().await;
    job.items.kinds.mail = false;
    job.rig.tenant.with("ann", |mailbox| {
        mailbox.edit(&edited, b"Subject: other\r\n\r\nother\r\n".to_vec());
        mailbox.move_to(&moved, "b");
    });
    let before = job.rig.stored("ann").await;
    job.rig.tenant.clear_calls();
    let summary = job.cycle().await;
    assert_eq!(
        (
            summary.counters.items_left_out,
            summary.counters.items_updated
        ),
        (1, 1)
    );
    assert_eq!(job.rig.tenant.count(Op::Content), 0);
    let after = job.rig.stored("ann").await;
    assert_eq!(after[&edited].item, before[&edited].item);
    assert_eq!(after[&moved].item.folder.as_str(), "b");
}

#[tokio::test]
async fn folders_leave_and_join_without_loss() {
    let mut job = Job::new().await;
    job.rig.tenant.with("ann", |mailbox| {
        mailbox.add_folder("junk", None, "Nevy\u{17e}\u{e1}dan\u{e1}");
        mailbox.folders.get_mut("junk").unwrap().well_known = Some(WellKnownFolder::JunkEmail);
        mailbox.add_folder("below", Some("junk"), "Below");
    });
    let (kept, junk, below) = (job.add("inbox", 1), job.add("junk", 1), job.add("below", 1));
    job.folders.exclude = [SpecialFolder::JunkEmail].into();
    job.cycle().await;
    assert_eq!(job.stored().await, [kept.as_str()]);
    job.folders.exclude.clear();
    job.rig.tenant.clear_calls();
    assert_eq!(job.cycle().await.counters.items_stored, 2);
    assert_eq!(job.rig.tenant.fetches_of(&kept), 0);
    job.folders.exclude = [SpecialFolder::JunkEmail].into();
    assert_eq!(job.cycle().await.counters.items_deleted, 0);
    let mut stored = job.stored().await;
    stored.sort();
    assert_eq!(stored, [kept, junk, below]);
}

#[tokio::test]
async fn every_method_of_finding_changes_finds_them_and_stores_nothing_twice() {
    for (method, fetches) in [
        (TrackingMethod::Microsoft, 0),
        (TrackingMethod::Comparison, 0),
        (TrackingMethod::None, 5),
    ] {
        let mut job = Job::new().await;
        job.tracking.method = method;
        let ids: Vec<String> = (0..5).map(|_| job.add("inbox", 1)).collect();
        job.cycle().await;
        job.rig.tenant.clear_calls();
        let summary = job.cycle().await;
        let counters = &summary.counters;
        assert_eq!(
            (counters.items_stored, counters.items_updated),
            (0, 0),
            "{method:?}"
        );
        assert_eq!(job.rig.tenant.count(Op::Content), fetches, "{method:?}");
        let versions = job.rig.stored("ann").await;
        job.rig.tenant.with("ann", |mailbox| {
            mailbox.edit(&ids[0], b"Subject: x\r\n\r\nnew\r\n".to_vec());
            mailbox.delete(&ids[1]);
        });
        let summary = job.cycle().await;
        let counters = &summary.counters;
        assert_eq!(
            (counters.items_stored, counters.items_deleted),
            (1, 1),
            "{method:?}"
        );
        let after = job.rig.stored("ann").await;
        assert_eq!(after[&ids[2]], versions[&ids[2]], "{method:?}");
        // Back to Microsoft's lists: the first cycle looks at everything and stores nothing.
        job.tracking.method = TrackingMethod::Microsoft;
        let summary = job.cycle().await;
        assert_eq!(summary.counters.items_stored, 0, "{method:?}");
        assert_eq!(job.rig.stored("ann").await, after, "{method:?}");
    }
}

#[tokio::test]
async fn where_the_list_of_changes_is_lost_a_job_compares_or_fails_as_it_says() {
    for on_failure in [TrackingFailure::Switch, TrackingFailure::Fail] {
        let mut job = Job::new().await;
        job.tracking.on_failure = on_failure;
        job.add("inbox", 1);
        job.cycle().await;
        let added = job.add("inbox", 1);
        job.rig
            .tenant
            .with("ann", |mailbox| mailbox.lose_cursor("inbox"));
        let summary = job.cycle().await;
        let is_stored = job.stored().await.contains(&added);
        match on_failure {
            TrackingFailure::Switch => {
                assert_eq!(summary.outcome, MailboxOutcome::Complete);
                assert!(is_stored && summary.counters.resyncs == 1);
            }
            TrackingFailure::Fail => {
                let MailboxOutcome::Failed { class, .. } = summary.outcome else {
                    panic!("{:?}", summary.outcome);
                };
                assert!(class == FailureClass::SyncReset && !is_stored);
            }
        }
    }
}

/// An item that failed and that the filter leaves out is no gap any more.
#[tokio::test]
async fn a_gap_that_the_filter_leaves_out_is_closed() {
    let mut job = Job::new().await;
    let id = job.add("inbox", 1);
    job.rig
        .tenant
        .rule(Rule::fail(Op::Content, FailureClass::ItemPermanent));
    let summary = job.cycle().await;
    assert_eq!(summary.outcome, MailboxOutcome::WithGaps { gaps: 1 });
    job.items.kinds.mail = false;
    let summary = job.cycle().await;
    assert_eq!(summary.outcome, MailboxOutcome::Complete);
    assert!(!job.stored().await.contains(&id));
}
