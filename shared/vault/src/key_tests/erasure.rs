//! Erasing a person.

use super::*;

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
