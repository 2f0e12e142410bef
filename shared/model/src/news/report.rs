//! The report of a run, for those whom the job names.

use serde::{Deserialize, Serialize};

use super::News;
use crate::state::{Reason, TaskEnd};
use crate::{MailboxOutcome, RunSummary};

/// Most mailboxes that a report lists.
pub const MAX_REPORT_LINES: usize = 200;

/// The report of a run. It lists the mailboxes that are not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The run's end.
    pub news: News,
    /// Mailboxes that are not complete.
    pub lines: Vec<ReportLine>,
    /// How many more there are.
    pub more: u64,
}

/// A mailbox that is not complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportLine {
    /// Its address; only when the job says that mailboxes may be named.
    pub address: Option<String>,
    /// Its id in the vault; empty when it was never opened.
    pub vault_mailbox: String,
    /// Why; `None` when it was stopped.
    pub reason: Option<Reason>,
    /// Items that are missing.
    pub gaps: u64,
}

impl Report {
    /// The report of a run whose end is `news`. Addresses are in it only with `name_mailboxes`.
    #[must_use]
    pub fn new(news: News, run: &RunSummary, name_mailboxes: bool) -> Self {
        let mut open = run
            .mailboxes
            .iter()
            .filter(|mailbox| mailbox.outcome != MailboxOutcome::Complete);
        let lines = open.by_ref().take(MAX_REPORT_LINES).map(|mailbox| {
            let gaps = match mailbox.outcome {
                MailboxOutcome::WithGaps { gaps } => gaps,
                _ => 0,
            };
            let reason = match TaskEnd::from(&mailbox.outcome) {
                TaskEnd::Complete | TaskEnd::Stopped => None,
                TaskEnd::Warning(reason) | TaskEnd::Partial(reason) | TaskEnd::Failed(reason) => {
                    Some(reason)
                }
            };
            ReportLine {
                address: name_mailboxes.then(|| mailbox.address.clone()),
                vault_mailbox: mailbox.vault_mailbox.clone(),
                reason,
                gaps,
            }
        });
        Self {
            news,
            lines: lines.collect(),
            more: u64::try_from(open.count()).unwrap_or(u64::MAX),
        }
    }
}
