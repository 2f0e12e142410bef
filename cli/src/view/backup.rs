//! A backup run: bars while it works, a row or an object for each mailbox that is done, a summary.

use std::sync::{Arc, Mutex, PoisonError};

use mailkeep_engine::{Event, Observer};
use mailkeep_model::{Gap, MailboxOutcome, MailboxSummary, RunOutcome, RunSummary};
use mailkeep_ports::Clock;
use serde::Serialize;

use super::{Bars, Style};
use crate::CliError;
use crate::output::{Column, Output, Table, human};

/// Shows a run while it works.
pub struct BackupView {
    bars: Bars,
    shown: Mutex<Shown>,
}

struct Shown {
    output: Output,
    table: Table<7>,
    failure: Option<CliError>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    MailboxFinished {
        #[serde(flatten)]
        summary: &'a MailboxSummary,
    },
    Gap {
        mailbox: &'a str,
        #[serde(flatten)]
        gap: &'a Gap,
    },
    RunFinished {
        run: &'a str,
        outcome: RunOutcome,
        started_at: chrono::DateTime<chrono::Utc>,
        finished_at: chrono::DateTime<chrono::Utc>,
        mailboxes: usize,
        counters: mailkeep_model::Counters,
    },
}

impl BackupView {
    /// A view that prints to `output`.
    #[must_use]
    pub fn new(output: Output, style: Style, clock: Arc<dyn Clock>) -> Self {
        Self {
            bars: Bars::new(style, clock),
            shown: Mutex::new(Shown {
                output,
                table: Table::new([
                    Column::left("MAILBOX", 30),
                    Column::right("NEW", 8),
                    Column::right("UPDATED", 8),
                    Column::right("DELETED", 8),
                    Column::right("READ", 9),
                    Column::right("STORED", 9),
                    Column::left("RESULT", 0),
                ]),
                failure: None,
            }),
        }
    }

    /// Prints the end of the run and gives the output back.
    ///
    /// # Errors
    /// When the output could not be written at any time.
    pub fn finish(&self, summary: &RunSummary) -> Result<(), CliError> {
        self.bars.clear();
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failure) = shown.failure.take() {
            return Err(failure);
        }
        shown.output.object(&Line::RunFinished {
            run: &summary.run.0,
            outcome: summary.outcome(),
            started_at: summary.started_at,
            finished_at: summary.finished_at,
            mailboxes: summary.mailboxes.len(),
            counters: summary.counters(),
        })?;
        for line in closing_lines(summary) {
            shown.output.line(line)?;
        }
        shown.output.flush()
    }

    fn print(&self, print: impl FnOnce(&mut Shown) -> Result<(), CliError>) {
        self.bars.suspend(|| {
            let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
            if shown.failure.is_none() {
                let result = print(&mut shown).and_then(|()| shown.output.flush());
                shown.failure = result.err();
            }
        });
    }
}

/// Logs what matters to whoever reads the logs of a scheduled run. Ids and codes only.
fn log(event: &Event) {
    match event {
        Event::RunStarted { run, .. } => tracing::info!(run = run.0, "run started"),
        Event::FolderResync { mailbox, .. } => {
            tracing::info!(mailbox = mailbox.0, "a folder is listed anew");
        }
        Event::Throttled { mailbox, until } => {
            tracing::info!(mailbox = mailbox.0, %until, "throttled");
        }
        Event::Gap { mailbox, gap } => tracing::info!(
            mailbox = mailbox.0,
            class = gap.failure.class.code(),
            code = gap.failure.code,
            request_id = gap.failure.request_id,
            attempts = gap.attempts,
            "an item could not be taken"
        ),
        Event::Committed {
            mailbox,
            sequence,
            bytes_stored,
        } => tracing::info!(mailbox = mailbox.0, sequence, bytes_stored, "committed"),
        Event::MailboxFinished { summary } => tracing::info!(
            mailbox = summary.mailbox.0,
            vault_mailbox = summary.vault_mailbox,
            stored = summary.counters.items_stored,
            failed = summary.counters.items_failed,
            requests = summary.counters.requests,
            complete = summary.outcome == MailboxOutcome::Complete,
            "mailbox finished"
        ),
        _ => {}
    }
}

impl Observer for BackupView {
    fn event(&self, event: &Event) {
        log(event);
        match event {
            Event::RunStarted { mailboxes, .. } => self.bars.expect_rows(*mailboxes),
            Event::MailboxStarted {
                mailbox,
                address,
                items_expected,
                ..
            } => self.bars.start(mailbox.as_str(), address, *items_expected),
            Event::Progress { mailbox, progress } => self.bars.update(mailbox.as_str(), progress),
            Event::Gap { mailbox, gap } => self.print(|shown| {
                shown.output.object(&Line::Gap {
                    mailbox: mailbox.as_str(),
                    gap,
                })
            }),
            Event::MailboxFinished { summary } => {
                self.bars.finish(summary.mailbox.as_str());
                self.print(|shown| {
                    shown.output.object(&Line::MailboxFinished { summary })?;
                    shown.output.row(&mut shown.table, row(summary))
                });
            }
            _ => {}
        }
    }
}

