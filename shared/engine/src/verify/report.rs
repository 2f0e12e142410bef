//! How thoroughly to verify, and what was found.

use chrono::{DateTime, Utc};
use serde::Serialize;

/// How thoroughly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VerifyLevel {
    /// Every object that the index refers to is there with its size; the index is read.
    Listing,
    /// As `Listing`, and the end of every pack is readable.
    #[default]
    Quick,
    /// Every frame of every object is read, and every version of every item, whose whole hash is
    /// compared.
    Full,
    /// As `Quick`, and this percentage (1 to 100) of the packs is read whole, those first that were not for
    /// longest, and about as many of the items, other ones every time.
    Sample(u8),
    /// As `Quick`, and the packs of one of several equal shares are read whole. Whoever goes through all
    /// shares has read everything.
    Part {
        /// Which share, from 1.
        part: u32,
        /// Of how many.
        of: u32,
    },
    /// As `Listing`, and so many items, chosen by chance, are put together and compared with their hash.
    RestoreTest(u32),
    /// As `Quick`, and what packs say about the items in them is compared with the index: what could be put
    /// together again without a single commit.
    Rebuild,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FindingKind {
    /// An object that the index refers to is not there.
    Missing,
    /// An object or an item is damaged.
    Corrupt,
    /// Written by a newer version of mailkeep; nothing is known to be wrong.
    TooNew,
    /// The store refused access or did not answer; nothing is known to be wrong.
    Unreadable,
    /// An object can be deleted earlier than the vault promises.
    Unprotected,
    /// An item is in the ledger of failed items, or a version lost its content and that is recorded.
    Gap,
    /// A pack does not say whose an item in it is.
    NotRebuildable,
    /// The source counts more or fewer items in a folder than the vault holds.
    CountDiffers,
}

impl FindingKind {
    /// True when data that the vault should hold is lost, or can be lost against its promise.
    #[must_use]
    pub fn is_damage(self) -> bool {
        matches!(self, Self::Missing | Self::Corrupt | Self::Unprotected)
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The mailbox in the vault; empty for the vault as a whole.
    pub mailbox: String,
    /// Its address, when it could be read.
    pub address: Option<String>,
    /// The item's reference, when one item is concerned.
    pub item: Option<String>,
    /// The folder's path, when one folder or item is concerned.
    pub folder: Option<String>,
    /// What is wrong.
    pub kind: FindingKind,
    /// Which object, which cause, what to do.
    pub message: String,
}

/// What verification found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// Mailboxes looked at.
    pub mailboxes: u64,
    /// Objects looked at.
    pub objects: u64,
    /// Item versions read in full.
    pub items_read: u64,
    /// Item versions that the index holds.
    pub items_known: u64,
    /// Bytes of content read.
    pub bytes_read: u64,
    /// Packs that were read whole now.
    pub packs_read: u64,
    /// Packs that were never read whole since they were written.
    pub packs_never_read: u64,
    /// When the pack was read whole that was not for longest.
    pub oldest_read: Option<DateTime<Utc>>,
    /// Item versions whose packs say whose they are.
    pub rebuildable: u64,
    /// Item versions whose content lies in commits, and is lost with them.
    pub only_in_log: u64,
    /// Objects that nothing refers to: left by interrupted backups, or of one that is running.
    pub unreferenced_objects: u64,
    /// Their size.
    pub unreferenced_bytes: u64,
    /// It was stopped before the end.
    pub is_stopped: bool,
    /// The first 10,000 findings; the counts below tell of all.
    pub findings: Vec<Finding>,
    /// Findings of damage.
    pub damaged: u64,
    /// Other findings.
    pub notes: u64,
}

impl VerifyReport {
    /// The process exit code: 0 nothing found, 1 damage or stopped, 3 only gaps and differences.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if self.damaged > 0 || self.is_stopped {
            1
        } else if self.notes > 0 {
            3
        } else {
            0
        }
    }
}
