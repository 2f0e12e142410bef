//! Scenarios of export, browsing and verification.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mailkeep_engine::export::{ExportFormat, ExportRequest, ExportSink, SinkError, run};
use mailkeep_engine::verify::{self, FindingKind, VerifyLevel, VerifyRequest};
use mailkeep_engine::{EngineError, Quiet, Selection, StopSignal, browse};
use mailkeep_model::{FailureClass, FolderPath};
use mailkeep_ports::{Condition, Key, PutOptions, Store};
use mailkeep_vault::ItemFilter;
use support::{Op, Rig, Rule};

/// Keeps files in memory, as a sink on a disk would.
#[derive(Default)]
struct Files {
    files: Vec<(String, Vec<u8>)>,
    open: Option<(String, Vec<u8>, usize)>,
}

#[async_trait]
impl ExportSink for Files {
    async fn begin(&mut self, folder: &FolderPath, name: &str) -> Result<(), SinkError> {
        assert!(self.open.is_none());
        self.open = Some((format!("{folder}|{name}"), vec![], 0));
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.open.as_mut().unwrap().1.extend_from_slice(bytes);
        Ok(())
    }

    async fn keep(&mut self) -> Result<(), SinkError> {
        let file = self.open.as_mut().unwrap();
        file.2 = file.1.len();
        Ok(())
    }

    async fn undo(&mut self) -> Result<(), SinkError> {
        let file = self.open.as_mut().unwrap();
        file.1.truncate(file.2);
        Ok(())
    }

    async fn end(&mut self) -> Result<(), SinkError> {
        let (name, bytes, kept) = self.open.take().unwrap();
        if kept > 0 {
            self.files.push((name, bytes));
        }
        Ok(())
    }
}

async fn rig() -> Rig {
    let rig = Rig::new().await;
    rig.tenant.with("ann", |m| {
        m.add_folder("a/b", Some("inbox"), "A/B");
        m.add_text("inbox", "one");
        m.add(
            "inbox",
            b"From: x@example.com\nSubject: two\n\nFrom the start\n>From quoted\n".to_vec(),
        );
        m.add("a/b", b"\xff\xfe broken \r\r\n\0 no header".to_vec());
        m.items.get_mut("Item0001").unwrap().item.subject = "../../etc: \"x\"".into();
    });
    rig.back_up_complete().await;
    rig
}

async fn export(
    rig: &Rig,
    format: ExportFormat,
) -> (Files, mailkeep_engine::export::ExportSummary) {
    let request = ExportRequest {
        mailbox: rig.mailbox("ann").await.id().clone(),
        snapshot: "latest".into(),
        selection: Selection::default(),
        format,
    };
    let mut files = Files::default();
    let summary = run(
        &rig.engine(),
        &request,
        &mut files,
        Arc::new(Quiet),
        StopSignal::new(),
    )
    .await
    .unwrap();
    (files, summary)
}

#[tokio::test]
async fn eml_files_are_byte_identical_with_safe_names() {
    let rig = rig().await;
    let (files, summary) = export(&rig, ExportFormat::Eml).await;
    assert_eq!((summary.exported, summary.failed, summary.files), (3, 0, 3));
    let sources = rig.tenant.with("ann", |m| m.items.clone());
    for item in sources.values() {
        let found = files.files.iter().filter(|f| f.1 == item.content).count();
        assert_eq!(found, 1, "{} byte for byte", item.item.id.as_str());
    }
    let names: Vec<&String> = files.files.iter().map(|f| &f.0).collect();
    assert!(
        names.iter().any(|n| n.starts_with("Inbox/A_B|")),
        "{names:?}"
    );
    assert!(
        names.iter().any(|n| n.contains("_.._etc_ _x_ [")),
        "{names:?}"
    );
}

#[tokio::test]
async fn mbox_holds_a_folder_and_escapes() {
    let rig = rig().await;
    let (files, summary) = export(&rig, ExportFormat::Mbox).await;
    assert_eq!((summary.exported, summary.files), (3, 2));
    let inbox = &files.files.iter().find(|f| f.0 == "|Inbox.mbox").unwrap().1;
    let text = String::from_utf8_lossy(inbox);
    assert!(text.starts_with("From "));
    assert!(text.contains("\n>From the start\n>>From quoted\n"));
    assert!(files.files.iter().any(|f| f.0 == "Inbox|A_B.mbox"));
}

