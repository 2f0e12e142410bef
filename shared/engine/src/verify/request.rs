//! What to verify.

use mailkeep_vault::MailboxId;

use super::VerifyLevel;

/// One verification.
#[derive(Clone, Debug)]
pub struct VerifyRequest {
    /// How thoroughly.
    pub level: VerifyLevel,
    /// Which mailboxes; empty means all.
    pub mailboxes: Vec<MailboxId>,
    /// Items read at once.
    pub concurrent_items: usize,
}

impl VerifyRequest {
    /// All mailboxes at this level.
    #[must_use]
    pub fn new(level: VerifyLevel) -> Self {
        Self {
            level,
            mailboxes: vec![],
            concurrent_items: 4,
        }
    }
}
