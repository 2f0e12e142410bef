//! A simulated year: 20 jobs with overlapping schedules over 200 mailboxes, calls that fail, messages
//! that come twice, workers that die, scripts before and after, a clock that jumps. What must hold is checked
//! throughout.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_engine::StopSignal;
use mailkeep_engine::hooks::HookCaller;
use mailkeep_engine::job::Jobs;
use mailkeep_engine::ledger::{JobEvent, JobId, Ledger};
use mailkeep_engine::plan::{PlanSettings, Planner, Tick};
use mailkeep_engine::work::{Order, Outcome, Report, ScopePage, Site, WorkSettings, Worker};
use mailkeep_exchange::SourceError;
use mailkeep_model::job::{HookFailure, JobDefinition};
use mailkeep_model::{FailureClass, MailboxProfile};
use mailkeep_ports::{
    CallFaultRates, Clock as _, FaultPlan, FaultQueue, FaultTable, HookFault, HookTarget,
    MemoryHooks, MemoryQueue, MemoryTable, Queue, Rng as _, SeededRng, TestClock,
};
use tokio::task::JoinHandle;

use crate::hooks::hook;
use crate::rig::mailbox;

const JOBS: u64 = 20;
const MAILBOXES: u64 = 200;
/// Neighbouring jobs share four of their mailboxes.
const PER_JOB: u64 = 14;
const START: &str = "2026-01-01T00:00:00Z";
const LEASE: Duration = Duration::from_secs(1_800);
/// The clock is set when nothing is at work, about so often, and by so many minutes at most.
const JUMP_EVERY: TimeDelta = TimeDelta::days(11);
const JUMP_MINUTES: i64 = 90;
/// How long a script takes.
const SCRIPT: Duration = Duration::from_secs(20);
/// Work is looked at so often whether it is to stop.
const SLICE: Duration = Duration::from_secs(120);

fn definition(number: u64) -> JobDefinition {
    let pattern = match number % 4 {
        0 => {
            "daily = { every_days = 30, range = { start = \"2026-01-01\" }, hours = { from = \"21:00\", to = \"05:00\" } }"
        }
        1 => {
            "weekly = { every_weeks = 4, range = { start = \"2026-01-01\" }, days = [\"saturday\"] }"
        }
        2 => {
            "weekly = { every_weeks = 5, range = { start = \"2026-01-01\" }, days = [\"monday\", \"thursday\"], hours = { from = \"01:00\", to = \"07:00\" } }"
        }
        _ => {
            "monthly = { every_months = 2, range = { start = \"2026-01-01\" }, on = { day = 31 }, hours = { from = \"12:00\", to = \"20:00\" } }"
        }
    };
    let zone = [
        "UTC",
        "Europe/Warsaw",
        "America/New_York",
        "Australia/Lord_Howe",
    ];
    let zone = zone[usize::try_from(number / 4 % 4).unwrap()];
    let text = format!(
        "name = \"job {number}\"\nconnection = \"c\"\nstorage = \"s\"\nidle_time = \"25:00:00\"\n\
         priority = {}\nconcurrent_mailboxes = {}\n\
         [schedule]\nzone = \"{zone}\"\npattern = {{ {pattern} }}\n",
        number % 5 + 1,
        number % 3 + 2,
    );
    let mut definition: JobDefinition = toml::from_str(&text).unwrap();
    let waits = number.is_multiple_of(2);
    let called = |name| Some(hook(name, waits, HookFailure::Continue));
    if matches!(number % 3, 1 | 2) {
        definition.hooks.before = called("before");
    }
    if number % 3 == 2 {
        definition.hooks.after = called("after");
    }
    definition
}

/// What is seen of the work.
#[derive(Default)]
struct Seen {
    at_work: BTreeMap<String, u32>,
    of_job: BTreeMap<String, u32>,
    /// When work on each job began.
    begun: BTreeMap<String, Vec<DateTime<Utc>>>,
    backups: u64,
}

struct YearSite {
    clock: Arc<TestClock>,
    rng: SeededRng,
    seen: Arc<Mutex<Seen>>,
}

/// Work under way; it ends also when its worker dies.
struct AtWork {
    seen: Arc<Mutex<Seen>>,
    mailbox: String,
    job: String,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut seen = self.seen.lock().unwrap();
        *seen.at_work.get_mut(&self.mailbox).unwrap() -= 1;
        *seen.of_job.get_mut(&self.job).unwrap() -= 1;
    }
}

