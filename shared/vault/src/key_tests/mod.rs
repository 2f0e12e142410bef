//! Keys over the years: recipients come and go, keys are rotated, people are erased, drills are held.

use std::sync::Arc;

use chrono::DateTime;
use mailkeep_ports::{
    Condition, Conditions, Fault, FaultStore, GetOptions, Key, MemoryKeyService, MemoryStore,
    PutOptions, RecordStore, SeededRng, Store, TestClock, Verb,
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
use crate::recipients::{For, PassphraseCost, Recipient, RecordPlace, Sealer, Unlock};
use crate::recovery_key::RecoveryKey;
use crate::testing::profile;
use crate::vault::Vault;

mod erasure;
mod nonces;
mod rotation;

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
    filled_on(Conditions::Honoured).await
}

/// The same on a store that treats conditions in this way.
async fn filled_on(conditions: Conditions) -> (Arc<MemoryStore>, RecoveryKey) {
    let clock = Arc::new(TestClock::new(DateTime::UNIX_EPOCH));
    let store = Arc::new(MemoryStore::new(clock));
    let faulty = FaultStore::new(store.clone()).with_conditions(conditions);
    let options = CreateOptions {
        passphrase_cost: CHEAP,
        ..CreateOptions::default()
    };
    let ctx = context_of(Arc::new(faulty), 1);
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
