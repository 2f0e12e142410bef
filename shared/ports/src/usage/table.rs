//! Counting calls of a table.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Failure, Usage, UsageCounts, length};
use crate::table::{Item, ItemKey, ItemPage, Query, Table, TableError, TableErrorKind, Write};

/// A read is paid for in units of so many bytes.
const READ_UNIT: u64 = 4 << 10;
/// A write, too.
const WRITE_UNIT: u64 = 1 << 10;

/// Counts the calls of a table.
pub struct UsageTable {
    inner: Arc<dyn Table>,
    usage: Arc<Usage>,
}

impl UsageTable {
    /// Wraps a table.
    #[must_use]
    pub fn new(inner: Arc<dyn Table>, usage: Arc<Usage>) -> Self {
        Self { inner, usage }
    }

    fn note<T>(&self, result: &Result<T, TableError>, add: impl FnOnce(&mut UsageCounts)) {
        let failure = result.as_ref().err().and_then(|error| match error.kind {
            TableErrorKind::Busy => Some(Failure::Throttled),
            TableErrorKind::Conflict => None,
            _ => Some(Failure::Other),
        });
        self.usage.add(|counts| {
            add(counts);
            counts.note(failure);
        });
    }
}

fn item_bytes(item: &Item) -> u64 {
    length(item.key.partition().len() + item.key.sort().len() + item.body.len())
}

/// Units, of which even nothing costs one.
fn units(bytes: u64, unit: u64) -> u64 {
    bytes.div_ceil(unit).max(1)
}

fn write_units(write: &Write) -> u64 {
    units(length(write.bytes()), WRITE_UNIT)
}

#[async_trait]
impl Table for UsageTable {
    async fn get(&self, key: &ItemKey) -> Result<Option<Item>, TableError> {
        let result = self.inner.get(key).await;
        let bytes = match &result {
            Ok(Some(item)) => item_bytes(item),
            _ => 0,
        };
        self.note(&result, |counts| {
            counts.table_reads += 1;
            counts.table_read_units += units(bytes, READ_UNIT);
        });
        result
    }

    async fn write(&self, write: Write) -> Result<u64, TableError> {
        let units = write_units(&write);
        let result = self.inner.write(write).await;
        self.note(&result, |counts| {
            counts.table_writes += 1;
            counts.table_write_units += units;
        });
        result
    }

    async fn transact(&self, writes: Vec<Write>) -> Result<(), TableError> {
        let units: u64 = writes.iter().map(write_units).sum();
        let result = self.inner.transact(writes).await;
        self.note(&result, |counts| {
            counts.table_writes += 1;
            counts.table_write_units += 2 * units;
        });
        result
    }

    async fn query(&self, query: &Query) -> Result<ItemPage, TableError> {
        let result = self.inner.query(query).await;
        let bytes = result
            .as_ref()
            .map_or(0, |page| page.items.iter().map(item_bytes).sum());
        self.note(&result, |counts| {
            counts.table_reads += 1;
            counts.table_read_units += units(bytes, READ_UNIT);
        });
        result
    }
}
