//! Restores and exports that workers carry out: killed in the middle, they go on and do nothing twice.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    missing_docs
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mailkeep_e2e::{Rig, small};
use mailkeep_engine::export::{self, ExportFormat, ExportRequest};
use mailkeep_engine::ledger::Ledger;
use mailkeep_engine::operation::{
    ExportAction, ItemSelection, NewOperation, OperationAction, OperationId, OperationRecord,
    OperationRequest, Operations, Places, RestoreAction, TenantPlace, VaultOperations,
};
use mailkeep_engine::restore::Placement;
use mailkeep_engine::work::{Connections, VaultSite, WorkSettings, Worked, Worker, Workplace};
use mailkeep_engine::{Engine, Quiet, Selection, StopSignal};
use mailkeep_exchange::graph::GraphTarget;
use mailkeep_exchange::{CreateOutcome, ExistingItem, RestoreItem, Shelf, SourceError, Target};
use mailkeep_model::state::{End, State};
use mailkeep_model::{Folder, FolderId, FolderKind, ItemId, ItemKind, SourceMailboxId};
use mailkeep_ports::{
    Fault, FaultStore, GetOptions, Key, MemoryQueue, MemoryStore, MemoryTable, Store, TestClock,
    sha256,
};

const LEASE: Duration = Duration::from_secs(120);

/// The one vault and the one tenant.
struct OnePlace {
    engine: Engine,
    place: TenantPlace,
}

#[async_trait]
impl Places for OnePlace {
    async fn vault(&self, _storage: &str) -> Result<Engine, SourceError> {
        Ok(self.engine.clone())
    }

    async fn tenant(&self, _connection: &str, _storage: &str) -> Result<TenantPlace, SourceError> {
        Ok(self.place.clone())
    }
}

#[async_trait]
impl Connections for OnePlace {
    async fn open(&self, _connection: &str, _storage: &str) -> Result<Workplace, SourceError> {
        unreachable!("there is no job")
    }
}

/// A target that takes some items; with the next one something happens.
struct Gate {
    inner: GraphTarget,
    left: AtomicUsize,
    then: Then,
}

enum Then {
    /// It answers no more, and counts how often.
    Hang(Arc<AtomicUsize>),
    /// The work is told to stop.
    Stop(StopSignal),
}

#[async_trait]
impl Target for Gate {
    async fn folders(&self, mailbox: &SourceMailboxId) -> Result<Vec<Folder>, SourceError> {
        self.inner.folders(mailbox).await
    }

    fn takes(&self, kind: ItemKind, folder: FolderKind) -> bool {
        self.inner.takes(kind, folder)
    }

    fn shelf(&self, kind: FolderKind) -> Shelf {
        self.inner.shelf(kind)
    }

    async fn create_folder(
        &self,
        mailbox: &SourceMailboxId,
        parent: Option<&FolderId>,
        name: &str,
        class: &str,
    ) -> Result<Folder, SourceError> {
        self.inner.create_folder(mailbox, parent, name, class).await
    }

    async fn existing_items(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
    ) -> Result<Vec<ExistingItem>, SourceError> {
        self.inner.existing_items(mailbox, folder).await
    }

    async fn create_item(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        item: &RestoreItem,
    ) -> Result<CreateOutcome, SourceError> {
        let less = |left: usize| left.checked_sub(1);
        let may = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        match &self.then {
            Then::Hang(stuck) if may.is_err() => {
                stuck.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<()>().await;
            }
            Then::Stop(stop) if may.is_err() => stop.stop(),
            _ => {}
        }
        self.inner.create_item(mailbox, folder, item).await
    }

    async fn delete_item(
        &self,
        mailbox: &SourceMailboxId,
        item: &ItemId,
    ) -> Result<(), SourceError> {
        self.inner.delete_item(mailbox, item).await
    }
}

/// What outlives a worker.
struct Service {
    table: Arc<MemoryTable>,
    queue: Arc<MemoryQueue>,
    /// Time of leases and messages passes when the test says so.
    clock: Arc<TestClock>,
    exports: Arc<MemoryStore>,
}

impl Service {
    fn new() -> Self {
        let start = "2026-01-05T08:00:00Z".parse().unwrap();
        let clock = Arc::new(TestClock::manual(start));
        Self {
            table: Arc::new(MemoryTable::new()),
            queue: Arc::new(MemoryQueue::new(clock.clone(), 10)),
            exports: Arc::new(MemoryStore::new(clock.clone())),
            clock,
        }
    }

    fn operations(&self, rig: &Rig) -> Operations {
        let ledger = Ledger::new(self.table.clone(), self.clock.clone(), rig.rng.clone());
        Operations::new(ledger, self.queue.clone())
    }

    /// A worker as a new process has it.
    fn worker(&self, rig: &Rig, exports: Arc<dyn Store>, part_bytes: u64) -> Worker {
        let target = Arc::new(GraphTarget::with_client(rig.client()));
        self.worker_on(rig, target, exports, part_bytes)
    }

