//! What single steps ask of S3, DynamoDB and SQS, as counted, and what is assumed beside it.
//!
//! `shared/engine/tests/scale` counts the real planner, workers and vault and compares: a change of the
//! program that costs more must change these numbers. Units of the table depend on the sizes of records;
//! they are those of names and addresses of ordinary length.

use mailkeep_ports::UsageCounts;

/// A thousand mailboxes are listed, and a task made for each.
pub const LISTED_THOUSAND: UsageCounts = UsageCounts {
    table_reads: 1_101,
    table_writes: 101,
    table_read_units: 1_101,
    table_write_units: 4_202,
    ..UsageCounts::NOTHING
};

/// Ten mailboxes are handed out, with one batch of messages.
pub const HANDED_OUT_TEN: UsageCounts = UsageCounts {
    table_reads: 30,
    table_writes: 10,
    table_read_units: 30,
    table_write_units: 80,
    queue_requests: 1,
    queue_messages: 10,
    ..UsageCounts::NOTHING
};

/// A worker's pass over a mailbox in which nothing changed. (It receives its message and removes it; on AWS
/// the event source does so, for the same price.)
pub const UNCHANGED_MAILBOX: UsageCounts = UsageCounts {
    store_gets: 2,
    store_lists: 2,
    table_reads: 8,
    table_writes: 2,
    table_read_units: 8,
    table_write_units: 14,
    queue_requests: 2,
    ..UsageCounts::NOTHING
};

/// A worker's pass over a mailbox with some new items, which fit into one commit. A checkpoint is
/// read beside, see [`CHECKPOINTS_READ`].
pub const CHANGED_MAILBOX: UsageCounts = UsageCounts {
    store_puts: 2,
    store_gets: 3,
    store_lists: 2,
    table_reads: 8,
    table_writes: 2,
    table_read_units: 8,
    table_write_units: 14,
    queue_requests: 2,
    ..UsageCounts::NOTHING
};

/// Objects beside the newest commit that opening a mailbox reads, on the average of many commits: its checkpoint, at
/// the same time. Small commits since then come with the newest one.
pub const CHECKPOINTS_READ: f64 = 1.0;

/// A run is opened, finds no mailbox, and ends.
pub const RUN: UsageCounts = UsageCounts {
    table_reads: 10,
    table_writes: 4,
    table_read_units: 10,
    table_write_units: 20,
    queue_requests: 1,
    ..UsageCounts::NOTHING
};

/// The planner looks at one job whose run is open, and nothing is to be done.
pub const TICK: UsageCounts = UsageCounts {
    table_reads: 6,
    table_read_units: 6,
    queue_requests: 1,
    ..UsageCounts::NOTHING
};

/// What a tick asks beside, for each mailbox that is worked on.
pub const TICK_OF_ONE_IN_FLIGHT: UsageCounts = UsageCounts {
    table_reads: 2,
    table_read_units: 2,
    ..UsageCounts::NOTHING
};

/// The planner looks at one job that is not due.
pub const IDLE_TICK: UsageCounts = UsageCounts {
    table_reads: 3,
    table_read_units: 3,
    queue_requests: 1,
    ..UsageCounts::NOTHING
};

/// The notifier looks, and there is nothing to tell.
pub const IDLE_NEWS: UsageCounts = UsageCounts {
    table_reads: 2,
    table_read_units: 2,
    ..UsageCounts::NOTHING
};

/// The vault is opened; one request to KMS comes beside.
pub const VAULT_OPENED: UsageCounts = UsageCounts {
    store_gets: 2,
    store_lists: 1,
    ..UsageCounts::NOTHING
};

/// Retention looks at a mailbox in which nothing is to be let go of.
pub const RETAINED_MAILBOX: UsageCounts = UsageCounts {
    store_gets: 4,
    store_lists: 3,
    ..UsageCounts::NOTHING
};

/// Bytes of the table for a task.
pub const TASK_BYTES: u64 = 954;
/// Bytes of the table for what is remembered of a mailbox; the hourly survey reads them all.
pub const MAILBOX_BYTES: u64 = 281;
/// For so many days the table keeps tasks that found nothing new, and others.
pub const TASK_DAYS: (f64, f64) = (3.0, 35.0);

