//! Control over a tenant: changes, faults, and the truth about what it holds.

mod change;
mod evolve;
mod exchange;
mod fault;
mod group;
pub(crate) mod http;
mod organizer;
mod public;
mod truth;

use std::sync::Arc;

pub use change::{AdminError, ItemRef};
pub use evolve::Evolved;
pub use truth::{FolderTruth, ItemTruth, MailboxTruth, TruthAttachment};

use crate::tenant::Tenant;

/// The handle. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Admin {
    tenant: Arc<Tenant>,
}

impl Admin {
    pub(crate) fn new(tenant: Arc<Tenant>) -> Self {
        Self { tenant }
    }
}
