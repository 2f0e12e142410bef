//! Keys over the years: recipients come and go, keys are rotated, people are erased, drills are held.

use std::sync::Arc;

use chrono::DateTime;
use mailkeep_ports::{
    Condition, Fault, FaultStore, GetOptions, Key, MemoryStore, PutOptions, RecordStore, SeededRng,
    Store, TestClock, Verb,
};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::context::VaultContext;
use crate::create::CreateOptions;
use crate::drill::drill;
use crate::error::VaultError;
use crate::format::envelope;
use crate::format::records::RecipientRecord;
use crate::index::ItemFilter;
use crate::index::tests::world;
use crate::keychain::{Keychain, RecipientKind};
use crate::names;
use crate::recipients::{PassphraseCost, Recipient, RecordPlace, Sealer, Unlock};
use crate::recovery_key::RecoveryKey;
use crate::testing::profile;
use crate::vault::Vault;

const CHEAP: PassphraseCost = PassphraseCost {
    memory_kib: 64,
    passes: 1,
};

fn file(seed: u8) -> Recipient {
    Recipient::KeyFile(Zeroizing::new([seed; 32]))
}

fn with(seed: u8) -> Unlock {
    Unlock::KeyFile(Zeroizing::new([seed; 32]))
}

fn paper(key: &RecoveryKey) -> Unlock {
    Unlock::RecoveryKey(SecretString::from(key.to_text().to_string()))
}

fn context_of(store: Arc<dyn Store>, seed: u64) -> VaultContext {
    let clock = TestClock::new(DateTime::UNIX_EPOCH);
    VaultContext {
        store,
        clock: Arc::new(clock),
        rng: Arc::new(SeededRng::new(seed)),
    }
}

/// A vault with two mailboxes (one item each), a run and a document.
async fn filled() -> (Arc<MemoryStore>, RecoveryKey) {
    let clock = Arc::new(TestClock::new(DateTime::UNIX_EPOCH));
    let store = Arc::new(MemoryStore::new(clock));
    let options = CreateOptions {
        passphrase_cost: CHEAP,
        ..CreateOptions::default()
    };
    let ctx = context_of(store.clone(), 1);
    let (vault, recovery) = Vault::create(ctx, &[file(1)], options).await.unwrap();
    for name in ["ada", "bob"] {
        add_item(&vault, name, "one").await;
    }
    let mode = crate::PutMode::Create;
    let secret = b"client secret";
    vault
        .put_document("connection", "contoso", secret, mode)
        .await
        .unwrap();
    (store, recovery)
}

async fn add_item(vault: &Vault, mailbox: &str, item: &str) {
    let mailbox = vault.ensure_mailbox("t", &profile(mailbox)).await.unwrap();
    let writer = mailbox.writer().await.unwrap();
    writer.put_folder(world::folder("inbox", None));
    world::put(&writer, world::item(item, "inbox", 1), &world::mime(item))
        .await
        .unwrap();
    world::commit(&writer).await.unwrap();
}

/// Everything that is in the vault comes back.
async fn check(vault: &Vault, items: usize) {
    for name in ["ada", "bob"] {
        let mailbox = vault.find_mailbox("t", &profile(name).id).await.unwrap();
        let view = mailbox.unwrap().view().await.unwrap();
        let page = view.items(&ItemFilter::default(), None, 100).await.unwrap();
        assert_eq!(page.items.len(), items);
        for version in &page.items {
            let message = world::read(&view, version).await;
            assert!(message.starts_with(b"Subject: "));
        }
    }
    let document = vault.document("connection", "contoso").await.unwrap();
    assert_eq!(document.unwrap().as_slice(), b"client secret");
    assert!(
        vault
            .mailboxes()
            .await
            .unwrap()
            .iter()
            .all(|it| it.details.is_ok())
    );
}

async fn bytes(store: &MemoryStore, name: &str) -> Vec<u8> {
    let key = Key::new(name).unwrap();
    let object = store.get(&key, GetOptions::default()).await.unwrap();
    object.body.to_vec()
}

async fn write(store: &MemoryStore, name: &str, bytes: Vec<u8>) {
    let key = Key::new(name).unwrap();
    let options = PutOptions::default();
    store.put(&key, bytes.into(), options).await.unwrap();
}

