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
    CommitInfo, Keychain, Mailbox, MailboxView, PassphraseCost, PolicyScope, Recipient, RepairMode,
    Unlock, Vault, VaultContext, VaultError,
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
    let mut rig = Rig::new().await;
    rig.tenant.add_mailbox("bob");
    rig.tenant.add_mailbox("gone");
    let profile = rig.tenant.with("gone", |m| m.profile.clone());
    rig.tenant.state().mailboxes.remove("gone");
    let gone = rig.vault.ensure_mailbox(REALM, &profile).await.unwrap();
    assert!(rig.vault.erase_mailbox(gone.id()).await.unwrap().is_done());
    rotate(&mut rig).await;
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

/// A new root key, so that there is an object of every kind.
async fn rotate(rig: &mut Rig) {
    let context = || VaultContext {
        store: rig.store.clone(),
        clock: rig.clock.clone(),
        rng: rig.rng.clone(),
    };
    let key = zeroize::Zeroizing::new([7; 32]);
    let unlock = Unlock::KeyFile(key.clone());
    let mut keychain = Keychain::open(context(), &unlock).await.unwrap();
    let cost = PassphraseCost::default();
    let rotation = keychain.rotate(&[Recipient::KeyFile(key)], cost).await;
    assert_eq!(rotation.unwrap().epoch, 2);
    rig.vault = Vault::open(context(), &unlock).await.unwrap();
}

