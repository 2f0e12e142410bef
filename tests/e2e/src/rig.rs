//! A tenant, a vault and a connection between them.

use std::sync::Arc;
use std::time::Duration;

use exchange_sim::{Admin, MailProfile, SimClock, SimTenant, SimTenantBuilder};
use mailkeep_engine::backup::{BackupRequest, backup};
use mailkeep_engine::{Engine, EngineError, Quiet, StopSignal, browse};
use mailkeep_exchange::graph::{Cloud, Credential, GraphClient, GraphConnection, GraphSource};
use mailkeep_model::{MailboxOutcome, MailboxSummary, RunSummary, SourceMailboxId};
use mailkeep_ports::{MemoryStore, RecordStore, SeededRng, Store};
use mailkeep_vault::{Mailbox, MailboxView, Recipient, Unlock, Vault, VaultContext};

use crate::{TenantClock, stored, truth};

const REALM: &str = "tenant";

/// Everything that one scenario needs.
pub struct Rig {
    /// The tenant.
    pub sim: SimTenant,
    /// Control over it.
    pub admin: Admin,
    /// The one clock.
    pub clock: Arc<TenantClock>,
    /// Randomness of mailkeep.
    pub rng: Arc<SeededRng>,
    /// Where the vault's objects are.
    pub memory: Arc<MemoryStore>,
    /// Counts what the vault asks of it.
    pub store: Arc<RecordStore>,
    /// The vault.
    pub vault: Vault,
    /// Back up hidden folders, too.
    pub with_hidden: bool,
}

/// A tenant of small mail.
#[must_use]
pub fn small(mailboxes: u32, items: u32) -> SimTenantBuilder {
    SimTenant::builder()
        .mailboxes(mailboxes)
        .items_per_mailbox(items)
        .profile(MailProfile::Small)
}

fn key() -> zeroize::Zeroizing<[u8; 32]> {
    zeroize::Zeroizing::new([7; 32])
}

impl Rig {
    /// Starts a tenant and makes an empty vault.
    pub async fn start(builder: SimTenantBuilder) -> Self {
        let sim = builder.clock(SimClock::default()).start().await.unwrap();
        let clock = Arc::new(TenantClock(sim.clock()));
        let rng = Arc::new(SeededRng::new(1));
        let memory = Arc::new(MemoryStore::new(clock.clone()));
        let store = Arc::new(RecordStore::new(memory.clone()));
        let context = VaultContext {
            store: store.clone(),
            clock: clock.clone(),
            rng: rng.clone(),
        };
        let recipients = [Recipient::KeyFile(key())];
        let made = Vault::create(context, &recipients, Default::default()).await;
        let (vault, _) = made.unwrap();
        Self {
            admin: sim.admin(),
            sim,
            clock,
            rng,
            memory,
            store,
            vault,
            with_hidden: false,
        }
    }

    /// An engine on the vault.
    #[must_use]
    pub fn engine(&self) -> Engine {
        Engine::new(self.vault.clone(), self.clock.clone(), self.rng.clone())
    }

    /// An engine whose vault reaches its objects through another store.
    ///
    /// # Errors
    /// When the vault cannot be opened there.
    pub async fn engine_on(&self, store: Arc<dyn Store>) -> Result<Engine, EngineError> {
        let context = VaultContext {
            store,
            clock: self.clock.clone(),
            rng: self.rng.clone(),
        };
        let vault = Vault::open(context, &Unlock::KeyFile(key())).await?;
        Ok(Engine::new(vault, self.clock.clone(), self.rng.clone()))
    }

    /// A new vault in another store.
    pub async fn create_on(&self, store: Arc<dyn Store>) -> Engine {
        let context = VaultContext {
            store,
            clock: self.clock.clone(),
            rng: self.rng.clone(),
        };
        let made = Vault::create(context, &[Recipient::KeyFile(key())], Default::default()).await;
        Engine::new(made.unwrap().0, self.clock.clone(), self.rng.clone())
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> GraphConnection {
        let secret = Credential::Secret(self.sim.client_secret.clone().into());
        GraphConnection {
            login_url: self.sim.base_url().into(),
            graph_url: self.sim.base_url().into(),
            ..GraphConnection::new(
                &self.sim.tenant_id,
                &self.sim.client_id,
                secret,
                Cloud::Worldwide,
            )
        }
    }

    /// A client as a new process has it.
    #[must_use]
    pub fn client(&self) -> Arc<GraphClient> {
        GraphClient::new(&self.connection(), self.clock.clone(), self.rng.clone()).unwrap()
    }

    /// A source as a new process has it.
    #[must_use]
    pub fn source(&self) -> Arc<GraphSource> {
        Arc::new(GraphSource::with_client(self.client()))
    }

    /// Everything of every mailbox.
    #[must_use]
    pub fn request(&self) -> BackupRequest {
        BackupRequest {
            include_hidden: self.with_hidden,
            ..BackupRequest::new(REALM, "simulated")
        }
    }

    /// Backs up with everything given.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn try_back_up(
        &self,
        engine: &Engine,
        request: BackupRequest,
    ) -> Result<RunSummary, EngineError> {
        let (observer, stop) = (Arc::new(Quiet), StopSignal::new());
        backup(engine, self.source(), request, observer, stop).await
    }