async fn opens(store: &Arc<MemoryStore>, unlock: &Unlock) -> Result<Vault, VaultError> {
    Vault::open(context_of(store.clone(), 50), unlock).await
}

#[tokio::test]
async fn recipients_come_and_go() {
    let (store, recovery) = filled().await;
    let ctx = context_of(store.clone(), 2);
    let keychain = Keychain::open(ctx, &with(1)).await.unwrap();
    let phrase = Recipient::Passphrase(SecretString::from("correct horse"));
    let id = keychain.add(&phrase, CHEAP).await.unwrap();
    let unlock = Unlock::Passphrase(SecretString::from("correct horse"));
    check(&opens(&store, &unlock).await.unwrap(), 1).await;

    let entries = keychain.recipients().await.unwrap();
    let kinds: Vec<_> = entries
        .iter()
        .map(|it| it.details.as_ref().unwrap().kind)
        .collect();
    for kind in [
        RecipientKind::KeyFile,
        RecipientKind::Passphrase,
        RecipientKind::RecoveryKey,
    ] {
        assert_eq!(kinds.iter().filter(|it| **it == kind).count(), 1);
    }
    let of = |kind| {
        let entry = entries.iter().zip(&kinds).find(|(_, it)| **it == kind);
        entry.unwrap().0.id.clone()
    };
    let invalid = |result| matches!(result, Err(VaultError::Invalid { .. }));
    assert!(invalid(
        keychain.remove(&of(RecipientKind::RecoveryKey)).await
    ));
    assert!(matches!(
        keychain.remove("nobody").await,
        Err(VaultError::Missing { .. })
    ));
    keychain.remove(&of(RecipientKind::KeyFile)).await.unwrap();
    assert!(invalid(keychain.remove(&id).await));
    assert!(matches!(
        opens(&store, &with(1)).await,
        Err(VaultError::WrongKey { .. })
    ));
    check(&opens(&store, &unlock).await.unwrap(), 1).await;

    let (_, second) = keychain.add_recovery_key().await.unwrap();
    opens(&store, &paper(&recovery)).await.unwrap();
    keychain
        .remove(&of(RecipientKind::RecoveryKey))
        .await
        .unwrap();
    assert!(matches!(
        opens(&store, &paper(&recovery)).await,
        Err(VaultError::WrongKey { .. })
    ));
    check(&opens(&store, &paper(&second)).await.unwrap(), 1).await;
}

#[tokio::test]
async fn a_rotation_changes_keys_and_no_data() {
    let (store, recovery) = filled().await;
    let before = opens(&store, &with(1)).await.unwrap();
    let ada = before.mailbox_id("t", &profile("ada").id);
    let data = |names: Vec<String>| -> Vec<String> {
        let is_data = |name: &String| !name.starts_with("keys/");
        names.into_iter().filter(is_data).collect()
    };
    let (names_before, log) = (data(store.names()), format!("m/{ada}/log/{:020}", 1));
    let log_before = bytes(&store, &log).await;

    let recorded = Arc::new(RecordStore::new(store.clone()));
    let mut keychain = Keychain::open(context_of(recorded.clone(), 3), &with(1))
        .await
        .unwrap();
    recorded.take();
    let rotation = keychain.rotate(&[file(2)], CHEAP).await.unwrap();
    assert_eq!((rotation.epoch, rotation.mailbox_keys), (2, 2));
    assert!(
        !rotation.was_resumed && rotation.unreadable.is_empty() && rotation.undeleted.is_empty()
    );
    // One write for each recipient, one for the root key, one for each mailbox key.
    assert_eq!(recorded.count(Verb::Put).calls, 2 + 1 + 2);
    assert_eq!(recorded.calls_to(Verb::Get, "m/").len(), 2);
    assert_eq!(recorded.count(Verb::Delete).calls, 2);

    assert_eq!(data(store.names()), names_before);
    assert_eq!(bytes(&store, &log).await, log_before);
    for unlock in [with(2), paper(&recovery)] {
        let vault = opens(&store, &unlock).await.unwrap();
        assert_eq!(vault.info().key_epoch, 2);
        assert_eq!(vault.mailbox_id("t", &profile("ada").id), ada);
        check(&vault, 1).await;
    }
    // What is written now, and a second rotation, work on top.
    add_item(keychain.vault(), "ada", "two").await;
    add_item(keychain.vault(), "bob", "two").await;
    assert_eq!(keychain.rotate(&[file(3)], CHEAP).await.unwrap().epoch, 3);
    check(&opens(&store, &with(3)).await.unwrap(), 2).await;
    check(&opens(&store, &paper(&recovery)).await.unwrap(), 2).await;
    // Whoever still has the vault open from before is told what to do, not that something is damaged.
    let error = before.mailbox(&ada).await.unwrap_err();
    assert!(matches!(error, VaultError::WrongKey { .. }), "{error}");
}

