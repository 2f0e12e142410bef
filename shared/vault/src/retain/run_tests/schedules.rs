//! Schedules from seeds: backups, backups that fall asleep for days and wake up, two at once, retention that
//! dies, over a store that fails by chance. After every step the mailbox is what a model says, and no
//! point in time that is promised shows less than it once did.

use std::collections::BTreeMap;
use std::sync::Arc;

use mailkeep_model::ItemId;
use mailkeep_ports::{Conditions, Fault, FaultRates, FaultStore, SeededRng, TestClock};

use crate::error::VaultError;
use crate::index::MailboxWriter;
use crate::index::tests::conditions::{careful, look};
use crate::index::tests::world::{Model, contents, folder, item, persist, put};
use crate::mailbox::Mailbox;
use crate::retain::run_tests::world::{
    Point, World, draw, end_run, mailbox, message, policy, retain, settings, writer,
};

/// Steps of a schedule.
const STEPS: u64 = 26;

/// What a writer staged: items to put, and one to remove.
#[derive(Clone, Default)]
struct Staged {
    puts: Model,
    removed: Option<String>,
}

impl Staged {
    fn apply(&self, model: &mut Model) {
        if let Some(id) = &self.removed {
            model.remove(id);
        }
        model.extend(self.puts.clone());
    }
}

/// A backup that was begun and stopped in the middle.
struct Sleeper {
    writer: MailboxWriter,
    staged: Staged,
    _clock: Arc<TestClock>,
}

struct Schedule {
    world: World,
    rng: SeededRng,
    seed: u64,
    /// How the store treats conditions; a vault on it knows that.
    liar: Option<Conditions>,
    sleepers: Vec<Sleeper>,
    /// What the mailbox holds.
    model: Model,
    stale: u64,
    woken: u64,
    processes: u64,
}

impl Schedule {
    fn new(seed: u64, liar: Option<Conditions>) -> Self {
        Self {
            world: World::new(),
            rng: SeededRng::new(seed),
            seed,
            liar,
            sleepers: vec![],
            model: Model::new(),
            stale: 0,
            woken: 0,
            processes: 0,
        }
    }

    /// The mailbox as a new process sees it, with a store of its own that fails as `store` says.
    fn process(
        &mut self,
        clock: Arc<TestClock>,
        store: impl FnOnce(FaultStore) -> FaultStore,
    ) -> (Mailbox, Arc<FaultStore>) {
        self.processes += 1;
        let seed = self.seed * 1_000 + self.processes;
        let faulty = FaultStore::new(self.world.memory.clone());
        let faulty = Arc::new(store(faulty));
        let opened = match self.liar {
            None => mailbox(faulty.clone(), clock, seed),
            Some(conditions) => {
                faulty.set_conditions(conditions);
                careful(mailbox(look(faulty.clone()), clock, seed))
            }
        };
        (opened, faulty)
    }

    fn shaky(&self) -> FaultRates {
        FaultRates {
            busy: 10,
            conflict: 20,
            answer_lost: 20,
            request_lost: 15,
            truncated: 0,
            denied: 0,
        }
    }

    /// Stages a few changes. Names say which step they belong to, so that two writers never dispute an item.
    async fn stage(&self, writer: &MailboxWriter, step: u64, who: &str) -> Staged {
        writer.put_folder(folder("inbox", None));
        let mut staged = Staged::default();
        for n in 0..=draw(&self.rng, 4) {
            let id = format!("{who}{step}-{n}");
            let minute = i64::try_from(step * 10 + n).unwrap();
            // Attachments that others have, and had.
            let message = message(&id, draw(&self.rng, 24));
            let item = item(&id, "inbox", minute);
            persist(|| put(writer, item.clone(), &message)).await;
            staged.puts.insert(id, (item, message));
        }
        let owned = format!("{who}{}", step.saturating_sub(2));
        let gone = self.model.keys().find(|id| id.starts_with(&owned));
        if let Some(id) = gone {
            writer.remove_item(&ItemId(id.clone()));
            staged.removed = Some(id.clone());
        }
        staged
    }

    async fn back_up(&mut self, step: u64) {
        let rates = self.shaky();
        let chance = self.seed * 77 + step;
        let clock = self.world.clock.clone();
        let (mailbox, _) = self.process(clock, |store| store.by_chance(chance, rates));
        let writer = persist(|| writer(&mailbox)).await;
        let staged = self.stage(&writer, step, "b").await;
        persist(|| end_run(&writer, true)).await;
        staged.apply(&mut self.model);
    }

    async fn fall_asleep(&mut self, step: u64) {
        // Its clock stands still with it.
        let clock = Arc::new(TestClock::new(self.world.now()));
        let (mailbox, _) = self.process(clock.clone(), |store| store);
        let writer = writer(&mailbox).await.unwrap();
        let staged = self.stage(&writer, step, "s").await;
        self.sleepers.push(Sleeper {
            writer,
            staged,
            _clock: clock,
        });
    }

