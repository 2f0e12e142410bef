//! All state of a tenant.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use crate::clock::SimClock;
use crate::content::plan::World;
use crate::ews::exchange::Exchange;
use crate::ews::options::ExchangeOptions;
use crate::faults::{Faults, TokenLoss};
use crate::graph::call::Call;
use crate::graph::failure::Failure;
use crate::graph::gate::Limits;
use crate::graph::login::Registration;
use crate::graph::upload::Sessions;
use crate::journal::Journal;
use crate::numbers::{locked, low32, unsigned};
use crate::store::groups::Group;
use crate::store::mailbox::Mailbox;
use crate::store::users::{Account, AccountKind};

/// A tenant without its HTTP server.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) clock: SimClock,
    pub(crate) world: World,
    pub(crate) limits: Mutex<Limits>,
    pub(crate) accounts: RwLock<Vec<Arc<Account>>>,
    pub(crate) groups: Mutex<Vec<Group>>,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) journal: Mutex<Journal>,
    pub(crate) registration: Mutex<Registration>,
    pub(crate) uploads: Mutex<Sessions>,
    pub(crate) key: [u8; 32],
    pub(crate) tenant_id: String,
    pub(crate) folders_per_mailbox: u32,
    /// Synthetic mail gets new boundaries at every read.
    pub(crate) rebuild_mime: bool,
    pub(crate) base_url: OnceLock<String>,
    /// The tenant as an Exchange organisation, if it is one.
    pub(crate) exchange: Option<Arc<Exchange>>,
    reads: AtomicU64,
    requests: AtomicU64,
}

/// What a new tenant starts with.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) clock: SimClock,
    pub(crate) world: World,
    pub(crate) limits: Limits,
    pub(crate) folders_per_mailbox: u32,
    pub(crate) rebuild_mime: bool,
    pub(crate) other_accounts: bool,
    pub(crate) registration: Registration,
    pub(crate) tenant_id: String,
    pub(crate) exchange: Option<ExchangeOptions>,
}

impl Tenant {
    /// A tenant with its mailboxes.
    pub(crate) fn new(start: Start) -> Arc<Self> {
        let world = start.world;
        let mut accounts = Vec::new();
        for number in 0..world.mailboxes {
            let kind = match number {
                3 => AccountKind::Shared,
                5 => AccountKind::Room,
                7 => AccountKind::Equipment,
                _ => AccountKind::User,
            };
            let mut mailbox = Mailbox::new(&world, number, world.items, start.folders_per_mailbox);
            if start.exchange.is_some() {
                mailbox.add_organizer_folders();
                mailbox.add_exchange_folders();
            }
            accounts.push(Account::new(world.seed, number, kind, Some(mailbox)));
        }
        if start.other_accounts {
            for kind in [
                AccountKind::Guest,
                AccountKind::NoMail,
                AccountKind::Unlicensed,
            ] {
                let number = crate::numbers::narrow(accounts.len());
                accounts.push(Account::new(world.seed, number, kind, None));
            }
        }
        let mut key = [0; 32];
        crate::content::draw::Draw::new(&[world.seed, 0x006b_6579]).fill(&mut key);
        let exchange = start
            .exchange
            .map(|options| Arc::new(Exchange::new(&world, options, &accounts)));
        let tenant = Arc::new(Self {
            clock: start.clock,
            world,
            limits: Mutex::new(start.limits),
            accounts: RwLock::new(accounts),
            groups: Mutex::default(),
            faults: Mutex::default(),
            journal: Mutex::default(),
            registration: Mutex::new(start.registration),
            uploads: Mutex::default(),
            key,
            tenant_id: start.tenant_id,
            folders_per_mailbox: start.folders_per_mailbox,
            rebuild_mime: start.rebuild_mime,
            base_url: OnceLock::new(),
            exchange,
            reads: AtomicU64::new(0),
            requests: AtomicU64::new(0),
        });
        if let (Some(exchange), Some(options)) = (&tenant.exchange, start.exchange)
            && options.samples
        {
            crate::ews::fill(&tenant, exchange);
        }
        tenant
    }

