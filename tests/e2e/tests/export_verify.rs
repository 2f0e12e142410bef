//! Mail leaves the vault byte for byte, and damage is found, named and contained.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs
)]

use std::collections::BTreeSet;
use std::io::Cursor;
use std::sync::Arc;

use mailkeep_content::MboxReader;
use mailkeep_e2e::{MemorySink, Rig, small, stored};
use mailkeep_engine::export::{self, ExportFormat, ExportRequest, ExportSummary};
use mailkeep_engine::verify::{
    self, FindingKind, VerifyLevel, VerifyReport, VerifyRequest, compare_with_source,
};
use mailkeep_engine::{Quiet, Selection, StopSignal};
use mailkeep_ports::{Damage, GetOptions, Key, Store, damage};

async fn export(rig: &Rig, mailbox: &str, format: ExportFormat) -> (MemorySink, ExportSummary) {
    let request = ExportRequest {
        mailbox: rig.mailbox(mailbox).await.id().clone(),
        snapshot: "latest".into(),
        selection: Selection::default(),
        format,
    };
    let mut sink = MemorySink::default();
    let (observer, stop) = (Arc::new(Quiet), StopSignal::new());
    let summary = export::run(&rig.engine(), &request, &mut sink, observer, stop).await;
    (sink, summary.unwrap())
}

async fn verified(rig: &Rig, level: VerifyLevel) -> VerifyReport {
    let request = VerifyRequest::new(level);
    let (observer, stop) = (Arc::new(Quiet), StopSignal::new());
    let report = verify::run(&rig.engine(), &request, observer, stop).await;
    report.unwrap()
}

