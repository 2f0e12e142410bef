//! What is tried afterwards, and its outcome in words.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::TryStreamExt;
use mailkeep_engine::backup::{BackupRequest, backup};
use mailkeep_engine::error::vault_code;
use mailkeep_engine::repair::{RepairRequest, repair};
use mailkeep_engine::verify::{VerifyLevel, VerifyRequest};
use mailkeep_engine::{Engine, Quiet, StopSignal, retain, verify};
use mailkeep_model::{MailboxOutcome, SourceMailboxId};
use mailkeep_ports::{Damage, MemoryStore, damage};
use mailkeep_vault::{MailboxView, RepairMode, Unlock, Vault, VaultContext, VaultError};

use crate::support::rig::{REALM, items};
use crate::world::{Mail, World, names};

pub(crate) async fn open(world: &World, store: &Arc<MemoryStore>) -> Result<Engine, VaultError> {
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

pub(crate) async fn view_of(engine: &Engine, name: &str) -> Result<MailboxView, VaultError> {
    let id = SourceMailboxId(name.into());
    match engine.vault().find_mailbox(REALM, &id).await? {
        Some(mailbox) => mailbox.view().await,
        None => panic!("{name} is not in the vault"),
    }
}

pub(crate) fn error(error: &VaultError) -> String {
    vault_code(error)
        .trim_start_matches("vault_")
        .replace('_', " ")
}

/// What came out, with the errors of what did not. A wrong byte is a failure of the test.
pub(crate) async fn read_all(view: &MailboxView, expected: &Mail) -> BTreeSet<String> {
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

pub(crate) async fn list(engine: &Engine, world: &World) -> String {
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
pub(crate) async fn one(engine: &Engine, world: &World) -> String {
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

pub(crate) async fn all(engine: &Engine, world: &World) -> String {
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

pub(crate) async fn next_backup(engine: &Engine, world: &World) -> String {
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

pub(crate) async fn retention(engine: &Engine) -> String {
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
pub(crate) async fn rebuilt(engine: &Engine, world: &World, store: &Arc<MemoryStore>) -> String {
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

pub(crate) async fn verification(engine: &Engine, bob: &str) -> String {
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
pub(crate) async fn repaired(engine: &Engine, world: &World) -> String {
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
    // Of the vault as a whole a repair makes nothing up.
    let is_ours = damaged.iter().any(|message| message.contains(&ann));
    assert!(!is_ours, "{damaged:?}");
    if !damaged.is_empty() {
        return "whole; the object stays damaged".into();
    }
    match exit {
        0 => "whole".into(),
        _ => "fetched again, whole".into(),
    }
}
