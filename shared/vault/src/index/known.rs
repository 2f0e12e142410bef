//! What a writer holds of every item and part, so that it need not read rows to recognise them.

use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::VaultError;
use crate::format::frame::FrameRef;
use crate::ids::{ContentId, ItemKey, PackNumber};
use crate::index::block::BlockReader;
use crate::index::compact_map::CompactMap;
use crate::index::fold::Index;
use crate::index::rows::{Life, SortKey};
use crate::index::scan::Scan;
use crate::index::tables::lookup::LookupEntry;
use crate::index::tables::parts::PartEntry;
use crate::index::tables::{Lookup, Parts};
use crate::pack::PartLookup;
use crate::pack_table::PartLocation;

/// The newest version of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Latest {
    /// Fingerprint of its metadata.
    pub hash: u64,
    /// The commit that brought it.
    pub from: u64,
    time: i64,
    /// Number of its folder.
    pub folder: u32,
    /// The item was removed; this was its last version.
    pub is_removed: bool,
}

impl Latest {
    /// The version's place.
    pub(crate) fn place(&self, key: ItemKey) -> SortKey {
        SortKey {
            folder: self.folder,
            time: self.time,
            key,
            from: self.from,
        }
    }
}

/// Pack, frame number, offset, stored and plain bytes: a [`PartLocation`] without padding.
type Place = [u32; 5];

/// Every item's newest version and every part's place. Two mutexes, each held for one look-up or one
/// commit's changes, never while something is awaited.
#[derive(Debug, Default)]
pub(crate) struct KnownMaps {
    items: Mutex<CompactMap<u64, Latest>>,
    parts: Mutex<CompactMap<[u8; 16], Place>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl KnownMaps {
    /// Reads every lookup entry and part location of an index once.
    pub(crate) async fn load(reader: &BlockReader, index: &Index) -> Result<Self, VaultError> {
        let maps = Self::default();
        let folders = &index.state.folder_names;
        let mut scan: Scan<'_, Lookup> =
            Scan::new(reader, folders, &index.lookup, Bound::Unbounded, None).await?;
        while let Some(entry) = scan.next().await? {
            maps.add(&entry);
        }
        let mut scan: Scan<'_, Parts> =
            Scan::new(reader, folders, &index.parts, Bound::Unbounded, None).await?;
        while let Some(entry) = scan.next().await? {
            maps.add_part(&entry);
        }
        Ok(maps)
    }

    /// Takes over an entry. Of one item's entries the newest must come last.
    pub(crate) fn add(&self, entry: &LookupEntry) {
        let key = entry.place.key.0;
        let mut items = lock(&self.items);
        if entry.is_dropped {
            // What may be left of the item is older, and removed.
            let is_it = |latest: &Latest| latest.from == entry.place.from;
            if items.get(&key).as_ref().is_some_and(is_it) {
                items.remove(&key);
            }
            return;
        }
        match entry.hash {
            Some(hash) => items.append(
                key,
                Latest {
                    hash,
                    from: entry.place.from,
                    time: entry.place.time,
                    folder: entry.place.folder,
                    // Nothing newer is left: what ended is gone, whatever followed it once.
                    is_removed: entry.life.end.is_some(),
                },
            ),
            None => {
                let Life { end, next } = entry.life;
                let latest = items
                    .get(&key)
                    .filter(|latest| latest.from == entry.place.from);
                if let (Some(latest), Some(_), None) = (latest, end, next) {
                    items.insert(
                        key,
                        Latest {
                            is_removed: true,
                            ..latest
                        },
                    );
                }
            }
        }
    }

    /// Takes over a part.
    pub(crate) fn add_part(&self, entry: &PartEntry) {
        let Some(PartLocation { pack, frame }) = entry.place else {
            lock(&self.parts).remove(&entry.id.0);
            return;
        };
        let FrameRef {
            number,
            offset,
            stored_bytes,
            plain_bytes,
        } = frame;
        lock(&self.parts).append(
            entry.id.0,
            [pack.0, number, offset, stored_bytes, plain_bytes],
        );
    }

    /// Where the index says that a part is; the place of what was lost included.
    pub(crate) fn place(&self, id: &ContentId) -> Option<PartLocation> {
        let [pack, number, offset, stored_bytes, plain_bytes] = lock(&self.parts).get(&id.0)?;
        Some(PartLocation {
            pack: PackNumber(pack),
            frame: FrameRef {
                number,
                offset,
                stored_bytes,
                plain_bytes,
            },
        })
    }

    /// The newest version of an item, removed or not.
    pub(crate) fn latest(&self, key: ItemKey) -> Option<Latest> {
        lock(&self.items).get(&key.0)
    }

    /// How many items are in a folder.
    pub(crate) fn count_in(&self, folder: u32) -> usize {
        let items = lock(&self.items);
        let here = |latest: &Latest| latest.folder == folder && !latest.is_removed;
        items.iter().filter(|(_, latest)| here(latest)).count()
    }

    /// The items that are in a folder.
    pub(crate) fn keys_in(&self, folder: u32) -> Vec<ItemKey> {
        lock(&self.items)
            .iter()
            .filter(|(_, latest)| latest.folder == folder && !latest.is_removed)
            .map(|(key, _)| ItemKey(key))
            .collect()
    }
}

impl PartLookup for KnownMaps {
    fn find(&self, id: &ContentId) -> Option<PartLocation> {
        self.place(id).filter(|place| !place.is_lost())
    }
}