/// Mail with lines that mbox has to escape, and with none at the end.
fn odd_mail() -> Vec<Vec<u8>> {
    let head = "From: a@x.example\r\nDate: Mon, 2 Nov 2026 07:00:00 +0000\r\nSubject: ";
    vec![
        format!("{head}1\r\n\r\nFrom here\r\n>From there\r\n>>From\r\n").into(),
        format!("{head}2\r\n\r\nno end of line").into(),
        format!("{head}3\r\n\r\n").into(),
        [head.as_bytes(), b"4\r\n\r\n\xff\0\x80\r\r\n\n"].concat(),
        format!("{head}5\n\nFrom x\n").into(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eml_is_byte_identical_and_mbox_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    for (number, bytes) in odd_mail().iter().enumerate() {
        std::fs::write(folder.path().join(format!("{number}.eml")), bytes).unwrap();
    }
    let rig = Rig::start(small(1, 0).from_path(folder.path())).await;
    rig.back_up_complete().await;
    let wanted: BTreeSet<Vec<u8>> = odd_mail().into_iter().collect();
    let (sink, summary) = export(&rig, &rig.first(), ExportFormat::Eml).await;
    assert_eq!((summary.exported, summary.exit_code()), (5, 0));
    let found: BTreeSet<Vec<u8>> = sink.files.into_values().collect();
    assert_eq!(found, wanted);

    let (sink, summary) = export(&rig, &rig.first(), ExportFormat::Mbox).await;
    assert_eq!((summary.exported, summary.files), (5, 1), "{summary:?}");
    let file = sink.files.into_values().next().unwrap();
    let reader = MboxReader::new(Cursor::new(file), 1 << 20);
    let messages: Vec<Vec<u8>> = reader.map(|message| message.unwrap()).collect();
    assert_eq!(messages.len(), 5);
    let starts: BTreeSet<_> = messages.iter().map(|bytes| without_end(bytes)).collect();
    let wanted: BTreeSet<_> = wanted.iter().map(|bytes| without_end(bytes)).collect();
    assert_eq!(starts, wanted);
}

/// mbox cannot tell whether a message ended with a line ending.
fn without_end(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes;
    while let [rest @ .., b'\r' | b'\n'] = bytes {
        bytes = rest;
    }
    bytes.to_vec()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_vault_is_clean_and_counts_as_the_source_does() {
    let rig = Rig::start(small(3, 30)).await;
    rig.back_up_complete().await;
    rig.admin.advance(std::time::Duration::from_secs(3_600));
    rig.admin.evolve(20);
    rig.back_up_complete().await;
    for level in [
        VerifyLevel::Quick,
        VerifyLevel::Full,
        VerifyLevel::Sample(40),
    ] {
        let report = verified(&rig, level).await;
        assert_eq!(report.exit_code(), 0, "{level:?}: {:?}", report.findings);
        assert_eq!(report.mailboxes, 3);
        if level == VerifyLevel::Full {
            // Versions that share their content are read once.
            assert!(report.items_read <= report.items_known);
            assert!(report.items_read >= 3 * 30);
        }
    }
    let mut report = VerifyReport::default();
    let source = rig.source();
    for mailbox in rig.mailboxes() {
        let mailbox = rig.mailbox(&mailbox).await;
        compare_with_source(&*source, &mailbox, &mut report)
            .await
            .unwrap();
    }
    assert_eq!(report.findings, []);

    // A mail more at the source is a difference, and a backup settles it.
    rig.admin.add_mail(&rig.first(), "inbox").unwrap();
    let mailbox = rig.mailbox(&rig.first()).await;
    compare_with_source(&*source, &mailbox, &mut report)
        .await
        .unwrap();
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.findings[0].kind, FindingKind::CountDiffers);
    assert_eq!(report.exit_code(), 3);
    rig.back_up_complete().await;
    let mut report = VerifyReport::default();
    compare_with_source(&*source, &mailbox, &mut report)
        .await
        .unwrap();
    assert_eq!(report.findings, []);
}

/// The vault's objects with this text in their names.
fn objects(rig: &Rig, part: &str) -> Vec<Key> {
    let names = rig.memory.names().into_iter();
    let names = names.filter(|name| name.contains(part));
    names.map(|name| Key::new(name).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_wrong_byte_is_found_named_and_contained() {
    let rig = Rig::start(small(2, 25)).await;
    let (ann, bob) = (rig.first(), rig.mailboxes().remove(1));
    let big = rig.admin.add_giant_mail(&ann, "inbox", 12_000_000).unwrap();
    rig.back_up_complete().await;
    let packs = objects(&rig, "/pack/");
    assert_eq!(packs.len(), 1, "{packs:?}");
    let info = rig
        .memory
        .get(&packs[0], GetOptions::default())
        .await
        .unwrap();
    let middle = info.info.size_bytes / 2;
    damage(&*rig.memory, &packs[0], &Damage::FlipBit(middle))
        .await
        .unwrap();
    let report = verified(&rig, VerifyLevel::Full).await;
    assert_eq!(report.exit_code(), 1, "{report:?}");
    let view = rig.view(&ann).await;
    let page = view.items(&Default::default(), None, 1_000).await.unwrap();
    let hit = page
        .items
        .iter()
        .find(|version| version.item.id.0 == big)
        .unwrap();
    let address = rig.mailbox(&ann).await.profile().address.clone();
    assert!(!report.findings.is_empty());
    for finding in &report.findings {
        assert_eq!(finding.address.as_deref(), Some(address.as_str()));
    }
    let named: BTreeSet<_> = report
        .findings
        .iter()
        .filter_map(|f| f.item.clone())
        .collect();
    assert_eq!(
        named,
        BTreeSet::from([hit.key.to_string()]),
        "{:?}",
        report.findings
    );

    // The other items and the other mailbox are whole.
    let (sink, summary) = export(&rig, &ann, ExportFormat::Eml).await;
    assert_eq!((summary.exported, summary.failed), (25, 1), "{summary:?}");
    assert_eq!((sink.files.len(), summary.exit_code()), (25, 3));
    let held = stored(&rig.view(&bob).await, false).await;
    held.expect(&mailkeep_e2e::truth(&rig.admin, &bob, false), &bob);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_object_is_found_by_a_quick_look() {
    let rig = Rig::start(small(1, 5)).await;
    let ann = rig.first();
    rig.admin.add_giant_mail(&ann, "inbox", 12_000_000).unwrap();
    rig.back_up_complete().await;
    let packs = objects(&rig, "/pack/");
    damage(&*rig.memory, &packs[0], &Damage::Delete)
        .await
        .unwrap();
    let report = verified(&rig, VerifyLevel::Quick).await;
    assert_eq!(report.exit_code(), 1);
    assert!(
        report
            .findings
            .iter()
            .any(|f| f.kind == FindingKind::Missing),
        "{report:?}"
    );
}
