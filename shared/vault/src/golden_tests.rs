//! A vault that an earlier mailkeep wrote, with everything in it that a vault can hold. It lies in
//! `shared/vault/golden/1` and is never edited again: what was ever written must be read for ever. What came
//! later is in `golden/2`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use futures::TryStreamExt;
use mailkeep_model::{
    Counters, ItemId, MailboxOutcome, MailboxSummary, RetentionPolicy, RunId, RunSummary,
};
use mailkeep_ports::{
    Clock, Damage, GetOptions, Key, MemoryStore, PutOptions, SeededRng, Store, TestClock, damage,
};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::context::VaultContext;
use crate::create::CreateOptions;
use crate::error::VaultError;
use crate::index::tests::world::{self, big_mime, folder, mime, put};
use crate::index::writer::MailboxWriter;
use crate::index::{CommitInfo, EndOfRun, ItemFilter, MailboxView};
use crate::keychain::Keychain;
use crate::mailbox::Mailbox;
use crate::recipients::{PassphraseCost, Recipient, Unlock};
use crate::repair::RepairMode;
use crate::retain::report::RetainLimits;
use crate::retain::{Hold, PolicyScope};
use crate::testing::profile;
use crate::vault::Vault;

const PASSPHRASE: &str = "golden correct horse battery staple";
pub(crate) const KEY_FILE: [u8; 32] = [9; 32];
const RUN: &str = "01KDXW3B7V0000000000000000";

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/1")
}

fn passphrase() -> Unlock {
    Unlock::Passphrase(SecretString::from(PASSPHRASE))
}

/// What a view shows, a line for each item: everything that must never change.
async fn lines(address: &str, view: &MailboxView) -> Vec<String> {
    let filter = ItemFilter {
        include_deleted: true,
        ..ItemFilter::default()
    };
    let mut lines = vec![];
    for version in view.items(&filter, None, 1_000).await.unwrap().items {
        let content = async {
            let mime = view.content(&version).await?.mime();
            mime.try_collect::<Vec<Bytes>>().await
        };
        let content = match content.await {
            Ok(bytes) => blake3::hash(&bytes.concat()).to_hex()[..32].to_owned(),
            Err(VaultError::Lost { .. }) => "lost".to_owned(),
            Err(error) => panic!("{address}, {:?}: {error}", version.item.id),
        };
        let folder = view
            .folders()
            .iter()
            .find(|folder| folder.folder.id == version.item.folder);
        lines.push(format!(
            "{address} {} {} {} {} {} {content}",
            view.sequence(),
            version.item.id.as_str(),
            version.from_sequence,
            folder
                .map(|folder| folder.path.to_string())
                .unwrap_or_default(),
            if version.deleted { "removed" } else { "there" },
        ));
    }
    for gap in view.gaps() {
        lines.push(format!(
            "{address} gap {} {}",
            gap.item.as_str(),
            gap.failure.code
        ));
    }
    lines.sort();
    lines
}

/// Everything that a vault says.
async fn everything(vault: &Vault) -> String {
    let mut all = vec![];
    for listing in vault.mailboxes().await.unwrap() {
        let Ok(details) = &listing.details else {
            all.push(format!("erased {}", listing.id));
            continue;
        };
        let mailbox = vault.mailbox(&listing.id).await.unwrap();
        let newest = mailbox.view().await.unwrap();
        let address = &details.profile.address;
        all.extend(lines(address, &newest).await);
        for sequence in 1..newest.sequence() {
            match mailbox.view_at(sequence).await {
                Ok(view) => all.extend(lines(address, &view).await),
                Err(VaultError::Missing { .. }) => {
                    all.push(format!("{address} {sequence} was let go of"));
                }
                Err(error) => panic!("{address} at {sequence}: {error}"),
            }
        }
        let mut harmful = vec![];
        newest
            .check_objects(|finding| harmful.extend(finding.is_harmful().then_some(finding)))
            .await
            .unwrap();
        assert_eq!(harmful, []);
        for pack in newest.packs(None, 1_000).await.unwrap() {
            assert_eq!(newest.check_pack(&pack).await.unwrap(), None);
        }
    }
    let rest = vault.check_rest().await.unwrap();
    assert!(
        rest.findings.is_empty() && rest.newer.is_empty(),
        "{rest:?}"
    );
    let settings = vault.retention_settings().await.unwrap();
    all.push(format!(
        "policy keeps {} days",
        settings.default.keep_days.unwrap()
    ));
    for hold in settings.holds {
        let subject = hold.search.and_then(|search| search.subject);
        let (name, at) = (hold.name, hold.placed_at.to_rfc3339());
        let mailbox = hold.mailbox.unwrap();
        all.push(format!("hold {name} {at} {mailbox} {}", subject.unwrap()));
    }
    let connection = vault.document("connection", "contoso").await.unwrap();
    let connection = String::from_utf8(connection.unwrap().to_vec()).unwrap();
    all.push(format!("connection {connection}"));
    for run in vault.runs(10).await.unwrap() {
        let times = (run.started_at.to_rfc3339(), run.finished_at.to_rfc3339());
        all.push(format!(
            "run {} {} {} {}",
            run.run.0, run.connection, times.0, times.1
        ));
    }
    all.join("\n") + "\n"
}

