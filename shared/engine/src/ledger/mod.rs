//! The job database as the engine sees it: typed records in a [`Table`], each changed only on the
//! condition that it is still what was read.
//!
//! Whoever changes something reads, decides and writes; when the write meets a conflict, or nobody
//! answers, it reads again and decides anew. So a decision must be such that, once it was carried out,
//! reading shows that there is nothing left to do.

mod error;
mod event;
mod keep;
mod keys;
mod records;
mod tries;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use mailkeep_ports::{Clock, Expect, Item, ItemKey, Query, Rng, Table, Write};
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::JobError;
pub use event::{EventRecord, JobEvent, Mood};
pub(crate) use keep::Keep;
pub(crate) use keys::{FLIGHT, HOOKS, WAIT, lease as keys_lease, name as keys_name};
pub use keys::{JobId, RunKey, TaskKey};
pub(crate) use tries::Tries;

/// A record as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The record.
    pub value: T,
    /// The version that a write must find.
    pub version: u64,
}

/// One page of records.
#[derive(Clone, Debug)]
pub struct RecordPage<T> {
    /// The records.
    pub records: Vec<T>,
    /// Pass to get the next page; `None` at the end.
    pub next: Option<String>,
}

/// The job database. Cheap to clone.
#[derive(Clone)]
pub struct Ledger {
    table: Arc<dyn Table>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

/// Whether a transaction was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Made {
    /// It was.
    Yes,
    /// Something else is there than was read, or nobody answered: read again.
    Unsure,
}

impl Ledger {
    /// The job database in this table.
    #[must_use]
    pub fn new(table: Arc<dyn Table>, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { table, clock, rng }
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The randomness.
    #[must_use]
    pub fn rng(&self) -> &Arc<dyn Rng> {
        &self.rng
    }

    /// One page of whatever record this is. Expired ones are left out.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        query: &Query,
    ) -> Result<RecordPage<Versioned<T>>, JobError> {
        let mut tries = Tries::new();
        let page = loop {
            match self.table.query(query).await {
                Ok(page) => break page,
                Err(error) => tries.again(&*self.clock, error).await?,
            }
        };
        let now = self.clock.now();
        let alive = page.items.into_iter().filter(|item| !item.is_expired(now));
        Ok(RecordPage {
            records: alive.map(decode).collect::<Result<_, _>>()?,
            next: page.next,
        })
    }

    /// Reads a record; one that has expired is not there.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        key: &ItemKey,
    ) -> Result<Option<Versioned<T>>, JobError> {
        let item = self.item(key).await?;
        let now = self.clock.now();
        item.filter(|item| !item.is_expired(now))
            .map(decode)
            .transpose()
    }

    async fn item(&self, key: &ItemKey) -> Result<Option<Item>, JobError> {
        let mut tries = Tries::new();
        loop {
            match self.table.get(key).await {
                Ok(item) => return Ok(item),
                Err(error) => tries.again(&*self.clock, error).await?,
            }
        }
    }

    /// The keys of one page of items, and where the next page starts.
    pub(crate) async fn keys(
        &self,
        query: &Query,
    ) -> Result<(Vec<ItemKey>, Option<String>), JobError> {
        let mut tries = Tries::new();
        loop {
            match self.table.query(query).await {
                Ok(page) => {
                    let keys = page.items.into_iter().map(|item| item.key);
                    return Ok((keys.collect(), page.next));
                }
                Err(error) => tries.again(&*self.clock, error).await?,
            }
        }
    }

    /// The key of the first item.
    pub(crate) async fn first_key(&self, query: &Query) -> Result<Option<ItemKey>, JobError> {
        let (keys, _) = self.keys(query).await?;
        Ok(keys.into_iter().next())
    }

    /// Makes all writes or none.
    ///
    /// # Errors
    /// When trying again is of no use.
    pub(crate) async fn transact(
        &self,
        writes: Vec<Write>,
        tries: &mut Tries,
    ) -> Result<Made, JobError> {
        match self.table.transact(writes).await {
            Ok(()) => Ok(Made::Yes),
            Err(error) => {
                tries.again(&*self.clock, error).await?;
                Ok(Made::Unsure)
            }
        }
    }
}

fn decode<T: DeserializeOwned>(item: Item) -> Result<Versioned<T>, JobError> {
    let value = serde_json::from_slice(&item.body).map_err(|cause| JobError::Corrupt {
        key: item.key.to_string(),
        cause: cause.to_string(),
    })?;
    Ok(Versioned {
        value,
        version: item.version,
    })
}

/// Creates a record.
pub(crate) fn create<T: Serialize>(key: ItemKey, record: &T) -> Result<Write, JobError> {
    Ok(Write::create(key, encode(record)?))
}

/// Replaces a record that was read.
pub(crate) fn replace<T: Serialize>(
    key: ItemKey,
    version: u64,
    record: &T,
) -> Result<Write, JobError> {
    Ok(Write::replace(key, version, encode(record)?))
}

/// The same write, of an item that stops to count at some time.
pub(crate) fn until(write: Write, at: Option<DateTime<Utc>>) -> Write {
    match write {
        Write::Put {
            key, expect, body, ..
        } => Write::Put {
            key,
            expect,
            body,
            expires_at: at,
        },
        other => other,
    }
}

/// Creates a record, or replaces the one that was read.
pub(crate) fn write<T: Serialize>(
    key: ItemKey,
    version: Option<u64>,
    record: &T,
) -> Result<Write, JobError> {
    Ok(Write::Put {
        key,
        expect: version.map_or(Expect::Absent, Expect::Version),
        body: encode(record)?.into(),
        expires_at: None,
    })
}

pub(crate) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, JobError> {
    serde_json::to_vec(record).map_err(|cause| JobError::Bug(cause.to_string()))
}