impl YearSite {
    fn begin(&self, order: &Order) -> AtWork {
        let (definition, now) = (&order.definition, self.clock.now());
        let schedule = definition.activity().unwrap();
        assert!(
            schedule.is_active(now),
            "{} works at {now}",
            definition.name
        );
        let mut seen = self.seen.lock().unwrap();
        let (mailbox, job) = (order.mailbox.address.clone(), definition.name.clone());
        let at_work = seen.at_work.entry(mailbox.clone()).or_default();
        *at_work += 1;
        assert_eq!(*at_work, 1, "{mailbox} is worked on twice at {now}");
        let of_job = seen.of_job.entry(job.clone()).or_default();
        *of_job += 1;
        assert!(
            *of_job <= definition.concurrent_mailboxes,
            "{job} exceeds its limit"
        );
        seen.begun.entry(job.clone()).or_default().push(now);
        seen.backups += 1;
        drop(seen);
        AtWork {
            seen: self.seen.clone(),
            mailbox,
            job,
        }
    }
}

#[async_trait]
impl Site for YearSite {
    async fn page(
        &self,
        definition: &JobDefinition,
        next: Option<&str>,
    ) -> Result<ScopePage, SourceError> {
        let number: u64 = definition
            .name
            .split(' ')
            .next_back()
            .unwrap()
            .parse()
            .unwrap();
        let start: u64 = next.map_or(0, |next| next.parse().unwrap());
        let end = (start + 8).min(PER_JOB);
        let profile = |place| -> MailboxProfile {
            mailbox(&format!("m{:03}", (number * 10 + place) % MAILBOXES))
        };
        Ok(ScopePage {
            realm: "tenant".to_owned(),
            mailboxes: (start..end).map(profile).collect(),
            next: (end < PER_JOB).then(|| end.to_string()),
        })
    }

    async fn back_up(&self, order: &Order, stop: StopSignal) -> Report {
        let _at_work = self.begin(order);
        let schedule = order.definition.activity().unwrap();
        let chance = self.rng.next_u64();
        let mut left = Duration::from_secs(60 + chance % 1_500);
        while !left.is_zero() && !stop.is_stopped() {
            let slice = left.min(SLICE);
            self.clock.sleep(slice).await;
            left -= slice;
        }
        // It sees a slice after the end of the period that it is to stop; half a minute is for calls that
        // fail meanwhile.
        let now = self.clock.now();
        let earlier = now - TimeDelta::from_std(SLICE).unwrap() - TimeDelta::seconds(30);
        assert!(
            schedule.is_active(now) || schedule.is_active(earlier),
            "{} goes on at {now}",
            order.definition.name
        );
        let mut report = Report::of(match (left.is_zero(), chance >> 32 & 127) {
            (false, _) => Outcome::Stopped,
            (true, 0..=2) => Outcome::Failed {
                class: FailureClass::Connection,
                retry_after: None,
            },
            (true, 3) => Outcome::Wait(Duration::from_secs(400)),
            (true, _) => Outcome::Complete,
        });
        report.counters.items_stored = 1;
        report
    }

    async fn close(&self, _definition: &JobDefinition) {}
}

struct Year {
    clock: Arc<TestClock>,
    rng: SeededRng,
    queue: Arc<dyn Queue>,
    planner: Planner,
    worker: Worker,
    workers: Vec<(JoinHandle<()>, Option<DateTime<Utc>>)>,
    tick: Option<JoinHandle<Option<Tick>>>,
    next_tick: DateTime<Utc>,
    deaths: u32,
    caller: Arc<HookCaller>,
    hooks: Vec<JoinHandle<()>>,
    next_jump: DateTime<Utc>,
    jumps: u32,
}

async fn settle() {
    for _ in 0..12 {
        tokio::task::yield_now().await;
    }
}