#[tokio::test]
async fn who_was_removed_before_a_rotation_is_out() {
    let (store, _) = filled().await;
    let old: Vec<(String, Vec<u8>)> = {
        let mut old = vec![];
        for name in store
            .names()
            .into_iter()
            .filter(|it| it.starts_with("keys/"))
        {
            old.push((name.clone(), bytes(&store, &name).await));
        }
        old
    };
    let old_vault = opens(&store, &with(1)).await.unwrap();
    let mut keychain = Keychain::open(context_of(store.clone(), 4), &with(1))
        .await
        .unwrap();
    keychain.rotate(&[file(2)], CHEAP).await.unwrap();
    assert!(matches!(
        opens(&store, &with(1)).await,
        Err(VaultError::WrongKey { .. })
    ));
    // Even with the old records put back, and with the old root key in memory.
    for (name, record) in &old {
        write(&store, name, record.clone()).await;
    }
    assert!(matches!(
        opens(&store, &with(1)).await,
        Err(VaultError::WrongKey { .. })
    ));
    for listing in old_vault.mailboxes().await.unwrap() {
        assert!(matches!(listing.details, Err(VaultError::WrongKey { .. })));
    }
    // Even when the new root key is taken away: there is no way back.
    for name in store
        .names()
        .into_iter()
        .filter(|it| it.starts_with("keys/2/"))
    {
        let key = Key::new(name).unwrap();
        store.delete(&key, Condition::None).await.unwrap();
    }
    let back = opens(&store, &with(1)).await.unwrap();
    assert!(
        back.mailboxes()
            .await
            .unwrap()
            .iter()
            .all(|it| it.details.is_err())
    );
}

#[tokio::test]
async fn nobody_slips_in_a_recovery_key() {
    let (store, _) = filled().await;
    let thief = RecoveryKey::generate(&SeededRng::new(666));
    let mut keychain = Keychain::open(context_of(store.clone(), 4), &with(1))
        .await
        .unwrap();
    let genuine = keychain.recipients().await.unwrap();
    let id = &genuine.first().unwrap().id;
    let own = RecipientRecord::clone(
        &envelope::decode("x", &bytes(&store, &format!("keys/1/{id}")).await).unwrap(),
    );
    let place = RecordPlace {
        vault_id: &own.vault_id,
        object: "keys/1/01THIEF",
        created_at: DateTime::UNIX_EPOCH,
    };
    let sealer = Sealer {
        root: &Zeroizing::new([1; 32]),
        cost: CHEAP,
        rng: &SeededRng::new(1),
    };
    let mut forged = sealer
        .seal_for_recovery(thief.public().unwrap(), &place)
        .unwrap();
    forged.root_id = own.root_id;
    write(&store, "keys/1/01THIEF", envelope::encode(&forged)).await;
    let entries = keychain.recipients().await.unwrap();
    let bad: Vec<_> = entries.iter().filter(|it| it.details.is_err()).collect();
    assert_eq!(
        (bad.len(), bad.first().unwrap().id.as_str()),
        (1, "01THIEF")
    );
    keychain.rotate(&[file(2)], CHEAP).await.unwrap();
    assert!(opens(&store, &paper(&thief)).await.is_err());
    check(&opens(&store, &with(2)).await.unwrap(), 1).await;
}

