//! What the decoders are fed with first: everything that a small vault holds, taken apart.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use mailkeep_model::{
    FailureClass, Folder, FolderId, Gap, Item, ItemFailure, ItemId, LicenseState, MailboxKind,
    MailboxProfile, RunId, SourceMailboxId,
};
use mailkeep_ports::{
    Clock, Condition, GetOptions, Key, MemoryStore, Rng, SeededRng, Store, TestClock,
};
use prost::Message;
use zeroize::Zeroizing;

use crate::content_store::ContentHead;
use crate::context::VaultContext;
use crate::create::CreateOptions;
use crate::crypto::ObjectKeys;
use crate::error::VaultError;
use crate::format::footer;
use crate::format::frame::FrameKind;
use crate::format::header::{HEADER_BYTES, ObjectHeader, ObjectKind};
use crate::format::records::{DocumentRecord, EarlierRoot, ProfileRecord, RingRecord, VaultRecord};
use crate::index::checkpoint::CheckpointLimits;
use crate::index::commit_info::CommitInfo;
use crate::index::writer::{MailboxWriter, WriterLimits};
use crate::mailbox::Mailbox;
use crate::names;
use crate::object::ObjectReader;
use crate::pack::PackLimits;
use crate::recipients::Recipient;
use crate::vault::Vault;

/// Samples for each decoder: its name and some bytes that it reads.
///
/// # Errors
/// None: the store is in memory.
pub async fn samples() -> Result<Vec<(String, Vec<u8>)>, VaultError> {
    let (store, vault, mailbox) = small_vault().await?;
    let mut samples = vec![];
    for key in names::list(&*store, "").await? {
        let body = store.get(&key, GetOptions::default()).await?.body;
        let kind = ObjectHeader::parse("sample", &body).map(|header| header.kind);
        let kinds = super::KINDS.into_iter();
        match kind
            .ok()
            .and_then(|tag| kinds.clone().find(|kind| kind.tag() == tag))
        {
            Some(kind @ (ObjectKind::Run | ObjectKind::Document)) => {
                sealed(
                    &mut samples,
                    &*store,
                    &vault.inner.objects,
                    kind,
                    &key,
                    body,
                )
                .await?;
            }
            Some(kind) => {
                let keys = mailbox.core.keys.objects();
                sealed(&mut samples, &*store, keys, kind, &key, body).await?;
            }
            None => plain(&mut samples, key.as_str(), &body),
        }
    }
    let (recovery, checks) = (
        crate::RecoveryKey::generate(&SeededRng::new(4)),
        vec![7; 48],
    );
    let ring = RingRecord {
        vault_hash: vec![1; 32],
        naming_key: vec![2; 32],
        earlier: vec![EarlierRoot {
            epoch: 1,
            root_key: vec![3; 32],
        }],
    };
    let profile = ProfileRecord::new("realm", &profile("ada"), 1);
    samples.push(("ring".into(), ring.encode_to_vec()));
    samples.push(("profile".into(), profile.encode_to_vec()));
    samples.push((
        "recovery-key".into(),
        recovery.to_text().as_bytes().to_vec(),
    ));
    samples.push(("verified".into(), checks));
    for text in [
        mailbox.id().to_string(),
        "01KDXW3B7V0000000000000000".into(),
    ] {
        samples.push(("ids".into(), text.into_bytes()));
    }
    Ok(samples)
}