    fn worker_on(
        &self,
        rig: &Rig,
        target: Arc<dyn Target>,
        exports: Arc<dyn Store>,
        part_bytes: u64,
    ) -> Worker {
        let place = Arc::new(OnePlace {
            engine: rig.engine(),
            place: TenantPlace {
                source: rig.source(),
                target,
                realm: "tenant".to_owned(),
            },
        });
        let (clock, rng) = (self.clock.clone(), rig.rng.clone());
        let site = VaultSite::new(place.clone(), Arc::new(Quiet));
        let operations = VaultOperations::new(place, exports, clock.clone(), rng.clone());
        let settings = WorkSettings {
            lease: LEASE,
            ..WorkSettings::default()
        };
        let ledger = Ledger::new(self.table.clone(), clock, rng);
        Worker::new(ledger, self.queue.clone(), Arc::new(site), settings)
            .with_operations(Arc::new(operations.with_part_bytes(part_bytes)))
    }

    async fn get(&self, rig: &Rig, id: &OperationId) -> OperationRecord {
        self.operations(rig).get(id).await.unwrap().value
    }
}

fn asked(from: &str, action: OperationAction) -> NewOperation {
    NewOperation {
        id: None,
        request: OperationRequest {
            storage: "main".into(),
            mailbox: from.into(),
            snapshot: "latest".into(),
            selection: ItemSelection::default(),
            action,
        },
        asked_by: "olga".into(),
        purpose: String::new(),
        is_confirmed: true,
    }
}

async fn work(worker: &Worker) -> Worked {
    worker.work_once(&StopSignal::new()).await.unwrap()
}

/// Starts a worker and kills it as soon as `is_time`.
async fn kill(worker: Worker, mut is_time: impl FnMut() -> bool) {
    let working = tokio::spawn(async move { work(&worker).await });
    while !is_time() {
        assert!(!working.is_finished(), "there was nothing left to kill");
        tokio::task::yield_now().await;
    }
    working.abort();
    assert!(working.await.is_err(), "it was killed");
}

