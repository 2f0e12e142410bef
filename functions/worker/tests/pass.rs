//! Invocations of the worker on a simulated tenant: what they cost, and what becomes of messages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use exchange_sim::{Admin, MailProfile, SimClock, SimTenant};
use mailkeep_engine::job::{Jobs, StartRequest};
use mailkeep_engine::ledger::{JobId, Ledger};
use mailkeep_engine::plan::{PlanSettings, Planner};
use mailkeep_engine::run::RunScope;
use mailkeep_engine::work::{Site, VaultSite, WorkSettings, Worker};
use mailkeep_engine::{Engine, Quiet};
use mailkeep_function::{Deadline, MessageTrigger};
use mailkeep_local::{SystemClock, SystemRng};
use mailkeep_model::job::JobDefinition;
use mailkeep_model::state::{End, State};
use mailkeep_ports::{
    Clock, MemoryQueue, MemoryStore, MemoryTable, Outgoing, Queue, Rng, Usage, UsageCounts,
    UsageQueue, UsageStore, UsageTable,
};
use mailkeep_setup::VaultConnections;
use mailkeep_setup::connection::{Connection, Credential, DOCUMENT_KIND, GraphReach, Reach};
use mailkeep_vault::{PutMode, Recipient, Vault, VaultContext};
use mailkeep_worker::{LeftToLambda, WorkerFunction};
use serde_json::json;

const CONNECTION: &str = "simulated";
const LEASE: Duration = Duration::from_secs(120);

/// The clock that a function's life is measured by: a sleep lasts for so many requests to the tenant.
struct Lifetime {
    clock: Arc<dyn Clock>,
    admin: Admin,
    /// Without them a sleep lasts for ever.
    requests: AtomicU64,
}

impl Lifetime {
    fn made(&self) -> u64 {
        self.admin.counters().values().sum()
    }
}

#[async_trait]
impl Clock for Lifetime {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    async fn sleep(&self, _: Duration) {
        let requests = self.requests.load(Ordering::Relaxed);
        let end = self.made().saturating_add(requests);
        while requests == 0 || self.made() < end {
            self.clock.sleep(Duration::from_millis(1)).await;
        }
    }
}

/// A tenant with one mailbox, and a stack in memory.
struct World {
    tenant: SimTenant,
    clock: Arc<dyn Clock>,
    lifetime: Arc<Lifetime>,
    usage: Arc<Usage>,
    queue: Arc<dyn Queue>,
    wake: Arc<MemoryQueue>,
    jobs: Jobs,
    planner: Planner,
    function: WorkerFunction,
    job: JobId,
}

impl World {
    async fn new(items: u32) -> Self {
        let builder = SimTenant::builder().mailboxes(1).items_per_mailbox(items);
        let builder = builder.profile(MailProfile::Small).other_accounts(false);
        let tenant = builder.clock(SimClock::real_time()).start().await.unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let rng: Arc<dyn Rng> = Arc::new(SystemRng);
        let usage = Arc::new(Usage::new());
        let memory = Arc::new(MemoryStore::new(clock.clone()));
        let context = VaultContext {
            store: Arc::new(UsageStore::new(memory, usage.clone())),
            clock: clock.clone(),
            rng: rng.clone(),
        };
        let key = Recipient::KeyFile(zeroize::Zeroizing::new([7; 32]));
        let (vault, _) = Vault::create(context, &[key], Default::default())
            .await
            .unwrap();
        let document = connection(&tenant).to_document().unwrap();
        let put = vault.put_document(DOCUMENT_KIND, CONNECTION, &document, PutMode::Create);
        put.await.unwrap();
        let engine = Engine::new(vault, clock.clone(), rng.clone());
        let connections = VaultConnections::new(engine, "main", clock.clone(), rng.clone());
        let site: Arc<dyn Site> = Arc::new(VaultSite::new(Arc::new(connections), Arc::new(Quiet)));
        let table = UsageTable::new(Arc::new(MemoryTable::new()), usage.clone());
        let ledger = Ledger::new(Arc::new(table), clock.clone(), rng);
        let queue = Arc::new(MemoryQueue::new(clock.clone(), 5));
        let queue: Arc<dyn Queue> = Arc::new(UsageQueue::new(queue, usage.clone()));
        let wake = Arc::new(MemoryQueue::new(clock.clone(), 5));
        let own = Arc::new(LeftToLambda(queue.clone()));
        let worker = Worker::new(ledger.clone(), own, site.clone(), WorkSettings::default());
        let waking: Arc<dyn Queue> = Arc::new(UsageQueue::new(wake.clone(), usage.clone()));
        let jobs = Jobs::new(ledger.clone());
        let definition = JobDefinition::new("All", CONNECTION, "main");
        let job = jobs.create(&definition).await.unwrap().id;
        let lifetime = Arc::new(Lifetime {
            clock: clock.clone(),
            admin: tenant.admin(),
            requests: AtomicU64::new(0),
        });
        let life: Arc<dyn Clock> = lifetime.clone();
        Self {
            function: WorkerFunction::of(worker, LEASE, queue.clone(), waking, life),
            lifetime,
            planner: Planner::new(ledger, queue.clone(), site, PlanSettings::default()),
            tenant,
            clock,
            usage,
            queue,
            wake,
            jobs,
            job,
        }
    }

