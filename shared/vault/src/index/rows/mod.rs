//! Index rows: one version of one item each, and how many of them are kept in columns.

pub(crate) mod batch;
#[cfg(test)]
mod batch_tests;
pub(crate) mod codes;
pub(crate) mod column;
pub(crate) mod hash;
pub(crate) mod item_columns;
pub(crate) mod sort_key;

use mailkeep_model::Item;

use crate::ids::ItemKey;
use crate::index::table::Entry;
use crate::pack_table::ContentRef;
pub(crate) use sort_key::{ROW_KEY_BYTES, SortKey};

/// From when to when a version was the current one. Sequence numbers of commits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Life {
    /// The commit that superseded or removed it.
    pub end: Option<u64>,
    /// The commit that brought the item's next version. Equal to `end` when the version was
    /// superseded; later, or absent, when the item was removed.
    pub next: Option<u64>,
}

impl Life {
    /// Fills in what `newer` knows.
    pub(crate) fn overlay(self, newer: Self) -> Self {
        Self {
            end: newer.end.or(self.end),
            next: newer.next.or(self.next),
        }
    }

    /// True when a version that began at `from` was current right after commit `at`.
    pub(crate) fn is_current(&self, from: u64, at: u64) -> bool {
        from <= at && self.end.is_none_or(|end| end > at)
    }

    /// True when the item was gone right after commit `at`, and this was its last version.
    pub(crate) fn is_removed(&self, at: u64) -> bool {
        self.end.is_some_and(|end| end <= at) && self.next.is_none_or(|next| next > at)
    }

    /// True when no later version existed right after commit `at`.
    pub(crate) fn is_latest(&self, from: u64, at: u64) -> bool {
        from <= at && self.next.is_none_or(|next| next > at)
    }
}

/// One version of one item.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    /// The item.
    pub key: ItemKey,
    /// Number of the folder that holds it.
    pub folder: u32,
    /// The commit that brought this version.
    pub from: u64,
    /// Its end.
    pub life: Life,
    /// Where the content is; absent when it could never be read.
    pub content: Option<ContentRef>,
    /// The metadata.
    pub item: Item,
}

impl Row {
    /// The row's place in the index.
    pub(crate) fn sort_key(&self) -> SortKey {
        SortKey {
            folder: self.folder,
            time: self.item.sort_time().timestamp_micros(),
            key: self.key,
            from: self.from,
        }
    }
}

/// What a later commit says of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Patch {
    /// Its end.
    pub life: Life,
    /// Where its content is from then on.
    pub content: Option<ContentRef>,
    /// Retention let go of it: a tombstone. Nothing brings it back.
    pub is_dropped: bool,
}

impl Patch {
    /// A patch that brings an end.
    pub(crate) fn of_life(life: Life) -> Self {
        Self {
            life,
            ..Self::default()
        }
    }

    /// A tombstone.
    pub(crate) fn dropped() -> Self {
        Self {
            is_dropped: true,
            ..Self::default()
        }
    }

    /// Adds what `newer` says.
    fn overlay(self, newer: Self) -> Self {
        Self {
            life: self.life.overlay(newer.life),
            content: newer.content.or(self.content),
            is_dropped: self.is_dropped || newer.is_dropped,
        }
    }
}

/// What the index holds at a sort key: a version, or what a later commit says of a version that lies
/// in an older block or commit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RowEntry {
    /// A version.
    Full(Box<Row>),
    /// Its end, the new place of its content, or that it is gone.
    Patch(SortKey, Patch),
}

impl RowEntry {
    /// The row, if this is one.
    pub(crate) fn into_row(self) -> Option<Row> {
        match self {
            Self::Full(row) => Some(*row),
            Self::Patch(..) => None,
        }
    }
}

impl Entry for RowEntry {
    type Key = [u8; ROW_KEY_BYTES];

    fn parse_key(bytes: &[u8]) -> Option<Self::Key> {
        bytes.try_into().ok()
    }

    fn key(&self) -> Self::Key {
        match self {
            Self::Full(row) => row.sort_key().to_bytes(),
            Self::Patch(key, _) => key.to_bytes(),
        }
    }

    fn overlay(self, older: Self) -> Self {
        match (self, older) {
            (Self::Patch(key, patch), Self::Full(_)) if patch.is_dropped => Self::Patch(key, patch),
            (Self::Patch(_, patch), Self::Full(mut row)) => {
                row.life = row.life.overlay(patch.life);
                row.content = patch.content.or(row.content);
                Self::Full(row)
            }
            (Self::Patch(key, patch), Self::Patch(_, older)) => {
                Self::Patch(key, older.overlay(patch))
            }
            (full, _) => full,
        }
    }

    fn is_whole(&self) -> bool {
        matches!(self, Self::Full(_)) || self.is_dropped()
    }

    fn is_dropped(&self) -> bool {
        matches!(self, Self::Patch(_, patch) if patch.is_dropped)
    }

    fn weight_bytes(&self) -> usize {
        match self {
            Self::Patch(..) => size_of::<Self>() + size_of::<Self::Key>(),
            Self::Full(row) => size_of::<Row>() + size_of::<Self::Key>() + text_bytes(&row.item),
        }
    }
}

/// Bytes of all texts of an item.
pub(crate) fn text_bytes(item: &Item) -> usize {
    let addresses = std::iter::once(&item.from)
        .chain(&item.sender)
        .chain(&item.to)
        .chain(&item.cc)
        .chain(&item.bcc)
        .map(|address| address.name.len() + address.address.len() + 48);
    let categories = item.categories.iter().map(|name| name.len() + 24);
    item.id.0.len()
        + item.change_key.len()
        + item.folder.0.len()
        + item.class.len()
        + item.subject.len()
        + item.internet_message_id.len()
        + item.conversation_id.len()
        + addresses.sum::<usize>()
        + categories.sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_item_that_returns_is_gone_in_between() {
        let life = Life {
            end: Some(5),
            next: Some(9),
        };
        assert!(!life.is_current(2, 1));
        assert!(life.is_current(2, 4) && life.is_latest(2, 4) && !life.is_removed(4));
        assert!(!life.is_current(2, 5) && life.is_removed(5) && life.is_latest(2, 8));
        assert!(!life.is_removed(9) && !life.is_latest(2, 9));
    }

    #[test]
    fn a_superseded_version_was_never_removed() {
        let life = Life {
            end: Some(5),
            next: Some(5),
        };
        assert!((0..10).all(|at| !life.is_removed(at)));
    }
}
