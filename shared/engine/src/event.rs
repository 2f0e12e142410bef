//! What happens while a run works, for progress bars and machine-readable output.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use mailkeep_model::progress::Spent;
use mailkeep_model::{
    Counters, FailureClass, Gap, MailboxSummary, RunId, RunSummary, SourceMailboxId,
};

/// How far a mailbox's backup, or a restore or export, has come. Rates follow from two of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Items dealt with so far, unchanged and failed ones included.
    pub items_done: u64,
    /// Items that are expected altogether, from the folders' own counts; grows when more turn up.
    pub items_expected: Option<u64>,
    /// Bytes of content read so far.
    pub bytes_done: u64,
    /// Until when the service asked to wait, if it did and the time has not passed.
    pub throttled_until: Option<DateTime<Utc>>,
    /// What time went by with so far.
    pub spent: Spent,
    /// The full counters.
    pub counters: Counters,
}

/// Something that happened. Addresses and folder names are for the user's own screen; they must not
/// go into logs.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A run began.
    RunStarted {
        /// Its id.
        run: RunId,
        /// Mailboxes in scope, when that is known (a whole tenant is listed page by page).
        mailboxes: Option<u64>,
    },
    /// A mailbox's backup began: it is open and its first answers are there.
    MailboxStarted {
        /// The mailbox.
        mailbox: SourceMailboxId,
        /// Its address.
        address: String,
        /// Folders in scope.
        folders: u64,
        /// Items that the source counts in the folders that are listed from their start.
        items_expected: Option<u64>,
    },
    /// A mailbox has come further. Sent after every page and every few items.
    Progress {
        /// The mailbox.
        mailbox: SourceMailboxId,
        /// How far.
        progress: Progress,
    },
    /// A folder was followed to its end, or as far as it went, and something was in it.
    FolderFinished {
        /// The mailbox.
        mailbox: SourceMailboxId,
        /// The folder's path.
        folder: String,
        /// What was counted in it.
        counters: Counters,
    },
    /// A folder's cursor was lost, or the source counts other items than the vault holds; the folder is
    /// listed anew and compared.
    FolderResync {
        /// The mailbox.
        mailbox: SourceMailboxId,
        /// The folder's path.
        folder: String,
    },
    /// The service asked to wait.
    Throttled {
        /// The mailbox.
        mailbox: SourceMailboxId,
        /// Until when.
        until: DateTime<Utc>,
    },
    /// An item could not be taken; it is in the ledger and will be tried again.
    Gap {
        /// The mailbox.
        mailbox: SourceMailboxId,
        /// The ledger's entry.
        gap: Gap,
    },
    /// Everything up to here is durable.
    Committed {
        /// The mailbox.
        mailbox: SourceMailboxId,
        /// The commit's number.
        sequence: u64,
        /// Bytes that it wrote.
        bytes_stored: u64,
    },
    /// A mailbox's backup ended, well or not.
    MailboxFinished {
        /// How.
        summary: MailboxSummary,
    },
    /// A run ended.
    RunFinished {
        /// The record that the vault keeps.
        summary: RunSummary,
    },
    /// A restore or an export began.
    TransferStarted {
        /// Items in it.
        items: u64,
        /// Their size.
        bytes: u64,
    },
    /// A restore or an export has come further.
    TransferProgress {
        /// How far; `counters` stay empty.
        progress: Progress,
    },
    /// An item could not be restored or exported.
    TransferFailed {
        /// The item's reference.
        item: String,
        /// Why, for a person.
        message: String,
        /// The class of the failure.
        class: FailureClass,
    },
    /// Verification has come further.
    VerifyProgress {
        /// The mailbox in the vault.
        mailbox: String,
        /// Items or objects checked so far in this mailbox.
        checked: u64,
        /// Out of so many, when known.
        expected: Option<u64>,
    },
}

/// Receives events. Called from several tasks; must return quickly.
pub trait Observer: Send + Sync + 'static {
    /// Something happened.
    fn event(&self, event: &Event);
}

/// Tells several observers.
pub struct Fan(pub Vec<Arc<dyn Observer>>);

impl Observer for Fan {
    fn event(&self, event: &Event) {
        self.0.iter().for_each(|observer| observer.event(event));
    }
}

/// An observer that ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Observer for Quiet {
    fn event(&self, _event: &Event) {}
}
