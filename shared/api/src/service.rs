//! What the API works with.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use mailkeep_engine::Engine;
use mailkeep_engine::job::Jobs;
use mailkeep_engine::ledger::Ledger;
use mailkeep_engine::news::Desk;
use mailkeep_engine::operation::Operations;
use mailkeep_ports::{Clock, Links, Queue, Rng, Store, Table};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::auth::Authenticate;
use crate::http::router;
use crate::records::{AuditLog, Replays};
use crate::views::Views;

/// What the API needs to be given.
#[derive(Clone)]
pub struct ApiParts {
    /// The vault.
    pub engine: Engine,
    /// Where jobs, keys and the audit log are kept.
    pub table: Arc<dyn Table>,
    /// The queue over which restores and exports are handed to workers: that of the tasks.
    pub tasks: Arc<dyn Queue>,
    /// Where exports are until they are downloaded.
    pub exports: Arc<dyn Store>,
    /// Makes links to them. Without it they are downloaded from the API.
    pub links: Option<Arc<dyn Links>>,
    /// The vault as jobs know it.
    pub storage: Storage,
    /// Finds out who sends a request.
    pub authenticate: Arc<dyn Authenticate>,
    /// Bounds.
    pub settings: ApiSettings,
}

/// The vault as jobs know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Storage {
    /// The name by which jobs call it.
    pub name: String,
    /// `folder` or `bucket`.
    pub kind: String,
    /// Where it is.
    pub place: String,
}

/// Bounds of the API.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// Largest body of a request.
    pub max_body_bytes: usize,
    /// Largest message that one answer may carry; `None` for any. A function on AWS cannot answer with
    /// more than 6 MB.
    pub max_content_bytes: Option<u64>,
    /// Requests that are worked on at a time. More are told to come back.
    pub max_requests: usize,
    /// How long a body may take to arrive.
    pub body_time: Duration,
    /// Mailboxes that are kept open.
    pub max_views: usize,
    /// How long they are kept open: so late is a new restore point seen.
    pub view_lifetime: Duration,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            max_body_bytes: 1 << 20,
            max_content_bytes: None,
            max_requests: 64,
            body_time: Duration::from_secs(30),
            max_views: 16,
            view_lifetime: Duration::from_secs(10),
        }
    }
}

/// The API. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    jobs: Jobs,
    operations: Operations,
    exports: Arc<dyn Store>,
    links: Option<Arc<dyn Links>>,
    desk: Desk,
    storage: Storage,
    authenticate: Arc<dyn Authenticate>,
    settings: ApiSettings,
    slots: Arc<Semaphore>,
    audit: AuditLog,
    replays: Replays,
    views: Views,
    table: Arc<dyn Table>,
}

impl Api {
    /// The API over these parts.
    #[must_use]
    pub fn new(parts: ApiParts) -> Self {
        let ApiParts {
            engine,
            table,
            tasks,
            exports,
            links,
            storage,
            authenticate,
            settings,
        } = parts;
        let (clock, rng) = (Arc::clone(engine.clock()), Arc::clone(engine.rng()));
        let ledger = Ledger::new(Arc::clone(&table), Arc::clone(&clock), Arc::clone(&rng));
        Self {
            inner: Arc::new(Inner {
                operations: Operations::new(ledger.clone(), tasks),
                jobs: Jobs::new(ledger),
                exports,
                links,
                desk: Desk::new(Arc::clone(&table), Arc::clone(&clock), &*rng),
                storage,
                authenticate,
                slots: Arc::new(Semaphore::new(settings.max_requests)),
                audit: AuditLog::new(Arc::clone(&table), Arc::clone(&clock)),
                replays: Replays::new(Arc::clone(&table), Arc::clone(&clock), rng),
                views: Views::new(clock, settings.max_views, settings.view_lifetime),
                settings,
                engine,
                table,
            }),
        }
    }

    /// The router: a plain service for whatever receives requests.
    ///
    /// Whoever mounts it may put into the extensions of each request: [`Peer`](crate::Peer), where it
    /// comes from; [`GatewayContext`](crate::auth::gateway::GatewayContext).
    pub fn router(&self) -> Router {
        router(self)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    pub(crate) fn jobs(&self) -> &Jobs {
        &self.inner.jobs
    }

    pub(crate) fn operations(&self) -> &Operations {
        &self.inner.operations
    }

    pub(crate) fn exports(&self) -> &Arc<dyn Store> {
        &self.inner.exports
    }

    pub(crate) fn links(&self) -> Option<&Arc<dyn Links>> {
        self.inner.links.as_ref()
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        self.inner.jobs.ledger()
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.inner.desk
    }

    pub(crate) fn table(&self) -> &Arc<dyn Table> {
        &self.inner.table
    }

    pub(crate) fn storage(&self) -> &Storage {
        &self.inner.storage
    }

    pub(crate) fn authenticate(&self) -> &dyn Authenticate {
        &*self.inner.authenticate
    }

    pub(crate) fn settings(&self) -> &ApiSettings {
        &self.inner.settings
    }

    pub(crate) fn slots(&self) -> &Arc<Semaphore> {
        &self.inner.slots
    }

    pub(crate) fn audit(&self) -> &AuditLog {
        &self.inner.audit
    }

    pub(crate) fn replays(&self) -> &Replays {
        &self.inner.replays
    }

    pub(crate) fn views(&self) -> &Views {
        &self.inner.views
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        self.inner.engine.clock()
    }

    pub(crate) fn rng(&self) -> &Arc<dyn Rng> {
        self.inner.engine.rng()
    }
}
