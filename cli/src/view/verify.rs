//! A verification: bars while it reads, then its findings.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use mailkeep_engine::verify::{Finding, VerifyReport};
use mailkeep_engine::{Event, Observer};
use mailkeep_ports::Clock;
use serde::Serialize;

use super::{Bars, Style};
use crate::CliError;
use crate::output::{Output, human};

/// Shows how far a verification is.
pub struct VerifyView {
    bars: Bars,
}

impl VerifyView {
    /// A view for one verification.
    #[must_use]
    pub fn new(style: Style, clock: Arc<dyn Clock>) -> Self {
        Self {
            bars: Bars::new(style, clock),
        }
    }

    /// Takes the bars away.
    pub fn finish(&self) {
        self.bars.clear();
    }
}

impl Observer for VerifyView {
    fn event(&self, event: &Event) {
        if let Event::VerifyProgress {
            mailbox,
            checked,
            expected,
        } = event
        {
            self.bars.start(mailbox, mailbox, *expected);
            self.bars.tell(mailbox, *checked, *expected, "check");
            if Some(*checked) == *expected {
                self.bars.finish(mailbox);
            }
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Finding {
        #[serde(flatten)]
        finding: &'a Finding,
    },
    VerifyReport {
        mailboxes: u64,
        objects: u64,
        items_read: u64,
        items_known: u64,
        bytes_read: u64,
        packs_read: u64,
        packs_never_read: u64,
        oldest_read: Option<DateTime<Utc>>,
        rebuildable: u64,
        only_in_log: u64,
        is_stopped: bool,
        damaged: u64,
        notes: u64,
    },
}

/// Prints findings and figures.
///
/// # Errors
/// When the output cannot be written.
pub fn show_report(output: &mut Output, report: &VerifyReport) -> Result<(), CliError> {
    for finding in &report.findings {
        output.object(&Line::Finding { finding })?;
        output.line(finding_line(finding))?;
    }
    output.object(&Line::VerifyReport {
        mailboxes: report.mailboxes,
        objects: report.objects,
        items_read: report.items_read,
        items_known: report.items_known,
        bytes_read: report.bytes_read,
        packs_read: report.packs_read,
        packs_never_read: report.packs_never_read,
        oldest_read: report.oldest_read,
        rebuildable: report.rebuildable,
        only_in_log: report.only_in_log,
        is_stopped: report.is_stopped,
        damaged: report.damaged,
        notes: report.notes,
    })?;
    if let Some(line) = age_line(report) {
        output.line(line)?;
    }
    if report.rebuildable + report.only_in_log > 0 {
        output.line(format!(
            "Without any commit {} could be put together again; {} lie in commits and are lost with them.",
            human::plural(report.rebuildable, "item version"),
            human::count(report.only_in_log),
        ))?;
    }
    output.line(closing_line(report))
}

/// How old the oldest reading of the data is.
fn age_line(report: &VerifyReport) -> Option<String> {
    let never = match report.packs_never_read {
        0 => String::new(),
        number => format!("{} never read whole. ", human::plural(number, "pack")),
    };
    let oldest = report.oldest_read.map(|at| {
        let day = at.format("%Y-%m-%d");
        format!("All others were read whole since {day}.")
    });
    let line = format!("{never}{}", oldest.unwrap_or_default());
    (!line.is_empty()).then(|| line.trim_end().to_owned())
}

fn finding_line(finding: &Finding) -> String {
    let kind = serde_json::to_value(finding.kind)
        .ok()
        .and_then(|value| value.as_str().map(|name| name.replace('_', " ")))
        .unwrap_or_default();
    let mut place = finding
        .address
        .clone()
        .unwrap_or_else(|| finding.mailbox.clone());
    if place.is_empty() {
        place = "vault".to_owned();
    }
    if let Some(folder) = &finding.folder {
        place.push_str(&format!(", {folder}"));
    }
    if let Some(item) = &finding.item {
        place.push_str(&format!(", item {item}"));
    }
    format!(
        "{kind}: {}: {}",
        human::printable(&place),
        human::printable(&finding.message)
    )
}

/// The result in one line.
#[must_use]
pub fn closing_line(report: &VerifyReport) -> String {
    let verdict = if report.damaged > 0 {
        format!("DAMAGED: {}", human::plural(report.damaged, "finding"))
    } else if report.is_stopped {
        "STOPPED before the end; nothing damaged so far".to_owned()
    } else if report.notes > 0 {
        format!("Sound, with {}", human::plural(report.notes, "note"))
    } else {
        "Sound".to_owned()
    };
    let mailboxes = match report.mailboxes {
        1 => "1 mailbox".to_owned(),
        number => format!("{} mailboxes", human::count(number)),
    };
    format!(
        "{verdict}. Checked {mailboxes} with {} in {}; read {} back ({}).",
        human::plural(report.items_known, "item version"),
        human::plural(report.objects, "object"),
        human::plural(report.items_read, "message"),
        human::size(report.bytes_read),
    )
}

#[cfg(test)]
mod tests {
    use mailkeep_engine::verify::FindingKind;

    use super::*;

    #[test]
    fn damage_is_the_first_word() {
        let mut report = VerifyReport {
            damaged: 1,
            notes: 2,
            ..VerifyReport::default()
        };
        assert!(closing_line(&report).starts_with("DAMAGED: 1 finding."));
        report.damaged = 0;
        assert!(closing_line(&report).starts_with("Sound, with 2 notes."));
        report.is_stopped = true;
        assert!(closing_line(&report).starts_with("STOPPED"));
    }

    #[test]
    fn a_finding_names_mailbox_folder_and_item() {
        let line = finding_line(&Finding {
            mailbox: "abc".into(),
            address: Some("ann@x.example".into()),
            item: Some("3k7p".into()),
            folder: Some("Inbox".into()),
            kind: FindingKind::CountDiffers,
            message: "why".into(),
        });
        assert_eq!(line, "count differs: ann@x.example, Inbox, item 3k7p: why");
    }
}
