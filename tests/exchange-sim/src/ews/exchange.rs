//! The state of an Exchange organisation beside its mailboxes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::autodiscover::Redirect;
use super::options::ExchangeOptions;
use crate::content::draw::guid;
use crate::content::plan::World;
use crate::numbers::{locked, mix};
use crate::store::mailbox::Mailbox;
use crate::store::users::{Account, AccountKind};

/// The number of the account that holds the public folders.
const PUBLIC_NUMBER: u32 = 0x7fff_0000;

/// Somebody who can log in.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) user: String,
    pub(crate) password: String,
    /// The account whose mailbox is this login's own.
    pub(crate) account: Option<u32>,
    pub(crate) is_service: bool,
}

/// What is going on within one budget.
#[derive(Debug, Default)]
struct Spent {
    in_flight: u32,
    highest: u32,
    /// Nothing is answered before this time.
    blocked_until: i64,
    /// Calls that came all the same.
    ignored: u64,
}

/// An Exchange organisation.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) options: Mutex<ExchangeOptions>,
    pub(crate) service: Arc<Login>,
    people: Vec<Arc<Login>>,
    pub(crate) public: Arc<Account>,
    budgets: Mutex<HashMap<String, Spent>>,
    seed: u64,
    /// What Autodiscover answers next, instead of settings.
    pub(crate) redirects: Mutex<VecDeque<Redirect>>,
}

/// A call within a budget; ends when dropped.
#[derive(Debug)]
pub(crate) struct Spending {
    exchange: Arc<Exchange>,
    owner: String,
}

impl Drop for Spending {
    fn drop(&mut self) {
        if let Some(spent) = locked(&self.exchange.budgets).get_mut(&self.owner) {
            spent.in_flight = spent.in_flight.saturating_sub(1);
        }
    }
}

/// Why a call is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// Too many at once.
    AtOnce,
    /// For so many milliseconds more.
    Busy(i64),
}

impl Exchange {
    /// An organisation of these accounts.
    pub(crate) fn new(world: &World, options: ExchangeOptions, accounts: &[Arc<Account>]) -> Self {
        let mut folders = Mailbox::new(world, PUBLIC_NUMBER, 0, 0);
        folders.make_public(options.public_mailboxes);
        let public = Account::new(
            world.seed,
            PUBLIC_NUMBER,
            AccountKind::Shared,
            Some(folders),
        );
        let people = accounts
            .iter()
            .filter(|account| account.mailbox.is_some())
            .filter_map(|account| {
                let user = account.mail.as_ref()?.split('@').next()?.to_owned();
                let number = account.number;
                Some(Arc::new(Login {
                    password: format!("pä$s-{number}-{:x}", mix(&[world.seed, u64::from(number)])),
                    user,
                    account: Some(number),
                    is_service: false,
                }))
            })
            .collect();
        Self {
            options: Mutex::new(options),
            service: Arc::new(Login {
                user: "svc-backup".to_owned(),
                password: format!("Sërvice-{:x}", mix(&[world.seed, 0x7376_6363])),
                account: None,
                is_service: true,
            }),
            people,
            public,
            budgets: Mutex::default(),
            seed: world.seed,
            redirects: Mutex::default(),
        }
    }

    /// The login of a user, by `user` with the domain `SIM`, or by `user@sim.example` without one.
    pub(crate) fn login(&self, user: &str, domain: &str) -> Option<Arc<Login>> {
        let (name, suffix) = user.split_once('@').unwrap_or((user, ""));
        let is_here = match (suffix, domain) {
            ("", _) => domain.is_empty() || domain.eq_ignore_ascii_case("SIM"),
            (suffix, _) => suffix.eq_ignore_ascii_case("sim.example"),
        };
        std::iter::once(&self.service)
            .chain(&self.people)
            .find(|login| is_here && login.user.eq_ignore_ascii_case(name))
            .cloned()
    }

    /// The login of the account with this number.
    pub(crate) fn login_of(&self, account: u32) -> Option<&Arc<Login>> {
        self.people
            .iter()
            .find(|login| login.account == Some(account))
    }

    /// Guid and address of a mailbox that holds public folders; number 0 holds the hierarchy.
    pub(crate) fn public_mailbox(&self, number: u32) -> (String, String) {
        let id = guid(&[self.seed, 0x7075_626c, u64::from(number)]);
        (id, format!("public-folders-{number}@sim.example"))
    }

    /// Lets a call in, or not.
    pub(crate) fn enter(self: &Arc<Self>, owner: &str, now: i64) -> Result<Spending, Over> {
        let most = locked(&self.options).concurrent;
        let mut budgets = locked(&self.budgets);
        let spent = budgets.entry(owner.to_owned()).or_default();
        spent.highest = spent.highest.max(spent.in_flight + 1);
        if spent.blocked_until > now {
            spent.ignored += 1;
            return Err(Over::Busy(spent.blocked_until - now));
        }
        if spent.in_flight >= most {
            return Err(Over::AtOnce);
        }
        spent.in_flight += 1;
        drop(budgets);
        Ok(Spending {
            exchange: Arc::clone(self),
            owner: owner.to_owned(),
        })
    }

    /// Blocks a budget for some time.
    pub(crate) fn block(&self, owner: &str, until: i64) {
        let mut budgets = locked(&self.budgets);
        budgets.entry(owner.to_owned()).or_default().blocked_until = until;
    }

    /// The most calls at once, and the calls that came while they should not, of all budgets.
    pub(crate) fn strain(&self) -> (u32, u64) {
        let budgets = locked(&self.budgets);
        let highest = budgets.values().map(|spent| spent.highest).max();
        let ignored = budgets.values().map(|spent| spent.ignored).sum();
        (highest.unwrap_or(0), ignored)
    }
}
