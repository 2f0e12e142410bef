//! A job database in memory, and a site whose mailboxes do as they are told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use mailkeep_engine::StopSignal;
use mailkeep_engine::hooks::HookCaller;
use mailkeep_engine::job::{JobRecord, Jobs, StartRequest};
use mailkeep_engine::ledger::{EventRecord, JobEvent, JobId, Ledger};
use mailkeep_engine::operation::Operations;
use mailkeep_engine::plan::{PlanSettings, Planner};
use mailkeep_engine::run::{RunRecord, RunScope, TaskRecord};
use mailkeep_engine::work::{
    Order, Outcome, Report, ScopePage, Site, WorkSettings, Worked, Worker,
};
use mailkeep_exchange::SourceError;
use mailkeep_model::job::{JobDefinition, JobKind, JobSchedule, Mailboxes};
use mailkeep_model::schedule::{ActivityPattern, Daily, Hours, TimeOfDay, Zone};
use mailkeep_model::state::State;
use mailkeep_model::{LicenseState, MailboxKind, MailboxProfile, SourceMailboxId};
use mailkeep_ports::{
    Clock, FaultPlan, FaultQueue, FaultTable, MemoryHooks, MemoryQueue, MemoryStore, MemoryTable,
    Queue, SeededRng, Store, Table, TestClock,
};

use crate::fake::FakeOperations;

pub(crate) const LEASE: Duration = Duration::from_secs(120);

#[must_use]
pub(crate) fn mailbox(name: &str) -> MailboxProfile {
    MailboxProfile {
        id: SourceMailboxId(format!("id-{name}")),
        address: format!("{name}@contoso.example"),
        display_name: name.to_owned(),
        kind: MailboxKind::User,
        license: LicenseState::Licensed,
        account_enabled: true,
    }
}

/// A tenant: who has a mailbox, and what happens to whoever backs it up.
#[derive(Default)]
pub(crate) struct FakeSite {
    pub(crate) mailboxes: Mutex<Vec<MailboxProfile>>,
    pub(crate) page_size: Mutex<usize>,
    /// What comes next of each mailbox; complete when nothing is told.
    pub(crate) outcomes: Mutex<BTreeMap<String, VecDeque<Outcome>>>,
    /// What comes next of a listing.
    pub(crate) list_errors: Mutex<VecDeque<SourceError>>,
    /// Addresses in the order in which they were backed up.
    pub(crate) done: Mutex<Vec<String>>,
    pub(crate) closed: Mutex<u32>,
    /// Called while a mailbox is worked on.
    pub(crate) during: Mutex<Option<During>>,
}

pub(crate) type During =
    Arc<dyn Fn(&Order, StopSignal) -> futures::future::BoxFuture<'static, ()> + Send + Sync>;

impl FakeSite {
    pub(crate) fn tell(&self, name: &str, outcomes: impl IntoIterator<Item = Outcome>) {
        let address = mailbox(name).address;
        let mut all = self.outcomes.lock().unwrap();
        all.entry(address).or_default().extend(outcomes);
    }

    pub(crate) fn done(&self) -> Vec<String> {
        std::mem::take(&mut *self.done.lock().unwrap())
    }
}

#[async_trait]
impl Site for FakeSite {
    async fn page(
        &self,
        definition: &JobDefinition,
        next: Option<&str>,
    ) -> Result<ScopePage, SourceError> {
        if let Some(error) = self.list_errors.lock().unwrap().pop_front() {
            return Err(error);
        }
        let start: usize = next.map_or(0, |next| next.parse().unwrap());
        let size = match *self.page_size.lock().unwrap() {
            0 => 100,
            size => size,
        };
        let mut all = self.mailboxes.lock().unwrap().clone();
        if let Mailboxes::Group(group) = &definition.scope.mailboxes {
            all.retain(|mailbox| mailbox.display_name.starts_with(group.as_str()));
        }
        let end = (start + size).min(all.len());
        Ok(ScopePage {
            realm: "tenant".to_owned(),
            mailboxes: all[start..end].to_vec(),
            next: (end < all.len()).then(|| end.to_string()),
        })
    }

    async fn back_up(&self, order: &Order, stop: StopSignal) -> Report {
        let during = self.during.lock().unwrap().clone();
        if let Some(during) = during {
            during(order, stop.clone()).await;
        }
        let address = order.mailbox.address.clone();
        let told = self
            .outcomes
            .lock()
            .unwrap()
            .get_mut(&address)
            .and_then(VecDeque::pop_front);
        self.done.lock().unwrap().push(address);
        let mut report = Report::of(told.unwrap_or(if stop.is_stopped() {
            Outcome::Stopped
        } else {
            Outcome::Complete
        }));
        report.counters.items_stored = 1;
        report
    }

