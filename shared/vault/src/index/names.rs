//! Names of the index's objects.

use mailkeep_ports::Key;

use crate::error::VaultError;
use crate::ids::MailboxId;
use crate::names;

/// `m/<mbx>/ckpt/<seq:020>` for part 0, which holds the root; `….<part>` for the others.
pub(crate) fn checkpoint_part(
    mailbox: &MailboxId,
    sequence: u64,
    part: u32,
) -> Result<Key, VaultError> {
    if part == 0 {
        return names::checkpoint(mailbox, sequence);
    }
    let prefix = names::checkpoint_prefix(mailbox);
    names::key(format!("{prefix}{sequence:020}.{part}"))
}

/// True for an error that damage to a checkpoint causes, or a checkpoint that a newer version wrote:
/// the log then answers instead.
pub(crate) fn is_checkpoint_error(mailbox: &MailboxId, error: &VaultError) -> bool {
    match error {
        VaultError::Corrupt { object, .. }
        | VaultError::Missing { object, .. }
        | VaultError::NewerThanMe { object, .. } => {
            object.starts_with(&names::checkpoint_prefix(mailbox))
        }
        _ => false,
    }
}
