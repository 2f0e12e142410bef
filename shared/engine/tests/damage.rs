//! Every kind of damage to every kind of object, and what each operation then does: the table in
//! `docs/damage.md`. Whatever it says, nothing may panic, no wrong byte may come out, and no other mailbox
//! may suffer. `PRINT_DAMAGE_TABLE=1` prints the table.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::TryStreamExt;
use mailkeep_engine::backup::{BackupRequest, backup};
use mailkeep_engine::error::vault_code;
use mailkeep_engine::repair::{RepairRequest, repair};
use mailkeep_engine::verify::{VerifyLevel, VerifyRequest};
use mailkeep_engine::{Engine, Quiet, StopSignal, retain, verify};
use mailkeep_model::{MailboxOutcome, RetentionPolicy, RunId, SourceMailboxId};
use mailkeep_ports::{Damage, Key, ListOptions, MemoryStore, Store, damage};
use mailkeep_vault::{
    CommitInfo, Mailbox, MailboxView, PolicyScope, RepairMode, Unlock, Vault, VaultContext,
    VaultError,
};
use support::Rig;
use support::rig::{REALM, items};

/// Items by their id at the source, with their messages.
type Mail = BTreeMap<String, Vec<u8>>;

/// A tenant with two mailboxes, backed up several times.
struct World {
    rig: Rig,
    /// What the vault holds now.
    ann: Mail,
    bob: Mail,
    /// Older contents of objects that are written more than once.
    older: BTreeMap<String, bytes::Bytes>,
}

fn noise(seed: usize) -> Vec<u8> {
    let mut state = u64::try_from(seed).unwrap() | 1;
    let mut message = format!("Subject: {seed}\r\n\r\n");
    for _ in 0..300 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(99);
        message.push_str(&format!("{state:016x}\r\n"));
    }
    message.into_bytes()
}

async fn world() -> World {
    let rig = Rig::new().await;
    rig.tenant.add_mailbox("bob");
    for round in 0..3 {
        for name in ["ann", "bob"] {
            rig.tenant.with(name, |m| {
                for n in 0..3 {
                    m.add("inbox", noise(round * 10 + n + name.len()));
                }
            });
        }
        rig.run().await;
    }
    let bob = PolicyScope::Mailbox(rig.mailbox("bob").await.id().clone());
    for scope in [&PolicyScope::Default, &bob] {
        let policy = RetentionPolicy::default();
        rig.vault.set_policy(scope, &policy).await.unwrap();
    }
    // Mailboxes of this size have all their data in commits and no checkpoint. A repair makes a pack of the
    // data in a commit; many commits make a checkpoint.
    for name in ["ann", "bob"] {
        let first = format!("m/{}/log/{:020}", rig.mailbox(name).await.id(), 1);
        let key = Key::new(first).unwrap();
        damage(&*rig.store, &key, &Damage::FlipBit(200))
            .await
            .unwrap();
    }
    let request = RepairRequest {
        mailboxes: vec![],
        mode: RepairMode::Apply,
    };
    let repaired = repair(&rig.engine(), &request, Arc::new(Quiet), StopSignal::new()).await;
    assert_eq!(repaired.unwrap().exit_code(), 3);
    rig.run().await;
    for name in ["ann", "bob"] {
        let writer = rig.mailbox(name).await.writer().await.unwrap();
        for n in 0..34 {
            writer.set_tree_cursor(Some(&format!("cursor {n}")));
            let run = RunId(format!("run {n}"));
            writer.commit(CommitInfo { run, end: None }).await.unwrap();
        }
        writer.set_tree_cursor(None);
        let run = RunId("last".into());
        writer.commit(CommitInfo { run, end: None }).await.unwrap();
    }
    rig.run().await;
    let mut older = BTreeMap::new();
    for object in names(&*rig.store).await {
        if object.as_str().contains("/key/") || object.as_str().starts_with("doc/") {
            let body = rig
                .store
                .get(&object, Default::default())
                .await
                .unwrap()
                .body;
            older.insert(object.to_string(), body);
        }
    }
    // Newer versions of what is replaced.
    rig.tenant
        .with("ann", |m| m.profile.display_name = "Ann II".into());
    rig.run().await;
    let policy = RetentionPolicy {
        keep_days: Some(90),
        ..RetentionPolicy::default()
    };
    let scope = PolicyScope::Default;
    rig.vault.set_policy(&scope, &policy).await.unwrap();
    let source = |name: &str| {
        let items = rig.tenant.with(name, |m| m.items.clone());
        let items = items.into_iter();
        items.map(|(id, item)| (id, item.content)).collect()
    };
    let (ann, bob) = (source("ann"), source("bob"));
    World {
        ann,
        bob,
        older,
        rig,
    }
}

