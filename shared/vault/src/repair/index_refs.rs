//! What an index says of the frames of a pack: for objects that do not tell it themselves any more.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Bound;

use crate::error::VaultError;
use crate::format::frame::{FrameInfo, FrameKind};
use crate::ids::PackNumber;
use crate::index::block::BlockReader;
use crate::index::fold::Index;
use crate::index::rows::RowEntry;
use crate::index::scan::Scan;
use crate::index::tables::{Parts, Rows};
use crate::pack_rows::PackRow;

/// Frames of a pack that the index refers to, each once, in order.
pub(super) async fn frames_of(
    index: &Index,
    blocks: &BlockReader,
    pack: PackNumber,
) -> Result<Vec<FrameInfo>, VaultError> {
    let folders = &index.state.folder_names;
    let mut frames = vec![];
    let mut parts: Scan<'_, Parts> =
        Scan::new(blocks, folders, &index.parts, Bound::Unbounded, None).await?;
    while let Some(part) = parts.next().await? {
        if let Some(place) = part.place.filter(|place| place.pack == pack) {
            frames.push(FrameInfo {
                place: place.frame,
                kind: FrameKind::Part,
                content_id: Some(part.id),
            });
        }
    }
    let mut rows: Scan<'_, Rows> =
        Scan::new(blocks, folders, &index.rows, Bound::Unbounded, None).await?;
    while let Some(entry) = rows.next().await? {
        if let RowEntry::Full(row) = entry
            && let Some(content) = row.content.filter(|it| it.place.pack == pack)
        {
            frames.push(FrameInfo {
                place: content.place.frame,
                kind: FrameKind::Item,
                content_id: None,
            });
        }
    }
    frames.sort_by_key(|frame| frame.place.number);
    frames.dedup_by_key(|frame| frame.place.number);
    Ok(frames)
}

/// What the index says about the items in a pack, each content once.
pub(super) async fn rows_of(
    index: &Index,
    blocks: &BlockReader,
    pack: PackNumber,
) -> Result<Vec<PackRow>, VaultError> {
    let folders = &index.state.folder_names;
    let mut found: BTreeMap<u32, (u64, PackRow)> = BTreeMap::new();
    let mut rows: Scan<'_, Rows> =
        Scan::new(blocks, folders, &index.rows, Bound::Unbounded, None).await?;
    while let Some(entry) = rows.next().await? {
        let RowEntry::Full(row) = entry else { continue };
        let from = row.from;
        let Some(row) = PackRow::of(*row, pack) else {
            continue;
        };
        // The item as it was when its content was stored: the oldest of the versions that share it.
        match found.entry(row.frame.number) {
            Entry::Occupied(known) if known.get().0 <= from => {}
            Entry::Occupied(mut known) => drop(known.insert((from, row))),
            Entry::Vacant(free) => drop(free.insert((from, row))),
        }
    }
    Ok(found.into_values().map(|(_, row)| row).collect())
}