pub(crate) async fn load(folder: &Path) -> Arc<MemoryStore> {
    let clock = TestClock::new("2030-01-01T00:00:00Z".parse().unwrap());
    let store = Arc::new(MemoryStore::new(Arc::new(clock)));
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            let body = std::fs::read(&path).unwrap();
            let key = Key::new(name.replace('\\', "/")).unwrap();
            store
                .put(&key, body.into(), PutOptions::default())
                .await
                .unwrap();
        }
    }
    store
}

pub(crate) fn context(store: Arc<MemoryStore>, clock: Arc<TestClock>, seed: u64) -> VaultContext {
    VaultContext {
        store,
        clock,
        rng: Arc::new(SeededRng::new(seed)),
    }
}

#[tokio::test]
async fn the_golden_vault_reads_as_it_was_written() {
    let store = load(&place().join("vault")).await;
    let recovery = std::fs::read_to_string(place().join("recovery.key")).unwrap();
    let expected = std::fs::read_to_string(place().join("contents.txt")).unwrap();
    assert!(expected.lines().count() > 300 && expected.contains("lost"));
    let clock = Arc::new(TestClock::new("2030-01-01T00:00:00Z".parse().unwrap()));
    for unlock in [
        passphrase(),
        Unlock::KeyFile(Zeroizing::new(KEY_FILE)),
        Unlock::RecoveryKey(SecretString::from(recovery.trim())),
    ] {
        let ctx = context(store.clone(), clock.clone(), 1);
        let vault = Vault::open(ctx, &unlock).await.unwrap();
        let found = everything(&vault).await;
        let differs = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
        assert_eq!(found, expected, "{differs:?}");
    }
}

/// This program goes on with a vault of that time: it adds to each mailbox, and what was there stays.
#[tokio::test]
async fn the_golden_vault_goes_on() {
    let store = load(&place().join("vault")).await;
    let clock = Arc::new(TestClock::new("2030-01-01T00:00:00Z".parse().unwrap()));
    let vault = Vault::open(context(store, clock, 2), &passphrase())
        .await
        .unwrap();
    for name in ["ada", "bob", "dave"] {
        let found = vault.find_mailbox("golden", &profile(name).id).await;
        let mailbox = found.unwrap().unwrap();
        let before = mailbox.view().await.unwrap();
        let items = before.counts().items;
        let writer = mailbox.writer().await.unwrap();
        put(&writer, world::item("new", "inbox", 7), &mime("new"))
            .await
            .unwrap();
        world::commit(&writer).await.unwrap();
        let after = mailbox.view().await.unwrap();
        assert_eq!(after.counts().items, items + 1);
        let old = mailbox.view_at(before.sequence()).await.unwrap();
        let (then, now) = (lines(name, &before).await, lines(name, &old).await);
        assert_eq!(then, now);
    }
}

