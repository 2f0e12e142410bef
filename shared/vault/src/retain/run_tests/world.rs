//! A mailbox with a history, and everything it ever showed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_model::{Counters, ItemId, MailboxOutcome, PointRule, RetentionPolicy, RunId};
use mailkeep_ports::{Clock, MemoryStore, Rng, SeededRng, Store, TestClock};

use crate::context::VaultContext;
use crate::error::VaultError;
use crate::index::checkpoint::CheckpointLimits;
use crate::index::tests::world::{Model, contents, folder, item, put};
use crate::index::writer::{MailboxWriter, WriterLimits};
use crate::index::{CommitInfo, EndOfRun};
use crate::mailbox::Mailbox;
use crate::pack::PackLimits;
use crate::retain::RetentionSettings;
use crate::retain::report::{RetainLimits, Retained};
use crate::testing;

/// Days of grace in these tests.
pub(super) const GRACE: u32 = 7;

/// Limits under which a small mailbox does everything that a big one does.
pub(super) fn limits() -> RetainLimits {
    RetainLimits {
        live_percent: 60,
        overhead_bytes: 60 << 10,
        pack_bytes: 100 << 10,
        batch_bytes: 150 << 10,
        versions: 4,
        merge_segments: 3,
        floor_commits: 6,
        conflicts: 8,
    }
}

pub(super) fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000, 0).unwrap()
}

/// Keeps days, and one restore point of each day for longer.
pub(super) fn policy(keep_days: u32, daily: Option<u32>) -> RetentionPolicy {
    RetentionPolicy {
        keep_days: Some(keep_days),
        min_versions: 0,
        points: PointRule {
            daily,
            ..PointRule::default()
        },
    }
}

/// A message whose attachment other messages can have, too.
pub(super) fn message(text: &str, attachment: u64) -> Vec<u8> {
    let mut noise = vec![0; 12_000];
    SeededRng::new(attachment).fill(&mut noise);
    let mut message =
        format!("Subject: {text}\r\nContent-Transfer-Encoding: base64\r\n\r\n").into_bytes();
    for line in noise.chunks(57) {
        message.extend_from_slice(data_encoding::BASE64.encode(line).as_bytes());
        message.extend_from_slice(b"\r\n");
    }
    message
}

/// A number below `below`.
pub(super) fn draw(rng: &SeededRng, below: u64) -> u64 {
    let mut bytes = [0; 8];
    rng.fill(&mut bytes);
    u64::from_le_bytes(bytes) % below
}

/// A commit as the model knows it.
#[derive(Clone)]
pub(super) struct Point {
    pub at: DateTime<Utc>,
    pub is_whole: bool,
    pub shows: Arc<Model>,
}

/// What every commit showed, and when.
#[derive(Clone, Default)]
pub(super) struct Truth {
    pub points: BTreeMap<u64, Point>,
}

impl Truth {
    /// What is promised, worked out commit by commit from what the documents say.
    pub(super) fn promised(&self, policy: &RetentionPolicy, now: DateTime<Utc>) -> Vec<u64> {
        let horizon = now - TimeDelta::days(policy.keep_days.unwrap().into());
        let mut days = std::collections::BTreeSet::new();
        let mut promised = vec![];
        for (sequence, point) in &self.points {
            let next = self.points.range(sequence + 1..).next();
            let is_recent = next.is_none_or(|(_, next)| next.at >= horizon);
            let is_first = point.is_whole && days.insert(point.at.date_naive());
            let is_kept = policy
                .points
                .daily
                .is_some_and(|daily| is_first && point.at >= now - TimeDelta::days(daily.into()));
            if is_recent || is_kept {
                promised.push(*sequence);
            }
        }
        promised
    }

    pub(super) fn newest(&self) -> Arc<Model> {
        self.points
            .last_key_value()
            .map(|(_, point)| point.shows.clone())
            .unwrap_or_default()
    }
}

/// A mailbox over a store, with a clock that the test moves.
pub(super) struct World {
    pub clock: Arc<TestClock>,
    pub memory: Arc<MemoryStore>,
    pub mailbox: Mailbox,
    pub truth: Truth,
}

/// A mailbox as one process sees it.
pub(super) fn mailbox(store: Arc<dyn Store>, clock: Arc<TestClock>, seed: u64) -> Mailbox {
    let ctx = VaultContext {
        store,
        clock,
        rng: Arc::new(SeededRng::new(seed)),
    };
    Mailbox::new(testing::mailbox(&ctx, 1))
}

pub(super) async fn writer(mailbox: &Mailbox) -> Result<MailboxWriter, VaultError> {
    let limits = WriterLimits {
        packs: PackLimits {
            pack_bytes: 100 << 10,
            inline_bytes: 40 << 10,
        },
        checkpoint: CheckpointLimits {
            segments: 3,
            row_entries: 40,
        },
    };
    MailboxWriter::open(mailbox.core.clone(), limits).await
}

pub(super) async fn end_run(writer: &MailboxWriter, whole: bool) -> Result<u64, VaultError> {
    let outcome = if whole {
        MailboxOutcome::Complete
    } else {
        MailboxOutcome::Stopped
    };
    let end = Some(EndOfRun {
        outcome,
        counters: Counters::default(),
    });
    let run = RunId("01RUN".into());
    Ok(writer.commit(CommitInfo { run, end }).await?.sequence)
}