    fn deadline(&self) -> Deadline {
        let now = self.clock.now();
        Deadline::of(now, now + TimeDelta::seconds(900))
    }

    async fn start(&self) {
        let request = StartRequest {
            scope: RunScope::All,
            ignores_schedule: true,
        };
        self.jobs.start(&self.job, request).await.unwrap();
        self.planner.tick().await.unwrap();
    }

    /// What Lambda does with a batch of messages. Gives what the function asked of AWS, and how many failed.
    async fn invoke(&self) -> (UsageCounts, usize) {
        let received = self
            .queue
            .receive(10, Duration::from_secs(60))
            .await
            .unwrap();
        let messages: Vec<MessageTrigger> = received
            .into_iter()
            .enumerate()
            .map(|(number, received)| MessageTrigger {
                id: number.to_string(),
                received,
            })
            .collect();
        self.usage.take();
        let failed = self.function.work(&messages, self.deadline()).await;
        let counts = self.usage.take();
        let failed: Vec<&str> = failed.ids().collect();
        for message in &messages {
            if !failed.contains(&message.id.as_str()) {
                self.queue
                    .acknowledge(&message.received.receipt)
                    .await
                    .unwrap();
            }
        }
        (counts, failed.len())
    }

    /// Runs a cycle and gives what the worker asked of AWS.
    async fn cycle(&self, number: u64) -> UsageCounts {
        self.start().await;
        let (counts, failed) = self.invoke().await;
        assert_eq!(failed, 0);
        self.planner.tick().await.unwrap();
        let run = self.jobs.ledger().run(&self.job.run(number)).await.unwrap();
        assert_eq!(run.unwrap().value.state, State::Ended(End::Completed));
        counts
    }

    fn mailbox(&self) -> String {
        let all = self.tenant.admin().mailboxes();
        all.into_iter().find(|it| it.has_mailbox).unwrap().id
    }
}

fn connection(tenant: &SimTenant) -> Connection {
    let hosts = (
        "worldwide".to_owned(),
        tenant.base_url().to_owned(),
        tenant.base_url().to_owned(),
    );
    let secret = Credential::Secret {
        client_secret: tenant.client_secret.clone().into(),
    };
    let reach = GraphReach::new(
        tenant.tenant_id.clone(),
        tenant.client_id.clone(),
        hosts,
        secret,
    );
    Connection::new(CONNECTION.to_owned(), Reach::Graph(reach.unwrap())).unwrap()
}

/// Writes, reads and lists of the store; reads, writes and write units of the table; requests to the queue.
fn requests(counts: &UsageCounts) -> [u64; 7] {
    assert_eq!((counts.store_deletes, counts.store_heads), (0, 0));
    [
        counts.store_puts,
        counts.store_gets,
        counts.store_lists,
        counts.table_reads,
        counts.table_writes,
        counts.table_write_units,
        counts.queue_requests,
    ]
}

/// The figures of `docs/operations.md`: what a pass over one mailbox asks of AWS.
#[tokio::test(flavor = "multi_thread")]
async fn a_pass_over_a_mailbox_costs_a_stated_number_of_requests() {
    let world = World::new(30).await;
    world.cycle(1).await;
    let unchanged = world.cycle(2).await;
    assert_eq!(requests(&unchanged), [0, 3, 2, 8, 2, 14, 1]);

    world
        .tenant
        .admin()
        .add_mail(&world.mailbox(), "inbox")
        .unwrap();
    let changed = world.cycle(3).await;
    // The commit, with the mail in it, and the record of the run.
    assert_eq!(requests(&changed), [2, 4, 2, 8, 2, 14, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_takes_longer_than_a_function_lives_goes_on_in_the_next_one() {
    let world = World::new(120).await;
    world.start().await;
    // Enough to list folders and first pages, not to read all items.
    world.lifetime.requests.store(80, Ordering::Relaxed);
    let mut invocations = 0;
    loop {
        invocations += 1;
        let (_, failed) = world.invoke().await;
        assert_eq!(failed, 0);
        // Each of them wakes the planner, which hands the rest out.
        let woken = world
            .wake
            .receive(10, Duration::from_secs(600))
            .await
            .unwrap();
        assert_eq!(woken.len(), 1);
        world.planner.tick().await.unwrap();
        let run = world.jobs.ledger().run(&world.job.run(1)).await.unwrap();
        if let State::Ended(end) = run.unwrap().value.state {
            assert_eq!(end, End::Completed);
            break;
        }
        assert!(invocations < 20, "it does not come to an end");
    }
    assert!(invocations > 1, "one function was enough");
    world.lifetime.requests.store(0, Ordering::Relaxed);
    assert_eq!(world.cycle(2).await.store_puts, 0, "something was left");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_fails_does_not_take_others_with_it() {
    let world = World::new(3).await;
    world.start().await;
    let poison = Outgoing::now(json!({"task": "none of ours"}).to_string());
    world.queue.send(vec![poison]).await.unwrap();
    let (_, failed) = world.invoke().await;
    assert_eq!(failed, 1);
    world.planner.tick().await.unwrap();
    let run = world.jobs.ledger().run(&world.job.run(1)).await.unwrap();
    assert_eq!(run.unwrap().value.state, State::Ended(End::Completed));
    let depth = world.queue.depth().await.unwrap();
    assert_eq!(
        (depth.ready, depth.in_flight),
        (0, 1),
        "the poison is hidden for a while"
    );
}