/// An object as it is, its table, and each of its frames.
async fn sealed(
    samples: &mut Vec<(String, Vec<u8>)>,
    store: &dyn Store,
    keys: &ObjectKeys,
    kind: ObjectKind,
    key: &Key,
    body: Bytes,
) -> Result<(), VaultError> {
    let mut add = |name: &str, bytes: Vec<u8>| samples.push((name.to_owned(), bytes));
    add("header", body.slice(..HEADER_BYTES).to_vec());
    let end = body.len().saturating_sub(footer::TRAILER_BYTES);
    add("trailer", body.slice(end..).to_vec());
    let reader = ObjectReader::from_bytes(keys, kind, key, body)?;
    let count = u32::try_from(reader.frames().len()).unwrap_or(0);
    let offset = reader.frames().last().map_or(80, |frame| frame.place.end());
    let table = [
        &count.to_le_bytes()[..],
        &offset.to_le_bytes(),
        &footer::encode(reader.frames()),
    ];
    add("frame-table", table.concat());
    let mut frames = vec![];
    for frame in reader.frames() {
        let plain = reader.frame(store, frame).await?.to_vec();
        let decoder = match (kind, frame.kind) {
            (_, FrameKind::Item) => "item",
            (_, FrameKind::RowBlock) => "rows",
            (_, FrameKind::LookupBlock) => "lookup",
            (_, FrameKind::PartBlock) => "parts",
            (_, FrameKind::PackBlock) => "packs",
            (_, FrameKind::RefBlock) => "refs",
            (_, FrameKind::SnapshotBlock) => "snapshots",
            (_, FrameKind::CheckpointRoot) => "root",
            (_, FrameKind::WriterState) => "writer-state",
            (_, FrameKind::PackRows) => "pack-rows",
            (ObjectKind::Segment, FrameKind::Record) => "commit",
            (ObjectKind::Segment, FrameKind::EarlierCommits) => "earlier-commits",
            (ObjectKind::Floor, FrameKind::Record) => "floor",
            (ObjectKind::Run, FrameKind::Record) => "run",
            (ObjectKind::Document, FrameKind::Record) => "document",
            _ => "frame",
        };
        let length = u32::try_from(plain.len()).unwrap_or(0).to_le_bytes();
        let (payload, _) = crate::compress::encode(&plain, crate::compress::Compression::Zstd)?;
        add("frame", [&length[..], &payload].concat());
        if decoder == "document" {
            let document = DocumentRecord::decode(plain.as_slice());
            if let Ok(document) = document {
                add(&document.kind, document.content);
            }
        }
        if decoder != "frame" {
            add(decoder, plain.clone());
        }
        frames.push((frame.kind, plain));
    }
    add("object", super::seal(kind, &frames)?);
    Ok(())
}

/// Records that can be read without a key.
fn plain(samples: &mut Vec<(String, Vec<u8>)>, name: &str, body: &Bytes) {
    let inner = body.slice(body.len().min(12)..).to_vec();
    let decoder = match name {
        names::VAULT => "vault",
        name if name.ends_with(names::ROOT) => "key-root",
        name if name.ends_with(names::ERASED) => "erasure",
        name if name.starts_with(names::KEYS) => "recipient",
        name if name.starts_with(names::MAILBOXES) => "mailbox-key",
        _ => return,
    };
    if decoder == "vault" {
        samples.push(("envelope".into(), body.to_vec()));
        if let Ok(record) = VaultRecord::decode(inner.as_slice()) {
            samples.push(("vault-body".into(), record.body));
            let root = record.root.unwrap_or_default();
            samples.push(("key-root".into(), root.encode_to_vec()));
        }
    }
    samples.push((decoder.into(), inner));
}

/// Two commits with packs and one without, a checkpoint, a floor, a run, documents, an erased mailbox.
async fn small_vault() -> Result<(Arc<MemoryStore>, Vault, Mailbox), VaultError> {
    let clock = Arc::new(TestClock::default());
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let ctx = VaultContext {
        store: store.clone(),
        clock: clock.clone(),
        rng: Arc::new(SeededRng::new(1)),
    };
    let recipients = [Recipient::KeyFile(Zeroizing::new([7; 32]))];
    let (vault, _) = Vault::create(ctx, &recipients, CreateOptions::default()).await?;
    let gone = vault.ensure_mailbox("realm", &profile("gone")).await?;
    vault.erase_mailbox(gone.id()).await?;
    let mailbox = vault.ensure_mailbox("realm", &profile("ada")).await?;
    let limits = WriterLimits {
        packs: PackLimits {
            pack_bytes: 4 << 10,
            inline_bytes: 2 << 10,
        },
        checkpoint: CheckpointLimits {
            segments: 3,
            row_entries: 40,
        },
    };
    let writer = MailboxWriter::open(mailbox.core.clone(), limits).await?;
    for round in 0..7_u32 {
        fill(&writer, round, clock.now()).await?;
        let end = (round % 2 == 0).then(|| crate::EndOfRun {
            outcome: mailkeep_model::MailboxOutcome::Complete,
            counters: mailkeep_model::Counters::default(),
        });
        let run = RunId("01KDXW3B7V0000000000000000".into());
        writer.commit(CommitInfo { run, end }).await?;
    }
    let mut floor = crate::index::floor::Floor::default();
    floor.raise(3, clock.now());
    floor.raise(6, clock.now());
    crate::index::floor::write(&mailbox.core, &floor, None).await?;
    let floor = names::floor(mailbox.id())?;
    vault.put_run(&run(clock.now())).await?;
    vault
        .set_policy(&crate::PolicyScope::Default, &policy())
        .await?;
    vault.add_hold(&hold(clock.now())).await?;
    // Read as a sample below; nothing else needs it.
    store.head(&floor).await?;
    store
        .delete(&names::key("dict/1".into())?, Condition::None)
        .await?;
    Ok((store, vault, mailbox))
}

