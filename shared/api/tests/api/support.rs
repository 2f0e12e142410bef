//! A tenant, a vault with a backup of it, and the API on a socket of this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exchange_sim::{Admin, MailProfile, SimClock, SimTenant};
use mailkeep_api::auth::Role;
use mailkeep_api::auth::api_key::ApiKeys;
use mailkeep_api::{Api, ApiParts, ApiSettings, Front, Storage, serve};
use mailkeep_engine::backup::{BackupRequest, backup};
use mailkeep_engine::ledger::Ledger;
use mailkeep_engine::operation::VaultOperations;
use mailkeep_engine::plan::{PlanSettings, Planner};
use mailkeep_engine::work::{Site, VaultSite, WorkSettings, Worked, Worker};
use mailkeep_engine::{Engine, Quiet, StopSignal, browse};
use mailkeep_exchange::graph::{Cloud, Credential, GraphClient, GraphConnection, GraphSource};
use mailkeep_ports::{
    Clock, Links, MemoryQueue, MemoryStore, MemoryTable, SeededRng, Table, TestClock,
};
use mailkeep_setup::VaultConnections;
use mailkeep_setup::connection::{self, Connection, DOCUMENT_KIND, GraphReach, Reach};
use mailkeep_vault::{PutMode, Recipient, Unlock, Vault, VaultContext};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

/// Everything that one test needs.
pub(crate) struct World {
    pub(crate) sim: SimTenant,
    /// The clock of the API. Stands still unless moved.
    pub(crate) clock: Arc<TestClock>,
    pub(crate) engine: Engine,
    pub(crate) base: String,
    pub(crate) keys: BTreeMap<Role, String>,
    pub(crate) stop: StopSignal,
    http: reqwest::Client,
    backs_up: Engine,
    table: Arc<MemoryTable>,
    queue: Arc<MemoryQueue>,
    pub(crate) exports: Arc<MemoryStore>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }

    /// Fails unless the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        let text = String::from_utf8_lossy(&self.bytes);
        assert_eq!(self.status.as_u16(), status, "{text}");
        self
    }

    /// Fails unless it is a problem with this status and code.
    #[track_caller]
    pub(crate) fn problem(self, status: u16, code: &str) -> Value {
        let answer = self.expect(status);
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["status"], status);
        assert_eq!(problem["request_id"], answer.header("x-request-id"));
        assert_eq!(problem["type"], format!("urn:mailkeep:problem:{code}"));
        problem
    }
}

/// A request that is being put together.
pub(crate) struct Ask<'a>(reqwest::RequestBuilder, std::marker::PhantomData<&'a ()>);

impl Ask<'_> {
    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self(self.0.header(name, value), self.1)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        Self(self.0.json(body), self.1)
    }

    pub(crate) fn raw(self, body: impl Into<Vec<u8>>) -> Self {
        Self(self.0.body(body.into()), self.1)
    }

    pub(crate) async fn send(self) -> Answer {
        let response = self.0.send().await.unwrap();
        Answer {
            status: response.status(),
            headers: response.headers().clone(),
            bytes: response.bytes().await.unwrap().to_vec(),
        }
    }
}