/// Makes a golden vault in the folder that GOLDEN names. Only for a new version of the format: the next
/// one gets the next number.
#[tokio::test]
#[ignore = "writes files; for a new version of the format"]
async fn make() {
    let folder = PathBuf::from(std::env::var_os("GOLDEN").unwrap());
    let clock = Arc::new(TestClock::new("2026-11-27T12:00:00Z".parse().unwrap()));
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let cost = PassphraseCost {
        memory_kib: 256,
        passes: 1,
    };
    let options = CreateOptions {
        passphrase_cost: cost,
        ..CreateOptions::default()
    };
    let recipients = [
        Recipient::Passphrase(SecretString::from(PASSPHRASE)),
        Recipient::KeyFile(Zeroizing::new(KEY_FILE)),
    ];
    let ctx = context(store.clone(), clock.clone(), 1);
    let (vault, recovery) = Vault::create(ctx.clone(), &recipients, options)
        .await
        .unwrap();
    let gone = vault
        .ensure_mailbox("golden", &profile("carol"))
        .await
        .unwrap();
    let writer = gone.writer().await.unwrap();
    put(&writer, world::item("secret", "inbox", 1), &mime("secret"))
        .await
        .unwrap();
    world::commit(&writer).await.unwrap();
    vault.erase_mailbox(gone.id()).await.unwrap();
    let ada = vault
        .ensure_mailbox("golden", &profile("ada"))
        .await
        .unwrap();
    let policy = RetentionPolicy {
        keep_days: Some(4),
        ..RetentionPolicy::default()
    };
    vault
        .set_policy(&PolicyScope::Default, &policy)
        .await
        .unwrap();
    busy(&vault, &ada, &clock).await;

    let mut keychain = Keychain::open(ctx, &passphrase()).await.unwrap();
    keychain.rotate(&recipients, cost).await.unwrap();
    let vault = keychain.vault();
    let bob = vault
        .ensure_mailbox("golden", &profile("bob"))
        .await
        .unwrap();
    small(&bob, 3).await;
    lose_a_commit(&store, &bob).await;
    let dave = vault
        .ensure_mailbox("golden", &profile("dave"))
        .await
        .unwrap();
    small(&dave, 1).await;
    vault.renew_mailbox_key(dave.id()).await.unwrap();
    let dave = vault.mailbox(dave.id()).await.unwrap();
    small(&dave, 4).await;
    documents(vault, &bob, clock.now()).await;

    let expected = everything(vault).await;
    for name in store.names() {
        let key = Key::new(name.clone()).unwrap();
        let body = store.get(&key, GetOptions::default()).await.unwrap().body;
        let path = folder.join("vault").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, body).unwrap();
    }
    std::fs::write(folder.join("contents.txt"), expected).unwrap();
    std::fs::write(folder.join("recovery.key"), recovery.to_text().as_bytes()).unwrap();
    let hex = data_encoding::HEXLOWER.encode(&KEY_FILE);
    std::fs::write(folder.join("vault.key"), format!("mailkeep-key-1 {hex}\n")).unwrap();
    std::fs::write(folder.join("passphrase.txt"), PASSPHRASE).unwrap();
}

async fn end_run(writer: &MailboxWriter) {
    let end = Some(EndOfRun {
        outcome: MailboxOutcome::Complete,
        counters: Counters::default(),
    });
    let run = RunId(RUN.into());
    writer.commit(CommitInfo { run, end }).await.unwrap();
}

/// A few commits with small and big messages, a part that two of them share, and a gap.
async fn small(mailbox: &Mailbox, rounds: i64) {
    let writer = MailboxWriter::open(mailbox.core.clone(), world::small())
        .await
        .unwrap();
    writer.put_folder(folder("root", None));
    writer.put_folder(folder("inbox", Some("root")));
    writer.put_folder(folder("sub", Some("inbox")));
    for round in 0..rounds {
        for n in 0..3 {
            let id = format!("m{round}-{n}");
            let message = match n {
                0 => mime(&id),
                1 => big_mime(&id, 1_500),
                _ => big_mime("shared", 2_500),
            };
            let into = if n == 0 { "sub" } else { "inbox" };
            put(&writer, world::item(&id, into, round), &message)
                .await
                .unwrap();
        }
        if round > 0 {
            writer.remove_item(&ItemId(format!("m{}-1", round - 1)));
        }
        end_run(&writer).await;
    }
}

