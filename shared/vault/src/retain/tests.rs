//! Plans compared with a model that knows nothing of indexes, and settings that must be whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_model::{
    Counters, ItemId, MailboxOutcome, PointRule, RetentionPolicy, RunId, RunSummary,
};
use mailkeep_ports::{MemoryStore, Rng, SeededRng, TestClock};
use secrecy::SecretString;

use crate::CreateOptions;
use crate::context::VaultContext;
use crate::documents::PutMode;
use crate::error::VaultError;
use crate::ids::MailboxId;
use crate::index::tests::world::{item, mime, put, small_writer};
use crate::index::{CommitInfo, EndOfRun, ItemFilter, MailboxWriter};
use crate::mailbox::Mailbox;
use crate::recipients::{PassphraseCost, Recipient};
use crate::retain::{Hold, MailboxPlan, PolicyScope, RetentionSettings};
use crate::testing;
use crate::vault::Vault;

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_760_000_000, 0).unwrap()
}

/// A mailbox whose clock the test moves.
struct World {
    clock: Arc<TestClock>,
    ctx: VaultContext,
    mailbox: Mailbox,
}

impl World {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(TestClock::new(start()));
        let ctx = VaultContext {
            store: Arc::new(MemoryStore::new(clock.clone())),
            clock: clock.clone(),
            rng: Arc::new(SeededRng::new(seed)),
        };
        Self {
            mailbox: Mailbox::new(testing::mailbox(&ctx, 1)),
            clock,
            ctx,
        }
    }

    async fn writer(&self) -> MailboxWriter {
        small_writer(&self.mailbox).await.unwrap()
    }

    fn pass(&self, hours: u64) {
        self.clock.advance(Duration::from_secs(hours * 3600));
    }

    fn settings(&self, policy: RetentionPolicy) -> RetentionSettings {
        RetentionSettings {
            default: policy,
            overrides: BTreeMap::new(),
            holds: vec![],
            confirmed_at: None,
            signs: vec![],
            clock: self.now(),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        mailkeep_ports::Clock::now(&*self.clock)
    }

    async fn plan(&self, settings: &RetentionSettings) -> MailboxPlan {
        self.mailbox.plan_retention(settings).await.unwrap()
    }
}

async fn end_run(writer: &MailboxWriter, outcome: Option<MailboxOutcome>) -> u64 {
    let end = outcome.map(|outcome| EndOfRun {
        outcome,
        counters: Counters::default(),
    });
    let run = RunId("01RUN".into());
    writer
        .commit(CommitInfo { run, end })
        .await
        .unwrap()
        .sequence
}

fn days(keep_days: u32) -> RetentionPolicy {
    RetentionPolicy {
        keep_days: Some(keep_days),
        ..RetentionPolicy::default()
    }
}

/// What the model knows of a version.
#[derive(Clone, Debug)]
struct Version {
    from: u64,
    end: Option<u64>,
    text: String,
}

/// A history as somebody would write it down by hand.
#[derive(Default)]
struct Model {
    items: BTreeMap<usize, Vec<Version>>,
    /// Every commit: its time, and whether it ended a run that came through.
    commits: Vec<(DateTime<Utc>, bool)>,
}