/// Requests to Microsoft Graph for a mailbox in which nothing changed (`tests/e2e` holds it); each new item
/// is one more.
pub const SOURCE_REQUESTS: u64 = 4;
/// Requests to Microsoft Graph to restore an item whose attachments are all below 3 MB (`tests/e2e` holds it).
pub const RESTORE_REQUESTS: u64 = 1;
/// Requests to restore a folder, at most.
pub const RESTORE_REQUESTS_OF_FOLDER: u64 = 5;
/// Assumed: folders of a mailbox.
pub const FOLDERS: u64 = 60;
/// Reads of the store for each item, when everything is restored: of 16,529 mails in `docs/benchmarks.md` they
/// were 27,718.
pub const RESTORE_READS: f64 = 27_718.0 / 16_529.0;
/// Stored bytes of one byte of mail, as measured in `docs/benchmarks.md`.
pub const STORED_PART: f64 = 0.398;
/// The largest object of content.
pub const PACK_BYTES: f64 = 16.0 * 1_048_576.0;
/// A worker commits at least so often.
pub const COMMIT_SECONDS: f64 = 60.0;

/// Calls that Microsoft Graph permits for a mailbox at once.
pub const SOURCE_CALLS_AT_ONCE: u64 = 4;
/// Requests per second that it permits for a mailbox: 10,000 in ten minutes.
pub const SOURCE_REQUESTS_PER_SECOND: f64 = 10_000.0 / 600.0;
/// Bytes per second that it takes for a mailbox: 150 MB in five minutes.
pub const SOURCE_UPLOAD_PER_SECOND: f64 = 150e6 / 300.0;
/// Requests per second that it permits an application over all mailboxes: 130,000 in ten seconds.
pub const SOURCE_REQUESTS_OF_ALL_PER_SECOND: f64 = 13_000.0;
/// Bytes on the wire for a byte of restored mail (base64).
pub const UPLOAD_PART: f64 = 4.0 / 3.0;

/// Assumed: how long a request to Microsoft Graph takes.
pub const SOURCE_SECONDS: f64 = 0.25;
/// Assumed: how long a request to S3 takes.
pub const STORE_SECONDS: f64 = 0.03;
/// Assumed: how long a read of DynamoDB takes.
pub const TABLE_READ_SECONDS: f64 = 0.005;
/// Assumed: how long a transaction of DynamoDB takes.
pub const TABLE_WRITE_SECONDS: f64 = 0.015;
/// Assumed: how long a request to SQS takes.
pub const QUEUE_SECONDS: f64 = 0.01;
/// Assumed: how long an invocation takes beside that.
pub const INVOCATION_SECONDS: f64 = 0.02;
/// Processor time for a gigabyte of mail, as measured in `docs/benchmarks.md`.
pub const PROCESSOR_SECONDS_PER_GB: f64 = 10.78 / 1.496;
/// Lambda gives a whole processor for so much memory.
pub const MEGABYTES_PER_PROCESSOR: f64 = 1_769.0;
/// Messages that wake the planner are gathered for so long.
pub const SECONDS_BETWEEN_TICKS: f64 = 1.0;
/// Memory of scheduler and notifier, and of retention.
pub const SMALL_MEGABYTES: f64 = 256.0;
/// See [`SMALL_MEGABYTES`].
pub const RETENTION_MEGABYTES: f64 = 512.0;
/// Polls of an event source that has nothing to receive: five pollers that wait 20 seconds each.
pub const IDLE_POLLS_PER_MINUTE: f64 = 15.0;
/// Event sources of the stack.
pub const EVENT_SOURCES: f64 = 3.0;
/// Bytes of log that an invocation writes, with its metrics.
pub const LOG_BYTES: f64 = 3_000.0;
/// Metrics of the stack.
pub const METRICS: f64 = 40.0;
/// Alarms of the stack.
pub const ALARMS: f64 = 16.0;

/// For so many of a thousand.
pub(super) fn per_thousand(number: f64) -> f64 {
    number / 1_000.0
}

/// For so many of a batch.
pub(super) fn per_batch(number: f64) -> f64 {
    number / 10.0
}