    /// Backs up every mailbox.
    pub async fn back_up(&self) -> RunSummary {
        let run = self.try_back_up(&self.engine(), self.request()).await;
        run.unwrap()
    }

    /// Backs up every mailbox, expects that all is well, and compares with the tenant.
    pub async fn back_up_complete(&self) -> RunSummary {
        let summary = self.back_up().await;
        for mailbox in &summary.mailboxes {
            assert_eq!(mailbox.outcome, MailboxOutcome::Complete, "{mailbox:?}");
            assert!(mailbox.warnings.is_empty(), "{mailbox:?}");
        }
        assert_eq!(summary.exit_code(), 0);
        self.check().await;
        summary
    }

    /// Ids of the accounts with a mailbox.
    #[must_use]
    pub fn mailboxes(&self) -> Vec<String> {
        let all = self.admin.mailboxes().into_iter();
        let usable = all.filter(|mailbox| mailbox.has_mailbox);
        usable.map(|mailbox| mailbox.id).collect()
    }

    /// The first mailbox's id.
    #[must_use]
    pub fn first(&self) -> String {
        self.mailboxes().remove(0)
    }

    /// The id of a well-known folder.
    #[must_use]
    pub fn folder(&self, mailbox: &str, name: &str) -> String {
        let mut folders = self.admin.folders(mailbox).unwrap().into_iter();
        let found = folders.find(|folder| folder.well_known == Some(name));
        found.unwrap().id
    }

    /// Items of the first mailbox's visible folders, oldest first.
    #[must_use]
    pub fn items(&self, mailbox: &str) -> Vec<exchange_sim::admin::ItemTruth> {
        let truth = truth(&self.admin, mailbox, false);
        let mut items = self.admin.items(mailbox).unwrap();
        items.retain(|item| truth.facts.folders.contains_key(&item.folder));
        items
    }

    /// The mailbox in the vault.
    pub async fn mailbox(&self, id: &str) -> Mailbox {
        browse::find_mailbox(&self.engine(), id).await.unwrap()
    }

    /// The mailbox as it is in the vault now.
    pub async fn view(&self, id: &str) -> MailboxView {
        self.mailbox(id).await.view().await.unwrap()
    }

    /// The vault holds exactly what the tenant holds.
    pub async fn check(&self) {
        self.check_on(&self.engine()).await;
    }

    /// As [`Self::check`], through another engine.
    pub async fn check_on(&self, engine: &Engine) {
        for mailbox in self.mailboxes() {
            let found = browse::find_mailbox(engine, &mailbox).await.unwrap();
            let view = found.view().await.unwrap();
            assert!(view.gaps().is_empty(), "{:?}", view.gaps());
            let truth = truth(&self.admin, &mailbox, self.with_hidden);
            let held = stored(&view, self.with_hidden).await;
            held.expect(&truth, &mailbox);
        }
    }

    /// Reads of content, by items.
    #[must_use]
    pub fn content_reads(&self) -> u64 {
        let counters = self.admin.counters();
        let reads = counters.iter().filter(|(name, _)| name.contains("$value"));
        reads.map(|(_, count)| count).sum()
    }

    /// Writes to the vault below a mailbox since the last call of `store.take()`.
    #[must_use]
    pub fn mailbox_writes(&self) -> Vec<mailkeep_ports::Call> {
        self.store.calls_to(mailkeep_ports::Verb::Put, "m/")
    }

    /// Starts to count anew.
    pub fn count_anew(&self) {
        self.admin.reset_counters();
        self.store.take();
    }

    /// Lets enough time pass that every window of the service's limits is empty again.
    pub fn rest(&self) {
        self.admin.advance(Duration::from_secs(660));
    }
}

/// How one mailbox of a run went.
#[must_use]
pub fn of<'a>(summary: &'a RunSummary, mailbox: &str) -> &'a MailboxSummary {
    let id = SourceMailboxId(mailbox.to_owned());
    let mut all = summary.mailboxes.iter();
    all.find(|one| one.mailbox == id).unwrap()
}