/// As [`world`], and retention has closed a part of the log of `ann`, and raised the floor twice.
async fn closed_world() -> World {
    let rig = Rig::new().await;
    rig.tenant.add_mailbox("bob");
    for name in ["ann", "bob"] {
        rig.tenant.with(name, |m| {
            for n in 0..3 {
                m.add("inbox", noise(n + name.len()));
            }
        });
    }
    rig.run().await;
    let mut older = BTreeMap::new();
    for round in 0..3 {
        for name in ["ann", "bob"] {
            let commits = if name == "ann" || round == 0 { 260 } else { 1 };
            let writer = rig.mailbox(name).await.writer().await.unwrap();
            for n in 0..commits {
                writer.set_tree_cursor(Some(&format!("cursor {n}")));
                let run = RunId(format!("run {n}"));
                writer.commit(CommitInfo { run, end: None }).await.unwrap();
            }
            writer.set_tree_cursor(None);
            let run = RunId("last".into());
            writer.commit(CommitInfo { run, end: None }).await.unwrap();
        }
        let done = retain::run(&rig.engine(), &[], 7).await.unwrap();
        assert!(done.iter().all(|it| it.done.is_ok()), "{done:?}");
        if round == 0 {
            for key in names(&*rig.store).await {
                if key.as_str().ends_with("/floor") {
                    let body = rig.store.get(&key, Default::default()).await.unwrap().body;
                    older.insert(key.to_string(), body);
                }
            }
        }
    }
    assert_eq!(older.len(), 2, "each mailbox has a floor");
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

/// The floor, and the two checkpoints that it names.
async fn closed_targets(world: &World) -> Vec<(&'static str, Key, Key)> {
    let (ann, bob) = (
        world.rig.mailbox("ann").await,
        world.rig.mailbox("bob").await,
    );
    let floor = |mailbox: &Mailbox| Key::new(format!("m/{}/floor", mailbox.id())).unwrap();
    let first = |mailbox: &Mailbox| format!("m/{}/ckpt/", mailbox.id());
    let all = names(&*world.rig.store).await;
    // The oldest checkpoints may go with the grace period; those that the floor names are 260 commits apart.
    let roots = |mailbox: &Mailbox| -> Vec<Key> {
        let prefix = first(mailbox);
        let mut roots = all.iter().filter(|key| key.as_str().starts_with(&prefix));
        let last = roots.next_back().unwrap().clone();
        vec![last]
    };
    vec![
        ("floor", floor(&ann), floor(&bob)),
        (
            "ckpt of floor",
            roots(&ann).remove(0),
            roots(&bob).remove(0),
        ),
    ]
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
    // The record for the key file with which the test opens the vault, and that of the recovery key.
    let mut recipients = (find("keys/2/", 0), find("keys/2/", 1));
    let without = Arc::new(world.rig.store.fork());
    damage(&*without, &recipients.0, &Damage::Delete)
        .await
        .unwrap();
    if open(world, &without).await.is_ok() {
        recipients = (recipients.1, recipients.0);
    }
    let gone = all.iter().find(|key| key.as_str().ends_with("/erased"));
    vec![
        ("vault", find("vault", 0), find("dict/", 0)),
        ("keys", recipients.0, recipients.1),
        ("keys root", find("keys/2/root", 0), find("vault", 0)),
        ("dict", find("dict/", 0), find("vault", 0)),
        ("erased", gone.unwrap().clone(), of(&ann, "key", 0)),
        ("mailbox key", of(&ann, "key", 0), of(&bob, "key", 0)),
        ("log", of(&ann, "log", 1), of(&bob, "log", 1)),
        ("pack", of(&ann, "pack", 0), of(&bob, "pack", 0)),
        ("ckpt", of(&ann, "ckpt", 0), of(&bob, "ckpt", 0)),
        ("runs", find("runs/", 0), find("runs/", 1)),
        ("doc", policies.0, policies.1),
    ]
}

const DAMAGES: [&str; 7] = [
    "delete", "truncate", "empty", "flip", "swap", "replay", "newer",
];

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
        "newer" => {
            let body = store.get(key, Default::default()).await.unwrap().body;
            store
                .put(key, newer(&body)?, Default::default())
                .await
                .unwrap();
            return Some(store);
        }
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

/// The object as a later mailkeep might have written it; `None` when it has no version inside.
fn newer(body: &bytes::Bytes) -> Option<bytes::Bytes> {
    let mut bytes = body.to_vec();
    match &bytes[..4] {
        b"MKR1" => bytes[6] = 9,
        b"MKV1" => {
            let end = bytes.len() - 96;
            bytes[6] = 9;
            bytes[end + 6] = 9;
        }
        _ => return None,
    }
    Some(bytes.into())
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
    match retain::run(engine, &[], 7).await {
        Err(mailkeep_engine::EngineError::Vault(failure)) => error(&failure),
        Err(failure) => panic!("{failure}"),
        Ok(runs) => match runs.iter().filter(|run| run.done.is_err()).count() {
            0 => "works".into(),
            1 => "skips the mailbox".into(),
            _ => "skips all".into(),
        },
    }
}

/// With every commit and every checkpoint of the mailbox gone: what its packs alone bring back.
async fn rebuilt(engine: &Engine, world: &World, store: &Arc<MemoryStore>) -> String {
    let ann = world.rig.mailbox("ann").await.id().to_string();
    for key in names(&**store).await {
        let name = key.as_str().strip_prefix(&format!("m/{ann}/"));
        if name.is_some_and(|it| it.starts_with("log/") || it.starts_with("ckpt/") || it == "floor")
        {
            damage(&**store, &key, &Damage::Delete).await.unwrap();
        }
    }
    let request = RepairRequest {
        mailboxes: vec![],
        mode: RepairMode::Apply,
    };
    let summary = repair(engine, &request, Arc::new(Quiet), StopSignal::new()).await;
    let summary = summary.unwrap();
    if summary.mailboxes.iter().any(|it| it.failure.is_some()) {
        return "not rebuilt".into();
    }
    let view = view_of(engine, "ann").await.unwrap();
    let whole = items(&view).await.into_keys().collect::<BTreeSet<_>>();
    let known = world.ann.iter().filter(|(id, _)| whole.contains(*id));
    let known: Mail = known.map(|(id, it)| (id.clone(), it.clone())).collect();
    let failures = read_all(&view, &known).await;
    let lost = if failures.is_empty() {
        ""
    } else {
        ", some lost"
    };
    format!("{} of {}{lost}", known.len(), world.ann.len())
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
        assert!(!finding.message.is_empty());
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
    let ann = world.rig.mailbox("ann").await.id().to_string();
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
    let is_ours = |it: &&mailkeep_engine::repair::MailboxRepair| it.failure.is_some();
    if let Some(failed) = summary.mailboxes.iter().find(is_ours) {
        let why = failed.failure.clone().unwrap_or_default();
        let is_newer = why.contains("newer mailkeep");
        return if is_newer {
            "left alone: newer"
        } else {
            "not repaired"
        }
        .into();
    }
    let exit = summary.exit_code();
    let left = summary
        .mailboxes
        .iter()
        .flat_map(|it| &it.steps)
        .any(|step| step.what.starts_with("left alone"));
    run(engine, world).await;
    let view = match view_of(engine, "ann").await {
        Ok(view) => view,
        Err(failure) => return format!("then {}", error(&failure)),
    };
    if left {
        return told(&read_all(&view, &world.ann).await) + ", left alone: newer";
    }
    assert_eq!(
        read_all(&view, &world.ann).await,
        BTreeSet::new(),
        "after a repair"
    );
    let request = VerifyRequest::new(VerifyLevel::Full);
    let report = verify::run(engine, &request, Arc::new(Quiet), StopSignal::new()).await;
    let damaged = report.unwrap().findings;
    let damaged = damaged.iter().filter(|finding| finding.kind.is_damage());
    let damaged: Vec<&str> = damaged.map(|finding| finding.message.as_str()).collect();
    // Of the vault as a whole a repair makes nothing up; the floor, and a checkpoint that it names and that is
    // gone, are made anew by retention.
    let is_made_anew = |message: &str| {
        message.contains("/floor ") || message.contains("/ckpt/") && message.contains(" is missing")
    };
    let is_ours = |message: &&str| message.contains(&ann) && !is_made_anew(message);
    let is_ours = damaged.iter().any(is_ours);
    assert!(!is_ours, "{damaged:?}");
    if !damaged.is_empty() {
        return "whole; the object stays damaged".into();
    }
    match exit {
        0 => "whole".into(),
        _ => "fetched again, whole".into(),
    }
}

const OPERATIONS: [&str; 8] = [
    "list",
    "restore one",
    "restore all",
    "next backup",
    "retain",
    "verify",
    "rebuild",
    "repair, then backup",
];

/// Whether an object that a newer mailkeep wrote was changed. The rebuild is begun by deleting what is there
/// of the log and of checkpoints.
async fn touched(
    world: &World,
    store: &Arc<MemoryStore>,
    key: &Key,
    operation: &str,
) -> Option<String> {
    let is_index = |name: &str| {
        ["/log/", "/ckpt/", "/floor"]
            .iter()
            .any(|it| name.contains(it))
    };
    if operation == "rebuild" && is_index(key.as_str()) {
        return None;
    }
    let before = world.rig.store.get(key, Default::default()).await.unwrap();
    let now = store.get(key, Default::default()).await;
    let is_same = now.is_ok_and(|now| Some(now.body) == newer(&before.body));
    (!is_same).then(|| format!("{operation} changed the newer {key}"))
}

async fn row(
    world: &World,
    kind: &str,
    name: &str,
    (key, other): (&Key, &Key),
    problems: &mut Vec<String>,
) -> Option<String> {
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
            "rebuild" => rebuilt(&engine, world, &store).await,
            _ => repaired(&engine, world).await,
        });
        if name == "newer" {
            let cell = cells.last().unwrap();
            problems.extend(touched(world, &store, key, operation).await);
            if cell.contains("corrupt") {
                problems.push(format!("{operation} of a newer {kind}: {cell}"));
            }
        }
        let view = view_of(&engine, "bob").await.unwrap();
        let failures = read_all(&view, &world.bob).await;
        assert_eq!(failures, BTreeSet::new(), "bob after {name} of {kind}");
    }
    Some(format!("| {kind} | {name} | {} |", cells.join(" | ")))
}

#[tokio::test]
async fn every_damage_does_what_the_document_says() {
    let (open, closed) = (world().await, closed_world().await);
    let (mut rows, mut problems) = (vec![], vec![]);
    for (world, targets) in [
        (&open, targets(&open).await),
        (&closed, closed_targets(&closed).await),
    ] {
        for (kind, key, other) in targets {
            for name in DAMAGES {
                rows.extend(row(world, kind, name, (&key, &other), &mut problems).await);
            }
        }
    }
    let table = rows.join("\n");
    if std::env::var_os("PRINT_DAMAGE_TABLE").is_some() {
        println!("{table}");
    }
    assert!(
        problems.is_empty(),
        "never called damaged, never touched: {problems:#?}"
    );
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/damage.md");
    let document = std::fs::read_to_string(path).unwrap();
    let stated: Vec<&str> = document
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| object"))
        .collect();
    assert_eq!(stated.join("\n"), table, "docs/damage.md differs:\n{table}");
}
