//! What the API keeps in the table: the audit log, and the answers to requests that may be repeated.

mod audit;
mod replay;

pub(crate) use audit::{AuditEntry, AuditLog, NewEntry, Outcome};
pub(crate) use replay::{Begun, Fingerprint, Replays, StoredAnswer};
