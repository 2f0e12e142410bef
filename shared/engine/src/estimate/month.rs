//! What an ordinary month costs, by item.

use super::amounts::Amounts;
use super::costs::{self, per_batch, per_thousand};
use super::pace::{changed_seconds, item_seconds, unchanged_seconds};
use super::question::DAYS;
use super::{Pace, Prices, Question, float};

/// A service that is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    /// Functions.
    Lambda,
    /// The vault.
    S3,
    /// The table of jobs.
    DynamoDb,
    /// Messages.
    Sqs,
    /// The key of the vault.
    Kms,
    /// Logs, metrics and alarms.
    CloudWatch,
    /// What wakes functions.
    Scheduler,
    /// Bytes that leave AWS.
    Transfer,
}

impl Service {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Lambda => "Lambda",
            Self::S3 => "S3",
            Self::DynamoDb => "DynamoDB",
            Self::Sqs => "SQS",
            Self::Kms => "KMS",
            Self::CloudWatch => "CloudWatch",
            Self::Scheduler => "EventBridge Scheduler",
            Self::Transfer => "Data transfer",
        }
    }
}

/// One item of a bill.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// Whose.
    pub service: Service,
    /// What.
    pub what: &'static str,
    /// How many.
    pub quantity: f64,
    /// How much that costs.
    pub cost: f64,
}

impl Line {
    /// So many at the price of `batch` of them.
    pub(super) fn new(
        service: Service,
        what: &'static str,
        quantity: f64,
        price: f64,
        batch: f64,
    ) -> Self {
        Self {
            service,
            what,
            quantity,
            cost: quantity * price / batch,
        }
    }
}

/// An ordinary month.
#[derive(Clone, Debug, PartialEq)]
pub struct Month {
    /// The items of the bill.
    pub lines: Vec<Line>,
    /// Passes over single mailboxes.
    pub tasks: f64,
    /// Messages, with those that wake the planner.
    pub messages: f64,
    /// Bytes of the vault at its end.
    pub stored_bytes: f64,
}

impl Month {
    /// All items together.
    #[must_use]
    pub fn cost(&self) -> f64 {
        self.lines.iter().map(|line| line.cost).sum()
    }

    pub(super) fn of(question: &Question, prices: &Prices, pace: &Pace) -> Self {
        let load = Load::of(question, pace);
        let class = prices.class(&question.storage_class);
        let hot = prices.hot();
        let stored_bytes = question.source_bytes() * costs::STORED_PART;
        let table_bytes = load.table_bytes(question);
        let million = 1e6;
        let line = Line::new;
        use Service as S;
        let lines = vec![
            line(
                S::Lambda,
                "invocations",
                load.invocations,
                prices.lambda_million_requests,
                million,
            ),
            line(
                S::Lambda,
                "GB-seconds of workers",
                load.worker_gb_seconds,
                prices.lambda_gb_second,
                1.0,
            ),
            line(
                S::Lambda,
                "GB-seconds of the others",
                load.other_gb_seconds,
                prices.lambda_gb_second,
                1.0,
            ),
            line(S::S3, "GB stored", stored_bytes / 1e9, class.gb_month, 1.0),
            line(
                S::S3,
                "writes of content",
                load.packs,
                class.million_writes,
                million,
            ),
            line(
                S::S3,
                "other writes and lists",
                load.asked.store_writes,
                hot.million_writes,
                million,
            ),
            line(
                S::S3,
                "reads",
                load.asked.store_reads,
                hot.million_reads,
                million,
            ),
            line(
                S::DynamoDb,
                "write units",
                load.asked.write_units,
                prices.dynamodb_million_write_units,
                million,
            ),
            line(
                S::DynamoDb,
                "read units",
                load.asked.read_units,
                prices.dynamodb_million_read_units,
                million,
            ),
            line(
                S::DynamoDb,
                "GB stored",
                table_bytes / 1e9,
                prices.dynamodb_gb_month,
                1.0,
            ),
            line(
                S::Sqs,
                "requests",
                load.asked.queue_requests,
                prices.sqs_million_requests,
                million,
            ),
            line(S::Kms, "keys", 1.0, prices.kms_key_month, 1.0),
            line(
                S::Kms,
                "requests",
                load.starts,
                prices.kms_ten_thousand_requests,
                1e4,
            ),
            line(
                S::CloudWatch,
                "GB of logs",
                load.invocations * costs::LOG_BYTES / 1e9,
                prices.logs_gb,
                1.0,
            ),
            line(
                S::CloudWatch,
                "metrics",
                costs::METRICS,
                prices.metric_month,
                1.0,
            ),
            line(
                S::CloudWatch,
                "alarms",
                costs::ALARMS,
                prices.alarm_month,
                1.0,
            ),
            line(
                S::Scheduler,
                "invocations",
                load.by_schedule,
                prices.scheduler_million_requests,
                million,
            ),
        ];
        Self {
            lines,
            tasks: load.tasks,
            messages: load.messages,
            stored_bytes,
        }
    }
}