impl Year {
    async fn step(&mut self) {
        let now = self.clock.now();
        if self.tick.is_none() && now >= self.next_tick {
            let planner = self.planner.clone();
            self.tick = Some(tokio::spawn(async move { planner.tick().await.ok() }));
        }
        settle().await;
        if let Some(tick) = self.tick.take_if(|tick| tick.is_finished()) {
            let soon = now + TimeDelta::seconds(1);
            let latest = now + TimeDelta::hours(6);
            self.next_tick = match tick.await.unwrap() {
                Some(tick) => {
                    self.call(&tick);
                    tick.next_at.unwrap_or(latest).clamp(soon, latest)
                }
                None => now + TimeDelta::seconds(60),
            };
        }
        while let Ok(messages) = self.queue.receive(10, LEASE).await {
            if messages.is_empty() {
                break;
            }
            for message in messages {
                let worker = self.worker.clone();
                let work = async move {
                    // A result that cannot be written down is one of a worker that is lost.
                    let _ = worker.work_on(&message, &StopSignal::new()).await;
                };
                let chance = self.rng.next_u64();
                let dies = (chance.is_multiple_of(50)).then(|| {
                    now + TimeDelta::seconds(i64::try_from(chance >> 32 & 1_023).unwrap())
                });
                self.workers.push((tokio::spawn(work), dies));
            }
        }
        settle().await;
        let mut is_news = false;
        for (work, dies) in std::mem::take(&mut self.workers) {
            if work.is_finished() {
                work.await.unwrap();
                is_news = true;
            } else if dies.is_some_and(|at| at <= now) {
                work.abort();
                self.deaths += 1;
            } else {
                self.workers.push((work, dies));
            }
        }
        let before = self.hooks.len();
        self.hooks.retain(|hook| !hook.is_finished());
        is_news |= self.hooks.len() < before;
        settle().await;
        if is_news {
            self.next_tick = self.next_tick.min(now + TimeDelta::seconds(1));
        }
        let mut wait = (self.next_tick - now).to_std().unwrap_or_default();
        for due in [self.clock.next_due()].into_iter().flatten() {
            wait = wait.min(due);
        }
        for (_, dies) in &self.workers {
            let dies = dies.and_then(|at| (at - now).to_std().ok());
            wait = wait.min(dies.unwrap_or(wait));
        }
        self.clock.advance(wait.max(Duration::from_millis(1)));
        self.jump();
    }

    fn call(&mut self, tick: &Tick) {
        for order in tick.hooks.clone() {
            let caller = self.caller.clone();
            self.hooks.push(tokio::spawn(async move {
                // What cannot be written down is in doubt later.
                let _ = caller.call(&order, &StopSignal::new()).await;
            }));
        }
    }

    /// Sets the clock, as an administrator does.
    fn jump(&mut self) {
        let is_idle = self.workers.is_empty() && self.hooks.is_empty() && self.tick.is_none();
        if !is_idle || self.clock.now() < self.next_jump {
            return;
        }
        let chance = i64::try_from(self.rng.next_u64() >> 32).unwrap();
        let minutes = chance % (2 * JUMP_MINUTES + 1) - JUMP_MINUTES;
        self.clock.jump_wall(TimeDelta::minutes(minutes));
        self.jumps += 1;
        // Whoever rests has counted the time by another clock.
        self.next_tick = self.clock.now();
        self.next_jump = self.clock.now() + JUMP_EVERY;
    }
}

