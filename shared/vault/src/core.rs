//! What an open mailbox consists of, for everything above.

use mailkeep_model::MailboxProfile;

use crate::context::VaultContext;
use crate::ids::MailboxId;
use crate::keys::MailboxKeys;

/// An open mailbox: where it lives, whose it is, and its keys.
#[derive(Clone, Debug)]
pub(crate) struct MailboxCore {
    /// Store, clock, randomness.
    pub ctx: VaultContext,
    /// Its name in the vault.
    pub id: MailboxId,
    /// Tenant id or server.
    pub realm: String,
    /// What is known of it at its source.
    pub profile: MailboxProfile,
    /// Its keys.
    pub keys: MailboxKeys,
    /// False when the store lets one writer overwrite the commit of another.
    pub honours_create: bool,
    /// False while commits may be written anew: what later ones carry of them may be outdated.
    pub trusts_copies: bool,
}
