//! A mailbox to play with, and the model that it must agree with.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta};
use futures::{TryStreamExt, stream};
use mailkeep_model::{Address, Folder, FolderId, Item, ItemId, RunId};
use mailkeep_ports::{MemoryStore, SeededRng, Store, TestClock};

use crate::content_store::ContentHead;
use crate::context::VaultContext;
use crate::error::VaultError;
use crate::index::checkpoint::CheckpointLimits;
use crate::index::commit_info::{CommitInfo, Committed};
use crate::index::filter::ItemFilter;
use crate::index::version::ItemVersion;
use crate::index::view::MailboxView;
use crate::index::writer::{MailboxWriter, WriterLimits};
use crate::mailbox::Mailbox;
use crate::pack::PackLimits;
use crate::testing;

/// A context over a store.
pub(crate) fn context(store: Arc<dyn Store>, seed: u64) -> VaultContext {
    let clock = TestClock::default();
    VaultContext {
        store,
        clock: Arc::new(clock),
        rng: Arc::new(SeededRng::new(seed)),
    }
}

/// A mailbox over a store. Every seed has randomness of its own, as every process has.
pub(crate) fn mailbox(store: Arc<dyn Store>, seed: u64) -> Mailbox {
    Mailbox::new(testing::mailbox(&context(store, seed), 1))
}

/// A mailbox over a new store.
pub(crate) fn new_mailbox() -> (Arc<MemoryStore>, Mailbox) {
    let store = Arc::new(MemoryStore::new(Arc::new(TestClock::default())));
    (store.clone(), mailbox(store, 1))
}

/// A folder.
pub(crate) fn folder(id: &str, parent: Option<&str>) -> Folder {
    Folder {
        id: FolderId(id.into()),
        parent: parent.map(|id| FolderId(id.into())),
        name: id.into(),
        well_known: None,
        is_hidden: false,
        class: "IPF.Note".into(),
        total_items: None,
    }
}

/// An item that depends on its arguments only.
pub(crate) fn item(id: &str, folder: &str, minute: i64) -> Item {
    let mut item = Item::new(ItemId(id.into()), FolderId(folder.into()));
    let time = DateTime::from_timestamp(1_750_000_000, 0).unwrap() + TimeDelta::minutes(minute);
    item.change_key = format!("ck-{id}-{minute}");
    item.subject = format!("Subject of {id}");
    item.from = Address {
        name: "Ada".into(),
        address: "ada@example.com".into(),
    };
    item.received_at = Some(time);
    item.modified_at = Some(time);
    item.internet_message_id = format!("<{id}@example.com>");
    item
}

/// The message of an item.
pub(crate) fn mime(text: &str) -> Vec<u8> {
    format!("Subject: {text}\r\nMessage-ID: <{text}>\r\n\r\nBody of {text}\r\n").into_bytes()
}

/// A commit's info.
pub(crate) fn info() -> CommitInfo {
    CommitInfo {
        run: RunId("01RUN".into()),
        end: None,
    }
}

/// Stores a message and stages its item.
pub(crate) async fn put(
    writer: &MailboxWriter,
    item: Item,
    message: &[u8],
) -> Result<(), VaultError> {
    let current = writer.current(writer.key(&item.id)).await?;
    let bytes = Bytes::copy_from_slice(message);
    let mime = stream::iter([Ok::<_, Infallible>(bytes)]);
    let stored = writer
        .store_content(ContentHead::default(), mime, current.as_ref())
        .await
        .map_err(|error| match error {
            crate::error::StoreContentError::Vault(error) => error,
            crate::error::StoreContentError::Source(never) => match never {},
        })?;
    writer.put_item(item, stored);
    Ok(())
}

/// Commits.
pub(crate) async fn commit(writer: &MailboxWriter) -> Result<Committed, VaultError> {
    writer.commit(info()).await
}

/// A version's message.
pub(crate) async fn read(view: &MailboxView, version: &ItemVersion) -> Vec<u8> {
    let reader = view.content(version).await.unwrap();
    let chunks: Vec<Bytes> = reader.mime().try_collect().await.unwrap();
    chunks.concat()
}

/// Every item of a view, page by page.
pub(crate) async fn list(
    view: &MailboxView,
    filter: &ItemFilter,
    limit: usize,
) -> Vec<ItemVersion> {
    let mut items = vec![];
    let mut after = None;
    loop {
        let page = view.items(filter, after.as_ref(), limit).await.unwrap();
        assert!(page.items.len() <= limit);
        items.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return items,
        }
    }
}

/// What a mailbox holds: items by id, each with its message.
pub(crate) type Model = BTreeMap<String, (Item, Vec<u8>)>;

/// Reads a view into a model.
pub(crate) async fn contents(view: &MailboxView) -> Model {
    let mut model = Model::new();
    for version in list(view, &ItemFilter::default(), 7).await {
        let message = match version.content {
            Some(_) => read(view, &version).await,
            None => vec![],
        };
        let doubled = model.insert(version.item.id.0.clone(), (version.item, message));
        assert!(doubled.is_none(), "an item is listed twice");
    }
    model
}

/// Small packs and frequent checkpoints.
pub(crate) fn small() -> WriterLimits {
    WriterLimits {
        packs: PackLimits {
            pack_bytes: 4 << 10,
            inline_bytes: 2 << 10,
        },
        checkpoint: CheckpointLimits {
            segments: 3,
            row_entries: 40,
        },
    }
}

/// A writer with small limits.
pub(crate) async fn small_writer(mailbox: &Mailbox) -> Result<MailboxWriter, VaultError> {
    MailboxWriter::open(mailbox.core.clone(), small()).await
}

/// A message with an attachment that cannot be compressed.
pub(crate) fn big_mime(text: &str, bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    let seed = text
        .bytes()
        .fold(7_u64, |seed, byte| seed * 31 + u64::from(byte));
    mailkeep_ports::Rng::fill(&SeededRng::new(seed), &mut noise);
    let mut message =
        format!("Subject: {text}\r\nContent-Transfer-Encoding: base64\r\n\r\n").into_bytes();
    for line in noise.chunks(57) {
        message.extend_from_slice(data_encoding::BASE64.encode(line).as_bytes());
        message.extend_from_slice(b"\r\n");
    }
    message
}

/// Repeats what a bad store made fail. Bounded, so that a mistake fails a test and does not hang it.
pub(crate) async fn persist<T, F>(mut attempt: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, VaultError>>,
{
    let mut last = None;
    for _ in 0..100 {
        match attempt().await {
            Ok(value) => return value,
            Err(error) => last = Some(error),
        }
    }
    panic!("it failed a hundred times, at last with: {}", last.unwrap())
}
