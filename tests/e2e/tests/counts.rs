//! Mail that the service's change feed conceals shows in the numbers, and is taken all the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use exchange_sim::Anomalies;
use mailkeep_e2e::{Rig, of, small};
use mailkeep_engine::verify::{FindingKind, VerifyReport, compare_with_source};

async fn compare(rig: &Rig, mailbox: &str) -> VerifyReport {
    let mut report = VerifyReport::default();
    let mailbox = rig.mailbox(mailbox).await;
    compare_with_source(&*rig.source(), &mailbox, &mut report)
        .await
        .unwrap();
    report
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_from_a_folder_out_of_scope_that_no_feed_names_is_taken() {
    let rig = Rig::start(small(1, 30)).await;
    let first = rig.first();
    let deep = rig.admin.create_folder(&first, "inbox", "Deep").unwrap();
    for _ in 0..3 {
        rig.admin.add_mail(&first, &deep).unwrap();
    }
    rig.back_up_complete().await;
    let anomalies = Anomalies {
        hide_moves: true,
        ..Anomalies::default()
    };
    rig.admin.set_anomalies(&first, anomalies).unwrap();
    let items: Vec<String> = rig.items(&first).into_iter().map(|item| item.id).collect();
    for target in ["archive", deep.as_str()] {
        // People recover what they deleted, from a folder that is not backed up.
        let item = items[target.len() % 7].as_str();
        rig.admin.soft_delete_mail(&first, item).unwrap();
        let run = rig.back_up_complete().await;
        assert_eq!(of(&run, &first).counters.items_deleted, 1);
        assert_eq!(of(&run, &first).counters.resyncs, 0);

        rig.admin.move_mail(&first, item, target).unwrap();
        let report = compare(&rig, &first).await;
        assert_eq!(report.findings.len(), 1, "{report:?}");
        assert_eq!(report.findings[0].kind, FindingKind::CountDiffers);

        rig.count_anew();
        let run = rig.back_up_complete().await;
        let counters = &of(&run, &first).counters;
        assert_eq!((counters.resyncs, counters.items_deleted), (1, 0));
        assert!(rig.content_reads() <= 1, "what is stored is not read again");
        assert!(compare(&rig, &first).await.findings.is_empty());

        // Then all is quiet again.
        rig.count_anew();
        let run = rig.back_up_complete().await;
        assert_eq!(of(&run, &first).counters.resyncs, 0);
        let requests = of(&run, &first).counters.requests;
        assert!(requests <= 4, "{requests} requests");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_count_that_stays_wrong_costs_one_listing_and_is_told_each_time() {
    let rig = Rig::start(small(1, 40)).await;
    let first = rig.first();
    rig.back_up_complete().await;
    let wrong = |counts_one_too_many| Anomalies {
        counts_one_too_many,
        ..Anomalies::default()
    };
    let folders = mailkeep_e2e::truth(&rig.admin, &first, false);
    let folders = u64::try_from(folders.facts.folders.len()).unwrap();
    for _ in 0..2 {
        rig.admin.set_anomalies(&first, wrong(true)).unwrap();
        // Not every run sees the count of every folder below others.
        let mut listed = 0;
        for _ in 0..4 {
            let run = rig.back_up().await;
            assert_eq!(run.exit_code(), 0, "a count alone is no gap");
            let told = of(&run, &first);
            assert!(!told.warnings.is_empty(), "{told:?}");
            assert_eq!(told.counters.items_stored + told.counters.items_updated, 0);
            listed += told.counters.resyncs;
        }
        assert!((4..=folders).contains(&listed), "{listed} of {folders}");

        for _ in 0..2 {
            // New mail is found as ever; the difference stays what it was.
            rig.admin.add_mail(&first, "inbox").unwrap();
            let run = rig.back_up().await;
            let again = of(&run, &first);
            assert_eq!(
                (again.counters.resyncs, again.counters.items_stored),
                (0, 1)
            );
            assert!(!again.warnings.is_empty(), "{again:?}");
            let requests = again.counters.requests;
            assert!(requests <= 5, "{requests} requests");
        }

        // When they agree again, nothing is remembered.
        rig.admin.set_anomalies(&first, wrong(false)).unwrap();
        for _ in 0..4 {
            rig.back_up_complete().await;
        }
    }
}