/// Overwrites the last bytes of every object whose name fits.
async fn damage(rig: &Rig, fits: impl Fn(&str) -> bool) -> usize {
    let names: Vec<String> = rig.store.names().into_iter().filter(|n| fits(n)).collect();
    for name in &names {
        let key = Key::new(name).unwrap();
        let body = rig.store.get(&key, Default::default()).await.unwrap().body;
        let mut bytes = body.to_vec();
        // The frames come first in an object; the footer at its end stays readable.
        for byte in bytes.iter_mut().skip(200).take(400) {
            *byte ^= 0x55;
        }
        rig.store.delete(&key, Condition::None).await.unwrap();
        rig.store
            .put(&key, Bytes::from(bytes), PutOptions::default())
            .await
            .unwrap();
    }
    names.len()
}

#[tokio::test]
async fn verification_finds_nothing_in_a_sound_vault_and_names_gaps() {
    let rig = rig().await;
    for level in [
        VerifyLevel::Quick,
        VerifyLevel::Full,
        VerifyLevel::Sample(50),
    ] {
        let request = VerifyRequest::new(level);
        let report = verify::run(&rig.engine(), &request, Arc::new(Quiet), StopSignal::new())
            .await
            .unwrap();
        assert_eq!(
            (report.exit_code(), report.mailboxes),
            (0, 1),
            "{:?}",
            report.findings
        );
        if level == VerifyLevel::Full {
            assert_eq!(report.items_read, 3);
        }
        assert!(report.objects > 0);
    }
    rig.tenant.with("ann", |m| m.add_text("inbox", "bad"));
    rig.tenant
        .rule(Rule::fail(Op::Content, FailureClass::ItemPermanent));
    rig.back_up().await;
    let request = VerifyRequest::new(VerifyLevel::Quick);
    let mut report = verify::run(&rig.engine(), &request, Arc::new(Quiet), StopSignal::new())
        .await
        .unwrap();
    assert_eq!(report.exit_code(), 3);
    assert_eq!(report.findings[0].kind, FindingKind::Gap);
    let mailbox = rig.mailbox("ann").await;
    verify::compare_with_source(&rig.tenant, &mailbox, &mut report)
        .await
        .unwrap();
    assert_eq!(report.findings.len(), 1, "gaps are accounted for");
    rig.tenant.with("ann", |m| m.add_text("inbox", "later"));
    verify::compare_with_source(&rig.tenant, &mailbox, &mut report)
        .await
        .unwrap();
    assert_eq!(report.findings[1].kind, FindingKind::CountDiffers);
    assert_eq!(report.findings[1].folder.as_deref(), Some("Inbox"));
}

#[tokio::test]
async fn every_version_is_verified_and_samples_differ() {
    let rig = rig().await;
    rig.tenant.with("ann", |m| {
        m.edit("Item0001", b"Subject: new\r\n\r\nnew\r\n".to_vec())
    });
    rig.tenant.with("ann", |m| m.delete("Item0002"));
    rig.back_up_complete().await;
    let request = VerifyRequest::new(VerifyLevel::Full);
    let report = verify::run(&rig.engine(), &request, Arc::new(Quiet), StopSignal::new())
        .await
        .unwrap();
    assert_eq!(
        report.items_read, 4,
        "the removed item and the older version, too"
    );
}

