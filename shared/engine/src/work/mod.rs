//! Working on tasks: a worker takes a message, leases the mailbox, backs it up while it keeps the
//! lease, and writes down the result.

mod backup;
mod begin;
mod gauge;
mod message;
mod order;
mod result;
mod site;
mod watch;
mod worker;

pub use backup::VaultSite;
pub use gauge::{Gauge, TaskProgress};
pub use message::{Message, TaskMessage};
pub use order::{Order, Outcome, Report};
pub use site::{Connections, ScopePage, Site, Workplace};
pub use worker::{WorkSettings, Worked, Worker};
