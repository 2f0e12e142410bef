//! Guards that damage never reaches, because the seal of a frame stands before them: what they stop must be
//! made by somebody with the key. Each was taken out once, and a test here failed.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::TryStreamExt;
use mailkeep_ports::{Clock, PutOptions, Store, TestClock};

use crate::body::{ItemBody, Segment};
use crate::compress::Compression;
use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::builder::ObjectBuilder;
use crate::format::frame::{FrameKind, FrameRef, FrameSpec};
use crate::format::header::ObjectKind;
use crate::ids::{ContentId, PackNumber, Ulid};
use crate::index::floor::Floor;
use crate::index::open::{self, Purpose};
use crate::index::tests::world::{commit, item, mime, new_mailbox, put, small_writer};
use crate::names;
use crate::pack_table::{ContentRef, PackEntry, PackId, PartLocation};
use crate::reader::{ItemReader, PartResolver};
use crate::retain::committer::Committer;
use crate::retain::raise::{self, Raising};
use crate::retain::report::RetainLimits;
use crate::testing::{context, mailbox, profile};

/// One pack, and where its parts are said to be.
struct OnePack {
    entry: PackEntry,
    parts: HashMap<ContentId, FrameRef>,
}

#[async_trait]
impl PartResolver for OnePack {
    async fn find_part(&self, id: &ContentId) -> Result<Option<PartLocation>, VaultError> {
        let frame = self.parts.get(id).copied();
        Ok(frame.map(|frame| PartLocation {
            pack: self.entry.number,
            frame,
        }))
    }

    async fn pack(&self, _: PackNumber) -> Result<PackEntry, VaultError> {
        Ok(self.entry)
    }
}

const PARTS: [&[u8]; 2] = [b"the first part", b"the other part"];

/// Reads an item with this body out of a pack that holds two parts; `swapped` says of each that it is the
/// other.
async fn read(core: &MailboxCore, body: ItemBody, swapped: bool) -> Result<Vec<u8>, VaultError> {
    let mut builder = ObjectBuilder::new(ObjectKind::Pack);
    let mut frames = vec![];
    for part in PARTS {
        let mut spec = FrameSpec::new(FrameKind::Part, Compression::Zstd);
        spec.content_id = Some(core.keys.content_id(part));
        frames.push(builder.push(&spec, part).unwrap());
    }
    if swapped {
        frames.reverse();
    }
    let ids = PARTS.map(|part| core.keys.content_id(part));
    let parts = ids.into_iter().zip(frames).collect();
    let size_bytes = body.mime_bytes;
    let spec = FrameSpec::new(FrameKind::Item, Compression::Zstd);
    let frame = builder.push(&spec, &body.encode()).unwrap();
    let ulid = Ulid::new(&*core.ctx.clock, &*core.ctx.rng);
    let key = names::pack(&core.id, ulid).unwrap();
    let sealed = builder.finish(core.keys.objects(), &key, &*core.ctx.rng);
    let sealed = sealed.unwrap();
    let store = &core.ctx.store;
    let options = PutOptions::default();
    store
        .put(&key, sealed.bytes.clone(), options)
        .await
        .unwrap();
    let number = PackNumber(0);
    let entry = PackEntry {
        number,
        id: PackId::Pack(ulid),
        size_bytes: sealed.bytes.len() as u64,
        sha256: sealed.sha256,
        header: sealed.header,
        frames: u32::try_from(sealed.frames.len()).unwrap(),
    };
    let place = PartLocation {
        pack: number,
        frame,
    };
    let content = ContentRef {
        place,
        size_bytes,
        fingerprint: 1,
    };
    let resolver = Arc::new(OnePack { entry, parts });
    let reader = ItemReader::open(core.clone(), resolver, &content).await?;
    let pieces: Vec<Bytes> = reader.mime().try_collect().await?;
    Ok(pieces.concat())
}

fn body(core: &MailboxCore) -> ItemBody {
    let message = PARTS.concat();
    ItemBody {
        segments: vec![Segment::Chunks {
            ids: PARTS.map(|part| core.keys.content_id(part)).to_vec(),
            bytes: message.len() as u64,
        }],
        properties_json: Bytes::new(),
        representation: Default::default(),
        rebuilt_because: None,
        mime_hash: *blake3::hash(&message).as_bytes(),
        mime_bytes: message.len() as u64,
        canonical_digest: [0; 32],
        export: None,
    }
}