#[tokio::test]
async fn damage_is_found_named_and_never_hides_the_rest() {
    let rig = rig().await;
    rig.tenant.add_mailbox("bob");
    rig.tenant.with("bob", |m| m.add_text("inbox", "fine"));
    rig.run().await;
    let ann = rig.mailbox("ann").await.id().to_string();
    assert!(damage(&rig, |n| n.contains(&ann) && n.contains("/log/")).await > 0);
    let request = VerifyRequest::new(VerifyLevel::Full);
    let report = verify::run(&rig.engine(), &request, Arc::new(Quiet), StopSignal::new())
        .await
        .unwrap();
    assert_eq!(report.exit_code(), 1);
    assert!(
        report
            .findings
            .iter()
            .all(|f| f.mailbox == ann && f.kind == FindingKind::Corrupt)
    );
    assert_eq!(
        report.findings[0].address.as_deref(),
        Some("ann@example.com")
    );
    assert_eq!(report.mailboxes, 2);
    assert!(
        report.items_read >= 1,
        "the other mailbox is still verified"
    );
}

#[tokio::test]
async fn a_missing_pack_is_found_quickly_with_the_items_that_suffer() {
    let rig = rig().await;
    rig.tenant.with("ann", |m| {
        let mut n = 0_u64;
        let noise = std::iter::repeat_with(|| {
            n = n
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (n >> 56).to_le_bytes()[0]
        });
        let content: Vec<u8> = noise.take(9 << 20).collect();
        m.add("inbox", content);
    });
    rig.back_up_complete().await;
    let packs: Vec<String> = rig
        .store
        .names()
        .into_iter()
        .filter(|n| n.contains("/pack/"))
        .collect();
    assert!(
        !packs.is_empty(),
        "beyond 8 MiB a commit has packs of its own"
    );
    for name in packs {
        let key = Key::new(name).unwrap();
        rig.store.delete(&key, Condition::None).await.unwrap();
    }
    let request = VerifyRequest::new(VerifyLevel::Quick);
    let report = verify::run(&rig.engine(), &request, Arc::new(Quiet), StopSignal::new())
        .await
        .unwrap();
    assert_eq!(report.exit_code(), 1);
    assert!(
        report
            .findings
            .iter()
            .any(|f| f.kind == FindingKind::Missing)
    );
    let key = rig.id_of("ann", "Item0004").await.key.to_string();
    assert!(
        report
            .findings
            .iter()
            .any(|f| f.item.as_ref() == Some(&key))
    );
    let (files, summary) = export(&rig, ExportFormat::Eml).await;
    assert_eq!(
        (summary.exported, summary.failed, summary.exit_code()),
        (3, 1, 3)
    );
    assert_eq!(files.files.len(), 3, "no half file is left");
}

#[tokio::test]
async fn mailboxes_folders_and_items_are_found() {
    let rig = rig().await;
    let engine = rig.engine();
    let mailbox = rig.mailbox("ANN").await;
    let prefix = &mailbox.id().to_string()[..6];
    let same = browse::find_mailbox(&engine, prefix).await.unwrap();
    assert_eq!(same.id(), mailbox.id());
    let missing = browse::find_mailbox(&engine, "nobody@example.com").await;
    let error = missing.err().unwrap();
    assert!(matches!(error, EngineError::NoSuchMailbox { .. }));
    assert!(
        !error.to_string().contains("nobody"),
        "no address in what is logged"
    );

    let view = browse::open(&mailbox, "latest").await.unwrap();
    let top = browse::ls(&view, None, false, None, 10).await.unwrap();
    assert_eq!(top.folders.len(), 1);
    assert!(top.folders[0].has_children && top.items.items.is_empty());
    let inbox = browse::ls(&view, Some(&FolderPath::parse("inbox")), false, None, 10)
        .await
        .unwrap();
    assert_eq!((inbox.folders.len(), inbox.items.items.len()), (1, 2));
    let path = FolderPath(vec!["Inbox".into(), "A/B".into()]);
    let found = browse::find(&view, Some(&path), &ItemFilter::default(), None, 10)
        .await
        .unwrap();
    assert_eq!(found.items.len(), 1);
    let reference = found.items[0].key.to_string();
    assert!(browse::item(&view, &reference).await.is_ok());
    assert!(browse::item(&view, "nonsense").await.is_err());
    let stats = browse::vault_stats(&engine).await.unwrap();
    assert_eq!((stats.total().items, stats.total().folders), (3, 2));
    let snapshots = browse::snapshots(&view, false, None, 10).await.unwrap();
    assert_eq!(snapshots.len(), 1);
}
