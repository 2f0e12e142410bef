//! What of a mailbox's packs is still needed. Counted anew each time; nothing is trusted to a counter.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;

use crate::body::ItemBody;
use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::frame::FrameKind;
use crate::ids::{ContentId, PackNumber};
use crate::index::open::Opened;
use crate::index::rows::{RowEntry, SortKey};
use crate::index::scan::Scan;
use crate::index::tables::refs::ContentPlace;
use crate::index::tables::{Packs, Parts, Refs, Rows};
use crate::object::read_frame;
use crate::pack_table::{ContentRef, PackEntry};

/// What is needed.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Contents that some version refers to.
    pub contents: HashSet<ContentPlace>,
    /// Parts that some of these contents refer to.
    pub parts: HashSet<ContentId>,
    /// Every pack, with the bytes of it that are needed.
    pub packs: BTreeMap<PackNumber, (PackEntry, u64)>,
}

/// What lies in some packs.
#[derive(Debug, Default)]
pub(crate) struct Inventory {
    /// Versions whose content lies there.
    pub rows: Vec<(SortKey, ContentRef)>,
    /// Contents there with their parts; those without a version included.
    pub contents: BTreeMap<ContentPlace, Vec<ContentId>>,
    /// Frames of parts that are needed.
    pub frames: HashSet<ContentPlace>,
    /// Parts that nothing needs, and their packs.
    pub dead_parts: Vec<(ContentId, PackNumber)>,
}

/// Every pack of an index: about 200 bytes of memory for 16 MiB of storage.
pub(crate) async fn packs(opened: &Opened) -> Result<Vec<PackEntry>, VaultError> {
    let Opened { index, blocks, .. } = opened;
    let folders = &index.state.folder_names;
    let mut packs = vec![];
    let mut scan: Scan<'_, Packs> =
        Scan::new(blocks, folders, &index.packs, Bound::Unbounded, None).await?;
    while let Some(line) = scan.next().await? {
        packs.extend(line.entry());
    }
    Ok(packs)
}

/// The place of a content.
pub(crate) fn place_of(content: &ContentRef) -> ContentPlace {
    ContentPlace {
        pack: content.place.pack,
        frame: content.place.frame.number,
    }
}

impl Account {
    /// Reads rows, references, part locations and packs once each. Memory grows with the number of items:
    /// about 60 bytes for each.
    pub(crate) async fn of(core: &MailboxCore, opened: &Opened) -> Result<Self, VaultError> {
        let Opened { index, blocks, .. } = opened;
        let folders = &index.state.folder_names;
        let mut account = Self::default();
        for entry in packs(opened).await? {
            account.packs.insert(entry.number, (entry, 0));
        }
        let known = account.known_refs(opened).await?;
        let mut scan: Scan<'_, Rows> =
            Scan::new(blocks, folders, &index.rows, Bound::Unbounded, None).await?;
        let mut unknown = vec![];
        while let Some(entry) = scan.next().await? {
            let RowEntry::Full(row) = entry else { continue };
            let Some(content) = row.content.filter(|it| !it.is_lost()) else {
                continue;
            };
            let place = place_of(&content);
            if account.contents.insert(place) {
                account.add(place.pack, content.place.frame.stored_bytes);
                if !known.contains(&place) {
                    unknown.push(content);
                }
            }
        }
        drop(known);
        for content in unknown {
            let parts = account.read_parts(core, &content).await?;
            account.parts.extend(parts);
        }
        let mut scan: Scan<'_, Refs> =
            Scan::new(blocks, folders, &index.refs, Bound::Unbounded, None).await?;
        while let Some(entry) = scan.next().await? {
            if account.contents.contains(&entry.content) {
                account.parts.extend(entry.parts.into_iter().flatten());
            }
        }
        let mut scan: Scan<'_, Parts> =
            Scan::new(blocks, folders, &index.parts, Bound::Unbounded, None).await?;
        while let Some(part) = scan.next().await? {
            if let Some(place) = part.place.filter(|_| account.parts.contains(&part.id)) {
                account.add(place.pack, place.frame.stored_bytes);
            }
        }
        Ok(account)
    }

    fn add(&mut self, pack: PackNumber, bytes: u32) {
        if let Some((_, live)) = self.packs.get_mut(&pack) {
            *live = live.saturating_add(u64::from(bytes));
        }
    }

    /// Contents whose parts the index knows.
    async fn known_refs(&self, opened: &Opened) -> Result<HashSet<ContentPlace>, VaultError> {
        let Opened { index, blocks, .. } = opened;
        let folders = &index.state.folder_names;
        let mut known = HashSet::new();
        let mut scan: Scan<'_, Refs> =
            Scan::new(blocks, folders, &index.refs, Bound::Unbounded, None).await?;
        while let Some(entry) = scan.next().await? {
            known.insert(entry.content);
        }
        Ok(known)
    }

    /// Asks the content itself for its parts: what the index does not say is never taken for nothing.
    async fn read_parts(
        &self,
        core: &MailboxCore,
        content: &ContentRef,
    ) -> Result<Vec<ContentId>, VaultError> {
        let number = content.place.pack;
        let (pack, _) = self.packs.get(&number).ok_or_else(|| {
            VaultError::corrupt(
                crate::names::mailbox_prefix(&core.id),
                format!("the index names pack {} but does not list it", number.0),
            )
        })?;
        let key = pack.id.key(&core.id)?;
        let (store, keys) = (&*core.ctx.store, core.keys.objects());
        let place = &content.place.frame;
        let bytes = read_frame(store, keys, &pack.header, &key, FrameKind::Item, place).await?;
        Ok(ItemBody::decode(key.as_str(), bytes)?.parts())
    }

    /// What lies in these packs.
    pub(crate) async fn inventory(
        &self,
        core: &MailboxCore,
        opened: &Opened,
        packs: &HashSet<PackNumber>,
    ) -> Result<Inventory, VaultError> {
        let Opened { index, blocks, .. } = opened;
        let folders = &index.state.folder_names;
        let mut inventory = Inventory::default();
        let mut scan: Scan<'_, Refs> =
            Scan::new(blocks, folders, &index.refs, Bound::Unbounded, None).await?;
        while let Some(entry) = scan.next().await? {
            if packs.contains(&entry.content.pack) {
                let parts = entry.parts.unwrap_or_default();
                inventory.contents.insert(entry.content, parts);
            }
        }
        let mut scan: Scan<'_, Rows> =
            Scan::new(blocks, folders, &index.rows, Bound::Unbounded, None).await?;
        while let Some(entry) = scan.next().await? {
            let RowEntry::Full(row) = entry else { continue };
            let Some(content) = row.content.filter(|it| packs.contains(&it.place.pack)) else {
                continue;
            };
            let place = place_of(&content);
            if let Entry::Vacant(unknown) = inventory.contents.entry(place) {
                unknown.insert(self.read_parts(core, &content).await?);
            }
            inventory.rows.push((row.sort_key(), content));
        }
        let mut scan: Scan<'_, Parts> =
            Scan::new(blocks, folders, &index.parts, Bound::Unbounded, None).await?;
        while let Some(part) = scan.next().await? {
            let Some(place) = part.place.filter(|it| packs.contains(&it.pack)) else {
                continue;
            };
            if self.parts.contains(&part.id) {
                inventory.frames.insert(ContentPlace {
                    pack: place.pack,
                    frame: place.frame.number,
                });
            } else {
                inventory.dead_parts.push((part.id, place.pack));
            }
        }
        Ok(inventory)
    }
}
