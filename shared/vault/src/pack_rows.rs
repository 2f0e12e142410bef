//! What a pack says about the items in it, so that a mailbox can be put together again from its packs alone.

use std::collections::BTreeMap;

use mailkeep_model::{FolderId, Item};
use prost::Message;

use crate::compress::Compression;
use crate::error::VaultError;
use crate::format::frame::{EncodedFrame, FrameKind, FrameRef, FrameSpec};
use crate::ids::{ItemKey, PackNumber};
use crate::index::rows::column::Malformed;
use crate::index::rows::{Life, Row, RowEntry, batch};
use crate::pack_table::{ContentRef, PartLocation};

/// Rows of one frame. So many items are in memory at most.
const ROWS_PER_FRAME: usize = 256;

/// An item as it was when its content was put into the pack.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PackRow {
    /// The item.
    pub key: ItemKey,
    /// Its metadata.
    pub item: Item,
    /// Where its content lies in this pack.
    pub frame: FrameRef,
    /// Length of its message.
    pub size_bytes: u64,
    /// Fingerprint of its content.
    pub fingerprint: u64,
}

impl PackRow {
    /// What a row of the index says of an item in this pack; `None` when its content lies elsewhere.
    pub(crate) fn of(row: Row, pack: PackNumber) -> Option<Self> {
        let content = row.content.filter(|content| content.place.pack == pack)?;
        Some(Self {
            key: row.key,
            item: row.item,
            frame: content.place.frame,
            size_bytes: content.size_bytes,
            fingerprint: content.fingerprint,
        })
    }

    /// The content as a row of the index has it, once the pack has a number.
    pub(crate) fn content(&self, pack: PackNumber) -> ContentRef {
        ContentRef {
            place: PartLocation {
                pack,
                frame: self.frame,
            },
            size_bytes: self.size_bytes,
            fingerprint: self.fingerprint,
        }
    }
}

/// The content of a frame of this kind. Numbers of folders count from 0 inside of it.
#[derive(Clone, PartialEq, prost::Message)]
struct PackRowsMessage {
    #[prost(string, repeated, tag = "1")]
    folders: Vec<String>,
    /// A row batch.
    #[prost(bytes = "vec", tag = "2")]
    rows: Vec<u8>,
}

/// Collects the rows of a pack that fills.
#[derive(Default)]
pub(crate) struct PackRows {
    waiting: Vec<PackRow>,
    frames: Vec<EncodedFrame>,
}

impl PackRows {
    /// Adds an item whose content was just added to the pack.
    pub(crate) fn push(&mut self, row: PackRow) -> Result<(), VaultError> {
        self.waiting.push(row);
        if self.waiting.len() >= ROWS_PER_FRAME {
            self.encode()?;
        }
        Ok(())
    }

    /// The frames to add to the pack.
    pub(crate) fn finish(mut self) -> Result<Vec<EncodedFrame>, VaultError> {
        self.encode()?;
        Ok(self.frames)
    }

    fn encode(&mut self) -> Result<(), VaultError> {
        if !self.waiting.is_empty() {
            let rows = std::mem::take(&mut self.waiting);
            let spec = FrameSpec::new(FrameKind::PackRows, Compression::Zstd);
            self.frames
                .push(EncodedFrame::encode(&spec, &encode(rows))?);
        }
        Ok(())
    }
}

/// Encodes rows in their order.
pub(crate) fn encode(rows: Vec<PackRow>) -> Vec<u8> {
    let mut numbers: BTreeMap<FolderId, u32> = BTreeMap::new();
    let mut folders = vec![];
    let entries: Vec<RowEntry> = rows
        .into_iter()
        .map(|row| {
            let folder = row.item.folder.clone();
            let next = u32::try_from(folders.len()).unwrap_or(u32::MAX);
            let number = *numbers.entry(folder.clone()).or_insert_with(|| {
                folders.push(folder.0);
                next
            });
            RowEntry::Full(Box::new(Row {
                key: row.key,
                folder: number,
                from: 0,
                life: Life::default(),
                content: Some(row.content(PackNumber(0))),
                item: row.item,
            }))
        })
        .collect();
    PackRowsMessage {
        folders,
        rows: batch::encode(&entries),
    }
    .encode_to_vec()
}

/// Decodes the rows of a frame.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<PackRow>, Malformed> {
    let message =
        PackRowsMessage::decode(bytes).map_err(|_| Malformed("a pack's rows are not readable"))?;
    let folder = |number: u32| {
        let number = usize::try_from(number).ok()?;
        message.folders.get(number).cloned().map(FolderId)
    };
    let entries = batch::decode(&message.rows, &folder)?;
    entries
        .into_iter()
        .map(|entry| {
            let row = entry
                .into_row()
                .ok_or(Malformed("a pack holds the end of a version"))?;
            let content = row
                .content
                .ok_or(Malformed("a pack's row has no content"))?;
            Ok(PackRow {
                key: row.key,
                item: row.item,
                frame: content.place.frame,
                size_bytes: content.size_bytes,
                fingerprint: content.fingerprint,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::tests::world::item;

    #[test]
    fn rows_come_back_with_their_folders() {
        let rows: Vec<PackRow> = (0..5_u32)
            .map(|n| PackRow {
                key: ItemKey(n.into()),
                item: item(
                    &format!("i{n}"),
                    if n % 2 == 0 { "a" } else { "b" },
                    n.into(),
                ),
                frame: FrameRef {
                    number: n,
                    offset: 80 * n,
                    stored_bytes: 40,
                    plain_bytes: 90,
                },
                size_bytes: 1000,
                fingerprint: u64::MAX - u64::from(n),
            })
            .collect();
        assert_eq!(decode(&encode(rows.clone())).unwrap(), rows);
        assert!(decode(&[1, 2, 3]).is_err());
    }
}