async fn names(store: &dyn Store) -> Vec<Key> {
    let mut keys = vec![];
    let mut start_after = None;
    loop {
        let options = ListOptions {
            start_after,
            ..ListOptions::default()
        };
        let page = store.list(options).await.unwrap();
        keys.extend(page.objects.into_iter().map(|object| object.key));
        match page.next {
            Some(next) => start_after = Some(next),
            None => return keys,
        }
    }
}

/// The object of each kind that is damaged, and another one of its kind.
async fn targets(world: &World) -> Vec<(&'static str, Key, Key)> {
    let all = names(&*world.rig.store).await;
    let (ann, bob) = (
        world.rig.mailbox("ann").await,
        world.rig.mailbox("bob").await,
    );
    let find = |prefix: &str, nth: usize| {
        let mut found = all.iter().filter(|key| key.as_str().starts_with(prefix));
        found
            .nth(nth)
            .unwrap_or_else(|| panic!("{prefix} {nth}"))
            .clone()
    };
    let of = |mailbox: &Mailbox, part: &str, nth| find(&format!("m/{}/{part}/", mailbox.id()), nth);
    // The policy that was replaced, and the other one.
    let mut policies = (find("doc/policy/", 0), find("doc/policy/", 1));
    let now = world.rig.store.get(&policies.0, Default::default()).await;
    if world.older[policies.0.as_str()] == now.unwrap().body {
        policies = (policies.1, policies.0);
    }
    vec![
        ("vault", find("vault", 0), find("dict/", 0)),
        ("keys", find("keys/", 0), find("dict/", 0)),
        ("dict", find("dict/", 0), find("vault", 0)),
        ("mailbox key", of(&ann, "key", 0), of(&bob, "key", 0)),
        ("log", of(&ann, "log", 1), of(&bob, "log", 1)),
        ("pack", of(&ann, "pack", 0), of(&bob, "pack", 0)),
        ("ckpt", of(&ann, "ckpt", 0), of(&bob, "ckpt", 0)),
        // A floor is there once retention closed a part of the log: its own tests damage it.
        ("runs", find("runs/", 0), find("runs/", 1)),
        ("doc", policies.0, policies.1),
    ]
}

const DAMAGES: [&str; 6] = ["delete", "truncate", "empty", "flip", "swap", "replay"];

/// Damages a copy of the store; `None` when there is no such damage.
async fn damaged(world: &World, name: &str, key: &Key, other: &Key) -> Option<Arc<MemoryStore>> {
    let store = Arc::new(world.rig.store.fork());
    let size = store.head(key).await.unwrap().size_bytes;
    let kind = match name {
        "delete" => Damage::Delete,
        "truncate" => Damage::Truncate(size / 2),
        "empty" => Damage::Empty,
        // Of a pack or commit with data: in the first contents.
        "flip" => Damage::FlipBit((size / 2).min(200)),
        "swap" => Damage::ReplaceBy(other.clone()),
        _ => {
            let body = world.older.get(key.as_str())?.clone();
            let now = store.get(key, Default::default()).await.unwrap().body;
            if now == body {
                return None;
            }
            store.put(key, body, Default::default()).await.unwrap();
            return Some(store);
        }
    };
    damage(&*store, key, &kind).await.unwrap();
    Some(store)
}

async fn open(world: &World, store: &Arc<MemoryStore>) -> Result<Engine, VaultError> {
    let context = VaultContext {
        store: store.clone(),
        clock: world.rig.clock.clone(),
        rng: world.rig.rng.clone(),
    };
    let key = zeroize::Zeroizing::new([7; 32]);
    let vault = Vault::open(context, &Unlock::KeyFile(key)).await?;
    let (clock, rng) = (world.rig.clock.clone(), world.rig.rng.clone());
    Ok(Engine::new(vault, clock, rng))
}

