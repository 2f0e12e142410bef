//! Which events are in the log, and how.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat, Utc};
use mailkeep_model::{Counters, MailboxOutcome, MailboxSummary, SourceMailboxId};

use crate::Event;

/// The columns.
pub(super) const COLUMNS: [&str; 15] = [
    "time",
    "worker",
    "event",
    "mailbox",
    "folder",
    "scanned",
    "stored",
    "updated",
    "unchanged",
    "deleted",
    "failed",
    "bytes_read",
    "bytes_stored",
    "code",
    "detail",
];

/// Makes rows of events.
#[derive(Default)]
pub(super) struct Rows {
    worker: String,
    /// Addresses of the mailboxes at work.
    addresses: HashMap<SourceMailboxId, String>,
}

#[derive(Default)]
struct Cells<'a> {
    mailbox: &'a str,
    folder: &'a str,
    counters: Option<&'a Counters>,
    code: &'a str,
    detail: String,
}

impl Rows {
    pub(super) fn new(worker: &str) -> Self {
        Self {
            worker: worker.to_owned(),
            addresses: HashMap::new(),
        }
    }

    /// The row of an event; `None` for one that is not in the log.
    pub(super) fn of(&mut self, event: &Event, now: DateTime<Utc>) -> Option<[String; 15]> {
        if let Event::MailboxStarted {
            mailbox, address, ..
        } = event
        {
            self.addresses.insert(mailbox.clone(), address.clone());
        }
        let (name, cells) = self.cells(event)?;
        let row = self.row(now, name, cells);
        if let Event::MailboxFinished { summary } = event {
            self.addresses.remove(&summary.mailbox);
        }
        Some(row)
    }

    /// The row that says that others are missing.
    pub(super) fn lost(&self, lines: u64, now: DateTime<Utc>) -> [String; 15] {
        let cells = Cells {
            detail: format!("{lines} lines came faster than they could be written"),
            ..Cells::default()
        };
        self.row(now, "lines_lost", cells)
    }

    fn cells<'a>(&'a self, event: &'a Event) -> Option<(&'static str, Cells<'a>)> {
        let of = |mailbox: &'a SourceMailboxId| Cells {
            mailbox: self
                .addresses
                .get(mailbox)
                .map_or(mailbox.as_str(), String::as_str),
            ..Cells::default()
        };
        Some(match event {
            Event::RunStarted { run, .. } => (
                "run_started",
                Cells {
                    detail: run.0.clone(),
                    ..Cells::default()
                },
            ),
            Event::MailboxStarted {
                mailbox, folders, ..
            } => (
                "mailbox_started",
                Cells {
                    detail: format!("{folders} folders"),
                    ..of(mailbox)
                },
            ),
            Event::FolderFinished {
                mailbox,
                folder,
                counters,
            } => (
                "folder_finished",
                Cells {
                    folder,
                    counters: Some(counters),
                    ..of(mailbox)
                },
            ),
            Event::FolderResync { mailbox, folder } => (
                "folder_listed_anew",
                Cells {
                    folder,
                    ..of(mailbox)
                },
            ),
            Event::Throttled { mailbox, until } => (
                "throttled",
                Cells {
                    detail: format!("until {}", moment(*until)),
                    ..of(mailbox)
                },
            ),
            Event::Gap { mailbox, gap } => (
                "item_failed",
                Cells {
                    folder: &gap.folder.0,
                    code: gap.failure.class.code(),
                    detail: format!(
                        "{} item {} request {}",
                        gap.failure.code,
                        gap.item.0,
                        gap.failure.request_id.as_deref().unwrap_or("unknown")
                    ),
                    ..of(mailbox)
                },
            ),
            Event::Committed {
                mailbox, sequence, ..
            } => (
                "committed",
                Cells {
                    detail: format!("commit {sequence}"),
                    ..of(mailbox)
                },
            ),
            Event::MailboxFinished { summary } => ("mailbox_finished", finished(summary)),
            Event::RunFinished { summary } => (
                "run_finished",
                Cells {
                    detail: format!("{} mailboxes", summary.mailboxes.len()),
                    ..Cells::default()
                },
            ),
            _ => return None,
        })
    }

    fn row(&self, now: DateTime<Utc>, name: &str, cells: Cells<'_>) -> [String; 15] {
        let count = |of: fn(&Counters) -> u64| {
            let number = cells.counters.map(of);
            number.map_or_else(String::new, |number| number.to_string())
        };
        [
            moment(now),
            self.worker.clone(),
            name.to_owned(),
            cells.mailbox.to_owned(),
            cells.folder.to_owned(),
            count(|it| it.items_scanned),
            count(|it| it.items_stored),
            count(|it| it.items_updated),
            count(|it| it.items_unchanged),
            count(|it| it.items_deleted),
            count(|it| it.items_failed),
            count(|it| it.bytes_read),
            count(|it| it.bytes_stored),
            cells.code.to_owned(),
            cells.detail,
        ]
    }
}

/// The line about a run as a whole, which the planner writes.
pub(super) fn whole_run(
    now: DateTime<Utc>,
    event: &str,
    counters: Option<&Counters>,
    code: &str,
    detail: String,
) -> String {
    let cells = Cells {
        counters,
        code,
        detail,
        ..Cells::default()
    };
    let cells = Rows::new("planner").row(now, event, cells);
    super::row(cells.iter().map(String::as_str))
}

fn finished(summary: &MailboxSummary) -> Cells<'_> {
    let (code, detail) = match &summary.outcome {
        MailboxOutcome::Complete => ("complete", String::new()),
        MailboxOutcome::WithGaps { gaps } => ("gaps", format!("{gaps} items are missing")),
        MailboxOutcome::Stopped => ("stopped", String::new()),
        MailboxOutcome::Failed { class, code, .. } => {
            (class.code(), format!("{code}: {}", class.advice()))
        }
    };
    Cells {
        mailbox: &summary.address,
        counters: Some(&summary.counters),
        code,
        detail,
        ..Cells::default()
    }
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}
