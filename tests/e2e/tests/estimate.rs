//! What estimates say of requests to Microsoft Graph is what the connector asks.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::sync::Arc;

use mailkeep_e2e::{Rig, of, small};
use mailkeep_engine::estimate::costs;
use mailkeep_engine::restore::{self, Placement, RestoreRequest};
use mailkeep_engine::{Quiet, StopSignal};
use mailkeep_exchange::graph::GraphTarget;
use mailkeep_model::SourceMailboxId;

/// Of a large mailbox.
const FOLDERS: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pass_asks_graph_as_often_as_estimates_say() {
    let rig = Rig::start(small(1, 40)).await;
    let first = rig.first();
    let there = mailkeep_e2e::truth(&rig.admin, &first, false);
    for number in there.facts.folders.len()..FOLDERS {
        let name = format!("Project {number}");
        rig.admin.create_folder(&first, "inbox", &name).unwrap();
    }
    rig.back_up_complete().await;
    // The tree's own mark catches up with what was made.
    rig.back_up_complete().await;
    rig.rest();
    for new in [0, 1, 5] {
        for _ in 0..new {
            rig.admin.add_mail(&first, "inbox").unwrap();
        }
        let run = rig.back_up_complete().await;
        let counters = &of(&run, &first).counters;
        assert_eq!(counters.items_stored, new);
        assert_eq!(counters.requests, costs::SOURCE_REQUESTS + new);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_asks_graph_as_often_as_estimates_say() {
    let rig = Rig::start(small(2, 60)).await;
    rig.back_up_complete().await;
    let mailboxes = rig.mailboxes();
    let (from, to) = (&mailboxes[0], SourceMailboxId(mailboxes[1].clone()));
    let mailbox = rig.mailbox(from).await;
    let request = RestoreRequest {
        placement: Placement::NewFolder { name: None },
        ..RestoreRequest::new(mailbox.id().clone(), to)
    };
    rig.count_anew();
    let target = Arc::new(GraphTarget::with_client(rig.client()));
    let (engine, quiet, stop) = (rig.engine(), Arc::new(Quiet), StopSignal::new());
    let done = restore::run(&engine, target, &request, quiet, stop);
    let done = done.await.unwrap();
    let requests: u64 = rig.admin.counters().values().sum();
    assert_eq!((done.exit_code(), done.restored), (0, 60));
    let of_items = costs::RESTORE_REQUESTS * done.restored;
    let of_folders = costs::RESTORE_REQUESTS_OF_FOLDER * done.folders_created;
    assert!(requests >= of_items, "{requests} {of_items}");
    assert!(
        requests <= of_items + of_folders,
        "{requests} {of_items} {of_folders}"
    );
}
