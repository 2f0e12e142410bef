//! A small database of items that change by conditional writes: what jobs, runs and leases are kept
//! in. It fits one DynamoDB table and one SQLite file alike.
//!
//! An item has a partition, a sort key inside of it, a version that each write raises, a body, and
//! perhaps a time from which on it no longer counts. There are no unconditional writes: whoever
//! changes an item says what it believes to be there.

mod fault;
mod memory;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

pub use fault::FaultTable;
pub use memory::MemoryTable;

/// Longest partition and longest sort key, in bytes.
pub const MAX_KEY_BYTES: usize = 1_000;

/// Largest item: its key and body together. DynamoDB allows 400 KiB with the names of attributes.
pub const MAX_ITEM_BYTES: usize = 400_000;

/// Most writes of a transaction.
pub const MAX_TRANSACTION_WRITES: usize = 25;

/// Largest transaction: all its keys and bodies together.
pub const MAX_TRANSACTION_BYTES: usize = 4_000_000;

/// Items on a page when [`Query::limit`] is 0, and most items on any page.
pub const MAX_PAGE_ITEMS: usize = 1_000;

/// A page ends after the item that reaches this size.
pub const MAX_PAGE_BYTES: usize = 1_000_000;

/// Where an item is: text of 1 to [`MAX_KEY_BYTES`] bytes without control characters, twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemKey {
    partition: String,
    sort: String,
}

impl ItemKey {
    /// Checks and wraps a key.
    ///
    /// # Errors
    /// [`TableErrorKind::Invalid`] for a part that is empty, too long or has control characters.
    pub fn new(partition: impl Into<String>, sort: impl Into<String>) -> Result<Self, TableError> {
        let key = Self {
            partition: partition.into(),
            sort: sort.into(),
        };
        let is_valid = |part: &str| {
            !part.is_empty() && part.len() <= MAX_KEY_BYTES && !part.chars().any(char::is_control)
        };
        if is_valid(&key.partition) && is_valid(&key.sort) {
            Ok(key)
        } else {
            let cause = "not a valid key: it is empty, too long or has control characters";
            Err(TableError::new(TableErrorKind::Invalid, "", cause))
        }
    }

    /// Items of one partition are found together.
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// Items of a partition are in the order of the bytes of their sort keys.
    #[must_use]
    pub fn sort(&self) -> &str {
        &self.sort
    }
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.partition, self.sort)
    }
}

/// An item as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it is.
    pub key: ItemKey,
    /// 1 when it was created, one more after each write. A new item under the key of a deleted one
    /// begins at 1 again: whoever must tell them apart keeps the item instead of deleting it.
    pub version: u64,
    /// What it holds.
    pub body: Bytes,
    /// From then on it no longer counts; kept to the second. The table removes it at some later
    /// time, or never: readers ask [`Item::is_expired`], and conditions see it as long as it is there.
    pub expires_at: Option<DateTime<Utc>>,
}

impl Item {
    /// True when it no longer counts.
    #[must_use]
    pub fn is_expired(&self, now: DateTime<Utc>) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// What a write believes to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Absent,
    /// The item with this version.
    Version(u64),
}

/// One conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Creates an item, or replaces its body and expiry.
    Put {
        /// Where.
        key: ItemKey,
        /// What must be there before.
        expect: Expect,
        /// The new body.
        body: Bytes,
        /// When it stops to count.
        expires_at: Option<DateTime<Utc>>,
    },
    /// Removes an item.
    Delete {
        /// Where.
        key: ItemKey,
        /// The version that must be there.
        version: u64,
    },
    /// Writes nothing, and fails the transaction when the expectation does not hold.
    Check {
        /// Where.
        key: ItemKey,
        /// What must be there.
        expect: Expect,
    },
}

impl Write {
    /// Creates an item that does not expire.
    #[must_use]
    pub fn create(key: ItemKey, body: impl Into<Bytes>) -> Self {
        Self::Put {
            key,
            expect: Expect::Absent,
            body: body.into(),
            expires_at: None,
        }
    }