#[tokio::test]
async fn a_year_of_many_jobs_keeps_every_promise() {
    let start: DateTime<Utc> = START.parse().unwrap();
    let clock = Arc::new(TestClock::manual(start));
    let table = Arc::new(MemoryTable::new());
    let memory = Arc::new(MemoryQueue::new(clock.clone(), 10));
    let rates = CallFaultRates {
        busy: 4,
        request_lost: 4,
        answer_lost: 4,
        duplicated: 30,
    };
    let plan = FaultPlan::new().by_chance(11, rates);
    let queue: Arc<dyn Queue> = Arc::new(FaultQueue::new(memory, plan.clone()));
    let faulty = Arc::new(FaultTable::new(table.clone(), plan.clone()));
    let ledger = Ledger::new(faulty, clock.clone(), Arc::new(SeededRng::new(3)));
    let seen = Arc::new(Mutex::new(Seen::default()));
    let site: Arc<dyn Site> = Arc::new(YearSite {
        clock: clock.clone(),
        rng: SeededRng::new(4),
        seen: seen.clone(),
    });
    let work = WorkSettings {
        lease: LEASE,
        most_starts: 9,
        beat: LEASE,
        ..WorkSettings::default()
    };
    let settings = PlanSettings {
        capacity: 24,
        resend: LEASE * 3 / 2,
        ..PlanSettings::default()
    };
    let played = Arc::new(MemoryHooks::new(clock.clone()));
    for (name, fault) in [("before", None), ("after", Some(HookFault::Code(1)))] {
        let target = HookTarget::Exec(vec![name.to_owned()]);
        played.play(target, SCRIPT, fault);
    }
    let healthy = Jobs::new(Ledger::new(
        table,
        clock.clone(),
        Arc::new(SeededRng::new(5)),
    ));
    let mut ids: Vec<(JobId, JobDefinition)> = vec![];
    for number in 0..JOBS {
        let definition = definition(number);
        ids.push((healthy.create(&definition).await.unwrap().id, definition));
    }
    let mut year = Year {
        planner: Planner::new(ledger.clone(), queue.clone(), site.clone(), settings),
        caller: Arc::new(HookCaller::new(
            ledger.clone(),
            played.clone(),
            settings.hook_lease,
            SCRIPT,
        )),
        hooks: vec![],
        next_jump: start + JUMP_EVERY,
        jumps: 0,
        worker: Worker::new(ledger, queue.clone(), site, work),
        rng: SeededRng::new(6),
        workers: vec![],
        tick: None,
        next_tick: start,
        deaths: 0,
        queue,
        clock: clock.clone(),
    };
    let end = start + TimeDelta::days(365);
    while clock.now() < end {
        year.step().await;
    }
    {
        let seen = seen.lock().unwrap();
        let (deaths, faults) = (year.deaths, plan.faults());
        assert!(seen.backups > 2_000, "{} backups", seen.backups);
        assert!(
            deaths > 20 && faults > 200,
            "{deaths} deaths, {faults} faults"
        );
        assert!(year.jumps > 20, "{} jumps", year.jumps);
        for (_, definition) in &ids {
            let begun = &seen.begun[&definition.name];
            no_window_was_missed(definition, begun, start, end);
        }
    }
    for (id, _) in &ids {
        every_state_is_explained(&healthy, id).await;
    }
    no_script_was_called_twice(&played);
}

fn no_script_was_called_twice(played: &MemoryHooks) {
    let calls = played.started();
    let ids: BTreeSet<_> = calls.iter().map(|call| call.id.as_str()).collect();
    assert!(calls.len() > 100, "{} calls", calls.len());
    assert_eq!(ids.len(), calls.len(), "one was called twice");
}

fn no_window_was_missed(
    definition: &JobDefinition,
    begun: &[DateTime<Utc>],
    start: DateTime<Utc>,
    end: DateTime<Utc>,
) {
    let schedule = definition.activity().unwrap();
    let windows = schedule.windows_after(start);
    let mut count = 0;
    for window in windows.take_while(|window| window.end.is_some_and(|at| at < end)) {
        let is_used = begun.iter().any(|at| window.contains(*at));
        assert!(is_used, "{} missed {window:?}", definition.name);
        count += 1;
    }
    assert!(count >= 5, "{} has {count} windows", definition.name);
}

async fn every_state_is_explained(jobs: &Jobs, id: &JobId) {
    let ledger = jobs.ledger();
    let mut told = BTreeMap::new();
    let mut after = None;
    loop {
        let page = ledger.events(id, after, 0).await.unwrap();
        for event in page.records {
            // The newest comes first.
            if let (Some(cycle), JobEvent::RunState { to, .. }) =
                (event.value.cycle, event.value.event)
            {
                told.entry(cycle).or_insert(to);
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let job = ledger.job(id).await.unwrap().unwrap().value;
    assert!(job.cycle >= 4, "{job:?}");
    for cycle in 1..=job.cycle {
        // Those that ended long ago have expired, with their events.
        let Some(run) = ledger.run(&id.run(cycle)).await.unwrap() else {
            continue;
        };
        let run = run.value;
        assert_eq!(
            told.get(&cycle),
            Some(&run.state),
            "cycle {cycle} of {}",
            job.name
        );
        if run.state.is_terminal() {
            assert_eq!(run.tally.tasks(), PER_JOB, "cycle {cycle} of {}", job.name);
            assert_eq!((run.waiting, run.in_flight), (0, 0));
        }
    }
}