/// How often each message is in a mailbox.
fn messages(rig: &Rig, mailbox: &str) -> BTreeMap<Option<String>, usize> {
    let mut all = BTreeMap::new();
    for item in rig.items(mailbox) {
        *all.entry(item.internet_message_id).or_default() += 1;
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_that_is_killed_again_and_again_creates_nothing_twice() {
    let rig = Rig::start(small(2, 40).other_accounts(false).folders_per_mailbox(4)).await;
    rig.back_up_complete().await;
    let (ann, bob) = (rig.first(), rig.mailboxes().remove(1));
    let (wanted, before) = (messages(&rig, &ann), messages(&rig, &bob));
    let service = Service::new();
    let action = OperationAction::Restore(RestoreAction {
        connection: "simulated".into(),
        mailbox: Some(bob.clone()),
        placement: Placement::NewFolder {
            name: Some("Zurück".into()),
        },
        on_conflict: Default::default(),
        below: Default::default(),
        use_export_streams: true,
    });
    let operations = service.operations(&rig);
    let id = operations.create(asked(&ann, action)).await.unwrap().id;
    let worker = || service.worker(&rig, service.exports.clone(), 1);
    assert_eq!(work(&worker()).await, Worked::Done);
    let plan = service.get(&rig, &id).await.plan.unwrap();
    assert_eq!((plan.items, plan.to_create), (40, 40));
    // A worker whose target takes so many items.
    let gated = |left: usize, then: Then| {
        let target = Arc::new(Gate {
            inner: GraphTarget::with_client(rig.client()),
            left: AtomicUsize::new(left),
            then,
        });
        service.worker_on(&rig, target, service.exports.clone(), 1)
    };
    for part in 1..=3 {
        let there = rig.items(&bob).len();
        let stuck = Arc::new(AtomicUsize::new(0));
        let worker = gated(8, Then::Hang(stuck.clone()));
        kill(worker, || stuck.load(Ordering::SeqCst) > 0).await;
        let created = rig.items(&bob).len() - there;
        assert!((1..=8).contains(&created), "{part}: {created}");
        let operation = service.get(&rig, &id).await;
        assert_eq!(operation.words(), "In Progress/Running", "{part}");
        service.clock.advance(LEASE + Duration::from_secs(1));
    }
    // As before the end of a function's life: told to stop, it says where it is.
    let stop = StopSignal::new();
    let last = gated(4, Then::Stop(stop.clone()));
    assert_eq!(last.work_once(&stop).await.unwrap(), Worked::Done);
    let paused = service.get(&rig, &id).await;
    assert_eq!((paused.state, paused.starts), (State::Queued, 0));
    assert!(paused.counts.items_done > 0 && paused.cursor.is_some());
    assert_eq!(work(&worker()).await, Worked::Done);
    let operation = service.get(&rig, &id).await;
    assert_eq!(
        operation.state,
        State::Ended(End::Completed),
        "{operation:?}"
    );
    let counts = &operation.counts;
    assert_eq!((counts.items_done, counts.failed), (40, 0));
    assert_eq!(counts.created + counts.already_there, 40);
    // What is there now and was not before is what was wanted, each once.
    let mut after = messages(&rig, &bob);
    for (message, count) in before {
        let left = after[&message] - count;
        after.insert(message, left);
    }
    after.retain(|_, count| *count > 0);
    assert_eq!(after, wanted);
    assert_eq!(rig.admin.sent(), [], "a restore sent mail");
}

/// Entries of all archives of an export, pieces joined. No two archives may have the same entry.
async fn unpacked(service: &Service, rig: &Rig, id: &OperationId) -> BTreeMap<String, Vec<u8>> {
    let operations = service.operations(rig);
    let operation = service.get(rig, id).await;
    let (mut files, mut seen) = (BTreeMap::<String, Vec<u8>>::new(), BTreeSet::new());
    let mut manifest = None;
    for number in 1..=operation.parts {
        let (_, part) = operations.part(id, number).await.unwrap();
        let key = Key::new(part.key.clone()).unwrap();
        let object = service.exports.get(&key, GetOptions::default()).await;
        let body = object.unwrap().body;
        let digest = sha256(&body);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!((part.sha256, part.size_bytes), (digest, body.len() as u64));
        if part.file_name.ends_with(".json") {
            manifest = Some(serde_json::from_slice::<serde_json::Value>(&body).unwrap());
            continue;
        }
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(body)).unwrap();
        for index in 0..archive.len() {
            let mut file = archive.by_index(index).unwrap();
            let name = file.name().to_owned();
            assert!(seen.insert(name.clone()), "{name} is in two archives");
            let whole = match name.rsplit_once('.') {
                Some((whole, piece)) if piece.len() == 3 && piece.parse::<u32>().is_ok() => whole,
                _ => &name,
            };
            let file_bytes = files.entry(whole.to_owned()).or_default();
            file.read_to_end(file_bytes).unwrap();
        }
    }
    let manifest = manifest.expect("the last part is the manifest");
    let parts = manifest["parts"].as_array().unwrap().len();
    assert_eq!(parts as u32 + 1, operation.parts);
    assert_eq!(manifest["items"], operation.counts.created);
    files
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_that_is_killed_again_and_again_is_complete() {
    let rig = Rig::start(small(1, 30).other_accounts(false).folders_per_mailbox(4)).await;
    let ann = rig.first();
    // Larger than an archive.
    rig.admin.add_giant_mail(&ann, "inbox", 150_000).unwrap();
    rig.back_up_complete().await;
    for format in [ExportFormat::Eml, ExportFormat::Mbox] {
        let request = ExportRequest {
            mailbox: rig.mailbox(&ann).await.id().clone(),
            snapshot: "latest".into(),
            selection: Selection::default(),
            format,
        };
        let mut direct = mailkeep_e2e::MemorySink::default();
        let (observer, stop) = (Arc::new(Quiet), StopSignal::new());
        let exported = export::run(&rig.engine(), &request, &mut direct, observer, stop).await;
        assert_eq!(exported.unwrap().exported, 31);

        let service = Service::new();
        let action = OperationAction::Export(ExportAction {
            format,
            ..ExportAction::default()
        });
        let operations = service.operations(&rig);
        let id = operations.create(asked(&ann, action)).await.unwrap().id;
        let worker = |exports: Arc<dyn Store>| service.worker(&rig, exports, 40_000);
        assert_eq!(work(&worker(service.exports.clone())).await, Worked::Done);
        for killed in 1..=2 {
            // The store answers once; then it does not while the worker lives.
            let before = service.exports.names().len();
            let store = FaultStore::new(service.exports.clone()).at(2, Fault::RequestLost);
            let (exports, clock) = (service.exports.clone(), service.clock.clone());
            let is_stuck = move || exports.names().len() > before && clock.sleepers() > 1;
            kill(worker(Arc::new(store)), is_stuck).await;
            assert_eq!(service.get(&rig, &id).await.starts, killed);
            service.clock.advance(LEASE + Duration::from_secs(1));
        }
        assert_eq!(work(&worker(service.exports.clone())).await, Worked::Done);
        let operation = service.get(&rig, &id).await;
        assert_eq!(operation.words(), "Completed/Link", "{operation:?}");
        assert_eq!((operation.counts.created, operation.counts.failed), (31, 0));
        assert!(operation.parts > 3);

        let files = unpacked(&service, &rig, &id).await;
        if format == ExportFormat::Eml {
            assert_eq!(files, direct.files);
        } else {
            // Each mailbox file goes on in others; together they are the same.
            let total =
                |files: &BTreeMap<String, Vec<u8>>| -> usize { files.values().map(Vec::len).sum() };
            assert_eq!(total(&files), total(&direct.files));
            let messages = |files: &BTreeMap<String, Vec<u8>>| -> usize {
                let is_first = |line: &&[u8]| line.starts_with(b"From ");
                let count = |file: &Vec<u8>| file.split(|b| *b == b'\n').filter(is_first).count();
                files.values().map(count).sum()
            };
            assert_eq!(messages(&files), 31);
        }
    }
}
