//! What a writer was told since its last commit.

use std::collections::BTreeMap;

use mailkeep_model::{Folder, FolderId, Gap, Item, ItemId};

use crate::content_store::{StoredContent, StoredPlace};
use crate::format::frame::FrameRef;
use crate::ids::{ContentId, ItemKey, PackNumber};
use crate::index::left_out::LeftOut;
use crate::index::record::DroppedPack;
use crate::index::rows::{ROW_KEY_BYTES, SortKey, text_bytes};
use crate::pack::StagedPack;
use crate::pack_table::{ContentRef, PackEntry, PartLocation};

/// The content that belongs to a row: stored just now, stored before, or missing (a gap).
#[derive(Clone, Copy, Debug)]
pub struct RowContent(pub(crate) Placed);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Placed {
    /// There is none.
    Missing,
    /// In a pack that a commit names.
    Indexed(ContentRef),
    /// In a pack that no commit named when it was stored.
    Staged {
        pack: StagedPack,
        frame: FrameRef,
        size_bytes: u64,
        fingerprint: u64,
    },
}

impl From<StoredContent> for RowContent {
    fn from(content: StoredContent) -> Self {
        Self(match content.place {
            StoredPlace::Previous(content) => Placed::Indexed(content),
            StoredPlace::Staged(pack, frame) => Placed::Staged {
                pack,
                frame,
                size_bytes: content.size_bytes,
                fingerprint: content.fingerprint,
            },
        })
    }
}

impl From<ContentRef> for RowContent {
    fn from(content: ContentRef) -> Self {
        Self(Placed::Indexed(content))
    }
}

impl From<Option<ContentRef>> for RowContent {
    fn from(content: Option<ContentRef>) -> Self {
        Self(content.map_or(Placed::Missing, Placed::Indexed))
    }
}

/// A change of an item.
#[derive(Clone, Debug)]
pub(crate) enum ItemChange {
    /// The item is like this.
    Put(Box<Item>, Placed),
    /// The item is gone from this folder.
    Remove(ItemId),
}

/// A change with the commit that the writer knew when it was made.
#[derive(Clone, Debug)]
pub(crate) struct StagedItem {
    /// What changed.
    pub change: ItemChange,
    /// The newest commit that the writer knew.
    pub base: u64,
}

/// Everything staged. Later changes of the same thing replace earlier ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Staged {
    /// Items.
    pub items: BTreeMap<ItemKey, StagedItem>,
    /// Memory that the items take, roughly.
    pub item_bytes: u64,
    /// Folders; `None` removes one.
    pub folders: BTreeMap<FolderId, Option<Folder>>,
    /// Cursors; `None` drops one.
    pub cursors: BTreeMap<FolderId, Option<String>>,
    /// The tree cursor.
    pub tree_cursor: Option<Option<String>>,
    /// Gaps; `None` resolves one.
    pub gaps: BTreeMap<ItemId, Option<Gap>>,
    /// Removals to verify; `None` takes one off.
    pub pending_removals: BTreeMap<ItemId, Option<FolderId>>,
    /// Items that a filter left out; `None` takes one off.
    pub left_out: BTreeMap<ItemId, Option<LeftOut>>,
    /// The mark of the filter that the run goes by, if it said so. Alone it is no change.
    pub filter_mark: Option<Option<String>>,
    /// Versions, by their place, whose content lies elsewhere now.
    pub contents: BTreeMap<[u8; ROW_KEY_BYTES], (SortKey, Placed)>,
    /// Parts that lie elsewhere now or were lost, with the pack that they were in: when another commit
    /// put one elsewhere meanwhile, that counts.
    pub parts: BTreeMap<ContentId, (PackNumber, PartLocation)>,
    /// Packs whose frames lie in another object now, at the same places.
    pub replaced_packs: BTreeMap<PackNumber, PackEntry>,
    /// Packs that are not used any more.
    pub dropped_packs: BTreeMap<PackNumber, DroppedPack>,
    /// All cursors are dropped.
    pub drops_cursors: bool,
}

impl Staged {
    /// Stages an item.
    pub(crate) fn stage(&mut self, key: ItemKey, item: StagedItem) {
        let bytes = |item: &StagedItem| {
            let text = match &item.change {
                ItemChange::Put(item, _) => size_of::<Item>() + text_bytes(item),
                ItemChange::Remove(id) => id.0.len(),
            };
            u64::try_from(text + size_of::<StagedItem>() + 64).unwrap_or(u64::MAX)
        };
        self.item_bytes += bytes(&item);
        if let Some(replaced) = self.items.insert(key, item) {
            self.item_bytes = self.item_bytes.saturating_sub(bytes(&replaced));
        }
    }

    /// True when there is nothing to commit.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
            && self.folders.is_empty()
            && self.cursors.is_empty()
            && self.tree_cursor.is_none()
            && self.gaps.is_empty()
            && self.pending_removals.is_empty()
            && self.left_out.is_empty()
            && self.contents.is_empty()
            && self.parts.is_empty()
            && self.replaced_packs.is_empty()
            && self.dropped_packs.is_empty()
            && !self.drops_cursors
    }
}
