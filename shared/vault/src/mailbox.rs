//! An open mailbox.

use mailkeep_model::MailboxProfile;

use crate::core::MailboxCore;
use crate::ids::MailboxId;

/// A mailbox in a vault. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Mailbox {
    pub(crate) core: MailboxCore,
}

impl Mailbox {
    pub(crate) fn new(core: MailboxCore) -> Self {
        Self { core }
    }

    /// Its id in the vault.
    #[must_use]
    pub fn id(&self) -> &MailboxId {
        &self.core.id
    }

    /// Tenant id or server that it comes from.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.core.realm
    }

    /// What is known of it at its source.
    #[must_use]
    pub fn profile(&self) -> &MailboxProfile {
        &self.core.profile
    }
}
