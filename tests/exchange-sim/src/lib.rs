//! A simulated Microsoft 365 tenant, stricter than the real one.
//!
//! It speaks the part of Microsoft Graph that a mailbox backup uses, and the token endpoint, on one
//! loopback port; if wanted it is also an Exchange organisation that speaks Exchange Web Services. Mail is generated from a seed on demand, so that a million items need no bodies in
//! memory, or loaded from files. [`Admin`] changes the tenant, makes it fail in the ways the real
//! service fails, and tells the truth to compare with.
//!
//! This crate shares no code with the product: what it gets wrong, it gets wrong on its own.

pub mod admin;
mod certificate;
mod clock;
mod content;
mod corpus;
mod ews;
mod faults;
mod graph;
mod journal;
mod load;
mod numbers;
mod server;
mod sim;
mod store;
mod tenant;
mod tls;

pub use admin::{Admin, AdminError};
pub use certificate::SelfSigned;
pub use clock::{START_UNIX_MILLIS, SimClock};
pub use content::plan::MailProfile;
pub use corpus::Corpus;
pub use ews::autodiscover::Redirect;
pub use ews::options::{Dialect, ExchangeOptions, ExchangeVersion, Logins, ServiceRights};
pub use faults::{Fault, FaultKind, RetryAfter, TokenLoss};
pub use graph::gate::Limits;
pub use journal::{LoggedRequest, SentMail};
pub use load::LoadError;
pub use sim::{ExchangeAccess, SimTenant, SimTenantBuilder, StartError};
pub use store::mailbox::Anomalies;
pub use store::users::{AccountKind, MailboxState};