    async fn close(&self, _definition: &JobDefinition) {
        *self.closed.lock().unwrap() += 1;
    }
}

/// What outlives a process.
pub(crate) struct World {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) rng: Arc<SeededRng>,
    pub(crate) table: Arc<MemoryTable>,
    pub(crate) queue: Arc<MemoryQueue>,
    pub(crate) site: Arc<FakeSite>,
    pub(crate) hooks: Arc<MemoryHooks>,
    pub(crate) exports: Arc<MemoryStore>,
    pub(crate) fake: Arc<FakeOperations>,
}

/// A process: planner and worker.
pub(crate) struct Process {
    pub(crate) jobs: Jobs,
    pub(crate) planner: Planner,
    pub(crate) worker: Worker,
    pub(crate) caller: Arc<HookCaller>,
    pub(crate) operations: Operations,
}

impl World {
    /// Monday, 5 January 2026, 08:00 UTC, and some mailboxes.
    #[must_use]
    pub(crate) fn new(mailboxes: &[&str]) -> Self {
        Self::at(
            mailboxes,
            TestClock::new("2026-01-05T08:00:00Z".parse().unwrap()),
        )
    }

    #[must_use]
    pub(crate) fn at(mailboxes: &[&str], clock: TestClock) -> Self {
        let clock = Arc::new(clock);
        let site = FakeSite::default();
        let exports = Arc::new(MemoryStore::new(clock.clone()));
        *site.mailboxes.lock().unwrap() = mailboxes.iter().map(|name| mailbox(name)).collect();
        Self {
            rng: Arc::new(SeededRng::new(5)),
            table: Arc::new(MemoryTable::new()),
            queue: Arc::new(MemoryQueue::new(clock.clone(), 5)),
            site: Arc::new(site),
            hooks: Arc::new(MemoryHooks::new(clock.clone())),
            fake: Arc::new(FakeOperations::new(exports.clone())),
            exports,
            clock,
        }
    }

    #[must_use]
    pub(crate) fn process(&self) -> Process {
        self.process_on(
            self.table.clone(),
            self.queue.clone(),
            PlanSettings::default(),
        )
    }

    /// A process that hears of everything within seconds.
    #[must_use]
    pub(crate) fn quick_process(&self) -> Process {
        let lease = Duration::from_secs(3);
        let settings = PlanSettings {
            hook_lease: lease,
            resend: lease * 5 / 2,
            ..PlanSettings::default()
        };
        let table: Arc<dyn Table> = self.table.clone();
        let ledger = Ledger::new(table, self.clock.clone(), self.rng.clone());
        self.process_of(
            ledger,
            self.queue.clone(),
            self.site.clone(),
            settings,
            lease,
        )
    }

    #[must_use]
    pub(crate) fn failing_process(&self, plan: &FaultPlan) -> Process {
        let table = FaultTable::new(self.table.clone(), plan.clone());
        let queue = FaultQueue::new(self.queue.clone(), plan.clone());
        self.process_on(Arc::new(table), Arc::new(queue), PlanSettings::default())
    }

    #[must_use]
    pub(crate) fn process_on(
        &self,
        table: Arc<dyn Table>,
        queue: Arc<dyn Queue>,
        settings: PlanSettings,
    ) -> Process {
        let ledger = Ledger::new(table, self.clock.clone(), self.rng.clone());
        let site: Arc<dyn Site> = self.site.clone();
        self.process_of(ledger, queue, site, settings, LEASE)
    }

    fn process_of(
        &self,
        ledger: Ledger,
        queue: Arc<dyn Queue>,
        site: Arc<dyn Site>,
        settings: PlanSettings,
        lease: Duration,
    ) -> Process {
        let work = WorkSettings {
            lease,
            ..WorkSettings::default()
        };
        let exports: Arc<dyn Store> = self.exports.clone();
        let planner = Planner::new(ledger.clone(), queue.clone(), site.clone(), settings);
        let worker = Worker::new(ledger.clone(), queue.clone(), site, work);
        Process {
            jobs: Jobs::new(ledger.clone()),
            caller: Arc::new(HookCaller::new(
                ledger.clone(),
                self.hooks.clone(),
                settings.hook_lease,
                Duration::from_secs(5),
            )),
            planner: planner.with_exports(exports),
            worker: worker.with_operations(self.fake.clone()),
            operations: Operations::new(ledger, queue),
        }
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) fn set(&self, time: &str) {
        let to: chrono::DateTime<chrono::Utc> = time.parse().unwrap();
        let by = to - self.clock.now();
        self.clock.advance(by.to_std().expect("time goes forward"));
    }
}