fn profile(id: &str) -> MailboxProfile {
    MailboxProfile {
        id: SourceMailboxId(id.into()),
        address: format!("{id}@example.com"),
        display_name: id.to_uppercase(),
        kind: MailboxKind::User,
        license: LicenseState::Licensed,
        account_enabled: true,
    }
}

fn run(at: chrono::DateTime<chrono::Utc>) -> mailkeep_model::RunSummary {
    mailkeep_model::RunSummary {
        run: RunId("01KDXW3B7V0000000000000000".into()),
        connection: "contoso".into(),
        started_at: at,
        finished_at: at,
        mailboxes: vec![],
    }
}

fn policy() -> mailkeep_model::RetentionPolicy {
    mailkeep_model::RetentionPolicy {
        keep_days: Some(90),
        ..mailkeep_model::RetentionPolicy::default()
    }
}

fn hold(at: chrono::DateTime<chrono::Utc>) -> crate::Hold {
    crate::Hold {
        name: "case 7".into(),
        reason: "a case".into(),
        placed_at: at,
        mailbox: None,
        search: Some(crate::ItemFilter {
            subject: Some("invoice".into()),
            ..crate::ItemFilter::default()
        }),
    }
}

async fn fill(
    writer: &MailboxWriter,
    round: u32,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), VaultError> {
    let folder = |id: &str| Folder {
        id: FolderId(id.into()),
        parent: None,
        name: id.into(),
        well_known: None,
        is_hidden: false,
        class: "IPF.Note".into(),
        total_items: Some(3),
    };
    writer.put_folder(folder("inbox"));
    writer.put_folder(folder("archive"));
    for n in 0..4 {
        let id = ItemId(format!("r{round}i{n}"));
        let mut item = Item::new(id.clone(), FolderId("inbox".into()));
        item.subject = format!("Subject {n}");
        item.received_at = Some(now);
        item.categories = vec!["Blue".into()];
        item.to = vec![mailkeep_model::Address {
            name: "Ada".into(),
            address: "ada@example.com".into(),
        }];
        let head = ContentHead {
            item: Some(Box::new(item.clone())),
            ..ContentHead::default()
        };
        let mut message = format!("Subject: {n}\r\n\r\nRound {round}\r\n").into_bytes();
        if n == 3 {
            let mut noise = vec![0; 3000];
            Rng::fill(&SeededRng::new(round.into()), &mut noise);
            for line in noise.chunks(57) {
                message.extend_from_slice(data_encoding::BASE64.encode(line).as_bytes());
                message.extend_from_slice(b"\r\n");
            }
        }
        let mime = stream::iter([Ok::<_, std::convert::Infallible>(Bytes::from(message))]);
        let stored = writer.store_content(head, mime, None).await;
        let stored = stored.map_err(|error| match error {
            crate::StoreContentError::Vault(error) => error,
            crate::StoreContentError::Source(never) => match never {},
        })?;
        writer.put_item(item, stored);
    }
    if round > 0 {
        writer.remove_item(&ItemId(format!("r{}i1", round - 1)));
    }
    let inbox = FolderId("inbox".into());
    writer.set_cursor(&inbox, Some("cursor"));
    writer.set_tree_cursor(Some("tree"));
    writer.set_filter_mark(Some("mark"));
    writer.add_pending_removal(&ItemId("r0i2".into()), &inbox);
    writer.leave_out(crate::LeftOut {
        item: ItemId("old".into()),
        folder: inbox.clone(),
        recheck_at: now,
    });
    writer.record_gap(Gap {
        item: ItemId(format!("bad{}", round % 2)),
        folder: inbox,
        failure: ItemFailure {
            class: FailureClass::ItemPermanent,
            code: "ErrorCorruptData".into(),
            request_id: None,
        },
        attempts: 1,
        first_failed_at: now,
        last_failed_at: now,
    });
    writer.resolve_gap(&ItemId(format!("bad{}", (round + 1) % 2)));
    Ok(())
}
