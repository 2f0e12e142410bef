//! A running tenant.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;

use crate::admin::Admin;
use crate::clock::SimClock;
use crate::content::draw::guid;
use crate::content::plan::{MailProfile, World};
use crate::ews::login::Connection;
use crate::ews::options::ExchangeOptions;
use crate::graph::gate::Limits;
use crate::graph::login::Registration;
use crate::load::LoadError;
use crate::server::router;
use crate::tenant::{Start, Tenant};
use crate::tls::{Authority, TlsListener};

/// Why a tenant could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port cannot be used.
    #[error("the simulated tenant cannot listen on {address}: {cause}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        cause: std::io::Error,
    },
    /// The server's certificate cannot be made.
    #[error("the simulated tenant has no certificate: {0}")]
    Certificate(String),
    /// The mail to start with cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// Chooses what a tenant starts with.
#[derive(Clone, Debug)]
pub struct SimTenantBuilder {
    seed: u64,
    mailboxes: u32,
    items: u32,
    folders: u32,
    profile: MailProfile,
    unusual: bool,
    rebuild_mime: bool,
    other_accounts: bool,
    limits: Limits,
    clock: SimClock,
    port: u16,
    from: Option<PathBuf>,
    exchange: Option<ExchangeOptions>,
}

impl SimTenantBuilder {
    /// Everything that is generated depends on this number.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Accounts with a mailbox (default 2). The second one is German, the fourth is shared.
    #[must_use]
    pub fn mailboxes(mut self, count: u32) -> Self {
        self.mailboxes = count;
        self
    }

    /// Messages in every mailbox (default 100).
    #[must_use]
    pub fn items_per_mailbox(mut self, count: u32) -> Self {
        self.items = count;
        self
    }

    /// Folders of the user in every mailbox besides the usual ones (default 14).
    #[must_use]
    pub fn folders_per_mailbox(mut self, count: u32) -> Self {
        self.folders = count;
        self
    }

    /// How big generated mail is.
    #[must_use]
    pub fn profile(mut self, profile: MailProfile) -> Self {
        self.profile = profile;
        self
    }

    /// Whether some messages are unusual or broken (default yes).
    #[must_use]
    pub fn unusual_mail(mut self, wanted: bool) -> Self {
        self.unusual = wanted;
        self
    }

    /// Whether generated mail gets new MIME boundaries at every read (default yes).
    #[must_use]
    pub fn rebuild_mime(mut self, wanted: bool) -> Self {
        self.rebuild_mime = wanted;
        self
    }

    /// Whether there are a guest, a user without mail and one without licence, too (default yes).
    #[must_use]
    pub fn other_accounts(mut self, wanted: bool) -> Self {
        self.other_accounts = wanted;
        self
    }

    /// Other limits than the service's.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Another clock, for example one that several tenants share.
    #[must_use]
    pub fn clock(mut self, clock: SimClock) -> Self {
        self.clock = clock;
        self
    }

    /// A fixed port on loopback (default: any free one).
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Real mail instead of generated mail: a folder of `.eml` files, an mbox file or a Maildir.
    /// All of it goes into the first mailbox.
    #[must_use]
    pub fn from_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.from = Some(path.into());
        self
    }

    /// Makes the tenant an Exchange organisation, too.
    #[must_use]
    pub fn exchange(mut self, options: ExchangeOptions) -> Self {
        self.exchange = Some(options);
        self
    }

    /// Starts the tenant on loopback.
    ///
    /// # Errors
    /// When the port is taken or the mail to load cannot be read.
    pub async fn start(self) -> Result<SimTenant, StartError> {
        let world = World {
            seed: self.seed,
            profile: self.profile,
            start: self.clock.unix_seconds(),
            mailboxes: self.mailboxes,
            items: if self.from.is_some() { 0 } else { self.items },
            unusual: self.unusual,
        };
        let client_id = guid(&[self.seed, 0x636c_6965]);
        let client_secret = format!("sim~{}", guid(&[self.seed, 0x7365_6372]));
        let tenant_id = guid(&[self.seed, 0x7465_6e61]);
        let tenant = Tenant::new(Start {
            clock: self.clock,
            world,
            limits: self.limits,
            folders_per_mailbox: self.folders,
            rebuild_mime: self.rebuild_mime,
            other_accounts: self.other_accounts,
            registration: Registration::new(client_id.clone(), client_secret.clone()),
            tenant_id: tenant_id.clone(),
            exchange: self.exchange,
        });
        if let Some(path) = &self.from {
            crate::load::load_into_first_mailbox(&tenant, path)?;
        }
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        let failed = |cause| StartError::Listen { address, cause };
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .map_err(failed)?;
        let local = listener.local_addr().map_err(failed)?;
        let has_tls = self.exchange.is_some_and(|options| options.tls);
        let scheme = if has_tls { "https" } else { "http" };
        let _ = tenant.base_url.set(format!("{scheme}://{local}"));
        let app = router(Arc::clone(&tenant));
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (server, authority_pem) = if has_tls {
            let authority = Authority::new().map_err(StartError::Certificate)?;
            let pem = authority.pem.clone();
            let listener = TlsListener::new(listener, authority.config);
            (tokio::spawn(serve(listener, app, stopped)), Some(pem))
        } else {
            (tokio::spawn(serve(listener, app, stopped)), None)
        };
        Ok(SimTenant {
            tenant,
            tenant_id,
            client_id,
            client_secret,
            authority_pem,
            stop: Some(stop),
            server: Some(server),
        })
    }
}