    /// `http://127.0.0.1:port`.
    pub(crate) fn base_url(&self) -> &str {
        self.base_url.get().map_or("", String::as_str)
    }

    /// Seconds since the tenant's start, at least 1.
    pub(crate) fn elapsed(&self) -> u32 {
        low32(unsigned(self.clock.unix_seconds() - self.world.start).max(1))
    }

    /// Numbers requests.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::SeqCst)
    }

    /// Makes boundaries differ between reads.
    pub(crate) fn next_read(&self) -> u64 {
        if self.rebuild_mime {
            self.reads.fetch_add(1, Ordering::SeqCst) + 1
        } else {
            0
        }
    }

    /// All accounts that still exist.
    pub(crate) fn visible_accounts(&self) -> Vec<Arc<Account>> {
        let accounts = match self.accounts.read() {
            Ok(accounts) => accounts,
            Err(poisoned) => poisoned.into_inner(),
        };
        accounts
            .iter()
            .filter(|account| !account.is_removed.load(Ordering::SeqCst))
            .cloned()
            .collect()
    }

    /// An account by id, principal name or address. `public-folders` is the one that holds these.
    pub(crate) fn account(&self, text: &str) -> Option<Arc<Account>> {
        if text == "public-folders" {
            let exchange = self.exchange.as_ref()?;
            return Some(Arc::clone(&exchange.public));
        }
        self.visible_accounts().into_iter().find(|account| {
            account.id == text
                || account.principal_name.eq_ignore_ascii_case(text)
                || account
                    .mail
                    .as_ref()
                    .is_some_and(|mail| mail.eq_ignore_ascii_case(text))
        })
    }

    /// The answer to a delta token that is worth nothing any more.
    pub(crate) fn token_loss(&self, call: &Call) -> Failure {
        let message = "The sync state is not found or expired. Start over.";
        match locked(&self.faults).token_loss {
            TokenLoss::GoneWithLocation => {
                let (path, _) = call
                    .path_and_query
                    .split_once('?')
                    .unwrap_or((&call.path_and_query, ""));
                Failure::new(410, "syncStateNotFound", message).header(
                    "Location",
                    format!("{}/v1.0{path}?$deltatoken=", self.base_url()),
                )
            }
            TokenLoss::Gone => Failure::new(410, "resyncRequired", message),
            TokenLoss::NotFound => Failure::new(400, "syncStateNotFound", message),
            TokenLoss::Invalid => Failure::new(400, "SyncStateInvalid", message),
        }
    }

    /// Fails when a page would contain a corrupt item.
    pub(crate) fn check_page_item(&self, account: u32, item: u32) -> Result<(), Failure> {
        if locked(&self.faults).corrupt.contains(&(account, item)) {
            return Err(corrupt());
        }
        Ok(())
    }

    /// Fails for corrupt items, and for a while for those with transient errors.
    pub(crate) fn check_item(&self, account: u32, item: u32) -> Result<(), Failure> {
        let mut faults = locked(&self.faults);
        if faults.corrupt.contains(&(account, item)) {
            return Err(corrupt());
        }
        if let Some(left) = faults.transient.get_mut(&(account, item)) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                faults.transient.remove(&(account, item));
            }
            return Err(Failure::new(
                500,
                "ErrorInternalServerTransientError",
                "An internal server error occurred. Try again later.",
            ));
        }
        Ok(())
    }

    /// Fails for items that cannot be converted to MIME.
    pub(crate) fn check_mime(&self, account: u32, item: u32) -> Result<(), Failure> {
        if locked(&self.faults).no_mime.contains(&(account, item)) {
            return Err(Failure::new(
                500,
                "ErrorMimeContentConversionFailed",
                "MIME content conversion failed.",
            ));
        }
        Ok(())
    }
}

fn corrupt() -> Failure {
    Failure::new(
        500,
        "ErrorCorruptData",
        "Data is corrupt., Invalid global object ID.",
    )
}
