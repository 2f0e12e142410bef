//! What is taken of a mailbox on Exchange beside its visible folders and the portable form of its items.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use exchange_sim::{ExchangeOptions, Fault, FaultKind};
use futures::TryStreamExt;
use mailkeep_e2e::{Exchange, small};
use mailkeep_engine::restore::{self, ConflictPolicy, Placement, RestoreRequest, RestoreSummary};
use mailkeep_engine::{Quiet, StopSignal};
use mailkeep_model::{Extent, SourceMailboxId};
use mailkeep_vault::{ItemFilter, ItemVersion, MailboxView};

const WORDS: &str = "String {00020329-0000-0000-c000-000000000046} Name Words";
const MARK: &str = "String {6f1c2a36-2f0f-4f6b-9d43-7a8f5be0c1d2} Name MailkeepRestore";
const ALL: Extent = Extent {
    archive: true,
    recoverable_items: true,
    export_streams: true,
};

async fn start(mailboxes: u32, items: u32, extent: Extent) -> Exchange {
    let mut exchange = Exchange::start(small(mailboxes, items), ExchangeOptions::default()).await;
    exchange.extent = extent;
    exchange
}

async fn items(view: &MailboxView) -> Vec<ItemVersion> {
    let filter = ItemFilter::default();
    view.items(&filter, None, 1_000).await.unwrap().items
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archive_and_recoverable_items_are_trees_of_their_own() {
    let mut exchange = start(1, 15, Extent::default()).await;
    exchange.back_up_complete().await;
    let first = exchange.first();
    let usual = exchange.truth(&first).len();
    let extent = Extent {
        export_streams: false,
        ..ALL
    };
    exchange.extent = extent;
    let run = exchange.back_up_complete().await;
    let more = exchange.truth(&first).len() - usual;
    assert!(more >= 4, "{more} items beside the visible tree");
    assert_eq!(run.counters().items_stored, more as u64);
    let view = exchange.rig.view(&first.to_lowercase()).await;
    let paths: Vec<String> = view
        .folders()
        .iter()
        .map(|one| one.path.to_string())
        .collect();
    for wanted in [
        "In-Place Archive/Inbox/2019 – älter",
        "Recoverable Items/Deletions",
        "In-Place Archive, Recoverable Items/Deletions",
    ] {
        assert!(
            paths.iter().any(|path| path == wanted),
            "{wanted} in {paths:?}"
        );
    }
    // A run that does not take them deletes nothing of them, and the next goes on where it was.
    exchange.extent = Extent::default();
    let run = exchange.back_up().await;
    assert_eq!(run.exit_code(), 0);
    assert_eq!(run.counters().items_deleted, 0);
    exchange.extent = extent;
    let run = exchange.back_up_complete().await;
    assert_eq!(run.counters().items_stored, 0);
}

/// Extended properties of a mailbox's items by their subjects, without our mark.
fn properties(
    exchange: &Exchange,
    mailbox: &str,
    only: &[String],
) -> BTreeMap<String, Vec<String>> {
    let admin = &exchange.rig.admin;
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for item in admin.items(mailbox).unwrap() {
        if !only.is_empty() && !only.contains(&item.id) {
            continue;
        }
        let mut properties = admin.properties(mailbox, &item.id).unwrap();
        properties.remove(MARK);
        all.entry(item.subject)
            .or_default()
            .push(format!("{properties:?}"));
    }
    for list in all.values_mut() {
        list.sort();
    }
    all
}

async fn restored(exchange: &Exchange, request: RestoreRequest) -> RestoreSummary {
    let engine = exchange.rig.engine();
    let (observer, stop) = (Arc::new(Quiet), StopSignal::new());
    let run = restore::run(&engine, exchange.target(), &request, observer, stop);
    let summary = run.await.unwrap();
    assert_eq!(exchange.rig.admin.sent(), [], "a restore sent mail");
    summary
}

async fn request(exchange: &Exchange, from: &str, to: &str) -> RestoreRequest {
    let mailbox = exchange.rig.mailbox(&from.to_lowercase()).await;
    let target = SourceMailboxId(to.to_lowercase());
    RestoreRequest::new(mailbox.id().clone(), target)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn export_streams_bring_back_what_message_and_properties_lack() {
    let exchange = start(
        2,
        12,
        Extent {
            export_streams: true,
            ..Extent::default()
        },
    )
    .await;
    let (from, to) = (exchange.first(), exchange.addresses().remove(1));
    let admin = &exchange.rig.admin;
    for (n, item) in exchange.rig.items(&from).iter().enumerate() {
        admin
            .set_property(&from, &item.id, WORDS, &format!("word {n}"))
            .unwrap();
    }
    exchange.back_up_complete().await;
    let view = exchange.rig.view(&from.to_lowercase()).await;
    for version in items(&view).await {
        let reader = view.content(&version).await.unwrap();
        assert_eq!(reader.export_server_version(), Some("15.2.2562.17"));
        let bytes: Vec<_> = reader.export().try_collect().await.unwrap();
        assert_eq!(bytes.concat().len() as u64, reader.export_bytes().unwrap());
        assert!(bytes.concat().starts_with(b"SIMFTS"));
    }
    let before: Vec<String> = admin
        .items(&to)
        .unwrap()
        .into_iter()
        .map(|one| one.id)
        .collect();
    exchange.rig.count_anew();
    let place = RestoreRequest {
        placement: Placement::NewFolder {
            name: Some("Zurück".into()),
        },
        ..request(&exchange, &from, &to).await
    };
    let done = restored(&exchange, place.clone()).await;
    assert_eq!(
        (done.exit_code(), done.with_losses, done.failed),
        (0, 0, 0),
        "{done:?}"
    );
    let calls = exchange.calls();
    assert_eq!(calls.get("POST /EWS/UploadItems 200"), Some(&done.restored));
    assert_eq!(calls.get("POST /EWS/CreateItem 200"), None);
    let new: Vec<String> = admin
        .items(&to)
        .unwrap()
        .into_iter()
        .map(|one| one.id)
        .filter(|id| !before.contains(id))
        .collect();
    assert_eq!(new.len() as u64, done.restored);
    let truth: Vec<String> = exchange
        .rig
        .items(&from)
        .into_iter()
        .map(|one| one.id)
        .collect();
    assert_eq!(
        properties(&exchange, &to, &new),
        properties(&exchange, &from, &truth)
    );
    let again = restored(&exchange, place.clone()).await;
    assert_eq!((again.restored, again.already_there), (0, done.restored));
    // Without the streams, what only they hold is not there.
    let without = RestoreRequest {
        use_export_streams: false,
        placement: Placement::NewFolder {
            name: Some("Ohne".into()),
        },
        ..place
    };
    exchange.rig.count_anew();
    let done = restored(&exchange, without).await;
    assert_eq!(exchange.calls().get("POST /EWS/UploadItems 200"), None);
    assert_eq!(
        exchange.calls().get("POST /EWS/CreateItem 200"),
        Some(&done.restored)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conflicts_are_skipped_copied_or_replaced_with_streams_as_well() {
    let exchange = start(
        1,
        10,
        Extent {
            export_streams: true,
            ..Extent::default()
        },
    )
    .await;
    exchange.back_up_complete().await;
    let first = exchange.first();
    let held = exchange.rig.items(&first).len() as u64;
    let original = |on_conflict| {
        let exchange = &exchange;
        let first = &first;
        async move {
            let request = RestoreRequest {
                placement: Placement::Original,
                on_conflict,
                ..request(exchange, first, first).await
            };
            restored(exchange, request).await
        }
    };
    let skipped = original(ConflictPolicy::Skip).await;
    assert_eq!(
        (skipped.restored, skipped.skipped),
        (0, held),
        "{skipped:?}"
    );
    let copied = original(ConflictPolicy::Copy).await;
    assert_eq!((copied.restored, copied.failed), (held, 0), "{copied:?}");
    let again = original(ConflictPolicy::Copy).await;
    assert_eq!(
        (again.restored, again.already_there),
        (0, held),
        "{again:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_that_cannot_be_exported_is_kept_without_and_told() {
    let exchange = start(
        1,
        12,
        Extent {
            export_streams: true,
            ..Extent::default()
        },
    )
    .await;
    let code = "ErrorCorruptData".to_owned();
    let fault = Fault::new(FaultKind::EwsItems { code }, 2).only("ExportItems");
    exchange.rig.admin.inject(fault);
    let run = exchange.back_up().await;
    assert_eq!(run.exit_code(), 0, "{run:?}");
    let warnings = &run.mailboxes[0].warnings;
    assert!(
        warnings
            .iter()
            .any(|one| one.contains("without their export stream")
                && one.contains("ErrorCorruptData")),
        "{warnings:?}"
    );
    exchange.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_another_organisation_refuses_is_replaced_by_message_and_properties() {
    let exchange = start(
        1,
        10,
        Extent {
            export_streams: true,
            ..Extent::default()
        },
    )
    .await;
    exchange.back_up_complete().await;
    let first = exchange.first();
    let code = "ErrorCorruptData".to_owned();
    let fault = Fault::new(FaultKind::EwsItems { code }, 1_000).only("UploadItems");
    exchange.rig.admin.inject(fault);
    let done = restored(&exchange, request(&exchange, &first, &first).await).await;
    assert_eq!((done.exit_code(), done.failed), (0, 0), "{done:?}");
    assert_eq!(done.with_losses, done.restored);
    let refused = done.problems.iter();
    let refused = refused.filter(|one| one.message.contains("export stream was refused"));
    assert_eq!(refused.count() as u64, done.restored, "{done:?}");
}
