//! Why something is not a plain success, and what a person does about it.

use serde::{Deserialize, Serialize};

use crate::FailureClass;

/// Why something is not a plain success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A failure of the source, the target or the vault.
    Failure(FailureClass),
    /// Items are missing from the backup and listed.
    Gaps,
    /// Another job is working on the mailbox.
    HeldByOtherJob,
    /// The scope holds no mailbox.
    EmptyScope,
    /// Some mailboxes failed and some did not.
    SomeMailboxes,
    /// The script or webhook before the backup failed.
    HookBefore,
    /// The script or webhook after the backup failed; the backup is good.
    HookAfter,
    /// Change tracking failed, and the job is set to fail then.
    ChangeTracking,
    /// The storage could not be reached.
    StorageUnavailable,
    /// The vault's key is locked.
    KeyLocked,
    /// Stopped before everything was done.
    Stopped,
    /// Tried as often as allowed.
    RetryLimit,
    /// A person cancelled it.
    CancelledByPerson,
    /// The activity period ended, and the run is not to go on in the next.
    WindowEnded,
    /// A newer run took its place.
    Superseded,
    /// The link's time is over.
    LinkExpired,
    /// A plan is made, and somebody has to confirm it.
    Confirmation,
    /// Some items could not be restored or exported; the others are.
    SomeItems,
    /// What was asked for is not in the vault.
    NotFound,
}

impl Reason {
    /// Every reason that is not a [`Failure`](Self::Failure).
    pub const OTHERS: [Self; 18] = [
        Self::Gaps,
        Self::HeldByOtherJob,
        Self::EmptyScope,
        Self::SomeMailboxes,
        Self::HookBefore,
        Self::HookAfter,
        Self::ChangeTracking,
        Self::StorageUnavailable,
        Self::KeyLocked,
        Self::Stopped,
        Self::RetryLimit,
        Self::CancelledByPerson,
        Self::WindowEnded,
        Self::Superseded,
        Self::LinkExpired,
        Self::Confirmation,
        Self::SomeItems,
        Self::NotFound,
    ];

    /// The stable code, as in JSON output.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Failure(class) => class.code(),
            Self::Gaps => "gaps",
            Self::HeldByOtherJob => "held_by_other_job",
            Self::EmptyScope => "empty_scope",
            Self::SomeMailboxes => "some_mailboxes",
            Self::HookBefore => "hook_before",
            Self::HookAfter => "hook_after",
            Self::ChangeTracking => "change_tracking",
            Self::StorageUnavailable => "storage_unavailable",
            Self::KeyLocked => "key_locked",
            Self::Stopped => "stopped",
            Self::RetryLimit => "retry_limit",
            Self::CancelledByPerson => "cancelled_by_person",
            Self::WindowEnded => "window_ended",
            Self::Superseded => "superseded",
            Self::LinkExpired => "link_expired",
            Self::Confirmation => "confirmation",
            Self::SomeItems => "some_items",
            Self::NotFound => "not_found",
        }
    }

    /// What a person does about it, or that nothing is needed.
    #[must_use]
    pub fn action(self) -> &'static str {
        match self {
            Self::Failure(class) => class.advice(),
            Self::Gaps => "Some items could not be read; every later run tries them again",
            Self::HeldByOtherJob => {
                "Another job works on the mailbox; nothing to do, it is taken next. If it happens often, move one of the schedules"
            }
            Self::EmptyScope => "No mailbox is in scope; check the scope and the exclusions",
            Self::SomeMailboxes => {
                "Some mailboxes failed; see each of them for its reason. The next run tries them again"
            }
            Self::HookBefore => {
                "The script before the backup failed, so the backup was not made, or was stopped; see its output and run the job again"
            }
            Self::HookAfter => "The backup is good, the script after it failed; see its output",
            Self::ChangeTracking => {
                "Change tracking failed for a mailbox; run again, or let the job switch to its own comparison"
            }
            Self::StorageUnavailable => {
                "The storage could not be reached; check it. The next try is made automatically"
            }
            Self::KeyLocked => "The vault's key is locked; unlock it and resume",
            Self::Stopped => "It was stopped; start it again to go on where it was",
            Self::RetryLimit => {
                "It was tried as often as allowed; remove the cause that the log names and start it again"
            }
            Self::CancelledByPerson => "It was cancelled; start it again if it is wanted",
            Self::WindowEnded => {
                "The activity period ended first; make it longer, or let the job go on in the next one"
            }
            Self::Superseded => "A newer run took its place; nothing to do",
            Self::LinkExpired => "The link's time is over; make the export again",
            Self::Confirmation => "The plan is made; look at it, and confirm or cancel it",
            Self::SomeItems => {
                "Some items failed and are listed with their reasons, the others are done; ask for the failed ones again"
            }
            Self::NotFound => {
                "The vault does not hold what was asked for; look at the message and ask again"
            }
        }
    }

    /// True when trying again is of no use until a person did something.
    #[must_use]
    pub fn needs_person(self) -> bool {
        match self {
            Self::Failure(class) => {
                class.is_authentication()
                    || matches!(
                        class,
                        FailureClass::AuthScope
                            | FailureClass::Configuration
                            | FailureClass::TargetFull
                    )
            }
            Self::KeyLocked | Self::Confirmation => true,
            _ => false,
        }
    }
}
