//! Every kind of damage to every kind of object, and what each operation then does: the table in
//! `docs/damage.md`. Whatever it says, nothing may panic, no wrong byte may come out, and no other mailbox
//! may suffer. `PRINT_DAMAGE_TABLE=1` prints the table.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout
)]

mod inflict;
mod operations;
#[path = "../support/mod.rs"]
mod support;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use inflict::{DAMAGES, damaged, newer};
use mailkeep_ports::{Key, MemoryStore, Store};
use operations::{
    all, error, list, next_backup, one, open, read_all, rebuilt, repaired, retention, verification,
    view_of,
};
use world::{World, closed_targets, closed_world, targets, world};

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
