//! Stores that ignore, refuse or misreport conditional writes.

use std::sync::Arc;

use mailkeep_model::ItemId;
use mailkeep_ports::{
    Conditions, Fault, FaultStore, GetOptions, Key, MemoryStore, PutOptions, Store,
    StoreCapabilities,
};
use zeroize::Zeroizing;

use super::crashes::on_each_call;
use super::races::every_interleaving;
use super::world::{
    commit, contents, context, folder, item, mailbox, mime, new_mailbox, put, read, small,
};
use crate::create::CreateOptions;
use crate::error::VaultError;
use crate::looking::LookingStore;
use crate::mailbox::Mailbox;
use crate::recipients::{Recipient, Unlock};
use crate::repair::RepairMode;
use crate::testing::profile;
use crate::vault::Vault;

/// Every way in which a store can treat conditions wrongly.
const LIARS: [Conditions; 5] = [
    Conditions::Ignored,
    Conditions::Refused,
    Conditions::Raced,
    Conditions::Misreported,
    Conditions::Blind,
];

/// A mailbox of a vault that knows that its store does not honour conditions.
pub(crate) fn looking(store: Arc<dyn Store>, seed: u64) -> Mailbox {
    careful(mailbox(look(store), seed))
}

/// The store as such a vault sees it.
pub(crate) fn look(store: Arc<dyn Store>) -> Arc<dyn Store> {
    let can = StoreCapabilities {
        conditional_create: false,
        conditional_replace: false,
        object_lock: false,
        checksums: true,
    };
    LookingStore::wrap(store, &can)
}

/// The mailbox as such a vault opens it.
pub(crate) fn careful(mut mailbox: Mailbox) -> Mailbox {
    mailbox.core.honours_create = false;
    mailbox
}

#[tokio::test]
async fn a_vault_says_what_is_lost_and_works_all_the_same() {
    for conditions in LIARS {
        let (memory, _) = new_mailbox();
        let liar = FaultStore::new(memory.clone()).with_conditions(conditions);
        let ctx = context(Arc::new(liar), 1);
        let key = Zeroizing::new([7; 32]);
        let recipients = [Recipient::KeyFile(key.clone())];
        Vault::create(ctx.clone(), &recipients, CreateOptions::default())
            .await
            .unwrap();
        let vault = Vault::open(ctx, &Unlock::KeyFile(key)).await.unwrap();
        let [lost] = vault.info().shortcomings().try_into().unwrap();
        assert!(lost.contains("Let only one machine at a time"), "{lost}");

        let ada = vault.ensure_mailbox("t", &profile("ada")).await.unwrap();
        assert!(!ada.core.honours_create, "{conditions:?}");
        for round in 0..5 {
            let writer = ada.writer().await.unwrap();
            writer.put_folder(folder("inbox", None));
            let id = format!("i{round}");
            put(&writer, item(&id, "inbox", round), &mime(&id))
                .await
                .unwrap();
            writer.remove_item(&ItemId("i1".into()));
            commit(&writer).await.unwrap();
        }
        let found = contents(&ada.view().await.unwrap()).await;
        assert_eq!(found.len(), 4, "{conditions:?}");
        let document = vault.put_document("connection", "a", b"1", crate::PutMode::Create);
        document.await.unwrap();
        let again = vault.put_document("connection", "a", b"2", crate::PutMode::Create);
        let again = again.await.unwrap_err();
        assert!(matches!(again, VaultError::AlreadyExists { .. }), "{again}");
        assert_eq!(vault.renew_mailbox_key(ada.id()).await.unwrap(), 2);
    }
}

#[tokio::test]
async fn a_store_that_can_do_everything_has_no_shortcomings() {
    let ctx = crate::testing::context();
    let recipients = [Recipient::KeyFile(Zeroizing::new([7; 32]))];
    let (vault, _) = Vault::create(ctx, &recipients, CreateOptions::default())
        .await
        .unwrap();
    assert!(vault.info().shortcomings().is_empty());
}

/// Nothing conditional reaches the store, so that one kind of liar stands for all of them.
#[tokio::test]
async fn a_backup_can_die_anywhere_on_a_store_that_refuses_conditions() {
    for fault in [
        Fault::DieBefore,
        Fault::DieAfter,
        Fault::AnswerLost,
        Fault::RequestLost,
    ] {
        on_each_call(fault, &|store| {
            store.set_conditions(Conditions::Refused);
            looking(store, 5)
        })
        .await;
    }
}

