//! A vault with an object of every kind, and which of them are damaged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mailkeep_engine::repair::{RepairRequest, repair};
use mailkeep_engine::{Quiet, StopSignal, retain};
use mailkeep_model::{RetentionPolicy, RunId};
use mailkeep_ports::{Damage, Key, ListOptions, Store, damage};
use mailkeep_vault::{
    CommitInfo, Keychain, Mailbox, PassphraseCost, PolicyScope, Recipient, RepairMode, Unlock,
    Vault, VaultContext,
};

use crate::operations::open;
use crate::support::Rig;
use crate::support::rig::REALM;

/// Items by their id at the source, with their messages.
pub(crate) type Mail = BTreeMap<String, Vec<u8>>;

/// A tenant with two mailboxes, backed up several times.
pub(crate) struct World {
    pub(crate) rig: Rig,
    /// What the vault holds now.
    pub(crate) ann: Mail,
    pub(crate) bob: Mail,
    /// Older contents of objects that are written more than once.
    pub(crate) older: BTreeMap<String, bytes::Bytes>,
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

pub(crate) async fn world() -> World {
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
                for n in 0..4 {
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
    // Mailboxes of this size have all their data in commits, and no checkpoint. The first and the last of them
    // get it into packs; many commits make a checkpoint.
    into_pack(&rig, 1).await;
    into_pack(&rig, 3).await;
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

/// Makes a pack of the data in a commit: a repair copies what can be read of it into a pack, and the next backup
/// fetches the item again that cannot be read, into a new commit.
async fn into_pack(rig: &Rig, sequence: u64) {
    rig.clock.advance(Duration::from_secs(60));
    for name in ["ann", "bob"] {
        let commit = format!("m/{}/log/{sequence:020}", rig.mailbox(name).await.id());
        let key = Key::new(commit).unwrap();
        damage(&*rig.store, &key, &Damage::FlipBit(200))
            .await
            .unwrap();
    }
    let request = RepairRequest {
        mailboxes: vec![],
        mode: RepairMode::Apply,
    };
    let repaired = repair(&rig.engine(), &request, Arc::new(Quiet), StopSignal::new()).await;
    let repaired = repaired.unwrap();
    assert_eq!(repaired.exit_code(), 3, "{repaired:?}");
    rig.run().await;
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
pub(crate) async fn closed_world() -> World {
    let rig = Rig::new().await;
    rig.tenant.add_mailbox("bob");
    for name in ["ann", "bob"] {
        rig.tenant.with(name, |m| {
            for n in 0..4 {
                m.add("inbox", noise(n + name.len()));
            }
        });
    }
    rig.run().await;
    into_pack(&rig, 1).await;
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
pub(crate) async fn closed_targets(world: &World) -> Vec<(&'static str, Key, Key)> {
    let (ann, bob) = (
        world.rig.mailbox("ann").await,
        world.rig.mailbox("bob").await,
    );
    let floor = |mailbox: &Mailbox| Key::new(format!("m/{}/floor", mailbox.id())).unwrap();
    let first = |mailbox: &Mailbox| format!("m/{}/ckpt/", mailbox.id());
    let all = names(&*world.rig.store).await;
    let carried = |mailbox: &Mailbox, sequence: u64| {
        Key::new(format!("{}{sequence:020}", first(mailbox))).unwrap()
    };
    let newest = |mailbox: &Mailbox| -> Key {
        let prefix = first(mailbox);
        let mut all = all.iter().filter(|key| key.as_str().starts_with(&prefix));
        all.next_back().unwrap().clone()
    };
    let closed = ann.view().await.unwrap().first_commit() - 1;
    let (older, newer) = (carried(&ann, closed), newest(&ann));
    assert_ne!(older, newer);
    let other = newest(&bob);
    vec![
        ("floor", floor(&ann), floor(&bob)),
        ("ckpt of floor", older, other.clone()),
        ("next ckpt of floor", newer, other),
    ]
}

pub(crate) async fn names(store: &dyn Store) -> Vec<Key> {
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
pub(crate) async fn targets(world: &World) -> Vec<(&'static str, Key, Key)> {
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