impl Model {
    /// Versions and bytes that go, worked out version by version from what the documents promise.
    fn expected(&self, policy: &RetentionPolicy, now: DateTime<Utc>) -> (u64, u64, u64) {
        let horizon = now - TimeDelta::days(policy.keep_days.unwrap().into());
        let mut days = BTreeSet::new();
        let mut points = vec![];
        for (sequence, (at, is_whole)) in (1_u64..).zip(&self.commits) {
            if let Some(daily) = policy.points.daily
                && *is_whole
                && days.insert(at.date_naive())
                && *at >= now - TimeDelta::days(daily.into())
            {
                points.push(sequence);
            }
        }
        let (mut versions, mut whole_items, mut bytes) = (0, 0, 0);
        for history in self.items.values() {
            let is_present = history.last().unwrap().end.is_none();
            let newest = history.len()
                - usize::try_from(policy.min_versions)
                    .unwrap()
                    .min(history.len());
            let stays = |(index, version): (usize, &Version)| {
                version.end.is_none_or(|end| {
                    let ended_at = self.commits[usize::try_from(end).unwrap() - 1].0;
                    ended_at >= horizon
                        || (is_present && index >= newest)
                        || points.iter().any(|it| (version.from..end).contains(it))
                })
            };
            let kept: Vec<bool> = history.iter().enumerate().map(stays).collect();
            versions += kept.iter().filter(|kept| !**kept).count();
            whole_items += usize::from(!kept.contains(&true));
            // Neighbours with the same text share a message.
            let mut message = 0;
            let mut messages: BTreeMap<usize, (bool, usize)> = BTreeMap::new();
            for (index, version) in history.iter().enumerate() {
                if index > 0 && history[index - 1].text != version.text {
                    message += 1;
                }
                let entry = messages
                    .entry(message)
                    .or_insert((false, mime(&version.text).len()));
                entry.0 |= kept[index];
            }
            bytes += messages
                .values()
                .filter(|it| !it.0)
                .map(|it| it.1)
                .sum::<usize>();
        }
        let number = |n: usize| u64::try_from(n).unwrap();
        (number(versions), number(whole_items), number(bytes))
    }
}

/// A number below `below`.
fn draw(rng: &SeededRng, below: usize) -> usize {
    let mut bytes = [0; 8];
    rng.fill(&mut bytes);
    usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(below).unwrap()).unwrap()
}

/// One history from a seed.
async fn live(world: &World, seed: u64) -> Model {
    let rng = SeededRng::new(seed);
    let writer = world.writer().await;
    let mut model = Model::default();
    let mut minute = 0;
    for round in 0..40 {
        world.pass(u64::try_from(draw(&rng, 60)).unwrap());
        let sequence = writer.base_sequence() + 1;
        let mut touched = BTreeSet::new();
        for _ in 0..=draw(&rng, 4) {
            let id = draw(&rng, 9);
            if !touched.insert(id) {
                continue;
            }
            let name = format!("i{id}");
            let history = model.items.entry(id).or_default();
            let last = history.last_mut().filter(|last| last.end.is_none());
            minute += 1;
            match (last, draw(&rng, 3)) {
                (Some(last), 0) => {
                    writer.remove_item(&ItemId(name));
                    last.end = Some(sequence);
                    continue;
                }
                (Some(last), 1) => {
                    // The message stays, something about it changes.
                    let text = last.text.clone();
                    last.end = Some(sequence);
                    put(&writer, item(&name, "inbox", minute), &mime(&text))
                        .await
                        .unwrap();
                    history.push(Version {
                        from: sequence,
                        end: None,
                        text,
                    });
                }
                (last, _) => {
                    let text = format!("{name} in round {round}");
                    if let Some(last) = last {
                        last.end = Some(sequence);
                    }
                    put(&writer, item(&name, "inbox", minute), &mime(&text))
                        .await
                        .unwrap();
                    history.push(Version {
                        from: sequence,
                        end: None,
                        text,
                    });
                }
            }
        }
        let outcome = match draw(&rng, 4) {
            0 => None,
            1 => Some(MailboxOutcome::Stopped),
            2 => Some(MailboxOutcome::WithGaps { gaps: 1 }),
            _ => Some(MailboxOutcome::Complete),
        };
        let is_whole = !matches!(outcome, None | Some(MailboxOutcome::Stopped));
        assert_eq!(end_run(&writer, outcome).await, sequence);
        model.commits.push((world.now(), is_whole));
    }
    model
}

#[tokio::test]
async fn a_plan_agrees_with_the_model() {
    for seed in 0..12 {
        let world = World::new(seed);
        let model = live(&world, seed).await;
        world.pass(48);
        for keep in [0, 5, 30, 400] {
            for min_versions in [0, 1, 2] {
                for daily in [None, Some(20)] {
                    let policy = RetentionPolicy {
                        keep_days: Some(keep),
                        min_versions,
                        points: PointRule {
                            daily,
                            ..PointRule::default()
                        },
                    };
                    let plan = world.plan(&world.settings(policy)).await;
                    let found = (
                        plan.dropped_versions,
                        plan.dropped_items,
                        plan.dropped_bytes,
                    );
                    let expected = model.expected(&policy, world.now());
                    assert_eq!(found, expected, "seed {seed}, {policy:?}");
                    assert_eq!(plan.held_versions, 0);
                }
            }
        }
        let forever = world
            .plan(&world.settings(RetentionPolicy::default()))
            .await;
        assert_eq!((forever.dropped_versions, forever.dropped_bytes), (0, 0));
    }
}

