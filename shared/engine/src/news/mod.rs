//! Telling people and programs what became of jobs.
//!
//! ```text
//! state change ──► inbox ──► list of news
//!  (one write)       └─────► outbox ──► Notify
//! ```
//!
//! Whoever changes the state of a run puts the write of [`announce`] into the same transaction: the
//! change and its news are there together or not at all. [`Desk::work`] then sorts the inbox by the
//! rules of [`mailkeep_model::news`] and delivers what is due. Each step is one transaction, and can be
//! repeated. A message is delivered at least once: when the process dies between the delivery and the
//! note of it, once more after the next start, with the same id.

mod desk;
mod list;
mod records;
mod send;
mod sort;

use chrono::{DateTime, Utc};
use mailkeep_model::RunId;
use mailkeep_model::job::Notifications;
use mailkeep_model::news::{
    Document, Figures, Happening, News, NewsKind, Report, ReportLine, write_test,
};
use mailkeep_ports::{Message, Notify, NotifyError, Recipient, TableError, Write};
use serde::{Deserialize, Serialize};

pub use desk::{Desk, Worked};
pub use list::{NewsPage, Undelivered};

/// Something happened to a run of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewsEvent {
    /// The event's id, the same whenever the same event is announced: 1 to 80 characters of
    /// `A-Z a-z 0-9 . _ -`.
    pub id: String,
    /// Id of the job.
    pub job: String,
    /// Its name.
    pub job_name: String,
    /// The run.
    pub run: Option<RunId>,
    /// When it happened, the same whenever the same event is announced.
    pub at: DateTime<Utc>,
    /// What.
    pub happening: Happening,
    /// What the run did so far.
    pub figures: Option<Figures>,
    /// Who gets the report of the run, beside those who get all news.
    pub report: Option<ReportOrder>,
}

/// The report of a run that ended, and who gets it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportOrder {
    to: Vec<String>,
    lines: Vec<ReportLine>,
    more: u64,
}

impl ReportOrder {
    /// The report for the addresses that the job names; `None` when it names none. `lines` are the
    /// mailboxes that are not complete, as many as a report lists, and `more` counts the others. Their
    /// addresses are left out unless the job says that they may be named.
    #[must_use]
    pub fn new(job: &Notifications, mut lines: Vec<ReportLine>, more: u64) -> Option<Self> {
        let to = job.report_to.addresses();
        if to.is_empty() {
            return None;
        }
        if !job.name_mailboxes {
            lines.iter_mut().for_each(|line| line.address = None);
        }
        Some(Self {
            to: to.to_vec(),
            lines,
            more,
        })
    }

    fn report(&self, news: News) -> Report {
        Report {
            news,
            lines: self.lines.clone(),
            more: self.more,
        }
    }
}

impl NewsEvent {
    fn news(&self, kind: NewsKind) -> News {
        let attempt = match self.happening {
            Happening::AttemptFailed {
                attempt, attempts, ..
            } => Some((attempt, attempts)),
            _ => None,
        };
        News {
            id: self.id.clone(),
            kind,
            reason: self.happening.reason(),
            job: self.job.clone(),
            job_name: self.job_name.clone(),
            run: self.run.clone(),
            at: self.at,
            attempt,
            figures: self.figures.clone(),
        }
    }
}

/// Why news could not be dealt with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NewsError {
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A record cannot be read.
    #[error(
        "the record {key} of the news cannot be read: {cause}; it may be from a newer mailkeep"
    )]
    Corrupt {
        /// Its key.
        key: String,
        /// Why.
        cause: String,
    },
    /// Our bug.
    #[error("bug: {0}; please report it")]
    Bug(String),
}

/// The write that announces an event. It belongs into the transaction that makes the event happen.
///
/// # Errors
/// When the event's id is none.
pub fn announce(event: &NewsEvent) -> Result<Write, NewsError> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if !(1..=80).contains(&event.id.len()) || !event.id.chars().all(is_part) {
        return Err(NewsError::Bug(
            "an event's id has other characters".to_owned(),
        ));
    }
    let key = records::inbox(event)?;
    Ok(Write::create(key, records::encode(event)?))
}

/// Sends a message that only shows that messages arrive. `number` makes its id a new one.
///
/// # Errors
/// Those of the delivery.
pub async fn send_test(
    notify: &dyn Notify,
    to: &Recipient,
    at: DateTime<Utc>,
    number: u64,
) -> Result<(), NotifyError> {
    let id = format!("test-{}-{number:016x}", at.timestamp());
    let written = write_test(at);
    let json = serde_json::to_string(&Document::new(&id, at, &[])).map_err(|cause| {
        let kind = mailkeep_ports::NotifyErrorKind::Refused;
        NotifyError::new(kind, format!("bug: {cause}; please report it"))
    })?;
    let message = Message {
        id,
        at,
        subject: written.subject,
        text: written.text,
        json,
    };
    notify.deliver(to, &message).await
}

#[cfg(test)]
mod tests;