/// What happens in a month.
struct Load {
    tasks: f64,
    changed: f64,
    messages: f64,
    invocations: f64,
    by_schedule: f64,
    worker_gb_seconds: f64,
    other_gb_seconds: f64,
    /// Objects of content that do not fit into a commit.
    packs: f64,
    /// Processes that opened the vault.
    starts: f64,
    asked: Amounts,
}

impl Load {
    fn of(question: &Question, pace: &Pace) -> Self {
        let minutes = DAYS * 24.0 * 60.0;
        let (passes, mailboxes) = (question.passes(), question.mailboxes());
        let tasks = mailboxes * passes;
        let changed = tasks * question.changed();
        let ticks = pace.ticks * passes;
        let jobs = float(question.jobs);
        let at_once = mailboxes.min(f64::from(question.workers));

        let mut asked = Amounts::default();
        asked.add(&costs::LISTED_THOUSAND, per_thousand(tasks));
        asked.add(&costs::HANDED_OUT_TEN, per_batch(tasks));
        asked.add(&costs::UNCHANGED_MAILBOX, tasks - changed);
        asked.add(&costs::CHANGED_MAILBOX, changed);
        asked.store_reads += tasks * costs::CHECKPOINTS_READ;
        asked.add(&costs::RUN, passes * jobs);
        asked.add(&costs::TICK, ticks * jobs);
        asked.add(&costs::TICK_OF_ONE_IN_FLIGHT, ticks * at_once);
        asked.add(&costs::IDLE_TICK, minutes * jobs);
        asked.add(&costs::IDLE_NEWS, minutes);
        asked.add(&costs::RETAINED_MAILBOX, mailboxes * DAYS);
        // The survey of every hour reads what is remembered of each mailbox.
        asked.read_units += DAYS * 24.0 * mailboxes * float(costs::MAILBOX_BYTES) / 4_096.0;
        let starts = passes * at_once + DAYS;
        asked.add(&costs::VAULT_OPENED, starts);
        // Each task wakes the planner; these messages are received together.
        let polls = minutes * costs::IDLE_POLLS_PER_MINUTE * costs::EVENT_SOURCES;
        asked.queue_requests += tasks + 2.0 * ticks + polls;

        let by_schedule = 2.0 * minutes + DAYS * 25.0;
        let invocations = tasks + ticks + by_schedule;
        let of_items = changed * question.items_per_change() * item_seconds(question);
        let worker_seconds = (tasks - changed) * unchanged_seconds()
            + changed * changed_seconds()
            + of_items
            + tasks * costs::INVOCATION_SECONDS;
        let idle = Amounts::of(&costs::IDLE_TICK, jobs).seconds()
            + Amounts::of(&costs::IDLE_NEWS, 1.0).seconds()
            + 2.0 * costs::INVOCATION_SECONDS;
        let planner_seconds =
            passes * pace.planner_seconds + ticks * costs::INVOCATION_SECONDS + minutes * idle;
        let retention = Amounts::of(&costs::RETAINED_MAILBOX, mailboxes * DAYS).seconds();
        let bytes = question.items_per_change() * float(question.item_bytes) * costs::STORED_PART;
        Self {
            tasks,
            changed,
            messages: 2.0 * tasks,
            invocations,
            by_schedule,
            worker_gb_seconds: worker_seconds * f64::from(question.worker_megabytes) / 1_024.0,
            other_gb_seconds: planner_seconds * costs::SMALL_MEGABYTES / 1_024.0
                + retention * costs::RETENTION_MEGABYTES / 1_024.0,
            packs: changed * (bytes / costs::PACK_BYTES).floor(),
            starts,
            asked,
        }
    }

    /// Bytes of the table of jobs.
    fn table_bytes(&self, question: &Question) -> f64 {
        let (quiet_days, days) = costs::TASK_DAYS;
        let quiet = (self.tasks - self.changed) / DAYS * quiet_days;
        let other = self.changed / DAYS * days;
        (quiet + other) * float(costs::TASK_BYTES)
            + question.mailboxes() * float(costs::MAILBOX_BYTES)
    }
}
