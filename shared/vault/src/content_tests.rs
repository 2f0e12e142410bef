//! Items through the whole lower half: split, packed, uploaded, read back.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use mailkeep_content::{LineEnding, PartEncoder, PartShape};
use mailkeep_ports::fault::{Fault, FaultStore};
use mailkeep_ports::record::RecordStore;
use mailkeep_ports::{
    Condition, ETag, GetOptions, Key, ListOptions, ListPage, Object, ObjectInfo, PutOptions,
    Retention, Store, StoreError,
};
use proptest::prelude::*;

use crate::chunk::Chunker;
use crate::compress::Compression;
use crate::content_store::{ContentHead, ContentStore, StoredContent, StoredPlace, without_export};
use crate::context::VaultContext;
use crate::core::MailboxCore;
use crate::error::{StoreContentError, VaultError};
use crate::format::frame::{FrameInfo, FrameKind, FrameSpec};
use crate::format::header::ObjectHeader;
use crate::ids::{ContentId, PackNumber};
use crate::names;
use crate::pack::{PackWriter, PartLookup, StagedPack};
use crate::pack_table::{ContentRef, PackEntry, PackId, PartLocation};
use crate::reader::{ItemReader, PartResolver};
use crate::testing::{context, mailbox};

/// The least that an index does.
#[derive(Default)]
struct TestIndex {
    parts: Mutex<HashMap<ContentId, PartLocation>>,
    packs: Mutex<HashMap<PackNumber, PackEntry>>,
}

impl PartLookup for TestIndex {
    fn find(&self, id: &ContentId) -> Option<PartLocation> {
        self.parts.lock().unwrap().get(id).copied()
    }
}

#[async_trait]
impl PartResolver for TestIndex {
    async fn find_part(&self, id: &ContentId) -> Result<Option<PartLocation>, VaultError> {
        Ok(self.find(id))
    }

    async fn pack(&self, number: PackNumber) -> Result<PackEntry, VaultError> {
        let packs = self.packs.lock().unwrap();
        packs
            .get(&number)
            .copied()
            .ok_or_else(|| VaultError::bug("no such pack"))
    }
}

struct World {
    ctx: VaultContext,
    core: MailboxCore,
    index: Arc<TestIndex>,
    packs: PackWriter,
    chunker: Chunker,
    commits: Mutex<u64>,
}

impl World {
    fn new() -> Self {
        Self::over(context())
    }

    fn over(ctx: VaultContext) -> Self {
        let core = mailbox(&ctx, 1);
        let index = Arc::new(TestIndex::default());
        let packs = PackWriter::new(core.clone(), Arc::<TestIndex>::clone(&index) as _);
        let chunker = Chunker::new(core.keys.gear());
        Self {
            ctx,
            core,
            index,
            packs,
            chunker,
            commits: Mutex::default(),
        }
    }

    async fn store(&self, mime: &[u8], previous: Option<&ContentRef>) -> StoredContent {
        let head = ContentHead {
            properties_json: b"{\"a\":1}".to_vec(),
            ..ContentHead::default()
        };
        self.store_with(head, mime, previous).await
    }

    async fn store_with(
        &self,
        head: ContentHead,
        mime: &[u8],
        previous: Option<&ContentRef>,
    ) -> StoredContent {
        let pieces: Vec<Result<Bytes, Infallible>> = mime
            .chunks(50_000)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        let store = ContentStore {
            keys: &self.core.keys,
            packs: &self.packs,
            chunker: &self.chunker,
        };
        store
            .store(head, stream::iter(pieces), without_export(), previous)
            .await
            .unwrap()
    }

    /// What a commit does with packs: number them, write the segment, remember the parts.
    async fn commit(&self) {
        let taken = self.packs.take().await.unwrap();
        for pack in taken.packs {
            let id = PackId::Pack(pack.ulid);
            self.remember(pack.staged, id, pack.size_bytes, pack.header, &pack.frames);
        }
        if let Some(crate::pack::OpenPack {
            staged,
            mut builder,
            ..
        }) = taken.inline
        {
            let sequence = {
                let mut commits = self.commits.lock().unwrap();
                *commits += 1;
                *commits
            };
            let record = FrameSpec::new(FrameKind::Record, Compression::Zstd);
            builder.push(&record, b"commit").unwrap();
            let key = names::log(&self.core.id, sequence).unwrap();
            let object = builder
                .seal(self.core.keys.objects(), &key, &*self.ctx.rng)
                .unwrap();
            let size = u64::try_from(object.bytes.len()).unwrap();
            self.ctx
                .store
                .put(&key, object.bytes.clone(), PutOptions::default())
                .await
                .unwrap();
            let id = PackId::Segment(sequence);
            self.remember(staged, id, size, object.header, &object.frames);
        }
    }

