//! Counts times numbers, as they are paid for.

use mailkeep_ports::UsageCounts;

use super::costs;
use super::float;

/// What is asked of S3, DynamoDB and SQS.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Amounts {
    /// Writes and lists, which have one price.
    pub(super) store_writes: f64,
    pub(super) store_reads: f64,
    pub(super) table_reads: f64,
    pub(super) table_writes: f64,
    pub(super) read_units: f64,
    pub(super) write_units: f64,
    pub(super) queue_requests: f64,
}

impl Amounts {
    /// The same counts so many times.
    pub(super) fn of(counts: &UsageCounts, times: f64) -> Self {
        let writes = counts.store_puts + counts.store_lists + counts.store_retentions;
        Self {
            store_writes: float(writes) * times,
            store_reads: float(counts.store_gets + counts.store_heads) * times,
            table_reads: float(counts.table_reads) * times,
            table_writes: float(counts.table_writes) * times,
            read_units: float(counts.table_read_units) * times,
            write_units: float(counts.table_write_units) * times,
            queue_requests: float(counts.queue_requests) * times,
        }
    }

    pub(super) fn add(&mut self, counts: &UsageCounts, times: f64) {
        let more = Self::of(counts, times);
        self.store_writes += more.store_writes;
        self.store_reads += more.store_reads;
        self.table_reads += more.table_reads;
        self.table_writes += more.table_writes;
        self.read_units += more.read_units;
        self.write_units += more.write_units;
        self.queue_requests += more.queue_requests;
    }

    /// How long they take one after the other.
    pub(super) fn seconds(&self) -> f64 {
        (self.store_writes + self.store_reads) * costs::STORE_SECONDS
            + self.table_reads * costs::TABLE_READ_SECONDS
            + self.table_writes * costs::TABLE_WRITE_SECONDS
            + self.queue_requests * costs::QUEUE_SECONDS
    }
}

/// How long these requests take one after the other.
pub(super) fn seconds(counts: &UsageCounts) -> f64 {
    Amounts::of(counts, 1.0).seconds()
}