fn key() -> zeroize::Zeroizing<[u8; 32]> {
    zeroize::Zeroizing::new([7; 32])
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(ApiSettings::default(), |table| table).await
    }

    /// With settings, and with the table behind something.
    pub(crate) async fn with(
        settings: ApiSettings,
        wrap: impl FnOnce(Arc<dyn Table>) -> Arc<dyn Table>,
    ) -> Self {
        Self::linking(settings, wrap, None).await
    }

    /// With what makes links to files of exports, too.
    pub(crate) async fn linking(
        settings: ApiSettings,
        wrap: impl FnOnce(Arc<dyn Table>) -> Arc<dyn Table>,
        links: Option<Arc<dyn Links>>,
    ) -> Self {
        let sim = SimTenant::builder()
            .mailboxes(2)
            .items_per_mailbox(15)
            .profile(MailProfile::Small)
            .unusual_mail(false)
            .other_accounts(false)
            .rebuild_mime(false)
            .clock(SimClock::default())
            .start()
            .await
            .unwrap();
        let start = sim.clock().now();
        let clock = Arc::new(TestClock::manual(start));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let rng = Arc::new(SeededRng::new(1));
        let context = |clock: Arc<dyn Clock>| VaultContext {
            store: store.clone(),
            clock,
            rng: rng.clone(),
        };
        let sleepless: Arc<dyn Clock> = Arc::new(TestClock::new(start));
        let recipients = [Recipient::KeyFile(key())];
        let made = Vault::create(context(sleepless.clone()), &recipients, Default::default()).await;
        let queue = Arc::new(MemoryQueue::new(sleepless.clone(), 5));
        let exports = Arc::new(MemoryStore::new(sleepless.clone()));
        let backs_up = Engine::new(made.unwrap().0, sleepless, rng.clone());
        let vault = Vault::open(context(clock.clone()), &Unlock::KeyFile(key())).await;
        let engine = Engine::new(vault.unwrap(), clock.clone(), rng.clone());

        let table = Arc::new(MemoryTable::new());
        let api_keys = ApiKeys::new(table.clone(), clock.clone());
        let mut keys = BTreeMap::new();
        for role in Role::ALL {
            let made = api_keys.add(role.name(), BTreeSet::from([role]), None, &*rng);
            let made = made.await.unwrap();
            keys.insert(role, made.key.expose_secret().to_owned());
        }
        let api = Api::new(ApiParts {
            engine: engine.clone(),
            table: wrap(table.clone()),
            tasks: queue.clone(),
            exports: exports.clone(),
            links,
            storage: Storage {
                name: "main".into(),
                kind: "folder".into(),
                place: "/vault".into(),
            },
            authenticate: Arc::new(api_keys),
            settings,
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = StopSignal::new();
        let stopped = stop.clone();
        tokio::spawn(async move { serve(listener, &api, Front::Direct, &stopped).await });
        let world = Self {
            sim,
            clock,
            engine,
            base,
            keys,
            stop,
            http: reqwest::Client::new(),
            backs_up,
            table,
            queue,
            exports,
        };
        world.back_up().await;
        world
    }

    pub(crate) fn admin(&self) -> Admin {
        self.sim.admin()
    }

    /// Backs up every mailbox.
    pub(crate) async fn back_up(&self) {
        let secret = Credential::Secret(self.sim.client_secret.clone().into());
        let connection = GraphConnection {
            login_url: self.sim.base_url().into(),
            graph_url: self.sim.base_url().into(),
            ..GraphConnection::new(
                &self.sim.tenant_id,
                &self.sim.client_id,
                secret,
                Cloud::Worldwide,
            )
        };
        let (clock, rng) = (self.backs_up.clock().clone(), self.backs_up.rng().clone());
        let client = GraphClient::new(&connection, clock, rng).unwrap();
        let source = Arc::new(GraphSource::with_client(client));
        let request = BackupRequest::new("tenant", "simulated");
        let (observer, stop) = (Arc::new(Quiet), StopSignal::new());
        let run = backup(&self.backs_up, source, request, observer, stop).await;
        assert_eq!(run.unwrap().exit_code(), 0);
    }

    /// Stores a connection to the tenant.
    pub(crate) async fn connect(&self, name: &str) {
        let hosts = (
            "worldwide".to_owned(),
            self.sim.base_url().to_owned(),
            self.sim.base_url().to_owned(),
        );
        let credential = connection::Credential::Secret {
            client_secret: self.sim.client_secret.clone().into(),
        };
        let (tenant, client) = (self.sim.tenant_id.clone(), self.sim.client_id.clone());
        let reach = GraphReach::new(tenant, client, hosts, credential).unwrap();
        let made = Connection::new(name.to_owned(), Reach::Graph(reach)).unwrap();
        let document = made.to_document().unwrap();
        let vault = self.backs_up.vault();
        let put = vault.put_document(DOCUMENT_KIND, name, &document, PutMode::Create);
        put.await.unwrap();
    }

    /// What workers and planner do, until there is nothing more to do now.
    pub(crate) async fn work(&self) {
        let (clock, rng) = (self.backs_up.clock().clone(), self.backs_up.rng().clone());
        let engine = self.backs_up.clone();
        let places = VaultConnections::new(engine, "main", clock.clone(), rng.clone());
        let places = Arc::new(places);
        let exports = self.exports.clone();
        let site: Arc<dyn Site> = Arc::new(VaultSite::new(places.clone(), Arc::new(Quiet)));
        let ledger = Ledger::new(self.table.clone(), clock.clone(), rng.clone());
        let operations = VaultOperations::new(places, exports.clone(), clock, rng);
        // Small archives, so that an export has several.
        let operations = Arc::new(operations.with_part_bytes(20_000));
        let settings = WorkSettings::default();
        let queue = self.queue.clone();
        let worker = Worker::new(ledger.clone(), queue.clone(), site.clone(), settings);
        let worker = worker.with_operations(operations);
        let planner = Planner::new(ledger, queue, site, PlanSettings::default());
        let planner = planner.with_exports(exports);
        loop {
            let tick = planner.tick().await.unwrap();
            assert!(tick.operation_failures.is_empty());
            if worker.work_once(&StopSignal::new()).await.unwrap() == Worked::Nothing {
                return;
            }
        }
    }

    /// The first mailbox: its id at the source, and in the vault.
    pub(crate) async fn mailbox(&self) -> (String, String) {
        let mut all = self.admin().mailboxes().into_iter();
        let source = all.find(|it| it.has_mailbox).unwrap().id;
        let found = browse::find_mailbox(&self.engine, &source).await.unwrap();
        (source, found.id().to_string())
    }

    /// A request of somebody with this role.
    pub(crate) fn ask(&self, role: Role, method: &str, path: &str) -> Ask<'_> {
        let key = format!("Bearer {}", self.keys[&role]);
        self.ask_as(Some(&key), method, path)
    }

    pub(crate) fn ask_as(&self, authorization: Option<&str>, method: &str, path: &str) -> Ask<'_> {
        let method: Method = method.parse().unwrap();
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(value) = authorization {
            request = request.header("authorization", value);
        }
        Ask(request, std::marker::PhantomData)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Role::Administrator, "GET", path).send().await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let ask = self.ask(Role::Administrator, "POST", path);
        ask.json(body).send().await
    }

    /// Every entry of a list, read in pages of so many.
    pub(crate) async fn all(&self, path: &str, limit: usize) -> Vec<Value> {
        let (mut all, mut cursor) = (vec![], String::new());
        let joint = if path.contains('?') { '&' } else { '?' };
        loop {
            let page = self
                .get(&format!("{path}{joint}limit={limit}{cursor}"))
                .await;
            let page = page.expect(200).json();
            let data = page["data"].as_array().unwrap();
            assert!(data.len() <= limit);
            all.extend(data.iter().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return all,
            }
        }
    }

    /// The audit log, newest first, as operation and outcome.
    pub(crate) async fn audit(&self) -> Vec<(String, String)> {
        let text = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
        let all = self.all("/v1/audit", 50).await;
        let mut all: Vec<_> = all
            .iter()
            .map(|entry| (text(entry, "operation"), text(entry, "outcome")))
            .collect();
        all.retain(|(operation, _)| operation != "listAudit");
        all
    }
}

/// The smallest definition of a job.
pub(crate) fn definition(name: &str) -> Value {
    json!({"name": name, "type": "one_time", "connection": "contoso", "storage": "main"})
}
