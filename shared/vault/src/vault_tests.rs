//! Vaults from creation to opening: keys, mailboxes, documents, runs.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use mailkeep_model::{RunId, RunSummary};
use mailkeep_ports::fault::{Fault, FaultStore};
use mailkeep_ports::{Condition, GetOptions, Key, PutOptions};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::context::VaultContext;
use crate::create::CreateOptions;
use crate::documents::PutMode;
use crate::error::VaultError;
use crate::ids::Ulid;
use crate::names;
use crate::recipients::{PassphraseCost, Recipient, Unlock};
use crate::recovery_key::RecoveryKey;
use crate::testing::{context, profile};
use crate::vault::Vault;

const CHEAP: CreateOptions = CreateOptions {
    passphrase_cost: PassphraseCost {
        memory_kib: 64,
        passes: 1,
    },
    object_lock: None,
};

fn passphrase(text: &str) -> Unlock {
    Unlock::Passphrase(SecretString::from(text))
}

async fn create(ctx: &VaultContext) -> (Vault, RecoveryKey) {
    let recipients = [
        Recipient::Passphrase(SecretString::from("correct horse")),
        Recipient::KeyFile(Zeroizing::new([9; 32])),
    ];
    Vault::create(ctx.clone(), &recipients, CHEAP)
        .await
        .unwrap()
}

async fn names_in(ctx: &VaultContext, prefix: &str) -> Vec<Key> {
    names::list(&*ctx.store, prefix).await.unwrap()
}

async fn read(ctx: &VaultContext, key: &Key) -> Vec<u8> {
    let object = ctx.store.get(key, GetOptions::default()).await.unwrap();
    object.body.to_vec()
}

async fn write(ctx: &VaultContext, key: &Key, bytes: Vec<u8>) {
    let options = PutOptions::default();
    ctx.store.put(key, bytes.into(), options).await.unwrap();
}

#[tokio::test]
async fn every_recipient_opens_the_same_vault() {
    let ctx = context();
    let (vault, recovery) = create(&ctx).await;
    let sloppy = recovery.to_text().to_lowercase().replace('-', " ");
    for unlock in [
        passphrase("correct horse"),
        Unlock::KeyFile(Zeroizing::new([9; 32])),
        Unlock::RecoveryKey(SecretString::from(sloppy)),
    ] {
        let opened = Vault::open(ctx.clone(), &unlock).await.unwrap();
        assert_eq!(opened.info(), vault.info());
        let ada = profile("ada");
        assert_eq!(
            opened.mailbox_id("t", &ada.id),
            vault.mailbox_id("t", &ada.id)
        );
    }
    assert!(vault.info().capabilities.conditional_create);
    assert!(!format!("{recovery:?}").contains(&recovery.to_text()[5..9]));
}

#[tokio::test]
async fn wrong_keys_damage_and_newer_formats_are_told_apart() {
    let ctx = context();
    let (_, recovery) = create(&ctx).await;
    let other = RecoveryKey::generate(&mailkeep_ports::SeededRng::new(99));
    for unlock in [
        passphrase("wrong horse"),
        Unlock::KeyFile(Zeroizing::new([8; 32])),
        Unlock::RecoveryKey(SecretString::from(other.to_text().to_string())),
    ] {
        let error = Vault::open(ctx.clone(), &unlock).await.unwrap_err();
        assert!(matches!(error, VaultError::WrongKey { .. }), "{error}");
    }
    let mistyped = Unlock::RecoveryKey(SecretString::from("MKR1-0000"));
    let error = Vault::open(ctx.clone(), &mistyped).await.unwrap_err();
    assert!(matches!(error, VaultError::Invalid { .. }), "{error}");

    let records = names_in(&ctx, "keys/").await;
    assert_eq!(records.len(), 3);
    for key in &records {
        let good = read(&ctx, key).await;
        for at in [30, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            write(&ctx, key, bad).await;
            let unlock = Unlock::RecoveryKey(SecretString::from(recovery.to_text().to_string()));
            // Damage to one record never keeps another recipient out.
            match Vault::open(ctx.clone(), &unlock).await {
                Ok(_) => {}
                Err(error) => assert!(matches!(error, VaultError::Corrupt { .. }), "{error}"),
            }
        }
        let mut newer = good.clone();
        newer[6] = 2;
        write(&ctx, key, newer).await;
        let result = Vault::open(ctx.clone(), &passphrase("wrong horse")).await;
        assert!(matches!(
            result,
            Err(VaultError::NewerThanMe { needs: 2, .. })
        ));
        write(&ctx, key, good).await;
    }

    let vault = names::key("vault".into()).unwrap();
    let mut bytes = read(&ctx, &vault).await;
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    write(&ctx, &vault, bytes).await;
    let error = Vault::open(ctx.clone(), &passphrase("correct horse"))
        .await
        .unwrap_err();
    assert!(matches!(error, VaultError::Corrupt { .. }), "{error}");
    ctx.store.delete(&vault, Condition::None).await.unwrap();
    let error = Vault::open(ctx, &passphrase("correct horse"))
        .await
        .unwrap_err();
    assert!(matches!(error, VaultError::Missing { .. }), "{error}");
}

