//! Changes of where contents and parts lie: what repairing and tidying stage. They bring no version and end
//! none.

use std::ops::Bound;

use crate::content_store::StoredContent;
use crate::error::VaultError;
use crate::ids::{ContentId, ItemKey, PackNumber};
use crate::index::names::is_checkpoint_error;
use crate::index::open::Opened;
use crate::index::record::DroppedPack;
use crate::index::rows::SortKey;
use crate::index::scan::Scan;
use crate::index::staged::{Placed, RowContent};
use crate::index::tables::Lookup;
use crate::index::tables::lookup::LookupEntry;
use crate::index::version::ItemVersion;
use crate::index::writer::MailboxWriter;
use crate::pack_table::{ContentRef, PackEntry, PartLocation};

/// Versions of one item that are healed at most.
const MAX_VERSIONS: usize = 1000;

impl MailboxWriter {
    /// Stages that a version's content was lost.
    pub(crate) fn lose_content(&self, place: SortKey, content: ContentRef) {
        self.set_content(place, Placed::Indexed(content.lost()));
    }

    /// Stages where a version's content is from now on.
    pub(crate) fn set_content(&self, place: SortKey, content: Placed) {
        self.stage(|staged| {
            staged.contents.insert(place.to_bytes(), (place, content));
        });
    }

    /// Stages where a part is from now on that was in `pack` until now.
    pub(crate) fn set_part(&self, id: ContentId, pack: PackNumber, place: PartLocation) {
        self.stage(|staged| {
            staged.parts.insert(id, (pack, place));
        });
    }

    /// Stages that another object holds the frames of a pack, at the same places.
    pub(crate) fn replace_pack(&self, pack: PackEntry) {
        self.stage(|staged| {
            staged.replaced_packs.insert(pack.number, pack);
        });
    }

    /// Stages that a pack is not used any more. Nothing may refer to it.
    pub(crate) fn drop_pack(&self, pack: DroppedPack) {
        self.stage(|staged| {
            staged.dropped_packs.insert(pack.number, pack);
        });
    }

    /// Stages that all cursors are dropped: the next backup lists everything anew.
    pub(crate) fn drop_cursors(&self) {
        self.stage(|staged| staged.drops_cursors = true);
    }

    /// Gives content that was fetched again to all versions of the item that have the very same one, whether
    /// it was lost or is damaged. Returns true when the current version is among them, so that no new one is needed.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn heal(&self, key: ItemKey, stored: &StoredContent) -> Result<bool, VaultError> {
        let RowContent(content) = (*stored).into();
        let is_same = |version: &ItemVersion| {
            let content = version.content.or(version.lost);
            content.is_some_and(|content| content.fingerprint == stored.fingerprint)
        };
        let current = self.current(key).await?;
        let has_healed_current = current.as_ref().is_some_and(is_same);
        let places = match self.places(key).await {
            Err(error) if is_checkpoint_error(&self.core.id, &error) => {
                self.recover().await?;
                self.places(key).await?
            }
            places => places?,
        };
        for place in places {
            if let Some(version) = self.version_at(&place).await?
                && is_same(&version)
            {
                self.set_content(place, content);
            }
        }
        Ok(has_healed_current)
    }

    /// The places of an item's versions, oldest first.
    async fn places(&self, key: ItemKey) -> Result<Vec<SortKey>, VaultError> {
        let opened = self.opened.read().await;
        let Opened { index, blocks, .. } = &*opened;
        let mut scan: Scan<'_, Lookup> = Scan::new(
            blocks,
            &index.state.folder_names,
            &index.lookup,
            Bound::Included(LookupEntry::key_of(key, 0)),
            Some(LookupEntry::key_of(key, u64::MAX)),
        )
        .await?;
        let mut places = vec![];
        while let Some(entry) = scan.next().await? {
            if places.len() < MAX_VERSIONS {
                places.push(entry.place);
            }
        }
        Ok(places)
    }
}
