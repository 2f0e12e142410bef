//! Random histories of a mailbox with faults and deaths at every commit, compared with the source
//! after every whole run.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mailkeep_engine::StopSignal;
use mailkeep_engine::backup::{BackupRequest, backup};
use mailkeep_model::{FailureClass, MailboxOutcome};
use mailkeep_ports::fault::{Fault as StoreFault, FaultStore};
use proptest::prelude::*;
use support::{FakeMailbox, Fault, Op, Rig, Rule};

/// One thing that happens between or during runs. Numbers choose an item or a folder.
#[derive(Clone, Debug)]
enum Step {
    Add(usize, u16),
    Edit(usize, u16),
    Read(usize, bool),
    Move(usize, usize),
    AwayAndBack(usize),
    Delete(usize),
    NewFolder,
    RemoveFolder(usize),
    LoseCursor(usize),
    LoseTree,
    Break(usize),
    BadItem(usize),
    PageFails(u32),
    LocateFails,
    /// A run that ends by itself, but not before its faults.
    Run,
    /// A run whose process dies at this changing call of the store, before or after it.
    Kill(u64, bool),
    /// A run that is stopped after so many calls to the source.
    Stop(u32),
    /// Two runs at once.
    Twice,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (any::<usize>(), any::<u16>()).prop_map(|(f, n)| Step::Add(f, n)),
        2 => (any::<usize>(), any::<u16>()).prop_map(|(i, n)| Step::Edit(i, n)),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(i, read)| Step::Read(i, read)),
        3 => (any::<usize>(), any::<usize>()).prop_map(|(i, f)| Step::Move(i, f)),
        1 => any::<usize>().prop_map(Step::AwayAndBack),
        2 => any::<usize>().prop_map(Step::Delete),
        1 => Just(Step::NewFolder),
        1 => any::<usize>().prop_map(Step::RemoveFolder),
        1 => any::<usize>().prop_map(Step::LoseCursor),
        1 => Just(Step::LoseTree),
        1 => any::<usize>().prop_map(Step::Break),
        1 => any::<usize>().prop_map(Step::BadItem),
        1 => (0_u32..6).prop_map(Step::PageFails),
        1 => Just(Step::LocateFails),
        2 => Just(Step::Run),
        4 => (1_u64..8, any::<bool>()).prop_map(|(n, after)| Step::Kill(n, after)),
        2 => (1_u32..30).prop_map(Step::Stop),
        1 => Just(Step::Twice),
    ]
}

fn pick(list: impl Iterator<Item = String>, n: usize) -> Option<String> {
    let list: Vec<String> = list.collect();
    (!list.is_empty()).then(|| list[n % list.len()].clone())
}

fn item(m: &FakeMailbox, n: usize) -> Option<String> {
    pick(m.items.keys().cloned(), n)
}

fn folder(m: &FakeMailbox, n: usize) -> String {
    pick(m.folders.keys().cloned(), n).unwrap()
}

fn request(rig: &Rig) -> BackupRequest {
    BackupRequest {
        commit_bytes: 120,
        concurrent_items: 3,
        ..rig.request()
    }
}

async fn apply(rig: &Rig, step: Step) {
    let content = |n: u16| {
        let line = "A line of text that makes the message a little longer.\r\n";
        format!("Subject: {n}\r\n\r\n{}", line.repeat(usize::from(n % 5))).into_bytes()
    };
    let on_item = |n: usize, f: &dyn Fn(&mut FakeMailbox, &str)| {
        rig.tenant.with("ann", |m| {
            if let Some(id) = item(m, n) {
                f(m, &id);
            }
        });
    };
    match step {
        Step::Add(f, n) => rig.tenant.with("ann", |m| {
            let folder = folder(m, f);
            m.add(&folder, content(n));
        }),
        Step::Edit(i, n) => on_item(i, &|m, id| m.edit(id, content(n))),
        Step::Read(i, read) => on_item(i, &|m, id| m.set_read(id, read)),
        Step::Move(i, f) => on_item(i, &|m, id| {
            let to = folder(m, f);
            if m.items[id].item.folder.as_str() != to {
                m.move_to(id, &to);
            }
        }),
        Step::AwayAndBack(i) => on_item(i, &|m, id| m.move_away_and_back(id)),
        Step::Delete(i) => on_item(i, &|m, id| m.delete(id)),
        Step::NewFolder => rig.tenant.with("ann", |m| {
            m.add_new_folder();
        }),
        Step::RemoveFolder(f) => rig.tenant.with("ann", |m| {
            let id = folder(m, f);
            if id != "inbox" && id != "root" {
                m.remove_folder(&id);
            }
        }),
        Step::LoseCursor(f) => rig.tenant.with("ann", |m| {
            let id = folder(m, f);
            m.lose_cursor(&id);
        }),
        Step::LoseTree => rig.tenant.with("ann", |m| m.tree_generation += 1),
        Step::Break(i) => on_rule(rig, i, Rule::new(Op::Content, Fault::Break(9)).times(2)),
        Step::BadItem(i) => on_rule(
            rig,
            i,
            Rule::fail(Op::Content, FailureClass::ItemPermanent).times(2),
        ),
        Step::PageFails(n) => {
            let rule = Rule::fail(Op::Changes, FailureClass::Transient);
            rig.tenant.rule(rule.after(n).times(1));
        }
        Step::LocateFails => {
            let rule = Rule::fail(Op::Locate, FailureClass::Transient);
            rig.tenant.rule(rule.times(1));
        }
        Step::Run => {
            let is_undisturbed = rig
                .tenant
                .state()
                .script
                .0
                .iter()
                .all(|r| r.times == Some(0));
            let run = rig.run_with(&rig.engine(), request(rig)).await;
            if is_undisturbed {
                let summary = &run.mailboxes[0];
                assert_eq!(
                    summary.outcome,
                    MailboxOutcome::Complete,
                    "{:?}",
                    summary.warnings
                );
                rig.check("ann").await;
            }
        }
        Step::Kill(at, after) => {
            let fault = if after {
                StoreFault::DieAfter
            } else {
                StoreFault::DieBefore
            };
            let store = Arc::new(FaultStore::new(rig.store.clone()).at(at, fault));
            let engine = rig.engine_on(store).await;
            let source = Arc::new(rig.tenant.clone());
            // The record of the run may be what dies.
            let _ = backup(
                &engine,
                source,
                request(rig),
                rig.log.clone(),
                StopSignal::new(),
            )
            .await;
        }
        Step::Stop(calls) => {
            let stop = StopSignal::new();
            let signal = stop.clone();
            let mut left = calls;
            rig.tenant.state().hook = Some(Box::new(move |_| {
                left = left.saturating_sub(1);
                if left == 0 {
                    signal.stop();
                }
            }));
            let source = Arc::new(rig.tenant.clone());
            backup(&rig.engine(), source, request(rig), rig.log.clone(), stop)
                .await
                .unwrap();
            rig.tenant.state().hook = None;
        }
        Step::Twice => {
            let (one, two) = (rig.engine(), rig.engine());
            futures::join!(
                rig.run_with(&one, request(rig)),
                rig.run_with(&two, request(rig))
            );
        }
    }
}