    fn remember(
        &self,
        staged: StagedPack,
        id: PackId,
        size_bytes: u64,
        header: ObjectHeader,
        frames: &[FrameInfo],
    ) {
        let number = PackNumber(staged.0);
        let entry = PackEntry {
            number,
            id,
            size_bytes,
            sha256: [0; 32],
            header,
            frames: u32::try_from(frames.len()).unwrap(),
        };
        self.index.packs.lock().unwrap().insert(number, entry);
        let mut ids = vec![];
        for frame in frames {
            if let Some(id) = frame.content_id {
                let location = PartLocation {
                    pack: number,
                    frame: frame.place,
                };
                let before = self.index.parts.lock().unwrap().insert(id, location);
                assert_eq!(before, None, "a part was stored twice");
                ids.push(id);
            }
        }
        self.packs.settle(ids);
    }

    async fn open(&self, content: &ContentRef) -> ItemReader {
        ItemReader::open(
            self.core.clone(),
            Arc::<TestIndex>::clone(&self.index) as _,
            content,
        )
        .await
        .unwrap()
    }

    async fn round_trip(&self, mime: &[u8]) -> Vec<u8> {
        let content = content_ref(&self.store(mime, None).await);
        self.commit().await;
        read(&self.open(&content).await).await.unwrap()
    }

    fn stored_bytes(&self) -> u64 {
        let packs = self.index.packs.lock().unwrap();
        packs.values().map(|pack| pack.size_bytes).sum()
    }
}

fn content_ref(stored: &StoredContent) -> ContentRef {
    match stored.place {
        StoredPlace::Staged(pack, frame) => ContentRef {
            place: PartLocation {
                pack: PackNumber(pack.0),
                frame,
            },
            size_bytes: stored.size_bytes,
            fingerprint: stored.fingerprint,
        },
        StoredPlace::Previous(content) => content,
    }
}

async fn read(reader: &ItemReader) -> Result<Vec<u8>, VaultError> {
    let pieces: Vec<Bytes> = reader.mime().try_collect().await?;
    Ok(pieces.concat())
}

fn noise(len: usize, seed: u8) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new_keyed(&[seed; 32])
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

fn base64(data: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    let mut encoder = PartEncoder::new(&PartShape {
        line_length: 76,
        line_ending: LineEnding::Crlf,
        decoded_bytes: u64::try_from(data.len()).unwrap(),
        ends_with_line_ending: true,
    });
    encoder.push(data, &mut out);
    encoder.finish(&mut out);
    out
}

fn mail(subject: &str, attachments: &[&[u8]]) -> Vec<u8> {
    let mut mail = format!(
        "Subject: {subject}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n"
    )
    .into_bytes();
    for attachment in attachments {
        mail.extend_from_slice(
            b"--b\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        );
        mail.extend_from_slice(&base64(attachment));
    }
    mail.extend_from_slice(b"--b--\r\n");
    mail
}

/// A stretch of a message: text, base64 of anything, base64 with a fault in it.
fn stretch() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::collection::vec(prop::sample::select(&b"ab \r\n=\0\xff"[..]), 0..300);
    let part = (0_usize..40_000, any::<u8>()).prop_map(|(len, seed)| base64(&noise(len, seed)));
    let broken = (
        2_000_usize..40_000,
        any::<prop::sample::Index>(),
        any::<u8>(),
    )
        .prop_map(|(len, at, byte)| {
            let mut text = base64(&noise(len, byte));
            let at = at.index(text.len());
            text[at] = byte;
            text
        });
    prop_oneof![text, part, broken]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_message_comes_back_byte_for_byte(stretches in prop::collection::vec(stretch(), 0..8)) {
        let mime = stretches.concat();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let read = runtime.block_on(async { World::new().round_trip(&mime).await });
        prop_assert!(read == mime);
    }
}

#[tokio::test]
async fn big_parts_and_big_texts_come_back() {
    let world = World::new();
    let text: Vec<u8> = noise(9 << 20, 1).iter().map(|b| b'a' + b % 26).collect();
    let medium = text[..1 << 20].to_vec();
    let part = noise(5 << 20, 2);
    let mixed = [
        mail("x", &[&part, &noise(2000, 3)]),
        text.clone(),
        mail("y", &[&part]),
    ]
    .concat();
    for mime in [vec![], text, medium, mixed] {
        assert!(world.round_trip(&mime).await == mime);
    }
}

