//! What a view shows: versions of items, pages of them, and the mark to go on from.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use mailkeep_model::Item;

use crate::error::VaultError;
use crate::ids::ItemKey;
use crate::index::rows::{ROW_KEY_BYTES, Row, SortKey};
use crate::pack_table::ContentRef;

/// One version of one item, as seen at one point in time.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemVersion {
    /// The item's reference, for people.
    pub key: ItemKey,
    /// The metadata of this version.
    pub item: Item,
    /// The content, if it could ever be read and was not lost since.
    pub content: Option<ContentRef>,
    /// What is known of a content that was lost to damage. The next backup fetches it again.
    pub lost: Option<ContentRef>,
    /// The commit that brought this version.
    pub from_sequence: u64,
    /// The commit that superseded or removed it; `None` while it is current.
    pub to_sequence: Option<u64>,
    /// The item was removed at the source, and this was its last version. Can be restored.
    pub deleted: bool,
    /// Where the version is in the index.
    pub(crate) place: SortKey,
}

impl ItemVersion {
    /// The version of `row` as it was right after commit `at`.
    pub(crate) fn at(row: Row, at: u64) -> Self {
        Self {
            key: row.key,
            content: row.content.filter(|content| !content.is_lost()),
            lost: row.content.filter(ContentRef::is_lost),
            from_sequence: row.from,
            to_sequence: row.life.end.filter(|end| *end <= at),
            deleted: row.life.is_removed(at),
            place: row.sort_key(),
            item: row.item,
        }
    }

    /// The mark to list what comes after this version.
    #[must_use]
    pub fn page_token(&self) -> PageToken {
        PageToken(self.place.to_bytes())
    }
}

/// Where to go on in a list. Stays valid while the mailbox changes: the list goes on with what comes
/// after the last version shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageToken(pub(crate) [u8; ROW_KEY_BYTES]);

impl fmt::Display for PageToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl FromStr for PageToken {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self, VaultError> {
        BASE32_NOPAD
            .decode(text.trim().to_ascii_uppercase().as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| VaultError::invalid(format!("`{text}` is not a page mark")))
    }
}

/// A page of items.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemPage {
    /// The items, newest first within each folder.
    pub items: Vec<ItemVersion>,
    /// Pass it to get the next page; `None` at the end.
    pub next: Option<PageToken>,
}

/// How an item differs between two points in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeKinds {
    /// It is in another folder.
    pub moved: bool,
    /// Its content is another one.
    pub content: bool,
    /// Its read state, flag, categories or another piece of metadata differs.
    pub metadata: bool,
}

/// One difference between two points in time.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// The item is new, or came back.
    Added(ItemVersion),
    /// The item is gone; this is its last version.
    Removed(ItemVersion),
    /// The item is there at both times, but differs.
    Changed {
        /// As it was.
        before: Box<ItemVersion>,
        /// As it became.
        after: Box<ItemVersion>,
        /// How.
        kinds: ChangeKinds,
    },
}

/// A page of differences.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiffPage {
    /// The differences, in the order of the later (or last) version of each item.
    pub differences: Vec<Difference>,
    /// Pass it to get the next page; `None` at the end.
    pub next: Option<PageToken>,
}
