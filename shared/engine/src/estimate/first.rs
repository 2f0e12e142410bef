//! What is done once: the first backup, and a restore of everything.

use super::amounts::Amounts;
use super::costs;
use super::month::{Line, Service};
use super::pace::item_seconds;
use super::{Prices, Question, float};

/// The first backup of everything.
#[derive(Clone, Debug, PartialEq)]
pub struct FirstBackup {
    /// What it costs.
    pub lines: Vec<Line>,
    /// How long one mailbox of average size takes.
    pub mailbox_seconds: f64,
    /// How long all take.
    pub seconds: f64,
    /// Requests to the source.
    pub source_requests: f64,
}

/// A restore of everything into mailboxes of Exchange Online.
#[derive(Clone, Debug, PartialEq)]
pub struct RestoreAll {
    /// What it costs.
    pub lines: Vec<Line>,
    /// How long one mailbox of average size takes.
    pub mailbox_seconds: f64,
    /// What a mailbox takes is decided by the bytes that the service accepts, not by its requests.
    pub is_bound_by_bytes: bool,
    /// How long all take.
    pub seconds: f64,
    /// Requests to the target.
    pub requests: f64,
}

impl FirstBackup {
    pub(super) fn of(question: &Question, prices: &Prices) -> Self {
        let items = question.items_of_one();
        let source_requests = question.first_items();
        let mailbox_seconds =
            (items * item_seconds(question)).max(items / costs::SOURCE_REQUESTS_PER_SECOND);
        let seconds = all(question, mailbox_seconds, question.workers, source_requests);
        let worker_seconds = mailbox_seconds * question.mailboxes();
        let bytes = question.mailboxes() * float(question.mailbox_bytes) * costs::STORED_PART;
        let class = prices.class(&question.storage_class);
        let commits = worker_seconds / costs::COMMIT_SECONDS;
        let mut asked = Amounts::of(&costs::CHANGED_MAILBOX, question.mailboxes());
        asked.store_writes += commits;
        let gigabytes = f64::from(question.worker_megabytes) / 1_024.0;
        let lines = vec![
            Line::new(
                Service::Lambda,
                "GB-seconds of workers",
                worker_seconds * gigabytes,
                prices.lambda_gb_second,
                1.0,
            ),
            Line::new(
                Service::S3,
                "writes of content",
                bytes / costs::PACK_BYTES,
                class.million_writes,
                1e6,
            ),
            Line::new(
                Service::S3,
                "other writes and lists",
                asked.store_writes,
                prices.hot().million_writes,
                1e6,
            ),
            Line::new(
                Service::DynamoDb,
                "write units",
                asked.write_units,
                prices.dynamodb_million_write_units,
                1e6,
            ),
        ];
        Self {
            lines,
            mailbox_seconds,
            seconds,
            source_requests,
        }
    }
}

impl RestoreAll {
    pub(super) fn of(question: &Question, prices: &Prices) -> Self {
        let items = question.source_bytes() / float(question.item_bytes.max(1));
        let of_one = items / question.mailboxes().max(1.0);
        let of_folders = float(costs::RESTORE_REQUESTS_OF_FOLDER * costs::FOLDERS);
        let calls = of_one * float(costs::RESTORE_REQUESTS) + of_folders;
        let by_requests = (calls / costs::SOURCE_REQUESTS_PER_SECOND)
            .max(calls * costs::SOURCE_SECONDS / float(costs::SOURCE_CALLS_AT_ONCE));
        let bytes = question.source_bytes() * costs::UPLOAD_PART;
        let by_bytes = bytes / question.mailboxes().max(1.0) / costs::SOURCE_UPLOAD_PER_SECOND;
        let mailbox_seconds = by_requests.max(by_bytes);
        let requests = calls * question.mailboxes();
        let class = prices.class(&question.storage_class);
        let stored = question.source_bytes() * costs::STORED_PART / 1e9;
        let gigabytes = f64::from(question.worker_megabytes) / 1_024.0;
        let worker_seconds = mailbox_seconds * question.mailboxes();
        let lines = vec![
            Line::new(
                Service::Lambda,
                "GB-seconds of workers",
                worker_seconds * gigabytes,
                prices.lambda_gb_second,
                1.0,
            ),
            Line::new(
                Service::S3,
                "reads",
                items * costs::RESTORE_READS,
                class.million_reads,
                1e6,
            ),
            Line::new(Service::S3, "GB retrieved", stored, class.retrieved_gb, 1.0),
            Line::new(
                Service::Transfer,
                "GB to Exchange Online",
                bytes / 1e9,
                prices.transfer_out_gb,
                1.0,
            ),
        ];
        Self {
            lines,
            mailbox_seconds,
            is_bound_by_bytes: by_bytes > by_requests,
            seconds: all(question, mailbox_seconds, question.restores, requests),
            requests,
        }
    }
}

/// How long all mailboxes take, so many at once, within what the service permits one application.
fn all(question: &Question, mailbox_seconds: f64, at_once: u32, requests: f64) -> f64 {
    let rounds = (question.mailboxes() / f64::from(at_once.max(1))).ceil();
    (rounds * mailbox_seconds).max(requests / costs::SOURCE_REQUESTS_OF_ALL_PER_SECOND)
}