    /// Replaces the body of an item that does not expire.
    #[must_use]
    pub fn replace(key: ItemKey, version: u64, body: impl Into<Bytes>) -> Self {
        Self::Put {
            key,
            expect: Expect::Version(version),
            body: body.into(),
            expires_at: None,
        }
    }

    /// The item that it is about.
    #[must_use]
    pub fn key(&self) -> &ItemKey {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } | Self::Check { key, .. } => key,
        }
    }

    /// What must be there before.
    #[must_use]
    pub fn expect(&self) -> Expect {
        match self {
            Self::Put { expect, .. } | Self::Check { expect, .. } => *expect,
            Self::Delete { version, .. } => Expect::Version(*version),
        }
    }

    /// The version that the item has afterwards; 0 when there is none.
    #[must_use]
    pub fn version_after(&self) -> u64 {
        match (self, self.expect()) {
            (Self::Put { .. }, Expect::Absent) => 1,
            (Self::Put { .. }, Expect::Version(version)) => version.saturating_add(1),
            (Self::Check { .. }, Expect::Version(version)) => version,
            (Self::Delete { .. }, _) | (Self::Check { .. }, Expect::Absent) => 0,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let key = self.key();
        let body = match self {
            Self::Put { body, .. } => body.len(),
            Self::Delete { .. } | Self::Check { .. } => 0,
        };
        key.partition.len() + key.sort.len() + body
    }
}

/// Refuses, before anything is written, what exceeds the bounds of a transaction or names an item
/// twice. For adapters.
///
/// # Errors
/// [`TableErrorKind::TooLarge`] and [`TableErrorKind::Invalid`].
pub fn check_transaction(writes: &[Write]) -> Result<(), TableError> {
    let too_large = |name: &str, cause| Err(TableError::new(TableErrorKind::TooLarge, name, cause));
    let name = writes.first().map(|write| write.key().to_string());
    let name = name.unwrap_or_default();
    if writes.len() > MAX_TRANSACTION_WRITES {
        return too_large(&name, "the transaction has more than 25 writes");
    }
    let mut keys: Vec<&ItemKey> = writes.iter().map(Write::key).collect();
    keys.sort_unstable();
    keys.dedup();
    if writes.is_empty() || keys.len() < writes.len() {
        let cause = "a transaction names at least one item, and each item once";
        return Err(TableError::new(TableErrorKind::Invalid, &name, cause));
    }
    if let Some(write) = writes.iter().find(|write| write.bytes() > MAX_ITEM_BYTES) {
        let name = write.key().to_string();
        return too_large(&name, "the item has more than 400,000 bytes");
    }
    if writes.iter().map(Write::bytes).sum::<usize>() > MAX_TRANSACTION_BYTES {
        return too_large(&name, "the transaction has more than 4,000,000 bytes");
    }
    Ok(())
}

/// Which items of a partition to read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The partition.
    pub partition: String,
    /// Only sort keys that begin with this.
    pub prefix: String,
    /// Only items after this sort key, in the direction of reading.
    pub after: Option<String>,
    /// At most so many; the table may give fewer, but at least one while there are more. 0 means
    /// [`MAX_PAGE_ITEMS`].
    pub limit: usize,
    /// Reads from the last sort key to the first.
    pub is_descending: bool,
}

impl Query {
    /// All items of the partition whose sort key begins with `prefix`.
    #[must_use]
    pub fn prefix(partition: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self {
            partition: partition.into(),
            prefix: prefix.into(),
            ..Self::default()
        }
    }