#[tokio::test]
async fn a_message_of_very_many_parts_comes_back() {
    let part = base64(&noise(1100, 1));
    let mime = [part, b"--\r\n".to_vec()].concat().repeat(6000);
    assert!(World::new().round_trip(&mime).await == mime);
}

#[tokio::test]
async fn equal_parts_are_stored_once() {
    let world = World::new();
    let (small, big) = (noise(30_000, 1), noise(3 << 20, 2));
    world
        .store(&mail("one", &[&small, &big, &small]), None)
        .await;
    world.commit().await;
    let first = world.stored_bytes();
    for subject in ["two", "three"] {
        let mime = mail(subject, &[&big, &small]);
        assert!(world.round_trip(&mime).await == mime);
    }
    assert!(world.stored_bytes() - first < 4000);
}

#[tokio::test]
async fn tasks_that_store_the_same_part_at_once_store_it_once() {
    let world = World::new();
    let big = noise(2 << 20, 2);
    let mails: Vec<Vec<u8>> = (0..8).map(|n| mail(&n.to_string(), &[&big])).collect();
    let stored: Vec<StoredContent> = stream::iter(&mails)
        .map(|mime| world.store(mime, None))
        .buffered(8)
        .collect()
        .await;
    world.commit().await; // asserts that no part is there twice
    for (mime, stored) in mails.iter().zip(&stored) {
        let reader = world.open(&content_ref(stored)).await;
        assert!(&read(&reader).await.unwrap() == mime);
    }
    assert!(world.stored_bytes() < (2 << 20) + 30_000);
}

#[tokio::test]
async fn unchanged_content_stores_nothing() {
    let world = World::new();
    let mime = mail("one", &[&noise(2 << 20, 1), &noise(5000, 2)]);
    let content = content_ref(&world.store(&mime, None).await);
    world.commit().await;

    let again = world.store(&mime, Some(&content)).await;
    assert!(again.was_unchanged);
    assert_eq!(content_ref(&again), content);
    assert_eq!(world.packs.staged_bytes(), 0);

    let changed = world
        .store(&mail("two", &[&noise(5000, 2)]), Some(&content))
        .await;
    assert!(!changed.was_unchanged);
    let head = ContentHead {
        properties_json: b"{\"a\":2}".to_vec(),
        ..ContentHead::default()
    };
    assert!(
        !world
            .store_with(head, &mime, Some(&content))
            .await
            .was_unchanged
    );
}

#[tokio::test]
async fn more_than_a_pack_is_uploaded_before_the_commit() {
    let world = World::new();
    let mails: Vec<Vec<u8>> = (0..12)
        .map(|n| mail(&n.to_string(), &[&noise(3 << 20, n)]))
        .collect();
    let mut stored = vec![];
    for mime in &mails {
        stored.push(world.store(mime, None).await);
    }
    world.commit().await;
    let packs = world.index.packs.lock().unwrap().len();
    assert_eq!(packs, 3, "two packs and the rest inside the segment");
    for (mime, stored) in mails.iter().zip(&stored) {
        assert!(&read(&world.open(&content_ref(stored)).await).await.unwrap() == mime);
    }
}

#[tokio::test]
async fn a_source_that_breaks_off_leaves_nothing_behind() {
    let world = World::new();
    let store = ContentStore {
        keys: &world.core.keys,
        packs: &world.packs,
        chunker: &world.chunker,
    };
    let pieces = [
        Ok(Bytes::from(mail("x", &[&noise(5000, 1)]))),
        Err("connection lost"),
    ];
    let result = store
        .store(
            ContentHead::default(),
            stream::iter(pieces),
            without_export(),
            None,
        )
        .await;
    assert!(matches!(
        result,
        Err(StoreContentError::Source("connection lost"))
    ));
    assert_eq!(world.packs.staged_bytes(), 0);
}

#[tokio::test]
async fn parts_can_be_read_alone_and_from_the_middle() {
    let world = World::new();
    let (small, big) = (noise(30_000, 1), noise(3 << 20, 2));
    let stored = world.store(&mail("one", &[&small, &big]), None).await;
    world.commit().await;
    let reader = world.open(&content_ref(&stored)).await;
    assert_eq!(reader.parts(), 2);
    assert_eq!(reader.properties_json(), b"{\"a\":1}");
    for (index, part) in [small, big].iter().enumerate() {
        assert_eq!(reader.part_bytes(index), u64::try_from(part.len()).unwrap());
        for offset in [0, 1, 29_999, part.len() - 1, part.len()] {
            let pieces: Vec<Bytes> = reader
                .part(index, u64::try_from(offset).unwrap())
                .try_collect()
                .await
                .unwrap();
            assert!(pieces.concat() == part[offset..]);
        }
    }
    let message = reader.placeholder().await.unwrap();
    assert!(message.bytes.len() < 2000);
    assert_eq!(message.parts().len(), 2);
    assert_eq!(message.parts()[1].index, 1);
}

