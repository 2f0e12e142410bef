//! Counting what is asked of storage, table and queue: what a month costs follows from it, and a test
//! can say how many requests something may cost.
//!
//! Put a counter directly around an adapter and below [`RetryStore`](crate::RetryStore): each attempt is a
//! request that is paid for. (What an SDK repeats by itself is not seen here.)

mod queue;
mod store;
mod table;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use queue::UsageQueue;
pub use store::UsageStore;
pub use table::UsageTable;

/// Requests and bytes since some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UsageCounts {
    /// Objects written.
    pub store_puts: u64,
    /// Objects, or parts of them, read.
    pub store_gets: u64,
    /// Objects asked about without their bodies.
    pub store_heads: u64,
    /// Pages of names listed.
    pub store_lists: u64,
    /// Objects deleted.
    pub store_deletes: u64,
    /// Retentions of objects extended.
    pub store_retentions: u64,
    /// Bytes of bodies written.
    pub store_bytes_written: u64,
    /// Bytes of bodies read.
    pub store_bytes_read: u64,
    /// Reads of the table: of one item, or of a page.
    pub table_reads: u64,
    /// Writes of the table: a transaction counts once.
    pub table_writes: u64,
    /// What is paid for reads: one for each 4 KiB or part of it.
    pub table_read_units: u64,
    /// What is paid for writes: one for each KiB or part of it, twice in a transaction.
    pub table_write_units: u64,
    /// Requests to the queue.
    pub queue_requests: u64,
    /// Messages sent.
    pub queue_messages: u64,
    /// Answers of any of them that asked to slow down.
    pub throttles: u64,
    /// Calls that failed in another way than a lost condition.
    pub failures: u64,
}

impl UsageCounts {
    /// Nothing asked.
    pub const NOTHING: Self = Self {
        store_puts: 0,
        store_gets: 0,
        store_heads: 0,
        store_lists: 0,
        store_deletes: 0,
        store_retentions: 0,
        store_bytes_written: 0,
        store_bytes_read: 0,
        table_reads: 0,
        table_writes: 0,
        table_read_units: 0,
        table_write_units: 0,
        queue_requests: 0,
        queue_messages: 0,
        throttles: 0,
        failures: 0,
    };

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.each(other, u64::saturating_add)
    }

    /// What was asked since an earlier count.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        self.each(earlier, u64::saturating_sub)
    }

    /// The same so many times.
    #[must_use]
    pub fn times(self, number: u64) -> Self {
        self.each(self, |count, _| count.saturating_mul(number))
    }

    fn each(self, other: Self, of: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            store_puts: of(self.store_puts, other.store_puts),
            store_gets: of(self.store_gets, other.store_gets),
            store_heads: of(self.store_heads, other.store_heads),
            store_lists: of(self.store_lists, other.store_lists),
            store_deletes: of(self.store_deletes, other.store_deletes),
            store_retentions: of(self.store_retentions, other.store_retentions),
            store_bytes_written: of(self.store_bytes_written, other.store_bytes_written),
            store_bytes_read: of(self.store_bytes_read, other.store_bytes_read),
            table_reads: of(self.table_reads, other.table_reads),
            table_writes: of(self.table_writes, other.table_writes),
            table_read_units: of(self.table_read_units, other.table_read_units),
            table_write_units: of(self.table_write_units, other.table_write_units),
            queue_requests: of(self.queue_requests, other.queue_requests),
            queue_messages: of(self.queue_messages, other.queue_messages),
            throttles: of(self.throttles, other.throttles),
            failures: of(self.failures, other.failures),
        }
    }

    /// Requests to the store.
    #[must_use]
    pub fn store_requests(&self) -> u64 {
        self.store_puts
            + self.store_gets
            + self.store_heads
            + self.store_lists
            + self.store_deletes
            + self.store_retentions
    }
}

/// The counters of one process, shared by its adapters.
#[derive(Debug, Default)]
pub struct Usage {
    counts: Mutex<UsageCounts>,
}

impl Usage {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> UsageCounts {
        *self.lock()
    }

    /// What was counted since the last time, or the start.
    pub fn take(&self) -> UsageCounts {
        std::mem::take(&mut *self.lock())
    }

    fn add(&self, change: impl FnOnce(&mut UsageCounts)) {
        change(&mut self.lock());
    }

    fn lock(&self) -> MutexGuard<'_, UsageCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a failure is to the counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Throttled,
    Other,
}

impl UsageCounts {
    fn note(&mut self, failure: Option<Failure>) {
        match failure {
            Some(Failure::Throttled) => self.throttles += 1,
            Some(Failure::Other) => self.failures += 1,
            None => {}
        }
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
