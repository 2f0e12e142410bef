//! The six tables of an index.

pub(crate) mod lookup;
pub(crate) mod packs;
pub(crate) mod parts;
pub(crate) mod refs;
pub(crate) mod snapshots;

use crate::format::frame::FrameKind;
use crate::index::rows::column::Malformed;
use crate::index::rows::{RowEntry, batch};
use crate::index::table::{FolderNames, Table};

/// Item versions in the order in which people see them.
#[derive(Debug)]
pub(crate) struct Rows;

impl Table for Rows {
    type Entry = RowEntry;
    const FRAME: FrameKind = FrameKind::RowBlock;
    const NAME: &'static str = "rows";

    fn encode(entries: &[RowEntry]) -> Vec<u8> {
        batch::encode(entries)
    }

    fn decode(bytes: &[u8], folders: &FolderNames) -> Result<Vec<RowEntry>, Malformed> {
        batch::decode(bytes, &|number| folders.get(&number).cloned())
    }
}

/// Lookup entries.
#[derive(Debug)]
pub(crate) struct Lookup;

impl Table for Lookup {
    type Entry = lookup::LookupEntry;
    const FRAME: FrameKind = FrameKind::LookupBlock;
    const NAME: &'static str = "lookup entries";

    fn encode(entries: &[Self::Entry]) -> Vec<u8> {
        lookup::encode(entries)
    }

    fn decode(bytes: &[u8], _: &FolderNames) -> Result<Vec<Self::Entry>, Malformed> {
        lookup::decode(bytes)
    }
}

/// Part locations.
#[derive(Debug)]
pub(crate) struct Parts;

impl Table for Parts {
    type Entry = parts::PartEntry;
    const FRAME: FrameKind = FrameKind::PartBlock;
    const NAME: &'static str = "part locations";

    fn encode(entries: &[Self::Entry]) -> Vec<u8> {
        parts::encode(entries)
    }

    fn decode(bytes: &[u8], _: &FolderNames) -> Result<Vec<Self::Entry>, Malformed> {
        parts::decode(bytes)
    }
}

/// The pack table.
#[derive(Debug)]
pub(crate) struct Packs;

impl Table for Packs {
    type Entry = packs::PackLine;
    const FRAME: FrameKind = FrameKind::PackBlock;
    const NAME: &'static str = "packs";

    fn encode(entries: &[Self::Entry]) -> Vec<u8> {
        packs::encode(entries)
    }

    fn decode(bytes: &[u8], _: &FolderNames) -> Result<Vec<Self::Entry>, Malformed> {
        packs::decode(bytes)
    }
}

/// Which parts stored contents refer to.
#[derive(Debug)]
pub(crate) struct Refs;

impl Table for Refs {
    type Entry = refs::RefEntry;
    const FRAME: FrameKind = FrameKind::RefBlock;
    const NAME: &'static str = "references";

    fn encode(entries: &[Self::Entry]) -> Vec<u8> {
        refs::encode(entries)
    }

    fn decode(bytes: &[u8], _: &FolderNames) -> Result<Vec<Self::Entry>, Malformed> {
        refs::decode(bytes)
    }
}

/// Commits, as restore points.
#[derive(Debug)]
pub(crate) struct Snapshots;

impl Table for Snapshots {
    type Entry = snapshots::Snapshot;
    const FRAME: FrameKind = FrameKind::SnapshotBlock;
    const NAME: &'static str = "snapshots";

    fn encode(entries: &[Self::Entry]) -> Vec<u8> {
        snapshots::encode(entries)
    }

    fn decode(bytes: &[u8], _: &FolderNames) -> Result<Vec<Self::Entry>, Malformed> {
        snapshots::decode(bytes)
    }
}