/// Whatever write a rotation dies at, the vault opens with the old keys or with the new ones, everything
/// is there, and repeating it finishes it.
#[tokio::test]
async fn a_rotation_can_die_anywhere() {
    let (good, recovery) = filled().await;
    let mut by_old_key = [0, 0];
    for at in 1.. {
        for fault in [
            Fault::DieBefore,
            Fault::DieAfter,
            Fault::AnswerLost,
            Fault::RequestLost,
        ] {
            let store = Arc::new(good.fork());
            let faulty = Arc::new(FaultStore::new(store.clone()).at(at, fault));
            let ctx = context_of(faulty.clone(), 10 + at);
            let mut keychain = Keychain::open(ctx, &with(1)).await.unwrap();
            let result = keychain.rotate(&[file(2)], CHEAP).await;
            if faulty.faults() == 0 {
                result.unwrap();
                assert!(by_old_key.iter().all(|count| *count > 6), "{by_old_key:?}");
                return;
            }
            result.unwrap_err();
            let unlock = match opens(&store, &with(1)).await {
                Ok(vault) => {
                    by_old_key[0] += 1;
                    check(&vault, 1).await;
                    with(1)
                }
                Err(error) => {
                    by_old_key[1] += 1;
                    assert!(matches!(error, VaultError::WrongKey { .. }), "{error}");
                    with(2)
                }
            };
            check(&opens(&store, &unlock).await.unwrap(), 1).await;
            check(&opens(&store, &paper(&recovery)).await.unwrap(), 1).await;
            let ctx = context_of(store.clone(), 90 + at);
            let mut keychain = Keychain::open(ctx, &unlock).await.unwrap();
            let again = keychain.rotate(&[file(2)], CHEAP).await.unwrap();
            let vault = opens(&store, &with(2)).await.unwrap();
            assert_eq!(vault.info().key_epoch, again.epoch);
            check(&vault, 1).await;
            for id in vault.mailbox_ids().await.unwrap() {
                let record = vault.read_record(&id, 1).await.unwrap();
                assert_eq!(record.root_epoch, again.epoch);
            }
            assert!(opens(&store, &with(1)).await.is_err());
            let keys = format!("keys/{}/", again.epoch);
            let names = store.names();
            let keys_left: Vec<_> = names.iter().filter(|it| it.starts_with("keys/")).collect();
            assert!(
                keys_left.iter().all(|name| name.starts_with(&keys)),
                "{keys_left:?}"
            );
            // Two recipients and the root key; nothing of attempts that died.
            assert_eq!(keys_left.len(), 3, "{keys_left:?}");
        }
    }
}

#[tokio::test]
async fn racing_rotations_leave_one_winner() {
    let (store, recovery) = filled().await;
    let (mut a, mut b) = (
        Keychain::open(context_of(store.clone(), 5), &with(1))
            .await
            .unwrap(),
        Keychain::open(context_of(store.clone(), 6), &with(1))
            .await
            .unwrap(),
    );
    let (to_a, to_b) = ([file(2)], [file(3)]);
    let results = tokio::join!(a.rotate(&to_a, CHEAP), b.rotate(&to_b, CHEAP));
    let winners = [results.0.is_ok(), results.1.is_ok()];
    assert_eq!(winners.iter().filter(|it| **it).count(), 1, "{winners:?}");
    let winner = if winners[0] { 2 } else { 3 };
    check(&opens(&store, &with(winner)).await.unwrap(), 1).await;
    check(&opens(&store, &paper(&recovery)).await.unwrap(), 1).await;
    assert!(opens(&store, &with(5 - winner)).await.is_err());
}

#[tokio::test]
async fn a_renewed_mailbox_key_seals_what_is_new_and_opens_what_is_old() {
    let (store, _) = filled().await;
    let vault = opens(&store, &with(1)).await.unwrap();
    let ada = vault.mailbox_id("t", &profile("ada").id);
    let old = vault.mailbox(&ada).await.unwrap();
    assert_eq!(vault.renew_mailbox_key(&ada).await.unwrap(), 2);
    add_item(&vault, "ada", "two").await;
    add_item(&vault, "bob", "two").await;
    check(&vault, 2).await;
    let epoch_of = |bytes: Vec<u8>| bytes[12];
    assert_eq!(
        epoch_of(bytes(&store, &format!("m/{ada}/log/{:020}", 1)).await),
        1
    );
    assert_eq!(
        epoch_of(bytes(&store, &format!("m/{ada}/log/{:020}", 2)).await),
        2
    );
    // The old key alone does not open what is new.
    let error = old.view().await.unwrap_err();
    assert!(matches!(error, VaultError::WrongKey { .. }), "{error}");
    // Rotation covers all epochs.
    let mut keychain = Keychain::open(context_of(store.clone(), 7), &with(1))
        .await
        .unwrap();
    assert_eq!(
        keychain
            .rotate(&[file(2)], CHEAP)
            .await
            .unwrap()
            .mailbox_keys,
        3
    );
    check(keychain.vault(), 2).await;
}

