//! News of jobs: which events are news, good or bad; whom they are told to, how often, and in which
//! words. Plain rules.
//!
//! News never hold a secret, a subject of a mail or an address of a mailbox. The one exception is the
//! report of a run, sent by mail to whom the job names, when the job says so
//! ([`Notifications::name_mailboxes`](crate::job::Notifications)).

mod aws;
mod kind;
mod report;
mod rule;
mod settings;
mod text;

#[cfg(test)]
mod rule_tests;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use aws::{SesSender, Topic};
pub use kind::{Happening, NewsKind, Tone, Track};
pub use report::{MAX_REPORT_LINES, Report, ReportLine};
pub use rule::{Delivery, JobNews, Verdict, verdict};
pub use settings::{Card, Frequency, MailServer, NotificationSettings, Security, Webhook};
pub use text::{Document, SCHEMA, Written, write_news, write_report, write_test};

use crate::state::Reason;
use crate::{MailboxOutcome, RunId, RunSummary};

/// One piece of news.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct News {
    /// Id of the event that it is about; the same event is news once.
    pub id: String,
    /// What kind.
    #[serde(rename = "type")]
    pub kind: NewsKind,
    /// Why it is no plain success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Id of the job.
    pub job: String,
    /// Its name.
    pub job_name: String,
    /// The run, when it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// The failed attempt and how many there are at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<(u32, u32)>,
    /// What the run did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
}

/// What a run did, in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Figures {
    /// Mailboxes in scope.
    pub mailboxes: u64,
    /// Those that failed.
    pub mailboxes_failed: u64,
    /// Those with gaps.
    pub mailboxes_with_gaps: u64,
    /// Items that the source named.
    pub items_scanned: u64,
    /// Items that were stored.
    pub items_stored: u64,
    /// Items that could not be taken.
    pub items_failed: u64,
    /// Bytes of content read.
    pub bytes_read: u64,
    /// Bytes written.
    pub bytes_stored: u64,
    /// How long it took.
    pub seconds: u64,
}

impl From<&RunSummary> for Figures {
    fn from(run: &RunSummary) -> Self {
        let counters = run.counters();
        let count = |fits: fn(&MailboxOutcome) -> bool| {
            let fitting = run.mailboxes.iter().filter(|it| fits(&it.outcome));
            u64::try_from(fitting.count()).unwrap_or(u64::MAX)
        };
        let time = run.finished_at.signed_duration_since(run.started_at);
        Self {
            mailboxes: count(|_| true),
            mailboxes_failed: count(|it| matches!(it, MailboxOutcome::Failed { .. })),
            mailboxes_with_gaps: count(|it| matches!(it, MailboxOutcome::WithGaps { .. })),
            items_scanned: counters.items_scanned,
            items_stored: counters.items_stored,
            items_failed: counters.items_failed,
            bytes_read: counters.bytes_read,
            bytes_stored: counters.bytes_stored,
            seconds: u64::try_from(time.num_seconds()).unwrap_or_default(),
        }
    }
}
