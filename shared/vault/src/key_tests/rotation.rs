//! Recipients and rotation.

use super::*;

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
        .seal(&For::Recovery(thief.public().unwrap()), &place)
        .await
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
    rotation_dies_everywhere(Conditions::Honoured).await;
}

#[tokio::test]
async fn a_rotation_can_die_anywhere_on_a_store_that_refuses_conditions() {
    rotation_dies_everywhere(Conditions::Refused).await;
}

async fn rotation_dies_everywhere(conditions: Conditions) {
    let (good, recovery) = filled_on(conditions).await;
    let mut by_old_key = [0, 0];
    for at in 1.. {
        for fault in [
            Fault::DieBefore,
            Fault::DieAfter,
            Fault::AnswerLost,
            Fault::RequestLost,
        ] {
            let store = Arc::new(good.fork());
            let faulty = FaultStore::new(store.clone()).with_conditions(conditions);
            let faulty = Arc::new(faulty.at(at, fault));
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
async fn a_key_service_opens_what_was_sealed_for_it_and_goes_through_a_rotation() {
    let (store, recovery) = filled().await;
    let service = Arc::new(MemoryKeyService::new("ours"));
    let other = Unlock::KeyService(Arc::new(MemoryKeyService::new("theirs")));
    let unlock = Unlock::KeyService(service.clone());
    let wrong_key = |result| matches!(result, Err(VaultError::WrongKey { .. }));
    assert!(wrong_key(opens(&store, &unlock).await));

    let mut keychain = Keychain::open(context_of(store.clone(), 2), &with(1))
        .await
        .unwrap();
    let recipient = Recipient::KeyService(service.clone());
    let id = keychain.add(&recipient, CHEAP).await.unwrap();
    check(&opens(&store, &unlock).await.unwrap(), 1).await;
    assert!(wrong_key(opens(&store, &other).await));
    let entries = keychain.recipients().await.unwrap();
    let added = entries.iter().find(|entry| entry.id == id).unwrap();
    let kind = added.details.as_ref().unwrap().kind;
    assert_eq!(kind, RecipientKind::KeyService);

    keychain.rotate(&[recipient], CHEAP).await.unwrap();
    check(&opens(&store, &unlock).await.unwrap(), 1).await;
    assert!(wrong_key(opens(&store, &with(1)).await));
    opens(&store, &paper(&recovery)).await.unwrap();
    // Once when it is sealed, to be sure, and once for each opening.
    assert_eq!(service.opens(), 2 + 2);
}