/// Months with retention: versions go, packs are copied, the log is closed, old objects are deleted.
async fn busy(vault: &Vault, mailbox: &Mailbox, clock: &TestClock) {
    let limits = RetainLimits {
        live_percent: 60,
        overhead_bytes: 4 << 10,
        pack_bytes: 16 << 10,
        batch_bytes: 32 << 10,
        versions: 4,
        merge_segments: 3,
        floor_commits: 8,
        conflicts: 8,
    };
    for day in 0..26_i64 {
        clock.advance(std::time::Duration::from_secs(86_400));
        let writer = MailboxWriter::open(mailbox.core.clone(), world::small())
            .await
            .unwrap();
        writer.put_folder(folder("root", None));
        writer.put_folder(folder("inbox", Some("root")));
        writer.put_folder(folder("archive", Some("root")));
        for n in 0..3 {
            let id = format!("i{}", (day * 3 + n * 5) % 17);
            let into = if n == 2 { "archive" } else { "inbox" };
            let text = format!("{id} on {day}");
            let message = if n == 1 {
                big_mime(&text, 700)
            } else {
                mime(&text)
            };
            put(&writer, world::item(&id, into, day), &message)
                .await
                .unwrap();
        }
        writer.remove_item(&ItemId(format!("i{}", (day * 7) % 17)));
        if day == 20 {
            let id = "chunks";
            let line = format!("{}\r\n", "QUJD".repeat(19));
            let body = line.repeat(1_200_000 / 57);
            let message =
                format!("Subject: big\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}");
            let item = world::item(id, "archive", day);
            put(&writer, item, message.as_bytes()).await.unwrap();
        }
        end_run(&writer).await;
        if day % 8 == 7 {
            let settings = vault.retention_settings().await.unwrap();
            let refresh = || vault.retention_settings();
            let done = mailbox.retain_with(7, &settings, refresh, &limits).await;
            assert!(!done.unwrap().is_postponed);
        }
    }
    let (floor, _) = crate::index::floor::read(&mailbox.core)
        .await
        .unwrap()
        .unwrap();
    assert!(floor.sequence > 0);
}

/// One commit is destroyed and rebuilt: what it alone held is lost.
async fn lose_a_commit(store: &MemoryStore, mailbox: &Mailbox) {
    let key = crate::names::log(mailbox.id(), 2).unwrap();
    damage(store, &key, &Damage::Delete).await.unwrap();
    let run = RunId(RUN.into());
    let report = mailbox
        .repair_with(&run, RepairMode::Apply, world::small())
        .await;
    assert!(report.unwrap().lost_versions > 0);
}

async fn documents(vault: &Vault, mailbox: &Mailbox, now: DateTime<Utc>) {
    let mode = crate::PutMode::Create;
    let put = vault.put_document("connection", "contoso", b"not a secret", mode);
    put.await.unwrap();
    let hold = Hold {
        name: "case 7".into(),
        reason: "Smith v. Doe".into(),
        placed_at: now,
        mailbox: Some(mailbox.id().clone()),
        search: Some(ItemFilter {
            subject: Some("invoice".into()),
            ..ItemFilter::default()
        }),
    };
    vault.add_hold(&hold).await.unwrap();
    vault.confirm_clock().await.unwrap();
    let mut summary = RunSummary {
        run: RunId(RUN.into()),
        connection: "contoso".into(),
        started_at: now - TimeDelta::hours(1),
        finished_at: now,
        mailboxes: Vec::<MailboxSummary>::new(),
    };
    vault.put_run(&summary).await.unwrap();
    summary.run = RunId("01KDXW3B7V0000000000000001".into());
    summary.finished_at += TimeDelta::hours(1);
    vault.put_run(&summary).await.unwrap();
    let view = mailbox.view().await.unwrap();
    let mut checks = vault.pack_checks(mailbox.id()).await.unwrap();
    for pack in view.packs(None, 10).await.unwrap() {
        checks.note(mailbox.id(), &pack, now);
    }
    vault.put_pack_checks(mailbox.id(), &checks).await.unwrap();
}