async fn view_of(engine: &Engine, name: &str) -> Result<MailboxView, VaultError> {
    let id = SourceMailboxId(name.into());
    match engine.vault().find_mailbox(REALM, &id).await? {
        Some(mailbox) => mailbox.view().await,
        None => panic!("{name} is not in the vault"),
    }
}

fn error(error: &VaultError) -> String {
    vault_code(error)
        .trim_start_matches("vault_")
        .replace('_', " ")
}

/// What came out, with the errors of what did not. A wrong byte is a failure of the test.
async fn read_all(view: &MailboxView, expected: &Mail) -> BTreeSet<String> {
    let mut failures = BTreeSet::new();
    let stored = items(view).await;
    for (id, content) in expected {
        let Some(version) = stored.get(id) else {
            failures.insert("not there".into());
            continue;
        };
        let read = async {
            let mime = view.content(version).await?.mime();
            mime.try_collect::<Vec<_>>().await
        };
        match read.await {
            Ok(bytes) => assert_eq!(bytes.concat(), *content, "a wrong byte in {id}"),
            Err(failure) => {
                failures.insert(error(&failure));
            }
        }
    }
    failures
}

fn told(failures: &BTreeSet<String>) -> String {
    if failures.is_empty() {
        return "works".into();
    }
    let failures: Vec<&str> = failures.iter().map(String::as_str).collect();
    format!("works but for: {}", failures.join(", "))
}

async fn list(engine: &Engine, world: &World) -> String {
    match view_of(engine, "ann").await {
        Err(failure) => error(&failure),
        Ok(view) => {
            let stored: BTreeSet<String> = items(&view).await.into_keys().collect();
            let expected: BTreeSet<String> = world.ann.keys().cloned().collect();
            if stored == expected {
                "works".into()
            } else {
                "shows less".into()
            }
        }
    }
}

/// An item of the first backup.
async fn one(engine: &Engine, world: &World) -> String {
    let first = world
        .ann
        .iter()
        .nth(1)
        .map(|(id, it)| (id.clone(), it.clone()));
    match view_of(engine, "ann").await {
        Err(failure) => error(&failure),
        Ok(view) => {
            let failures = read_all(&view, &first.into_iter().collect()).await;
            failures
                .into_iter()
                .next()
                .unwrap_or_else(|| "works".into())
        }
    }
}

async fn all(engine: &Engine, world: &World) -> String {
    match view_of(engine, "ann").await {
        Err(failure) => error(&failure),
        Ok(view) => told(&read_all(&view, &world.ann).await),
    }
}

async fn run(engine: &Engine, world: &World) -> Vec<(String, MailboxOutcome)> {
    let source = Arc::new(world.rig.tenant.clone());
    let request = BackupRequest::new(REALM, "contoso");
    let summary = backup(engine, source, request, Arc::new(Quiet), StopSignal::new()).await;
    let mailboxes = summary.unwrap().mailboxes.into_iter();
    mailboxes
        .map(|mailbox| (mailbox.mailbox.0, mailbox.outcome))
        .collect()
}

async fn next_backup(engine: &Engine, world: &World) -> String {
    for (name, outcome) in run(engine, world).await {
        if name == "bob" {
            assert_eq!(outcome, MailboxOutcome::Complete, "bob");
        } else if let MailboxOutcome::Failed { code, .. } = outcome {
            return code.trim_start_matches("vault_").replace('_', " ");
        }
    }
    match view_of(engine, "ann").await {
        Err(failure) => format!("then {}", error(&failure)),
        Ok(view) => told(&read_all(&view, &world.ann).await),
    }
}

async fn retention(engine: &Engine) -> String {
    match retain::plan(engine, &[]).await {
        Err(mailkeep_engine::EngineError::Vault(failure)) => error(&failure),
        Err(failure) => panic!("{failure}"),
        Ok(plans) => {
            let failed = plans.iter().filter(|plan| plan.plan.is_err()).count();
            match failed {
                0 => "works".into(),
                1 => "skips the mailbox".into(),
                _ => "skips all".into(),
            }
        }
    }
}