/// How to reach an Exchange organisation.
#[derive(Clone, Debug)]
pub struct ExchangeAccess {
    /// Address of the service.
    pub url: String,
    /// The service account as `DOMAIN\user`.
    pub service_user: String,
    /// Its password.
    pub service_password: String,
    /// The certificate of the authority that the server's certificate comes from, with TLS.
    pub authority_pem: Option<String>,
}

async fn serve<L>(listener: L, app: axum::Router, stopped: tokio::sync::oneshot::Receiver<()>)
where
    L: axum::serve::Listener<Addr = SocketAddr>,
    Connection: for<'a> Connected<IncomingStream<'a, L>>,
{
    let shutdown = async {
        let _ = stopped.await;
    };
    let service = app.into_make_service_with_connect_info::<Connection>();
    let served = axum::serve(listener, service)
        .with_graceful_shutdown(shutdown)
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the simulated tenant stopped");
    }
}

/// A simulated Microsoft 365 tenant that listens on loopback. It stops when dropped.
#[derive(Debug)]
pub struct SimTenant {
    tenant: Arc<Tenant>,
    /// The directory's id.
    pub tenant_id: String,
    /// The application's id.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: String,
    authority_pem: Option<String>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    server: Option<tokio::task::JoinHandle<()>>,
}

impl SimTenant {
    /// Chooses what the tenant starts with.
    #[must_use]
    pub fn builder() -> SimTenantBuilder {
        SimTenantBuilder {
            seed: 1,
            mailboxes: 2,
            items: 100,
            folders: 14,
            profile: MailProfile::Realistic,
            unusual: true,
            rebuild_mime: true,
            other_accounts: true,
            limits: Limits::default(),
            clock: SimClock::default(),
            port: 0,
            from: None,
            exchange: None,
        }
    }

    /// How to reach the Exchange organisation, if the tenant is one.
    #[must_use]
    pub fn exchange(&self) -> Option<ExchangeAccess> {
        let exchange = self.tenant.exchange.as_ref()?;
        Some(ExchangeAccess {
            url: format!("{}/EWS/Exchange.asmx", self.base_url()),
            service_user: format!("SIM\\{}", exchange.service.user),
            service_password: exchange.service.password.clone(),
            authority_pem: self.authority_pem.clone(),
        })
    }

    /// Address of the login and of the Graph service alike, `http://127.0.0.1:port`.
    #[must_use]
    pub fn base_url(&self) -> &str {
        self.tenant.base_url()
    }

    /// The tenant's clock, to read and to move.
    #[must_use]
    pub fn clock(&self) -> SimClock {
        self.tenant.clock.clone()
    }

    /// Changes the tenant behind the service's back, makes it fail, and tells the truth about it.
    #[must_use]
    pub fn admin(&self) -> Admin {
        Admin::new(Arc::clone(&self.tenant))
    }

    /// Stops listening. Open connections are cut.
    pub async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(server) = self.server.take() {
            server.abort();
            let _ = server.await;
        }
    }
}

impl Drop for SimTenant {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.abort();
        }
    }
}