#[tokio::test]
async fn a_vault_needs_an_empty_place_and_a_recipient() {
    let ctx = context();
    let recipients = [Recipient::KeyFile(Zeroizing::new([9; 32]))];
    let empty = Vault::create(ctx.clone(), &[], CHEAP).await;
    assert!(matches!(empty, Err(VaultError::Invalid { .. })));
    create(&ctx).await;
    let again = Vault::create(ctx.clone(), &recipients, CHEAP).await;
    assert!(matches!(again, Err(VaultError::AlreadyExists { .. })));

    let other = context();
    write(
        &other,
        &names::key("photos/cat.jpg".into()).unwrap(),
        vec![1],
    )
    .await;
    let full = Vault::create(other.clone(), &recipients, CHEAP).await;
    assert!(matches!(full, Err(VaultError::AlreadyExists { .. })));
    assert_eq!(names_in(&other, "").await.len(), 1);
}

#[tokio::test]
async fn leftovers_of_a_failed_creation_are_no_obstacle() {
    let ctx = context();
    create(&ctx).await;
    let vault = names::key("vault".into()).unwrap();
    ctx.store.delete(&vault, Condition::None).await.unwrap();
    let (second, _) = create(&ctx).await;
    let opened = Vault::open(ctx, &passphrase("correct horse"))
        .await
        .unwrap();
    assert_eq!(opened.id(), second.id());
}

#[tokio::test]
async fn racing_creators_make_one_vault() {
    let ctx = context();
    let recipients = [Recipient::KeyFile(Zeroizing::new([9; 32]))];
    let (a, b) = tokio::join!(
        Vault::create(ctx.clone(), &recipients, CHEAP),
        Vault::create(ctx.clone(), &recipients, CHEAP),
    );
    let winners: Vec<Vault> = [a, b]
        .into_iter()
        .flatten()
        .map(|(vault, _)| vault)
        .collect();
    let unlock = Unlock::KeyFile(Zeroizing::new([9; 32]));
    let opened = Vault::open(ctx, &unlock).await.unwrap();
    assert_eq!(winners.len(), 1);
    assert_eq!(winners[0].id(), opened.id());
}

#[tokio::test]
async fn mailboxes_are_made_once_and_listed() {
    let ctx = context();
    let (vault, _) = create(&ctx).await;
    let (ada, bob) = (profile("ada"), profile("bob"));
    let (first, second) = tokio::join!(
        vault.ensure_mailbox("tenant", &ada),
        vault.ensure_mailbox("tenant", &ada)
    );
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.id(), second.id());
    let same = |a: &crate::Mailbox, b: &crate::Mailbox| {
        a.core.keys.content_id(b"x") == b.core.keys.content_id(b"x")
    };
    assert!(same(&first, &second));
    vault.ensure_mailbox("tenant", &bob).await.unwrap();
    let elsewhere = vault.ensure_mailbox("other tenant", &ada).await.unwrap();
    assert_ne!(elsewhere.id(), first.id());
    assert!(!same(&elsewhere, &first));

    let mut renamed = ada.clone();
    renamed.address = "countess@example.com".into();
    let renamed_box = vault.ensure_mailbox("tenant", &renamed).await.unwrap();
    assert!(same(&renamed_box, &first));
    let opened = vault.mailbox(first.id()).await.unwrap();
    assert_eq!((opened.realm(), opened.profile()), ("tenant", &renamed));
    assert!(same(&opened, &first));

    let bob_key = names::mailbox_key(&vault.mailbox_id("tenant", &bob.id), 1).unwrap();
    let mut bytes = read(&ctx, &bob_key).await;
    bytes[40] ^= 1;
    write(&ctx, &bob_key, bytes).await;
    let listings = vault.mailboxes().await.unwrap();
    let (good, bad): (Vec<_>, Vec<_>) = listings.iter().partition(|l| l.details.is_ok());
    assert_eq!((good.len(), bad.len()), (2, 1));
    assert!(
        good.iter()
            .any(|l| l.details.as_ref().unwrap().profile == renamed)
    );

    let visible: String = names_in(&ctx, "")
        .await
        .iter()
        .map(Key::to_string)
        .collect();
    assert!(!visible.contains("ada") && !visible.contains("tenant"));
}

#[tokio::test]
async fn a_key_record_cannot_stand_in_for_another() {
    let ctx = context();
    let (vault, _) = create(&ctx).await;
    let ada = vault.ensure_mailbox("t", &profile("ada")).await.unwrap();
    let bob = vault.ensure_mailbox("t", &profile("bob")).await.unwrap();
    let ada_record = read(&ctx, &names::mailbox_key(ada.id(), 1).unwrap()).await;
    write(&ctx, &names::mailbox_key(bob.id(), 1).unwrap(), ada_record).await;
    assert!(vault.mailbox(bob.id()).await.is_err());
}