fn hold(name: &str, mailbox: Option<MailboxId>, search: Option<ItemFilter>) -> Hold {
    Hold {
        name: name.into(),
        reason: "a case".into(),
        placed_at: start(),
        mailbox,
        search,
    }
}

#[tokio::test]
async fn a_hold_keeps_every_version_of_what_it_covers_and_nothing_else() {
    let world = World::new(1);
    let writer = world.writer().await;
    for round in 0..3 {
        let mut secret = item("secret", "inbox", round);
        if round > 0 {
            // Only the first version can be found by its subject.
            secret.subject = "Lunch".into();
        }
        put(&writer, secret, &mime(&format!("s{round}")))
            .await
            .unwrap();
        put(
            &writer,
            item("plain", "inbox", round),
            &mime(&format!("p{round}")),
        )
        .await
        .unwrap();
        end_run(&writer, Some(MailboxOutcome::Complete)).await;
        world.pass(24);
    }
    let mut settings = world.settings(days(0));
    let free = world.plan(&settings).await;
    assert_eq!((free.dropped_versions, free.held_versions), (4, 0));

    let search = ItemFilter {
        subject: Some("of SECRET".into()),
        ..ItemFilter::default()
    };
    settings.holds = vec![hold("one", None, Some(search.clone()))];
    let one = world.plan(&settings).await;
    assert_eq!((one.dropped_versions, one.held_versions), (2, 2));
    assert_eq!(one.holds, ["one"]);

    let other = MailboxId::from_digest(&[9; 16]);
    settings.holds = vec![hold("other", Some(other), None)];
    assert_eq!(world.plan(&settings).await.dropped_versions, 4);

    settings
        .holds
        .push(hold("all", Some(world.mailbox.id().clone()), None));
    let all = world.plan(&settings).await;
    assert_eq!((all.dropped_versions, all.held_versions), (0, 4));
    assert_eq!(all.dropped_bytes, 0);
}

#[tokio::test]
async fn a_clock_that_jumps_a_year_ahead_makes_nothing_old() {
    let world = World::new(1);
    let writer = world.writer().await;
    for round in 0..6 {
        put(
            &writer,
            item("a", "inbox", round),
            &mime(&round.to_string()),
        )
        .await
        .unwrap();
        end_run(&writer, Some(MailboxOutcome::Complete)).await;
        world.pass(20 * 24);
    }
    let before = world.plan(&world.settings(days(60))).await;
    assert_eq!(before.dropped_versions, 2);
    let day = world.now();
    world.clock.jump_wall(TimeDelta::days(365));
    // Backups with the wrong clock prove nothing.
    put(&writer, item("a", "inbox", 9), &mime("9"))
        .await
        .unwrap();
    end_run(&writer, Some(MailboxOutcome::Complete)).await;
    let mut settings = world.settings(days(60));
    let jumped = world.plan(&settings).await;
    assert!(jumped.dropped_versions <= before.dropped_versions);
    assert!(jumped.now.at <= day && jumped.now.silence.is_some());
    // Runs of other mailboxes do, when they fill the silence.
    settings.signs = (0..20).map(|n| day + TimeDelta::days(20 * n)).collect();
    assert_eq!(world.plan(&settings).await.now.at, world.now());
    // And so does a person.
    settings.signs.clear();
    settings.confirmed_at = Some(world.now());
    let confirmed = world.plan(&settings).await;
    assert_eq!(confirmed.now.silence, None);
    assert_eq!(confirmed.dropped_versions, 5);
    // A clock that goes back keeps more.
    world.clock.jump_wall(TimeDelta::days(-1000));
    assert_eq!(
        world.plan(&world.settings(days(60))).await.dropped_versions,
        0
    );
}

async fn vault(world: &World) -> Vault {
    let options = CreateOptions {
        object_lock: None,
        passphrase_cost: PassphraseCost {
            memory_kib: 64,
            passes: 1,
        },
    };
    let recipients = [Recipient::Passphrase(SecretString::from("correct horse"))];
    Vault::create(world.ctx.clone(), &recipients, options)
        .await
        .unwrap()
        .0
}