#[tokio::test]
async fn commits_that_take_turns_end_alike_on_every_liar() {
    for conditions in LIARS {
        every_interleaving(&|store, seed| {
            let liar = FaultStore::new(store).with_conditions(conditions);
            looking(Arc::new(liar), seed)
        })
        .await;
    }
}

async fn bytes(store: &MemoryStore, name: &str) -> bytes::Bytes {
    let key = Key::new(name).unwrap();
    let object = store.get(&key, GetOptions::default()).await.unwrap();
    object.body
}

/// The one race that looking cannot prevent: both looked before either wrote. Whoever is overwritten
/// notices before it builds on a commit that is not there.
#[tokio::test]
async fn who_was_overwritten_builds_nothing_on_it() {
    let (store, _) = new_mailbox();
    let (one, two) = (looking(store.clone(), 1), looking(store.clone(), 2));
    let (first, second) = (one.writer().await.unwrap(), two.writer().await.unwrap());
    for (writer, id) in [(&first, "first"), (&second, "second")] {
        writer.put_folder(folder("inbox", None));
        put(writer, item(id, "inbox", 1), &mime(id)).await.unwrap();
    }
    let elsewhere = Arc::new(store.fork());
    commit(&first).await.unwrap();
    // The second one's write arrives last.
    let name = format!("m/{}/log/{:020}", one.id(), 1);
    let late = looking(elsewhere.clone(), 3).writer().await.unwrap();
    late.put_folder(folder("inbox", None));
    put(&late, item("second", "inbox", 1), &mime("second"))
        .await
        .unwrap();
    commit(&late).await.unwrap();
    let body = bytes(&elsewhere, &name).await;
    let key = Key::new(name).unwrap();
    store.put(&key, body, PutOptions::default()).await.unwrap();

    put(&first, item("more", "inbox", 2), &mime("more"))
        .await
        .unwrap();
    for _ in 0..2 {
        let error = commit(&first).await.unwrap_err();
        assert!(matches!(error, VaultError::Stale { .. }), "{error}");
    }
    let found = contents(&two.view().await.unwrap()).await;
    assert_eq!(found.keys().collect::<Vec<_>>(), ["second"]);
    // The one that is behind takes its turn as ever.
    commit(&second).await.unwrap();
    let again = looking(store, 4).writer().await.unwrap();
    for id in ["first", "more"] {
        put(&again, item(id, "inbox", 2), &mime(id)).await.unwrap();
    }
    commit(&again).await.unwrap();
    assert_eq!(contents(&two.view().await.unwrap()).await.len(), 3);
}

/// A vault that was copied to a store that ignores conditions, where nobody probed. Overwriting breaks the
/// chain, which every reader is told, and a repair makes it whole.
#[tokio::test]
async fn a_chain_that_was_overwritten_is_told_and_repaired() {
    let (store, _) = new_mailbox();
    let open = |seed| {
        let liar = FaultStore::new(store.clone()).with_conditions(Conditions::Ignored);
        mailbox(Arc::new(liar), seed)
    };
    let base = open(1).writer().await.unwrap();
    base.put_folder(folder("inbox", None));
    put(&base, item("a", "inbox", 1), &mime("a")).await.unwrap();
    commit(&base).await.unwrap();
    let paused = open(2).writer().await.unwrap();
    put(&paused, item("late", "inbox", 1), &mime("late"))
        .await
        .unwrap();
    for id in ["b", "c", "d"] {
        put(&base, item(id, "inbox", 2), &mime(id)).await.unwrap();
        commit(&base).await.unwrap();
    }
    commit(&paused).await.unwrap();

    let error = open(3).view().await.unwrap_err();
    assert!(matches!(error, VaultError::Corrupt { .. }), "{error}");
    let run = mailkeep_model::RunId("01REPAIR".into());
    let report = open(4)
        .repair_with(&run, RepairMode::Apply, small())
        .await
        .unwrap();
    assert!(report.lists_anew && !report.is_sound(), "{report:?}");
    let view = open(5).view().await.unwrap();
    let writer = open(5).writer().await.unwrap();
    for id in ["a", "c", "d"] {
        let version = view.item(writer.key(&ItemId(id.into()))).await.unwrap();
        assert_eq!(read(&view, &version.unwrap()).await, mime(id));
    }
    assert!(writer.cursors().is_empty(), "everything is listed anew");
}
