//! The real planner, workers and vault, on a table, a queue and a store in memory that are counted.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mailkeep_engine::job::{Jobs, StartRequest};
use mailkeep_engine::ledger::{JobId, Ledger};
use mailkeep_engine::plan::{PlanSettings, Planner, Tick};
use mailkeep_engine::run::{RunRecord, RunScope};
use mailkeep_engine::work::{
    Connections, Site, VaultSite, WorkSettings, Worked, Worker, Workplace,
};
use mailkeep_engine::{Engine, Quiet, StopSignal};
use mailkeep_exchange::SourceError;
use mailkeep_model::job::{JobDefinition, JobKind};
use mailkeep_ports::{
    MemoryQueue, MemoryStore, MemoryTable, SeededRng, Store, TestClock, Usage, UsageCounts,
    UsageQueue, UsageStore, UsageTable,
};
use mailkeep_vault::{Recipient, Unlock, Vault, VaultContext};

use crate::town::Town;

/// How many mailboxes a page of Microsoft Graph's list of users has, rounded.
pub(crate) const PAGE: usize = 1_000;

/// What was asked, by whom.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) planned: UsageCounts,
    pub(crate) worked: UsageCounts,
    /// How often the planner looked.
    pub(crate) ticks: u64,
    /// Mailboxes that were worked on.
    pub(crate) tasks: u64,
}

impl Counted {
    pub(crate) fn all(&self) -> UsageCounts {
        self.planned.plus(self.worked)
    }
}

/// Requests without bytes.
pub(crate) fn requests(counts: UsageCounts) -> UsageCounts {
    UsageCounts {
        store_bytes_read: 0,
        store_bytes_written: 0,
        ..counts
    }
}

/// A tenant, a vault and a job of all mailboxes.
pub(crate) struct Rig {
    pub(crate) town: Arc<Town>,
    pub(crate) table: Arc<MemoryTable>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) usage: Arc<Usage>,
    pub(crate) ledger: Ledger,
    pub(crate) job: JobId,
    pub(crate) engine: Engine,
    /// What opening the vault took.
    pub(crate) opened: UsageCounts,
    planner: Planner,
    worker: Worker,
    jobs: Jobs,
}

struct Place {
    engine: Engine,
    town: Arc<Town>,
}

#[async_trait]
impl Connections for Place {
    async fn open(&self, _connection: &str, _storage: &str) -> Result<Workplace, SourceError> {
        Ok(Workplace {
            engine: self.engine.clone(),
            source: self.town.clone(),
            realm: "11111111-2222-4333-8444-555555555555".to_owned(),
        })
    }
}

fn key() -> zeroize::Zeroizing<[u8; 32]> {
    zeroize::Zeroizing::new([7; 32])
}

impl Rig {
    /// At most `capacity` mailboxes are worked on at once.
    pub(crate) async fn new(town: Town, capacity: u32) -> Self {
        let clock = Arc::new(TestClock::manual("2026-01-05T08:00:00Z".parse().unwrap()));
        let rng = Arc::new(SeededRng::new(1));
        let (town, usage) = (Arc::new(town), Arc::new(Usage::new()));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let counted: Arc<dyn Store> = Arc::new(UsageStore::new(store, usage.clone()));
        let context = VaultContext {
            store: counted,
            clock: clock.clone(),
            rng: rng.clone(),
        };
        let recipients = [Recipient::KeyFile(key())];
        let made = Vault::create(context.clone(), &recipients, Default::default()).await;
        made.unwrap();
        usage.take();
        let vault = Vault::open(context, &Unlock::KeyFile(key())).await.unwrap();
        let opened = usage.take();
        let engine = Engine::new(vault, clock.clone(), rng.clone());
        let table = Arc::new(MemoryTable::new());
        let counted = UsageTable::new(table.clone(), usage.clone());
        let ledger = Ledger::new(Arc::new(counted), clock.clone(), rng);
        let queue = Arc::new(MemoryQueue::new(clock.clone(), 5));
        let queue = Arc::new(UsageQueue::new(queue, usage.clone()));
        let place = Place {
            engine: engine.clone(),
            town: town.clone(),
        };
        let site = VaultSite::new(Arc::new(place), Arc::new(Quiet));
        let site: Arc<dyn Site> = Arc::new(site);
        let settings = PlanSettings {
            capacity,
            ..PlanSettings::default()
        };
        let jobs = Jobs::new(ledger.clone());
        let definition = JobDefinition {
            kind: JobKind::Continuous,
            concurrent_mailboxes: 1_000,
            ..JobDefinition::new("Everybody", "contoso", "main")
        };
        let job = jobs.create(&definition).await.unwrap().id;
        usage.take();
        Self {
            planner: Planner::new(ledger.clone(), queue.clone(), site.clone(), settings),
            worker: Worker::new(ledger.clone(), queue, site, WorkSettings::default()),
            town,
            table,
            clock,
            usage,
            ledger,
            job,
            engine,
            opened,
            jobs,
        }
    }

    /// Asks for a pass over all mailboxes.
    pub(crate) async fn start(&self) {
        let request = StartRequest {
            scope: RunScope::All,
            ignores_schedule: true,
        };
        self.jobs.start(&self.job, request).await.unwrap();
        self.usage.take();
    }

    /// One look of the planner.
    pub(crate) async fn tick(&self, counted: &mut Counted) -> Tick {
        self.usage.take();
        let tick = self.planner.tick().await.unwrap();
        assert!(tick.failures.is_empty(), "{:?}", tick.failures);
        counted.planned = counted.planned.plus(self.usage.take());
        counted.ticks += 1;
        tick
    }

    /// Works on everything that was handed out, one mailbox at a time.
    pub(crate) async fn work(&self, counted: &mut Counted) {
        loop {
            self.usage.take();
            match self.worker.work_once(&StopSignal::new()).await.unwrap() {
                Worked::Nothing => break,
                Worked::Done => counted.tasks += 1,
                other => panic!("{other:?}"),
            }
            counted.worked = counted.worked.plus(self.usage.take());
        }
        self.usage.take();
    }

    /// One pass over all mailboxes, from being asked for to its end.
    pub(crate) async fn pass(&self) -> Counted {
        self.clock.advance(Duration::from_secs(3_600));
        let job = self.ledger.job(&self.job).await.unwrap().unwrap().value;
        if !job.is_started {
            self.start().await;
        }
        let mut counted = Counted::default();
        loop {
            let tick = self.tick(&mut counted).await;
            if !tick.ended.is_empty() {
                // What it closed, it did not look at again.
                return counted;
            }
            self.work(&mut counted).await;
        }
    }

    /// The newest run.
    pub(crate) async fn run(&self) -> RunRecord {
        let job = self.ledger.job(&self.job).await.unwrap().unwrap().value;
        let run = self.ledger.run(&self.job.run(job.cycle)).await.unwrap();
        run.unwrap().value
    }

    /// Bytes of the table's items whose sort key begins so, and how many they are.
    pub(crate) fn held(&self, prefix: &str) -> (u64, u64) {
        let items = self.table.items().into_iter();
        let items = items.filter(|item| item.key.sort().starts_with(prefix));
        items.fold((0, 0), |(bytes, count), item| {
            let keys = item.key.partition().len() + item.key.sort().len();
            (bytes + (keys + item.body.len()) as u64, count + 1)
        })
    }
}