#[tokio::test]
async fn an_erased_person_is_gone_until_started_again() {
    let (store, _) = filled().await;
    let vault = opens(&store, &with(1)).await.unwrap();
    let ada = vault.mailbox_id("t", &profile("ada").id);
    vault.renew_mailbox_key(&ada).await.unwrap();
    let erasure = vault.erase_mailbox(&ada).await.unwrap();
    assert!(erasure.is_done() && erasure.remaining.is_empty());
    assert_eq!(erasure.destroyed.len(), 2);
    assert!(
        erasure
            .caveats()
            .iter()
            .any(|it| it.contains("older versions"))
    );
    let left: Vec<_> = store
        .names()
        .into_iter()
        .filter(|it| it.contains("/key/"))
        .collect();
    assert!(
        left.contains(&format!("m/{ada}/key/erased")) && left.len() == 2,
        "{left:?}"
    );

    let is_erased = |error: VaultError| {
        assert!(
            matches!(
                error,
                VaultError::Erased {
                    is_finished: true,
                    ..
                }
            ),
            "{error}"
        );
    };
    is_erased(vault.mailbox(&ada).await.unwrap_err());
    is_erased(
        vault
            .ensure_mailbox("t", &profile("ada"))
            .await
            .unwrap_err(),
    );
    is_erased(
        vault
            .find_mailbox("t", &profile("ada").id)
            .await
            .unwrap_err(),
    );
    let listings = vault.mailboxes().await.unwrap();
    assert_eq!(listings.iter().filter(|it| it.details.is_ok()).count(), 1);

    let fresh = vault.restart_mailbox("t", &profile("ada")).await.unwrap();
    assert_ne!(*fresh.id(), ada);
    let page = fresh.view().await.unwrap();
    assert_eq!(page.counts().items, 0);
    add_item(&vault, "ada", "new").await;
    let found = vault.find_mailbox("t", &profile("ada").id).await.unwrap();
    assert_eq!(found.unwrap().id(), fresh.id());
    vault.erase_mailbox(fresh.id()).await.unwrap();
    is_erased(
        vault
            .ensure_mailbox("t", &profile("ada"))
            .await
            .unwrap_err(),
    );
    let third = vault.restart_mailbox("t", &profile("ada")).await.unwrap();
    assert!(third.id() != fresh.id() && *third.id() != ada);
}

/// Whatever write an erasure dies at: the mailbox opens, or it says that it is erased; never damage.
#[tokio::test]
async fn an_erasure_can_die_anywhere() {
    let (good, _) = filled().await;
    let vault = opens(&good, &with(1)).await.unwrap();
    let ada = vault.mailbox_id("t", &profile("ada").id);
    vault.renew_mailbox_key(&ada).await.unwrap();
    for at in 1.. {
        for fault in [
            Fault::DieBefore,
            Fault::DieAfter,
            Fault::AnswerLost,
            Fault::RequestLost,
        ] {
            let store = Arc::new(good.fork());
            let faulty = Arc::new(FaultStore::new(store.clone()).at(at, fault));
            let vault = Vault::open(context_of(faulty.clone(), 8), &with(1))
                .await
                .unwrap();
            let result = vault.erase_mailbox(&ada).await;
            if faulty.faults() == 0 {
                assert!(at > 3 && result.unwrap().is_done());
                return;
            }
            result.unwrap_err();
            let vault = opens(&store, &with(1)).await.unwrap();
            match vault.mailbox(&ada).await {
                Ok(_) => assert_eq!(at, 1),
                Err(error) => assert!(matches!(error, VaultError::Erased { .. }), "{error}"),
            }
            assert!(vault.erase_mailbox(&ada).await.unwrap().is_done());
            let error = vault.mailbox(&ada).await.unwrap_err();
            assert!(
                matches!(
                    error,
                    VaultError::Erased {
                        is_finished: true,
                        ..
                    }
                ),
                "{error}"
            );
        }
    }
}