async fn verification(engine: &Engine, bob: &str) -> String {
    let request = VerifyRequest::new(VerifyLevel::Full);
    let report = verify::run(engine, &request, Arc::new(Quiet), StopSignal::new()).await;
    let report = match report {
        Ok(report) => report,
        Err(mailkeep_engine::EngineError::Vault(failure)) => return error(&failure),
        Err(failure) => panic!("{failure}"),
    };
    for finding in &report.findings {
        assert_ne!(finding.mailbox, bob, "{finding:?}");
    }
    let kinds: BTreeSet<String> = report
        .findings
        .iter()
        .map(|finding| format!("{:?}", finding.kind).to_lowercase())
        .collect();
    if kinds.is_empty() {
        return "sound".into();
    }
    let names_items = report.findings.iter().any(|finding| finding.item.is_some());
    let kinds: Vec<String> = kinds.into_iter().collect();
    let items = if names_items { ", names items" } else { "" };
    format!("{}{items}", kinds.join(", "))
}

/// A repair and a backup: what the source still has is whole again.
async fn repaired(engine: &Engine, world: &World) -> String {
    let request = RepairRequest {
        mailboxes: vec![],
        mode: RepairMode::Apply,
    };
    let summary = repair(engine, &request, Arc::new(Quiet), StopSignal::new()).await;
    let summary = match summary {
        Ok(summary) => summary,
        Err(mailkeep_engine::EngineError::Vault(failure)) => return error(&failure),
        Err(failure) => panic!("{failure}"),
    };
    if summary.mailboxes.iter().any(|it| it.failure.is_some()) {
        return "not repaired".into();
    }
    let exit = summary.exit_code();
    run(engine, world).await;
    let view = view_of(engine, "ann").await.unwrap();
    assert_eq!(
        read_all(&view, &world.ann).await,
        BTreeSet::new(),
        "after a repair"
    );
    let request = VerifyRequest::new(VerifyLevel::Full);
    let report = verify::run(engine, &request, Arc::new(Quiet), StopSignal::new()).await;
    assert_eq!(report.as_ref().unwrap().damaged, 0, "{report:?}");
    match exit {
        0 => "whole".into(),
        _ => "fetched again, whole".into(),
    }
}

const OPERATIONS: [&str; 7] = [
    "list",
    "restore one",
    "restore all",
    "next backup",
    "retain",
    "verify",
    "repair, then backup",
];

async fn row(world: &World, kind: &str, name: &str, key: &Key, other: &Key) -> Option<String> {
    let bob = world.rig.mailbox("bob").await.id().to_string();
    let mut cells = vec![];
    for operation in OPERATIONS {
        let store = damaged(world, name, key, other).await?;
        let engine = match open(world, &store).await {
            Ok(engine) => engine,
            Err(failure) => {
                cells.push(format!("vault does not open: {}", error(&failure)));
                continue;
            }
        };
        cells.push(match operation {
            "list" => list(&engine, world).await,
            "restore one" => one(&engine, world).await,
            "restore all" => all(&engine, world).await,
            "next backup" => next_backup(&engine, world).await,
            "retain" => retention(&engine).await,
            "verify" => verification(&engine, &bob).await,
            _ => repaired(&engine, world).await,
        });
        let view = view_of(&engine, "bob").await.unwrap();
        let failures = read_all(&view, &world.bob).await;
        assert_eq!(failures, BTreeSet::new(), "bob after {name} of {kind}");
    }
    Some(format!("| {kind} | {name} | {} |", cells.join(" | ")))
}

#[tokio::test]
async fn every_damage_does_what_the_document_says() {
    let world = world().await;
    let mut rows = vec![];
    for (kind, key, other) in targets(&world).await {
        for name in DAMAGES {
            rows.extend(row(&world, kind, name, &key, &other).await);
        }
    }
    let table = rows.join("\n");
    if std::env::var_os("PRINT_DAMAGE_TABLE").is_some() {
        println!("{table}");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/damage.md");
    let document = std::fs::read_to_string(path).unwrap();
    let stated: Vec<&str> = document
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| object"))
        .collect();
    assert_eq!(stated.join("\n"), table, "docs/damage.md differs:\n{table}");
}
