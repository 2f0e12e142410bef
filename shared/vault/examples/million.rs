//! A mailbox of a million items, through the real writer and reader:
//!
//! ```text
//! cargo run --release -p mailkeep-vault --example million -- [items] [folder]
//! ```
//!
//! Prints wall time, peak memory and requests, and fails when peak memory exceeds 300 MB. The folder must
//! be empty or absent; without one, a directory for temporary files is used and removed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs
)]

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use bytes::Bytes;
use futures::{TryStreamExt, stream};
use mailkeep_model::{
    Address, Folder, FolderId, Item, ItemId, LicenseState, MailboxKind, MailboxProfile, RunId,
    SourceMailboxId,
};
use mailkeep_ports::{
    ByteRange, Condition, ETag, GetOptions, Key, ListOptions, ListPage, Object, ObjectInfo,
    PutOptions, Retention, SeededRng, Store, StoreError, StoreErrorKind, TestClock,
};
use mailkeep_vault::{
    CommitInfo, ContentHead, CreateOptions, ItemFilter, PassphraseCost, Recipient, Vault,
    VaultContext,
};
use zeroize::Zeroizing;

const FOLDERS: u64 = 20;
const ROWS_PER_COMMIT: u64 = 5_000;
const LIMIT_KIB: u64 = 300_000;

/// Files in a folder; just enough of a store for one process, and it counts.
struct Files {
    root: PathBuf,
    requests: AtomicU64,
}

impl Files {
    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str().replace('/', "!"))
    }

    fn count(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn info(key: &Key, size_bytes: u64) -> ObjectInfo {
        ObjectInfo {
            key: key.clone(),
            size_bytes,
            etag: ETag(size_bytes.to_string()),
            modified_at: chrono::DateTime::default(),
            retention: None,
        }
    }
}

fn missing(key: &Key) -> StoreError {
    StoreError::new(StoreErrorKind::Missing, key.as_str(), "no such file")
}

#[async_trait]
impl Store for Files {
    async fn put(&self, key: &Key, body: Bytes, options: PutOptions) -> Result<ETag, StoreError> {
        self.count();
        let path = self.path(key);
        if options.condition == Condition::IfAbsent && path.exists() {
            let kind = StoreErrorKind::AlreadyExists;
            return Err(StoreError::new(kind, key.as_str(), "the file exists"));
        }
        std::fs::write(path, &body).unwrap();
        Ok(ETag(body.len().to_string()))
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        use std::io::{Read, Seek, SeekFrom};
        self.count();
        let mut file = std::fs::File::open(self.path(key)).map_err(|_| missing(key))?;
        let size = file.metadata().unwrap().len();
        let range = match options.range {
            None => 0..size,
            Some(ByteRange::Range(range)) => range.start..range.end.min(size),
            Some(ByteRange::Suffix(bytes)) => size.saturating_sub(bytes)..size,
        };
        file.seek(SeekFrom::Start(range.start)).unwrap();
        let mut body = vec![0; usize::try_from(range.end - range.start).unwrap()];
        file.read_exact(&mut body).unwrap();
        Ok(Object {
            info: Self::info(key, size),
            offset: range.start,
            body: body.into(),
        })
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.count();
        let data = std::fs::metadata(self.path(key)).map_err(|_| missing(key))?;
        Ok(Self::info(key, data.len()))
    }

    async fn list(&self, options: ListOptions) -> Result<ListPage, StoreError> {
        self.count();
        let mut names: Vec<String> = std::fs::read_dir(&self.root)
            .unwrap()
            .map(|entry| {
                entry
                    .unwrap()
                    .file_name()
                    .into_string()
                    .unwrap()
                    .replace('!', "/")
            })
            .filter(|name| name.starts_with(&options.prefix))
            .filter(|name| {
                options
                    .start_after
                    .as_ref()
                    .is_none_or(|after| name > after)
            })
            .collect();
        names.sort_unstable();
        let limit = if options.limit == 0 {
            1000
        } else {
            options.limit
        };
        let next = names.get(limit).and(names.get(limit - 1)).cloned();
        names.truncate(limit);
        let mut objects = vec![];
        for name in names {
            let key = Key::new(name)?;
            let size = std::fs::metadata(self.path(&key)).unwrap().len();
            objects.push(Self::info(&key, size));
        }
        Ok(ListPage {
            objects,
            prefixes: vec![],
            next,
        })
    }

    async fn delete(&self, key: &Key, _: Condition) -> Result<(), StoreError> {
        self.count();
        let _ = std::fs::remove_file(self.path(key));
        Ok(())
    }

    async fn extend_retention(&self, key: &Key, _: Retention) -> Result<(), StoreError> {
        let kind = StoreErrorKind::Invalid;
        Err(StoreError::new(
            kind,
            key.as_str(),
            "there is no object lock",
        ))
    }
}

fn folder_of(n: u64) -> FolderId {
    FolderId(format!("folder-{}", n % FOLDERS))
}