#[tokio::test]
async fn an_erasure_is_not_called_done_while_a_key_is_left() {
    let (store, _) = filled().await;
    let denied = Fault::Fail(mailkeep_ports::StoreErrorKind::Denied);
    let mut faulty = FaultStore::new(store.clone());
    for at in [2, 3, 4] {
        faulty = faulty.at(at, denied);
    }
    let vault = Vault::open(context_of(Arc::new(faulty), 8), &with(1))
        .await
        .unwrap();
    let ada = vault.mailbox_id("t", &profile("ada").id);
    let erasure = vault.erase_mailbox(&ada).await.unwrap();
    assert!(!erasure.is_done());
    assert_eq!((erasure.remaining.len(), erasure.destroyed.len()), (1, 0));
    let error = vault.mailbox(&ada).await.unwrap_err();
    assert!(
        matches!(
            error,
            VaultError::Erased {
                is_finished: false,
                ..
            }
        ),
        "{error}"
    );
    let fresh = vault.restart_mailbox("t", &profile("ada")).await;
    assert!(matches!(
        fresh,
        Err(VaultError::Erased {
            is_finished: false,
            ..
        })
    ));
    assert!(vault.erase_mailbox(&ada).await.unwrap().is_done());
    // Nobody but the vault says so.
    let bob = vault.mailbox_id("t", &profile("bob").id);
    let mark = bytes(&store, &names::erasure(&ada).unwrap().to_string()).await;
    write(&store, names::erasure(&bob).unwrap().as_str(), mark).await;
    let error = vault.mailbox(&bob).await.unwrap_err();
    assert!(matches!(error, VaultError::Corrupt { .. }), "{error}");
}

#[tokio::test]
async fn a_drill_reads_an_item_and_changes_nothing() {
    let (store, recovery) = filled().await;
    let recorded = Arc::new(RecordStore::new(store.clone()));
    let text = SecretString::from(recovery.to_text().to_string());
    let report = drill(context_of(recorded.clone(), 9), text.clone())
        .await
        .unwrap();
    assert_eq!(
        (report.mailboxes, report.erased, report.unreadable.len()),
        (2, 0, 0)
    );
    assert_eq!(report.item.unwrap().bytes, world::mime("one").len() as u64);
    let changes = [Verb::Put, Verb::Delete, Verb::ExtendRetention];
    assert!(changes.iter().all(|verb| recorded.count(*verb).calls == 0));

    let other = RecoveryKey::generate(&SeededRng::new(99))
        .to_text()
        .to_string();
    let wrong = drill(context_of(store.clone(), 9), SecretString::from(other)).await;
    assert!(matches!(wrong, Err(VaultError::WrongKey { .. })));
    // Damage to the item is found.
    for name in store.names().into_iter().filter(|it| it.contains("/log/")) {
        let mut damaged = bytes(&store, &name).await;
        damaged[90] ^= 1;
        write(&store, &name, damaged).await;
    }
    let result = drill(context_of(store, 9), text).await;
    assert!(matches!(result, Err(VaultError::Corrupt { .. })));
}

/// Fixed bytes: a change here makes every existing vault unreadable.
#[test]
fn key_derivation_never_changes() {
    use crate::roots::Ring;
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let ring = Ring {
        vault_hash: [1; 32],
        naming_key: Zeroizing::new([2; 32]),
        current: (2, Zeroizing::new([3; 32])),
        earlier: [(1, Zeroizing::new([4; 32]))].into(),
    };
    let record = ring
        .seal("vault", "keys/2/root", &SeededRng::new(1))
        .unwrap();
    let body = crate::format::records::VaultBody {
        vault_id: "vault".into(),
        ..Default::default()
    };
    let clock = Arc::new(TestClock::new(DateTime::UNIX_EPOCH));
    let ctx = context_of(Arc::new(MemoryStore::new(clock)), 1);
    let vault = Vault::from_ring(ctx, &body, &ring).unwrap();
    let source = profile("ada").id;
    let found = [
        hex(&record.root_id),
        vault.mailbox_id("realm", &source).to_string(),
        vault.mailbox_name("realm", &source, 1).to_string(),
        hex(&crate::crypto::sha256(&record.ring)),
    ];
    assert_eq!(found, GOLDEN);
}

const GOLDEN: [&str; 4] = [
    "59642eff0bfb5711d55227332de23a28",
    "b7igpamecsxptzzeaxtxktgdkm",
    "6zhnomjyhzbki46htmg6n2lwwi",
    "ed814895772697c8a6abef1a67d4c41e599d7bf69ac0b0fb4e77db270fcb03b0",
];