pub(super) fn settings(policy: RetentionPolicy, clock: DateTime<Utc>) -> RetentionSettings {
    RetentionSettings {
        default: policy,
        overrides: BTreeMap::new(),
        holds: vec![],
        confirmed_at: Some(clock),
        signs: vec![],
        clock,
    }
}

/// One run of retention.
pub(super) async fn retain(
    mailbox: &Mailbox,
    settings: &RetentionSettings,
) -> Result<Retained, VaultError> {
    let refresh = || async { Ok(settings.clone()) };
    mailbox
        .retain_with(GRACE, settings, refresh, &limits())
        .await
}

impl World {
    pub(super) fn new() -> Self {
        let clock = Arc::new(TestClock::new(start()));
        let memory = Arc::new(MemoryStore::new(clock.clone()));
        Self {
            mailbox: mailbox(memory.clone(), clock.clone(), 1),
            clock,
            memory,
            truth: Truth::default(),
        }
    }

    /// The same mailbox over another store.
    pub(super) fn over(&self, store: Arc<dyn Store>, seed: u64) -> Mailbox {
        mailbox(store, self.clock.clone(), seed)
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        Clock::now(&*self.clock)
    }

    pub(super) fn pass(&self, hours: u64) {
        self.clock.advance(Duration::from_secs(hours * 3600));
    }

    /// One run of a backup: some items come, change, go.
    pub(super) async fn back_up(&mut self, rng: &SeededRng, round: u64) {
        let writer = writer(&self.mailbox).await.unwrap();
        writer.put_folder(folder("inbox", None));
        let mut model = (*self.truth.newest()).clone();
        for n in 0..draw(rng, 12) {
            let id = format!("i{}", draw(rng, 14));
            let minute = i64::try_from(round * 100 + n).unwrap();
            match (model.get(&id).cloned(), draw(rng, 4)) {
                (Some(_), 0) => {
                    writer.remove_item(&ItemId(id.clone()));
                    model.remove(&id);
                }
                (Some((_, message)), 1) => {
                    // The message stays, something about it changes.
                    let item = item(&id, "inbox", minute);
                    put(&writer, item.clone(), &message).await.unwrap();
                    model.insert(id, (item, message));
                }
                _ => {
                    let item = item(&id, "inbox", minute);
                    let message = message(&format!("{id} {round}"), draw(rng, 30));
                    put(&writer, item.clone(), &message).await.unwrap();
                    model.insert(id, (item, message));
                }
            }
        }
        let is_whole = draw(rng, 3) > 0;
        let sequence = end_run(&writer, is_whole).await.unwrap();
        self.note(sequence, is_whole, model);
    }

    pub(super) fn note(&mut self, sequence: u64, is_whole: bool, model: Model) {
        let point = Point {
            at: self.now(),
            is_whole,
            shows: Arc::new(model),
        };
        self.truth.points.insert(sequence, point);
    }

    /// Runs retention; its own commits show what was there before.
    pub(super) async fn retain(&mut self, policy: RetentionPolicy) -> Retained {
        let report = retain(&self.mailbox, &settings(policy, self.now()))
            .await
            .unwrap();
        self.note_own_commits().await;
        report
    }

    /// Notes commits that retention made.
    pub(super) async fn note_own_commits(&mut self) {
        let head = self.mailbox.view().await.unwrap().sequence();
        let model = (*self.truth.newest()).clone();
        let first = self.truth.points.keys().last().copied().unwrap_or(0) + 1;
        for sequence in first..=head {
            self.note(sequence, false, model.clone());
        }
    }

    /// Every promised point shows exactly what it showed, from whatever is in `store` now; every other one
    /// does, too, or says that it cannot.
    pub(super) async fn check(&self, store: Arc<dyn Store>, policy: &RetentionPolicy, what: &str) {
        let mailbox = self.over(store, 999);
        for sequence in self.truth.promised(policy, self.now()) {
            let view = mailbox
                .view_at(sequence)
                .await
                .unwrap_or_else(|error| panic!("{what}: commit {sequence} is promised: {error}"));
            let found = contents(&view).await;
            let expected = &*self.truth.points[&sequence].shows;
            assert!(found == *expected, "{what}: commit {sequence}");
        }
    }

    /// As [`check`](Self::check), for all points, and every object is what the index says.
    pub(super) async fn check_all(&self, policy: &RetentionPolicy, what: &str) -> usize {
        self.check(self.memory.clone(), policy, what).await;
        let mailbox = self.over(self.memory.clone(), 998);
        let mut thinned = 0;
        for (sequence, point) in &self.truth.points {
            match mailbox.view_at(*sequence).await {
                Ok(view) => assert!(contents(&view).await == *point.shows, "{what}: {sequence}"),
                Err(VaultError::Missing { what: words, .. }) => {
                    assert!(words.contains("retention let go"), "{what}: {words}");
                    thinned += 1;
                }
                Err(error) => panic!("{what}: commit {sequence}: {error}"),
            }
        }
        let view = mailbox.view().await.unwrap();
        let mut harmful = vec![];
        view.check_objects(|finding| {
            if finding.is_harmful() {
                harmful.push(finding);
            }
        })
        .await
        .unwrap();
        assert!(harmful.is_empty(), "{what}: {harmful:?}");
        for pack in view.packs(None, 10_000).await.unwrap() {
            assert_eq!(view.check_pack(&pack).await.unwrap(), None, "{what}");
        }
        thinned
    }

    /// Names of objects that contain a text.
    pub(super) fn names(&self, part: &str) -> Vec<String> {
        let mut names = self.memory.names();
        names.retain(|name| name.contains(part));
        names
    }
}