/// Ids and texts of lengths as Exchange Online has them.
fn item(n: u64) -> Item {
    let scattered = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut id = vec![7; 90];
    id.extend_from_slice(&scattered.to_le_bytes());
    id.extend_from_slice(&(!scattered).to_le_bytes());
    let mut item = Item::new(ItemId(data_encoding::BASE64URL.encode(&id)), folder_of(n));
    item.change_key = data_encoding::BASE64.encode(&id[80..]);
    item.subject = format!("Report number {n} about project {}", n % 977);
    let person = |n: u64| Address {
        name: format!("Person Number{}", n % 300),
        address: format!("person.number{}@contoso.example", n % 300),
    };
    item.from = person(n);
    item.to = vec![person(scattered >> 20)];
    let time = 1_600_000_000 + i64::try_from(n).unwrap() * 97;
    item.received_at = chrono::DateTime::from_timestamp(time, 0);
    item.sent_at = chrono::DateTime::from_timestamp(time - 2, 0);
    item.modified_at = item.received_at;
    item.size_bytes = 2_000 + n % 90_000;
    item.internet_message_id = format!("<{scattered:016x}@contoso.example>");
    item
}

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix("kB")?.trim().parse().ok())
        .unwrap_or(0)
}

struct Report {
    files: Arc<Files>,
    started: Instant,
}

impl Report {
    fn line(&mut self, what: &str) {
        println!(
            "{what:<44} {:>8.2} s {:>6} requests {:>5} MB peak",
            self.started.elapsed().as_secs_f64(),
            self.files.requests.swap(0, Ordering::Relaxed),
            peak_kib() / 1000,
        );
        assert!(peak_kib() <= LIMIT_KIB, "peak memory exceeds 300 MB");
        self.started = Instant::now();
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let items: u64 = arguments
        .next()
        .map_or(1_000_000, |text| text.parse().unwrap());
    let temporary = tempfile::tempdir().unwrap();
    let root = arguments
        .next()
        .map_or_else(|| temporary.path().into(), PathBuf::from);
    std::fs::create_dir_all(&root).unwrap();
    let files = Arc::new(Files {
        root,
        requests: AtomicU64::new(0),
    });
    let mut report = Report {
        files: files.clone(),
        started: Instant::now(),
    };
    let ctx = VaultContext {
        store: files,
        clock: Arc::new(TestClock::default()),
        rng: Arc::new(SeededRng::new(1)),
    };
    let options = CreateOptions {
        passphrase_cost: PassphraseCost {
            memory_kib: 64,
            passes: 1,
        },
        ..CreateOptions::default()
    };
    let recipients = [Recipient::KeyFile(Zeroizing::new([9; 32]))];
    let (vault, _) = Vault::create(ctx, &recipients, options).await.unwrap();
    let profile = MailboxProfile {
        id: SourceMailboxId("ada".into()),
        address: "ada@contoso.example".into(),
        display_name: "Ada".into(),
        kind: MailboxKind::User,
        license: LicenseState::Licensed,
        account_enabled: true,
    };
    let mailbox = vault.ensure_mailbox("tenant", &profile).await.unwrap();
    report.line("create");

    let info = || CommitInfo {
        run: RunId("01JDEMO".into()),
        end: None,
    };
    let writer = mailbox.writer().await.unwrap();
    for n in 0..FOLDERS {
        writer.put_folder(Folder {
            id: folder_of(n),
            parent: None,
            name: format!("Folder {n}"),
            well_known: None,
            is_hidden: false,
            class: String::new(),
            total_items: None,
        });
    }
    for n in 0..items {
        let item = item(n);
        let message = format!("Subject: {}\r\n\r\nBody of number {n}\r\n", item.subject);
        let mime = stream::iter([Ok::<_, Infallible>(Bytes::from(message))]);
        let stored = writer
            .store_content(ContentHead::default(), mime, None)
            .await
            .unwrap();
        writer.put_item(item, stored);
        if n % ROWS_PER_COMMIT == ROWS_PER_COMMIT - 1 {
            writer.commit(info()).await.unwrap();
        }
    }
    writer.commit(info()).await.unwrap();
    report.line(&format!("write {items} items"));
    drop(writer);

    let view = mailbox.view().await.unwrap();
    assert_eq!(view.counts().items, items);
    report.line("open a view");
    let page = view.items(&ItemFilter::default(), None, 100).await.unwrap();
    assert_eq!(page.items.len(), usize::try_from(items.min(100)).unwrap());
    report.line("list the first page");
    let filter = ItemFilter {
        subject: Some(format!("report number {} about", items / 2)),
        ..ItemFilter::default()
    };
    let found = view.items(&filter, None, 10).await.unwrap();
    assert_eq!(found.items.len(), 1);
    report.line("find by subject in all folders");
    let version = view.item(found.items[0].key).await.unwrap().unwrap();
    let content = view.content(&version).await.unwrap();
    let message: Vec<Bytes> = content.mime().try_collect().await.unwrap();
    let body = format!("Body of number {}\r\n", items / 2);
    assert!(message.concat().ends_with(body.as_bytes()));
    report.line("restore one item");
    let newest = view.sequence();
    let changes = view.diff(newest - 1, newest, None, 100).await.unwrap();
    assert!(!changes.differences.is_empty());
    report.line("first page of the newest changes");
    drop(view);

    let writer = mailbox.writer().await.unwrap();
    report.line("open a writer again");
    for n in 0..items {
        let item = item(n);
        let known = writer.known(&item.id);
        assert!(known.is_some_and(|it| it.is_same_version(&item)));
    }
    let before = writer.base_sequence();
    let after = writer.commit(info()).await.unwrap().sequence;
    assert_eq!(after, before, "nothing changed, nothing is written");
    report.line("back up an unchanged state");
    writer.put_item(item(items), None);
    writer.commit(info()).await.unwrap();
    report.line("commit one more");
}
