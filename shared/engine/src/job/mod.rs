//! Jobs: their definitions, and what people may do with them.

mod commands;
mod deletion;
mod record;
mod repository;
mod state;

pub use record::{JobRecord, LastCycle, MailboxRecord, StartRequest, VersionRecord};
pub use repository::{EditWhen, Jobs};
pub use state::state;
