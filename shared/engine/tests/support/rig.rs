//! A tenant and a vault, and the comparison of the two.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::TryStreamExt;
use mailkeep_engine::backup::{BackupRequest, backup};
use mailkeep_engine::{Engine, Event, Observer, StopSignal, browse};
use mailkeep_model::{Item, MailboxOutcome, MailboxSummary, RunSummary};
use mailkeep_ports::{MemoryStore, SeededRng, Store, TestClock};
use mailkeep_vault::{
    ItemFilter, ItemVersion, Mailbox, MailboxView, Recipient, Unlock, Vault, VaultContext,
};

use super::source::FakeTenant;

pub const REALM: &str = "tenant";

/// Remembers every event.
#[derive(Default)]
pub struct Log(pub Mutex<Vec<Event>>);

impl Observer for Log {
    fn event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

pub struct Rig {
    pub tenant: FakeTenant,
    pub clock: Arc<TestClock>,
    pub rng: Arc<SeededRng>,
    pub store: Arc<MemoryStore>,
    pub vault: Vault,
    pub log: Arc<Log>,
}

fn key() -> zeroize::Zeroizing<[u8; 32]> {
    zeroize::Zeroizing::new([7; 32])
}

impl Rig {
    /// One mailbox, `ann`, with an inbox.
    pub async fn new() -> Self {
        let clock = Arc::new(TestClock::new("2026-11-22T10:15:00Z".parse().unwrap()));
        let rng = Arc::new(SeededRng::new(1));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let context = VaultContext {
            store: store.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
        };
        let recipients = [Recipient::KeyFile(key())];
        let (vault, _) = Vault::create(context, &recipients, Default::default())
            .await
            .unwrap();
        let tenant = FakeTenant::default();
        tenant.add_mailbox("ann");
        Self {
            tenant,
            clock,
            rng,
            store,
            vault,
            log: Arc::default(),
        }
    }

    pub fn engine(&self) -> Engine {
        Engine::new(self.vault.clone(), self.clock.clone(), self.rng.clone())
    }

    /// An engine whose vault reaches the same objects through another store.
    pub async fn engine_on(&self, store: Arc<dyn Store>) -> Engine {
        let context = VaultContext {
            store,
            clock: self.clock.clone(),
            rng: self.rng.clone(),
        };
        let vault = Vault::open(context, &Unlock::KeyFile(key())).await.unwrap();
        Engine::new(vault, self.clock.clone(), self.rng.clone())
    }

    pub fn request(&self) -> BackupRequest {
        BackupRequest::new(REALM, "contoso")
    }

    pub async fn run(&self) -> RunSummary {
        self.run_with(&self.engine(), self.request()).await
    }

    pub async fn run_with(&self, engine: &Engine, request: BackupRequest) -> RunSummary {
        let source = Arc::new(self.tenant.clone());
        backup(engine, source, request, self.log.clone(), StopSignal::new())
            .await
            .unwrap()
    }

    /// Backs up everything and tells how `ann` went.
    pub async fn back_up(&self) -> MailboxSummary {
        let summary = self.run().await;
        let mut mailboxes = summary.mailboxes.into_iter();
        mailboxes.find(|m| m.mailbox.as_str() == "ann").unwrap()
    }

    /// Backs up and expects that all is there.
    pub async fn back_up_complete(&self) -> MailboxSummary {
        let summary = self.back_up().await;
        assert_eq!(
            summary.outcome,
            MailboxOutcome::Complete,
            "{:?}",
            summary.warnings
        );
        self.check("ann").await;
        summary
    }

    pub async fn mailbox(&self, name: &str) -> Mailbox {
        browse::find_mailbox(&self.engine(), &format!("{name}@example.com"))
            .await
            .unwrap()
    }

    pub async fn view(&self, name: &str) -> MailboxView {
        self.mailbox(name).await.view().await.unwrap()
    }

    /// Every current item of the vault by its id at the source.
    pub async fn stored(&self, name: &str) -> BTreeMap<String, ItemVersion> {
        items(&self.view(name).await).await
    }

    /// As [`Self::stored`]; `None` when the mailbox was never made.
    pub async fn try_stored(&self, name: &str) -> Option<BTreeMap<String, ItemVersion>> {
        let address = format!("{name}@example.com");
        let mailbox = browse::find_mailbox(&self.engine(), &address).await.ok()?;
        Some(items(&mailbox.view().await.unwrap()).await)
    }

    pub async fn id_of(&self, name: &str, source_id: &str) -> ItemVersion {
        self.stored(name).await.remove(source_id).unwrap()
    }

    /// The vault's present holds exactly what the source holds, byte for byte.
    pub async fn check(&self, name: &str) {
        self.check_but(name, &[]).await;
    }

    /// As [`Self::check`], but these items may be missing or old.
    pub async fn check_but(&self, name: &str, excepted: &[&str]) {
        let view = self.view(name).await;
        let mut stored = items(&view).await;
        let source = self.tenant.with(name, |m| m.items.clone());
        for (id, item) in &source {
            if excepted.contains(&id.as_str()) {
                stored.remove(id);
                continue;
            }
            let Some(version) = stored.remove(id) else {
                panic!("{id} is not in the vault");
            };
            assert_eq!(version.item, item.item, "metadata of {id}");
            assert_eq!(
                content(&view, &version).await,
                item.content,
                "content of {id}"
            );
        }
        let left: Vec<(&String, &Item)> = stored.iter().map(|(id, v)| (id, &v.item)).collect();
        assert!(
            left.is_empty(),
            "in the vault but not at the source: {left:?}"
        );
    }
}

pub async fn items(view: &MailboxView) -> BTreeMap<String, ItemVersion> {
    let mut all = BTreeMap::new();
    let mut after = None;
    loop {
        let page = view
            .items(&ItemFilter::default(), after.as_ref(), 7)
            .await
            .unwrap();
        for version in page.items {
            let id = version.item.id.0.clone();
            assert!(all.insert(id, version).is_none(), "listed twice");
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

pub async fn content(view: &MailboxView, version: &ItemVersion) -> Vec<u8> {
    let mime = view.content(version).await.unwrap().mime();
    let pieces: Vec<_> = mime.try_collect().await.unwrap();
    pieces.concat()
}