#[tokio::test]
async fn settings_are_read_back_whole() {
    let world = World::new(1);
    let vault = vault(&world).await;
    let one = MailboxId::from_digest(&[1; 16]);
    let policy = RetentionPolicy {
        min_versions: 3,
        points: PointRule {
            yearly: Some(3650),
            ..PointRule::default()
        },
        ..days(90)
    };
    vault
        .set_policy(&PolicyScope::Default, &policy)
        .await
        .unwrap();
    vault
        .set_policy(&PolicyScope::Mailbox(one.clone()), &days(7))
        .await
        .unwrap();
    let search = ItemFilter {
        sender: Some("Ada".into()),
        since: Some(start()),
        ..ItemFilter::default()
    };
    let case = hold("case 7", Some(one.clone()), Some(search));
    vault.add_hold(&case).await.unwrap();
    assert!(matches!(
        vault.add_hold(&case).await,
        Err(VaultError::AlreadyExists { .. })
    ));
    for day in 0..50 {
        let run = RunSummary {
            run: RunId(format!("01JDRUN00000000000000000{day:02}")),
            connection: "c".into(),
            started_at: world.now(),
            finished_at: world.now(),
            mailboxes: vec![],
        };
        vault.put_run(&run).await.unwrap();
        world.pass(24);
    }
    let settings = vault.retention_settings().await.unwrap();
    assert_eq!(settings.policy(&one), days(7));
    assert_eq!(settings.policy(&MailboxId::from_digest(&[2; 16])), policy);
    assert_eq!(settings.holds, [case]);
    assert_eq!(
        settings.signs.len(),
        3,
        "the first, one within reach, the last"
    );
    vault.confirm_clock().await.unwrap();
    let settings = vault.retention_settings().await.unwrap();
    assert_eq!(settings.confirmed_at, Some(world.now()));
    assert!(settings.signs.is_empty());

    vault
        .remove_policy(&PolicyScope::Mailbox(one.clone()))
        .await
        .unwrap();
    vault.remove_hold("case 7").await.unwrap();
    assert!(matches!(
        vault.remove_hold("case 7").await,
        Err(VaultError::Missing { .. })
    ));
    let settings = vault.retention_settings().await.unwrap();
    assert_eq!((settings.policy(&one), settings.holds.len()), (policy, 0));
}

#[tokio::test]
async fn nothing_is_erased_under_hold() {
    let world = World::new(1);
    let vault = vault(&world).await;
    let profile = testing::profile("ada");
    let ada = vault.ensure_mailbox("t", &profile).await.unwrap();
    let search = ItemFilter {
        subject: Some("falcon".into()),
        ..ItemFilter::default()
    };
    let other = Some(MailboxId::from_digest(&[2; 16]));
    vault.add_hold(&hold("other", other, None)).await.unwrap();
    let case = hold("case 7", Some(ada.id().clone()), Some(search));
    vault.add_hold(&case).await.unwrap();
    let error = vault.erase_mailbox(ada.id()).await.unwrap_err();
    assert!(error.to_string().contains("case 7"), "{error}");
    assert!(vault.mailbox(ada.id()).await.is_ok());
    vault.remove_hold("case 7").await.unwrap();
    assert!(vault.erase_mailbox(ada.id()).await.unwrap().is_done());
}

/// A rule that is read in part would be another rule.
#[tokio::test]
async fn nothing_is_decided_without_all_rules() {
    for (kind, text) in [
        ("policy", r#"{"keep_days": 1, "except": "newsletters"}"#),
        ("policy", r#"{"keep_days": -1}"#),
        (
            "hold",
            r#"{"name": "h", "reason": "", "placed_at": "2026-01-01T00:00:00Z", "search": {"body": "x"}}"#,
        ),
    ] {
        let world = World::new(1);
        let vault = vault(&world).await;
        vault
            .put_document(kind, "default", text.as_bytes(), PutMode::Create)
            .await
            .unwrap();
        let error = vault.retention_settings().await.unwrap_err();
        assert!(matches!(error, VaultError::Corrupt { .. }), "{error}");
        assert!(!error.to_string().contains("newsletters"));
    }
}