#[tokio::test]
async fn a_lost_mailbox_key_is_never_replaced_by_a_new_one() {
    let ctx = context();
    let (vault, _) = create(&ctx).await;
    let ada = vault.ensure_mailbox("t", &profile("ada")).await.unwrap();
    write(&ctx, &names::log(ada.id(), 1).unwrap(), vec![1]).await;
    let key = names::mailbox_key(ada.id(), 1).unwrap();
    ctx.store.delete(&key, Condition::None).await.unwrap();
    let error = vault
        .ensure_mailbox("t", &profile("ada"))
        .await
        .unwrap_err();
    assert!(matches!(error, VaultError::Missing { .. }), "{error}");
    assert!(!names_in(&ctx, "m/").await.contains(&key));
}

#[tokio::test]
async fn documents_are_created_replaced_listed_and_deleted() {
    let ctx = context();
    let (vault, _) = create(&ctx).await;
    let put = |name: &'static str, content: &'static [u8], mode| {
        let vault = vault.clone();
        async move { vault.put_document("connection", name, content, mode).await }
    };
    put("contoso", b"secret one", PutMode::Create)
        .await
        .unwrap();
    let again = put("contoso", b"secret two", PutMode::Create).await;
    assert!(matches!(again, Err(VaultError::AlreadyExists { .. })));
    put("contoso", b"secret two", PutMode::Replace)
        .await
        .unwrap();
    put("adatum", b"", PutMode::Create).await.unwrap();
    let content = vault.document("connection", "contoso").await.unwrap();
    assert_eq!(content.unwrap().as_slice(), b"secret two");
    assert_eq!(vault.document("connection", "nobody").await.unwrap(), None);
    assert_eq!(vault.document("filter", "contoso").await.unwrap(), None);
    assert_eq!(
        vault.documents("connection").await.unwrap(),
        ["adatum", "contoso"]
    );
    vault.delete_document("connection", "adatum").await.unwrap();
    vault.delete_document("connection", "adatum").await.unwrap();
    assert_eq!(vault.documents("connection").await.unwrap(), ["contoso"]);
    assert!(vault.documents("../m").await.is_err());

    for key in names_in(&ctx, "doc/").await {
        assert!(!key.as_str().contains("contoso"));
        let bytes = read(&ctx, &key).await;
        assert!(!bytes.windows(6).any(|window| window == b"secret"));
    }
}

#[tokio::test]
async fn runs_come_newest_first_and_damage_hides_no_other() {
    let ctx = context();
    let (vault, _) = create(&ctx).await;
    let start = DateTime::from_timestamp(1_790_000_000, 0).unwrap();
    let mut runs = vec![];
    for hours in [0, 1, 30, 31, 60] {
        let started_at = start + TimeDelta::hours(hours);
        let millis = u128::try_from(started_at.timestamp_millis()).unwrap();
        let run = RunSummary {
            run: RunId(Ulid(millis << 80).to_string()),
            connection: "contoso".into(),
            started_at,
            finished_at: started_at,
            mailboxes: vec![],
        };
        vault.put_run(&run).await.unwrap();
        runs.push(run);
    }
    runs.reverse();
    assert_eq!(vault.runs(100).await.unwrap(), runs);
    assert_eq!(vault.runs(3).await.unwrap(), runs[..3]);

    let key = names_in(&ctx, "runs/").await.pop().unwrap();
    let mut bytes = read(&ctx, &key).await;
    bytes[100] ^= 1;
    write(&ctx, &key, bytes).await;
    let history = vault.run_history(100).await.unwrap();
    assert_eq!(history.runs, runs[1..]);
    assert_eq!(history.unreadable.len(), 1);
    let bad = RunSummary {
        run: RunId("../evil".into()),
        ..runs[0].clone()
    };
    assert!(matches!(
        vault.put_run(&bad).await,
        Err(VaultError::Invalid { .. })
    ));
}

/// Whatever write a creation dies at, it can be repeated; and a vault that is there opens.
#[tokio::test]
async fn a_creation_can_die_anywhere() {
    let recipients = [Recipient::KeyFile(Zeroizing::new([9; 32]))];
    let unlock = Unlock::KeyFile(Zeroizing::new([9; 32]));
    let mut outcomes = [0, 0];
    for at in 1.. {
        for fault in [Fault::DieBefore, Fault::DieAfter] {
            let mut ctx = context();
            let good = Arc::clone(&ctx.store);
            let faulty = Arc::new(FaultStore::new(Arc::clone(&good)).at(at, fault));
            ctx.store = Arc::<FaultStore>::clone(&faulty) as _;
            let created = Vault::create(ctx.clone(), &recipients, CHEAP).await;
            if !faulty.is_dead() {
                assert!(created.is_ok());
                assert!(outcomes[0] > 5 && outcomes[1] == 1, "{outcomes:?}");
                return;
            }
            ctx.store = good;
            match Vault::open(ctx.clone(), &unlock).await {
                // Its last write arrived.
                Ok(_) => outcomes[1] += 1,
                Err(error) => {
                    assert!(matches!(error, VaultError::Missing { .. }), "{error}");
                    outcomes[0] += 1;
                    Vault::create(ctx.clone(), &recipients, CHEAP)
                        .await
                        .unwrap();
                    Vault::open(ctx, &unlock).await.unwrap();
                }
            }
        }
    }
}
