//! What a repair did.

use crate::index::ItemVersion;

/// Items that a report names one by one.
const MAX_ITEMS: usize = 10_000;

/// One thing that a repair did, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RepairAction {
    /// A commit that was gone or damaged was written anew.
    RebuiltCommit {
        /// Its object.
        object: String,
        /// Everything that it said is known again.
        is_whole: bool,
    },
    /// The readable frames of a pack, or of a commit's own data, were copied into a new pack.
    CopiedPack {
        /// The damaged object.
        object: String,
        /// The new one.
        to: String,
        /// Frames of contents that could not be read.
        lost_frames: u64,
    },
    /// Nothing of a pack, or of a commit's own data, could be read.
    LostPack {
        /// The object.
        object: String,
    },
    /// A pack that no commit named brought contents that a lost commit had named.
    AdoptedPack {
        /// The pack.
        object: String,
        /// Items that were found in it.
        items: u64,
    },
    /// A damaged commit was written anew without the data in it, which is elsewhere by now or lost.
    RewrittenCommit {
        /// Its object.
        object: String,
    },
    /// Parts that were lost were found in other packs.
    FoundParts {
        /// How many.
        parts: u64,
    },
    /// A damaged checkpoint was deleted.
    DroppedCheckpoint {
        /// The object.
        object: String,
    },
    /// The floor stands on checkpoints that are there: one that it named was lost, or it was damaged itself.
    MovedFloor {
        /// Its object.
        object: String,
        /// The commit up to which the log is closed now.
        floor: u64,
        /// The next one.
        next: u64,
    },
    /// An object was left as it is.
    LeftAlone {
        /// The object.
        object: String,
        /// Why.
        why: String,
    },
}

/// A version whose content is lost, in whole or in part.
#[derive(Clone, Debug, PartialEq)]
pub struct LostItem {
    /// The version.
    pub version: ItemVersion,
    /// Only some of its attachments are lost.
    pub is_partial: bool,
    /// The item is in the mailbox now, so that the next backup fetches it again.
    pub is_current: bool,
}

/// What a repair found and did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RepairReport {
    /// What was done, in order.
    pub actions: Vec<RepairAction>,
    /// The first 10,000 versions that lost content.
    pub lost: Vec<LostItem>,
    /// Versions that lost content.
    pub lost_versions: u64,
    /// Items that the next backup fetches again.
    pub gaps: u64,
    /// The next backup lists every folder anew.
    pub lists_anew: bool,
    /// The newest commit.
    pub sequence: u64,
}

impl RepairReport {
    /// True when there was nothing to repair.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.actions.is_empty() && self.lost_versions == 0
    }

    /// True when everything that was damaged is whole again.
    #[must_use]
    pub fn has_lost_nothing(&self) -> bool {
        let is_loss = |action: &RepairAction| {
            matches!(
                action,
                RepairAction::RebuiltCommit {
                    is_whole: false,
                    ..
                }
            )
        };
        self.lost_versions == 0 && !self.actions.iter().any(is_loss)
    }

    pub(super) fn lose(&mut self, item: LostItem) {
        self.lost_versions += 1;
        self.gaps += u64::from(item.is_current);
        if self.lost.len() < MAX_ITEMS {
            self.lost.push(item);
        }
    }
}