#[tokio::test]
async fn a_damaged_pack_is_reported_and_never_returned() {
    let world = World::new();
    let mime = mail("one", &[&noise(30_000, 1)]);
    let content = content_ref(&world.store(&mime, None).await);
    world.commit().await;
    let key = names::log(&world.core.id, 1).unwrap();
    let object = world.ctx.store.get(&key, Default::default()).await.unwrap();
    let mut bytes = object.body.to_vec();
    bytes[1000] ^= 1;
    world
        .ctx
        .store
        .put(&key, bytes.into(), PutOptions::default())
        .await
        .unwrap();
    let reader = world.open(&content).await;
    assert!(matches!(
        read(&reader).await,
        Err(VaultError::Corrupt { .. })
    ));
}

/// A world whose store is wrapped.
fn wrapped<S: Store>(wrap: impl FnOnce(Arc<dyn Store>) -> S) -> (World, Arc<S>) {
    let mut ctx = context();
    let store = Arc::new(wrap(Arc::clone(&ctx.store)));
    ctx.store = Arc::<S>::clone(&store) as _;
    (World::over(ctx), store)
}

#[tokio::test]
async fn a_failed_upload_loses_nothing() {
    for fault in [Fault::RequestLost, Fault::AnswerLost] {
        let (world, store) = wrapped(|inner| FaultStore::new(inner).at(1, fault));
        let mime = mail("x", &[&noise(9 << 20, 1)]);
        let stored = world.store(&mime, None).await;
        assert!(world.packs.take().await.is_err());
        assert_eq!(store.faults(), 1);
        world.commit().await;
        let reader = world.open(&content_ref(&stored)).await;
        assert!(read(&reader).await.unwrap() == mime);
    }
}

/// Never answers its first write.
struct Hanging(Arc<dyn Store>, std::sync::atomic::AtomicBool);

#[async_trait]
impl Store for Hanging {
    async fn put(&self, key: &Key, body: Bytes, options: PutOptions) -> Result<ETag, StoreError> {
        if self.1.swap(false, std::sync::atomic::Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.0.put(key, body, options).await
    }
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        self.0.get(key, options).await
    }
    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.0.head(key).await
    }
    async fn list(&self, options: ListOptions) -> Result<ListPage, StoreError> {
        self.0.list(options).await
    }
    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), StoreError> {
        self.0.delete(key, condition).await
    }
    async fn extend_retention(&self, key: &Key, until: Retention) -> Result<(), StoreError> {
        self.0.extend_retention(key, until).await
    }
}

#[tokio::test]
async fn a_task_that_is_cancelled_while_it_uploads_takes_nothing_with_it() {
    let (world, _) = wrapped(|inner| Hanging(inner, true.into()));
    let mails: Vec<Vec<u8>> = (0..6).map(|n| mail("x", &[&noise(3 << 20, n)])).collect();
    let mut stored = vec![];
    for mime in &mails[..5] {
        stored.push(world.store(mime, None).await);
    }
    // This one finds the pack full and hangs while it uploads it.
    let cancelled = world.store(&mails[5], None).now_or_never();
    assert!(cancelled.is_none());
    world.commit().await;
    for (mime, stored) in mails.iter().zip(&stored) {
        let reader = world.open(&content_ref(stored)).await;
        assert!(&read(&reader).await.unwrap() == mime);
    }
}

#[tokio::test]
async fn reading_takes_few_requests() {
    let (world, store) = wrapped(RecordStore::new);
    let small = world.store(b"Subject: x\r\n\r\nHello\r\n", None).await;
    let parts: Vec<Vec<u8>> = (0..10).map(|n| noise(20_000, n)).collect();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let many = world.store(&mail("many", &parts), None).await;
    let big = world
        .store(&mail("big", &[&noise(6 << 20, 99)]), None)
        .await;
    world.commit().await;
    for (stored, at_most) in [(small, 1), (many, 2), (big, 6)] {
        store.take();
        let reader = world.open(&content_ref(&stored)).await;
        read(&reader).await.unwrap();
        let calls = store.total_calls();
        assert!(calls <= at_most, "{calls} requests instead of {at_most}");
    }
}