    /// At most so many items.
    #[must_use]
    pub fn limited(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// From the last sort key to the first.
    #[must_use]
    pub fn descending(mut self) -> Self {
        self.is_descending = true;
        self
    }

    /// Most items that a page may have.
    #[must_use]
    pub fn page_limit(&self) -> usize {
        match self.limit {
            0 => MAX_PAGE_ITEMS,
            limit => limit.min(MAX_PAGE_ITEMS),
        }
    }
}

/// One page of items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ItemPage {
    /// The items, in the order asked for.
    pub items: Vec<Item>,
    /// Pass as [`Query::after`] to go on; `None` at the end.
    pub next: Option<String>,
}

/// What went wrong, as far as the caller must tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TableErrorKind {
    /// Something else is there than was expected. Also our own earlier write may be.
    Conflict,
    /// Told to slow down, or a racing transaction is under way: try again.
    Busy,
    /// No permission.
    Denied,
    /// An item, a transaction or the table itself exceeds what is allowed.
    TooLarge,
    /// No answer, or a broken one. A write may or may not have happened: in doubt.
    Unavailable,
    /// What is there cannot be read.
    Corrupt,
    /// The request makes no sense: our bug or a wrong setting.
    Invalid,
}

/// An error of a table: which item, what, why.
#[derive(Debug, thiserror::Error)]
#[error("table item {key}: {cause}")]
pub struct TableError {
    /// What kind.
    pub kind: TableErrorKind,
    /// The item's key, or the partition that was queried.
    pub key: String,
    /// The cause in words. Holds no secret.
    pub cause: String,
    /// Of a transaction that met a conflict: the place of the first write whose expectation did not
    /// hold, when the table tells.
    pub conflict_at: Option<usize>,
    /// How long the table asks to wait.
    pub retry_after: Option<Duration>,
    /// The underlying error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl TableError {
    /// An error without an underlying one.
    #[must_use]
    pub fn new(kind: TableErrorKind, key: &str, cause: impl Into<String>) -> Self {
        Self {
            kind,
            key: key.to_owned(),
            cause: cause.into(),
            conflict_at: None,
            retry_after: None,
            source: None,
        }
    }

    /// The expectation of write number `place` does not hold.
    #[must_use]
    pub fn conflict(write: &Write, place: usize) -> Self {
        let cause = match write.expect() {
            Expect::Absent => "it is there already".to_owned(),
            Expect::Version(version) => format!("it does not have version {version} any more"),
        };
        Self {
            conflict_at: Some(place),
            ..Self::new(TableErrorKind::Conflict, &write.key().to_string(), cause)
        }
    }

    /// Adds the underlying error.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// True when the same call may succeed later. After [`TableErrorKind::Unavailable`] the first
    /// attempt of a write may have succeeded.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            TableErrorKind::Busy | TableErrorKind::Unavailable
        )
    }
}

/// A database of small items.
///
/// Contract, held by the conformance suite:
/// * reads and queries see every write that returned before they began;
/// * a write, and a transaction as a whole, is all or nothing and durable when it returns;
/// * of racing writes with the same expectation exactly one succeeds, the others get `Conflict` or
///   `Busy`;
/// * `Unavailable` on a write is *in doubt*.
#[async_trait]
pub trait Table: Send + Sync + 'static {
    /// Reads an item.
    ///
    /// # Errors
    /// See [`TableErrorKind`].
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, TableError>;

    /// Writes one item, and returns the version that it has afterwards.
    ///
    /// # Errors
    /// `Conflict` when the expectation does not hold, `TooLarge` beyond [`MAX_ITEM_BYTES`].
    async fn write(&self, write: Write) -> Result<u64, TableError> {
        let version = write.version_after();
        self.transact(vec![write]).await.map(|()| version)
    }

    /// Makes all writes or none.
    ///
    /// # Errors
    /// `Conflict` when any expectation does not hold, `TooLarge` beyond the bounds of this module,
    /// `Invalid` when an item is named twice or none is.
    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError>;

    /// Reads one page of items.
    ///
    /// # Errors
    /// See [`TableErrorKind`]. An unknown partition is an empty page, not an error.
    async fn query(&self, query: &Query) -> Result<ItemPage, TableError>;
}
