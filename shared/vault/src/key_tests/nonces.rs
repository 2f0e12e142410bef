//! No key and nonce pair seals two things: each sealed object has a key of its own, made from a salt that
//! is never used again, and numbers its frames.

use std::collections::BTreeMap;
use std::sync::Mutex;

use bytes::Bytes;
use mailkeep_model::RunId;
use mailkeep_ports::{
    Damage, ETag, FaultRates, ListOptions, ListPage, Object, ObjectInfo, Retention, StoreError,
    damage,
};

use super::*;
use crate::format::records::{MailboxKeyRecord, RootRecord, VaultRecord};
use crate::index::writer::MailboxWriter;
use crate::repair::RepairMode;
use crate::retain::report::RetainLimits;

/// Remembers everything that was ever written, also what was overwritten or refused.
struct Keeping {
    inner: Arc<MemoryStore>,
    puts: Mutex<Vec<(String, Bytes)>>,
}

#[async_trait::async_trait]
impl Store for Keeping {
    async fn put(&self, key: &Key, body: Bytes, options: PutOptions) -> Result<ETag, StoreError> {
        let kept = (key.to_string(), body.clone());
        self.puts.lock().unwrap().push(kept);
        self.inner.put(key, body, options).await
    }
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        self.inner.get(key, options).await
    }
    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        self.inner.head(key).await
    }
    async fn list(&self, options: ListOptions) -> Result<ListPage, StoreError> {
        self.inner.list(options).await
    }
    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), StoreError> {
        self.inner.delete(key, condition).await
    }
    async fn extend_retention(&self, key: &Key, retention: Retention) -> Result<(), StoreError> {
        self.inner.extend_retention(key, retention).await
    }
}

/// Everything that seals: creation, backups of two writers over a store that conflicts and loses answers,
/// retention, repair, documents, runs, rotation, a renewed mailbox key.
async fn a_life(store: Arc<Keeping>) {
    let memory = store.inner.clone();
    let rates = FaultRates {
        conflict: 60,
        answer_lost: 60,
        request_lost: 40,
        ..FaultRates::default()
    };
    let faulty = Arc::new(FaultStore::new(store));
    let options = CreateOptions {
        passphrase_cost: CHEAP,
        ..CreateOptions::default()
    };
    let ctx = context_of(faulty.clone(), 1);
    let made = Vault::create(ctx.clone(), &[file(1)], options).await;
    let (vault, _) = made.unwrap();
    let ada = vault.ensure_mailbox("t", &profile("ada")).await.unwrap();
    let faulty = Arc::new(FaultStore::new(ctx.store.clone()).by_chance(3, rates));
    let mut core = ada.core.clone();
    core.ctx.store = faulty;
    let limits = world::small();
    let open = || MailboxWriter::open(core.clone(), limits);
    let (one, two) = (world::persist(open).await, world::persist(open).await);
    for round in 0..8 {
        for (writer, who) in [(&one, "a"), (&two, "b")] {
            writer.put_folder(world::folder("inbox", None));
            let id = format!("{who}{round}");
            let item = world::item(&id, "inbox", round);
            let message = world::big_mime(&id, 1_500);
            world::persist(|| world::put(writer, item.clone(), &message)).await;
            if round > 2 {
                let old = format!("{who}{}", round - 2);
                writer.remove_item(&mailkeep_model::ItemId(old));
            }
            world::persist(|| world::commit(writer)).await;
        }
    }
    let mut settings = vault.retention_settings().await.unwrap();
    settings.default.keep_days = Some(0);
    settings.confirmed_at = Some(settings.clock + chrono::TimeDelta::days(40));
    settings.clock += chrono::TimeDelta::days(40);
    let limits = RetainLimits {
        floor_commits: 6,
        versions: 2,
        ..RetainLimits::default()
    };
    let refresh = || async { Ok(settings.clone()) };
    let retained = ada.retain_with(7, &settings, refresh, &limits).await;
    assert!(retained.unwrap().dropped_versions > 0);
    let view = ada.view().await.unwrap();
    let last = names::log(ada.id(), view.sequence()).unwrap();
    damage(&*memory, &last, &Damage::FlipBit(90)).await.unwrap();
    let run = RunId("01REPAIR".into());
    let report = ada
        .repair_with(&run, RepairMode::Apply, world::small())
        .await;
    assert!(!report.unwrap().is_sound());
    for content in [&b"1"[..], b"2"] {
        let mode = crate::PutMode::Replace;
        let put = vault.put_document("connection", "contoso", content, mode);
        put.await.unwrap();
    }
    let mut keychain = Keychain::open(ctx, &with(1)).await.unwrap();
    keychain.rotate(&[file(2)], CHEAP).await.unwrap();
    let vault = keychain.vault();
    assert_eq!(vault.renew_mailbox_key(ada.id()).await.unwrap(), 2);
    add_item(vault, "ada", "new").await;
}

/// What a record's key is made from; a record may hold two.
fn salts(name: &str, body: &[u8]) -> Vec<Vec<u8>> {
    if name == "vault" {
        let record: VaultRecord = envelope::decode(name, body).unwrap();
        return vec![record.root.unwrap().salt];
    }
    if name.ends_with("/root") {
        return vec![envelope::decode::<RootRecord>(name, body).unwrap().salt];
    }
    if name.starts_with("keys/") {
        return vec![
            envelope::decode::<RecipientRecord>(name, body)
                .unwrap()
                .salt,
        ];
    }
    vec![
        envelope::decode::<MailboxKeyRecord>(name, body)
            .unwrap()
            .salt,
    ]
}

#[tokio::test]
async fn no_key_and_nonce_pair_seals_two_things() {
    let clock = Arc::new(TestClock::new(DateTime::UNIX_EPOCH));
    let store = Arc::new(Keeping {
        inner: Arc::new(MemoryStore::new(clock)),
        puts: Mutex::default(),
    });
    a_life(store.clone()).await;
    let puts = std::mem::take(&mut *store.puts.lock().unwrap());
    // By salt: what it sealed.
    let mut sealed: BTreeMap<Vec<u8>, (String, Bytes)> = BTreeMap::new();
    let (mut objects, mut records) = (0, 0);
    for (name, body) in puts {
        let salts = match body.get(..4) {
            Some(b"MKV1") => {
                objects += 1;
                vec![body[16..48].to_vec()]
            }
            Some(b"MKR1") => {
                records += 1;
                salts(&name, &body)
            }
            _ => {
                let is_plain = name.starts_with("dict/") || name.starts_with("probe-");
                assert!(is_plain, "{name} is not sealed");
                continue;
            }
        };
        for salt in salts {
            assert_eq!(salt.len(), 32, "{name}");
            match sealed.get(&salt) {
                None => drop(sealed.insert(salt, (name.clone(), body.clone()))),
                // The very same bytes again under the very same name say nothing new.
                Some(before) => assert_eq!(*before, (name.clone(), body.clone())),
            }
        }
    }
    assert!(objects > 40 && records > 8, "{objects} {records}");
}