fn on_rule(rig: &Rig, n: usize, rule: Rule) {
    let id = rig.tenant.with("ann", |m| item(m, n));
    if let Some(id) = id {
        rig.tenant.rule(rule.of(&id));
    }
}

/// What must hold after every step, whatever happened.
#[derive(Default)]
struct Past {
    /// Every content that an item ever had at the source.
    contents: BTreeMap<String, Vec<Vec<u8>>>,
    /// What the vault held after the step before.
    held: BTreeSet<String>,
}

impl Past {
    fn remember(&mut self, rig: &Rig) {
        let items = rig.tenant.with("ann", |m| m.items.clone());
        for (id, item) in items {
            self.contents.entry(id).or_default().push(item.content);
        }
    }

    /// The vault holds no content that the source never had, and never drops what the source has.
    async fn check(&mut self, rig: &Rig) {
        let Some(stored) = rig.try_stored("ann").await else {
            return;
        };
        let view = rig.view("ann").await;
        for (id, version) in &stored {
            let content = support::rig::content(&view, version).await;
            assert!(self.contents[id].contains(&content), "content of {id}");
        }
        let source = rig.tenant.with("ann", |m| m.items.clone());
        let is_lost = |id: &&String| source.contains_key(*id) && !stored.contains_key(*id);
        let lost: Vec<&String> = self.held.iter().filter(is_lost).collect();
        assert!(
            lost.is_empty(),
            "dropped although the source has them: {lost:?}"
        );
        self.held = stored.into_keys().collect();
    }
}

/// After any history, an undisturbed run brings the vault in line with the source, and one more
/// run changes nothing.
async fn history(steps: Vec<Step>) {
    let rig = Rig::new().await;
    rig.tenant.with("ann", |m| {
        m.add_folder("f1", Some("inbox"), "One");
        for n in 0..4 {
            m.add_text("inbox", &format!("first {n}"));
        }
    });
    let mut past = Past::default();
    for step in steps {
        past.remember(&rig);
        apply(&rig, step).await;
        past.remember(&rig);
        past.check(&rig).await;
    }
    rig.tenant.clear_rules();
    let summary = rig.back_up().await;
    assert_eq!(
        summary.outcome,
        MailboxOutcome::Complete,
        "{:?}",
        summary.warnings
    );
    rig.check("ann").await;
    rig.tenant.clear_calls();
    let before = rig.view("ann").await.sequence();
    rig.back_up_complete().await;
    assert_eq!(rig.view("ann").await.sequence(), before, "a quiet run");
    assert_eq!(rig.tenant.count(Op::Content), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_history_ends_in_what_the_source_holds(steps in prop::collection::vec(step(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(history(steps));
    }
}

/// A death at every single write of the store, before and after it took effect; an answer and a request
/// lost at every one.
#[tokio::test]
async fn a_process_killed_at_any_write_loses_only_uncommitted_work() {
    for at in 1..30 {
        let mut was_met = false;
        for fault in [
            StoreFault::DieBefore,
            StoreFault::DieAfter,
            StoreFault::AnswerLost,
            StoreFault::RequestLost,
        ] {
            let rig = Rig::new().await;
            for n in 0..9 {
                rig.tenant
                    .with("ann", |m| m.add_text("inbox", &format!("mail {n}")));
            }
            let store = Arc::new(FaultStore::new(rig.store.clone()).at(at, fault));
            let engine = rig.engine_on(store.clone()).await;
            let source = Arc::new(rig.tenant.clone());
            let _ = backup(
                &engine,
                source,
                request(&rig),
                rig.log.clone(),
                StopSignal::new(),
            )
            .await;
            let survived = match rig.try_stored("ann").await {
                Some(stored) => stored.len(),
                None => 0,
            };
            let first = rig.tenant.count(Op::Content);
            rig.back_up_complete().await;
            let second = rig.tenant.count(Op::Content) - first;
            assert_eq!(
                second,
                9 - survived,
                "killed at {at}: only what was not committed"
            );
            was_met |= store.faults() > 0;
        }
        if !was_met {
            assert!(at > 4, "{at}");
            return;
        }
    }
    panic!("the last write was never reached");
}