fn row(summary: &MailboxSummary) -> [String; 7] {
    let counters = &summary.counters;
    [
        summary.address.clone(),
        human::count(counters.items_stored),
        human::count(counters.items_updated),
        human::count(counters.items_deleted),
        human::size(counters.bytes_read),
        human::size(counters.bytes_stored),
        result_words(summary),
    ]
}

/// How a mailbox ended, in a few words.
#[must_use]
pub fn result_words(summary: &MailboxSummary) -> String {
    match &summary.outcome {
        MailboxOutcome::Complete => "complete".to_owned(),
        MailboxOutcome::WithGaps { gaps } => {
            let mut parts = vec![];
            if *gaps > 0 {
                parts.push(human::plural(*gaps, "gap"));
            }
            if summary.incomplete_folders > 0 {
                let folders = human::plural(summary.incomplete_folders, "folder");
                parts.push(format!("{folders} incomplete"));
            }
            if parts.is_empty() {
                parts.push("gaps".to_owned());
            }
            parts.join(", ")
        }
        MailboxOutcome::Stopped => "stopped; the next run goes on".to_owned(),
        MailboxOutcome::Failed { class, code, .. } => {
            format!("FAILED: {} ({code})", class.advice())
        }
    }
}

/// The end of a run in words.
#[must_use]
pub fn closing_lines(summary: &RunSummary) -> Vec<String> {
    let counters = summary.counters();
    let elapsed = summary
        .finished_at
        .signed_duration_since(summary.started_at)
        .to_std()
        .unwrap_or_default();
    let mut lines = vec![format!(
        "{}: {} in {} — {} new, {} updated, {} deleted; read {}, stored {}; {}",
        match summary.outcome() {
            RunOutcome::Complete => "Complete",
            RunOutcome::WithGaps => "Done WITH GAPS",
            RunOutcome::Stopped => "STOPPED",
            RunOutcome::Partial => "Done IN PART",
            RunOutcome::Failed => "FAILED",
        },
        match summary.mailboxes.len() {
            1 => "1 mailbox".to_owned(),
            number => format!("{} mailboxes", human::count(number as u64)),
        },
        human::duration(elapsed.as_secs_f64()),
        human::count(counters.items_stored),
        human::count(counters.items_updated),
        human::count(counters.items_deleted),
        human::size(counters.bytes_read),
        human::size(counters.bytes_stored),
        human::plural(counters.requests, "request"),
    )];
    if counters.throttles > 0 {
        lines.push(format!(
            "The service asked to wait {}; nothing was lost by it.",
            match counters.throttles {
                1 => "once".to_owned(),
                number => format!("{} times", human::count(number)),
            }
        ));
    }
    for mailbox in &summary.mailboxes {
        for warning in &mailbox.warnings {
            lines.push(format!(
                "Note on {}: {}",
                human::printable(&mailbox.address),
                human::printable(warning)
            ));
        }
    }
    if matches!(
        summary.outcome(),
        RunOutcome::WithGaps | RunOutcome::Partial
    ) {
        lines.push(
            "What is missing is recorded and tried again by every later run; \
             `mailkeep verify` lists it."
                .to_owned(),
        );
    }
    lines
}

#[cfg(test)]
mod tests {
    use chrono::{TimeDelta, Utc};
    use mailkeep_model::{Counters, FailureClass, RunId, SourceMailboxId};

    use super::*;

    fn mailbox(outcome: MailboxOutcome) -> MailboxSummary {
        MailboxSummary {
            mailbox: SourceMailboxId("id".into()),
            address: "ann@x.example".into(),
            vault_mailbox: String::new(),
            sequence: 1,
            outcome,
            counters: Counters {
                items_stored: 1200,
                throttles: 2,
                ..Counters::default()
            },
            incomplete_folders: 0,
            warnings: vec!["a count\u{1b} differs".into()],
        }
    }

    fn run(outcomes: Vec<MailboxOutcome>) -> RunSummary {
        let start = chrono::DateTime::<Utc>::UNIX_EPOCH;
        RunSummary {
            run: RunId("01".into()),
            connection: "c".into(),
            started_at: start,
            finished_at: start + TimeDelta::seconds(75),
            mailboxes: outcomes.into_iter().map(mailbox).collect(),
        }
    }

    #[test]
    fn a_gap_is_never_called_complete() {
        let text = closing_lines(&run(vec![
            MailboxOutcome::Complete,
            MailboxOutcome::WithGaps { gaps: 2 },
        ]))
        .join("\n");
        assert!(
            text.starts_with("Done WITH GAPS: 2 mailboxes in 1 min 15 s"),
            "{text}"
        );
        assert!(
            text.contains("2,400 new") && text.contains("4 times"),
            "{text}"
        );
        assert!(text.contains("a count^[ differs"), "{text}");
        assert!(text.contains("mailkeep verify"), "{text}");
        let folders = MailboxSummary {
            incomplete_folders: 1,
            ..mailbox(MailboxOutcome::WithGaps { gaps: 0 })
        };
        assert_eq!(result_words(&folders), "1 folder incomplete");
    }

    #[test]
    fn a_failed_mailbox_says_what_to_do() {
        let failed = mailbox(MailboxOutcome::Failed {
            class: FailureClass::AuthScope,
            code: "ErrorAccessDenied".into(),
            message: String::new(),
        });
        let words = result_words(&failed);
        assert!(
            words.contains("RBAC scope") && words.contains("ErrorAccessDenied"),
            "{words}"
        );
    }
}