    async fn wake(&mut self) {
        if self.sleepers.is_empty() {
            return;
        }
        let at = usize::try_from(draw(&self.rng, self.sleepers.len() as u64)).unwrap();
        let sleeper = self.sleepers.remove(at);
        self.woken += 1;
        match end_run(&sleeper.writer, true).await {
            Ok(_) => sleeper.staged.apply(&mut self.model),
            // It slept for too long, and nothing of it counts.
            Err(VaultError::Stale { .. }) => self.stale += 1,
            Err(error) => panic!("seed {}: {error}", self.seed),
        }
    }

    async fn retain(&mut self, keep: u32) {
        let settings = settings(policy(keep, None), self.world.now());
        let call = 1 + draw(&self.rng, 30);
        let fault = match draw(&self.rng, 4) {
            0 => Fault::DieBefore,
            1 => Fault::DieAfter,
            2 => Fault::AnswerLost,
            _ => Fault::RequestLost,
        };
        let clock = self.world.clock.clone();
        let (mailbox, _) = self.process(clock, |store| store.at(call, fault));
        // Dies, or does not: the next one goes on.
        let _ = retain(&mailbox, &settings).await;
    }

    async fn two_at_once(&mut self, step: u64) {
        let clock = self.world.clock.clone();
        let rates = self.shaky();
        let (one, _) = self.process(clock.clone(), |store| store.by_chance(step, rates));
        let (two, _) = self.process(clock, |store| store.by_chance(step + 1, rates));
        let first = persist(|| writer(&one)).await;
        let second = persist(|| writer(&two)).await;
        let left = self.stage(&first, step, "l").await;
        let right = self.stage(&second, step, "r").await;
        futures::join!(
            persist(|| end_run(&first, true)),
            persist(|| end_run(&second, false)),
        );
        left.apply(&mut self.model);
        right.apply(&mut self.model);
    }

    /// Notes what new commits show, and compares the newest with the model.
    async fn look(&mut self, what: &str) {
        let mailbox = self.world.over(self.world.memory.clone(), 4);
        let view = mailbox.view().await;
        let view = view.unwrap_or_else(|error| panic!("{what}: {error}"));
        let found = contents(&view).await;
        assert!(
            found == self.model,
            "{what}: {} and {}",
            found.len(),
            self.model.len()
        );
        let snapshots = view.snapshots(None, 10_000).await.unwrap().into_iter();
        let times: BTreeMap<_, _> = snapshots.map(|it| (it.sequence, it.committed_at)).collect();
        let known = self.world.truth.points.keys().last().copied().unwrap_or(0);
        for sequence in known + 1..=view.sequence() {
            let shown = match mailbox.view_at(sequence).await {
                Ok(old) => contents(&old).await,
                // Retention made it and let go of what it shows in the same step.
                Err(_) => continue,
            };
            // Who wakes up with a clock that stood still claims the past, and counts as made right after the
            // commit before.
            let points = &mut self.world.truth.points;
            let before = points.values().last().map(|point| point.at);
            let point = Point {
                at: before.max(times.get(&sequence).copied()).unwrap(),
                is_whole: true,
                shows: Arc::new(shown),
            };
            points.insert(sequence, point);
        }
        let mut harmful = vec![];
        view.check_objects(|finding| {
            if finding.is_harmful() {
                harmful.push(finding);
            }
        })
        .await
        .unwrap();
        assert!(harmful.is_empty(), "{what}: {harmful:?}");
    }

    async fn run(&mut self) {
        let keep = u32::try_from(1 + draw(&self.rng, 6)).unwrap();
        for step in 0..STEPS {
            self.world.pass(draw(&self.rng, 120));
            let chosen = draw(&self.rng, 10);
            match chosen {
                0..=2 => self.back_up(step).await,
                3 | 4 => self.fall_asleep(step).await,
                5 | 6 => self.wake().await,
                7 | 8 => self.retain(keep).await,
                // Looking before writing does not settle races: see `looking`.
                _ if self.liar.is_some() => self.back_up(step).await,
                _ => self.two_at_once(step).await,
            }
            let what = format!(
                "seed {}, step {step} ({chosen}), {:?}",
                self.seed, self.liar
            );
            self.look(&what).await;
            let (world, policy) = (&self.world, policy(keep, None));
            world.check(world.memory.clone(), &policy, &what).await;
        }
        while !self.sleepers.is_empty() {
            self.world.pass(60);
            self.wake().await;
            self.look(&format!("seed {}, at the end", self.seed)).await;
        }
    }
}

async fn schedules(seeds: std::ops::Range<u64>, liar: Option<Conditions>) -> (u64, u64) {
    let (mut stale, mut woken) = (0, 0);
    for seed in seeds {
        let mut schedule = Schedule::new(seed, liar);
        schedule.run().await;
        stale += schedule.stale;
        woken += schedule.woken;
    }
    (stale, woken)
}

#[tokio::test]
async fn any_schedule_keeps_what_was_acknowledged_and_promised() {
    let (stale, woken) = schedules(0..8, None).await;
    // Both ends happen: who wakes in time commits, who wakes too late is told so.
    assert!(stale > 2 && woken > stale + 2, "{stale} of {woken}");
}

#[tokio::test]
async fn the_same_on_stores_that_lie_about_conditions() {
    for liar in [
        Conditions::Ignored,
        Conditions::Refused,
        Conditions::Misreported,
        Conditions::Blind,
    ] {
        schedules(20..22, Some(liar)).await;
    }
}
