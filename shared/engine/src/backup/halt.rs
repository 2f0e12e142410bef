//! What ends a mailbox's backup early, and what a failure of the source asks for.

use mailkeep_exchange::SourceError;
use mailkeep_model::{Action, FailureClass};
use mailkeep_vault::VaultError;

/// Why a mailbox ends before everything was followed.
#[derive(Debug)]
pub(super) enum Halt {
    /// Somebody asked to stop.
    Stopped,
    /// The source asks to wait longer than the connector may.
    Wait(SourceError),
    /// The mailbox or the whole connection cannot be read.
    Source(SourceError),
    /// The vault failed; what is staged must not be trusted.
    Vault(VaultError),
}

impl From<VaultError> for Halt {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

/// What to do about a failed call.
pub(super) enum Verdict {
    /// End the mailbox.
    Halt(Halt),
    /// List the folder anew.
    Resync(SourceError),
    /// The item is not there.
    Gone,
    /// This one thing failed; a later run may do better.
    Passing(SourceError),
    /// This one thing failed for good.
    Permanent(SourceError),
}

/// Decides what a failure means for the mailbox.
pub(super) fn judge(error: SourceError) -> Verdict {
    match (error.class, error.class.action()) {
        (FailureClass::Throttled, _) => Verdict::Halt(Halt::Wait(error)),
        (FailureClass::MailboxBusy, _) | (_, Action::StopConnection | Action::StopMailbox) => {
            Verdict::Halt(Halt::Source(error))
        }
        (_, Action::Retry) => Verdict::Passing(error),
        (_, Action::Resync) => Verdict::Resync(error),
        (_, Action::Ignore) => Verdict::Gone,
        (_, Action::RecordGap | Action::Resolve) => Verdict::Permanent(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_item_never_ends_a_mailbox_and_a_refusal_always_does() {
        let verdict = |class| judge(SourceError::new(class, "test", "code", "message"));
        assert!(matches!(
            verdict(FailureClass::ItemPermanent),
            Verdict::Permanent(_)
        ));
        assert!(matches!(
            verdict(FailureClass::Transient),
            Verdict::Passing(_)
        ));
        for class in [
            FailureClass::AuthScope,
            FailureClass::AuthCredential,
            FailureClass::MailboxGone,
        ] {
            assert!(matches!(verdict(class), Verdict::Halt(Halt::Source(_))));
        }
        assert!(matches!(
            verdict(FailureClass::Throttled),
            Verdict::Halt(Halt::Wait(_))
        ));
    }
}