#[tokio::test]
async fn a_message_that_differs_from_its_hash_ends_with_an_error() {
    let core = mailbox(&context(), 1);
    let whole = read(&core, body(&core), false).await.unwrap();
    assert_eq!(whole, PARTS.concat());
    let mut other = body(&core);
    other.mime_hash[0] ^= 1;
    let error = read(&core, other, false).await.unwrap_err();
    assert!(error.to_string().contains("not what was stored"), "{error}");
}

#[tokio::test]
async fn a_part_that_is_another_one_is_refused() {
    let core = mailbox(&context(), 1);
    let error = read(&core, body(&core), true).await.unwrap_err();
    assert!(error.to_string().contains("is not the part"), "{error}");
}

#[tokio::test]
async fn a_key_record_with_the_owner_of_another_mailbox_is_refused() {
    let ctx = context();
    let key = zeroize::Zeroizing::new([3; 32]);
    let recipients = [crate::Recipient::KeyFile(key)];
    let made = crate::Vault::create(ctx, &recipients, crate::CreateOptions::default());
    let (vault, _) = made.await.unwrap();
    let ada = vault.ensure_mailbox("t", &profile("ada")).await.unwrap();
    let bob = vault.ensure_mailbox("t", &profile("bob")).await.unwrap();
    let (_, record) = vault.open_keys(bob.id()).await.unwrap();
    let epoch = crate::roots::FIRST_EPOCH;
    let sealed = vault.seal_record(ada.id(), epoch, &record.key, &record.owner);
    let error = sealed.err().unwrap().to_string();
    assert!(error.contains("belongs to another mailbox"), "{error}");
}

#[tokio::test]
async fn a_commit_a_floor_and_a_checkpoint_of_a_later_format_are_not_called_damaged() {
    // Field 1, the oldest format that a reader must know: 9.
    let newer = [8, 9];
    let is_newer = |error: &VaultError| matches!(error, VaultError::NewerThanMe { needs: 9, .. });
    assert!(is_newer(&Floor::decode("floor", &newer).unwrap_err()));
    for (kind, frame, what) in [
        (
            ObjectKind::Segment,
            FrameKind::Record,
            "log/00000000000000000001",
        ),
        (
            ObjectKind::Checkpoint,
            FrameKind::CheckpointRoot,
            "ckpt/00000000000000000001",
        ),
        (ObjectKind::Floor, FrameKind::Record, "floor"),
    ] {
        let (store, mailbox) = new_mailbox();
        let core = &mailbox.core;
        let mut builder = ObjectBuilder::new(kind);
        let spec = FrameSpec::new(frame, Compression::Zstd);
        builder.push(&spec, &newer).unwrap();
        let key = names::key(format!("m/{}/{what}", mailbox.id())).unwrap();
        let sealed = builder.finish(core.keys.objects(), &key, &*core.ctx.rng);
        let bytes = sealed.unwrap().bytes.clone();
        store.put(&key, bytes, PutOptions::default()).await.unwrap();
        if kind == ObjectKind::Checkpoint {
            // A cache: the root says so, and the log is read instead.
            let error = open::read_root(core, Purpose::Read, 1).await.err().unwrap();
            assert!(is_newer(&error), "{error}");
            continue;
        }
        let error = mailbox.view().await.unwrap_err();
        assert!(is_newer(&error), "{what}: {error}");
    }
}

#[tokio::test]
async fn the_log_stays_when_a_checkpoint_differs_from_it() {
    let (store, mailbox) = new_mailbox();
    let writer = small_writer(&mailbox).await.unwrap();
    for n in 0..20 {
        let id = format!("i{n}");
        put(&writer, item(&id, "inbox", n), &mime(&id))
            .await
            .unwrap();
        commit(&writer).await.unwrap();
    }
    let mut committer = Committer::open(&mailbox.core, &[]).await.unwrap();
    // Meanwhile somebody writes one that needs no other object, with the number that the floor would take, and
    // a row too few.
    let mut opened = open::open(&mailbox.core, Purpose::Write, &[], u64::MAX)
        .await
        .unwrap();
    assert!(opened.index.rows.memory.pop_last().is_some());
    crate::index::checkpoint::write_whole(&mailbox.core, &opened.blocks, &opened.index)
        .await
        .unwrap();
    let limits = RetainLimits {
        floor_commits: 2,
        ..RetainLimits::default()
    };
    let raising = Raising {
        floor: Floor::default(),
        etag: None,
        grace: chrono::TimeDelta::days(7),
        now: TestClock::default().now(),
    };
    let raised = raise::raise(&mut committer, &limits, raising).await;
    let error = raised.unwrap_err().to_string();
    assert!(error.contains("differs from the log"), "{error}");
    let floor = names::floor(mailbox.id()).unwrap();
    assert!(store.head(&floor).await.is_err());
}