impl Process {
    /// Ticks and works until nothing more happens without time passing.
    pub(crate) async fn settle(&self) {
        for _ in 0..1_000 {
            let tick = self.planner.tick().await.unwrap();
            assert!(tick.failures.is_empty(), "{:?}", tick.failures);
            let mut worked = 0;
            for order in &tick.hooks {
                self.caller.call(order, &StopSignal::new()).await.unwrap();
                worked += 1;
            }
            while self.worker.work_once(&StopSignal::new()).await.unwrap() != Worked::Nothing {
                worked += 1;
            }
            let now = self.jobs.ledger().clock().now();
            if worked == 0 && tick.next_at.is_none_or(|at| at > now) {
                return;
            }
        }
        panic!("it does not settle");
    }

    /// One tick, without work.
    pub(crate) async fn tick(&self) {
        let tick = self.planner.tick().await.unwrap();
        assert!(tick.failures.is_empty(), "{:?}", tick.failures);
    }

    /// Works on one message.
    pub(crate) async fn work(&self) -> Worked {
        self.worker.work_once(&StopSignal::new()).await.unwrap()
    }

    pub(crate) async fn job(&self, id: &JobId) -> JobRecord {
        self.jobs.ledger().job(id).await.unwrap().unwrap().value
    }

    pub(crate) async fn run(&self, id: &JobId, cycle: u64) -> RunRecord {
        let run = self.jobs.ledger().run(&id.run(cycle)).await.unwrap();
        run.unwrap_or_else(|| panic!("there is no cycle {cycle}"))
            .value
    }

    pub(crate) async fn tasks(&self, id: &JobId, cycle: u64) -> Vec<TaskRecord> {
        let (mut tasks, mut after) = (vec![], None);
        loop {
            let page = self
                .jobs
                .ledger()
                .tasks(&id.run(cycle), after, 0)
                .await
                .unwrap();
            tasks.extend(page.records.into_iter().map(|task| task.value));
            after = page.next;
            if after.is_none() {
                tasks.sort_by(|a, b| a.mailbox.address.cmp(&b.mailbox.address));
                return tasks;
            }
        }
    }

    /// Oldest first.
    pub(crate) async fn events(&self, id: &JobId) -> Vec<EventRecord> {
        let (mut events, mut after) = (vec![], None);
        loop {
            let page = self.jobs.ledger().events(id, after, 0).await.unwrap();
            events.extend(page.records.into_iter().map(|event| event.value));
            after = page.next;
            if after.is_none() {
                events.reverse();
                return events;
            }
        }
    }

    /// The states of a cycle, as its events tell them.
    pub(crate) async fn states(&self, id: &JobId, cycle: u64) -> Vec<State> {
        let events = self.events(id).await.into_iter();
        let states = events.filter(|event| event.cycle == Some(cycle));
        states
            .filter_map(|event| match event.event {
                JobEvent::RunState { to, .. } => Some(to),
                _ => None,
            })
            .collect()
    }

    pub(crate) async fn start(&self, id: &JobId) {
        self.jobs.start(id, at_will(false)).await.unwrap();
    }
}

#[must_use]
pub(crate) fn at_will(ignores_schedule: bool) -> StartRequest {
    StartRequest {
        scope: RunScope::All,
        ignores_schedule,
    }
}

/// A job without schedule.
#[must_use]
pub(crate) fn plain(name: &str) -> JobDefinition {
    JobDefinition::new(name, "contoso", "main")
}

#[must_use]
pub(crate) fn one_time(name: &str) -> JobDefinition {
    JobDefinition {
        kind: JobKind::OneTime,
        ..plain(name)
    }
}

/// A job that may work every day between two hours, in UTC.
#[must_use]
pub(crate) fn daily(name: &str, from: u32, to: u32) -> JobDefinition {
    let hours = Hours::between(
        TimeOfDay::new(from, 0).unwrap(),
        TimeOfDay::new(to, 0).unwrap(),
    );
    JobDefinition {
        schedule: Some(JobSchedule {
            enabled: true,
            zone: Zone::UTC,
            pattern: ActivityPattern::Daily(Daily {
                hours,
                ..Daily::default()
            }),
        }),
        ..plain(name)
    }
}
