//! A restore: its plan, bars while it works, and what it did.

use std::sync::Arc;

use mailkeep_engine::restore::{ItemProblem, RestoreOutcome, RestorePlan, RestoreSummary};
use mailkeep_engine::{Event, Observer};
use mailkeep_ports::Clock;
use serde::Serialize;

use super::{Bars, Style};
use crate::CliError;
use crate::output::{Column, Output, Table, human};

/// At most so many problems are printed; the summary counts all.
const SHOWN_PROBLEMS: usize = 20;

/// Shows how far a restore or an export is.
pub struct TransferView {
    bars: Bars,
    label: &'static str,
}

impl TransferView {
    /// A view for one restore or export.
    #[must_use]
    pub fn new(label: &'static str, style: Style, clock: Arc<dyn Clock>) -> Self {
        Self {
            bars: Bars::new(style, clock),
            label,
        }
    }

    /// Takes the bars away.
    pub fn finish(&self) {
        self.bars.clear();
    }
}

impl Observer for TransferView {
    fn event(&self, event: &Event) {
        match event {
            Event::TransferStarted { items, .. } => {
                self.bars.expect_rows(Some(1));
                self.bars.start(self.label, self.label, Some(*items));
            }
            Event::TransferProgress { progress } => self.bars.update(self.label, progress),
            _ => {}
        }
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    RestorePlan {
        #[serde(flatten)]
        plan: &'a RestorePlan,
        items: u64,
        bytes: u64,
        conflicts: u64,
    },
    RestoreSummary {
        #[serde(flatten)]
        summary: &'a RestoreSummary,
    },
}

/// Prints what a restore would do.
///
/// # Errors
/// When the output cannot be written.
pub fn show_plan(output: &mut Output, plan: &RestorePlan) -> Result<(), CliError> {
    output.object(&Line::RestorePlan {
        plan,
        items: plan.items(),
        bytes: plan.bytes(),
        conflicts: plan.conflicts(),
    })?;
    let mut table = Table::new([
        Column::right("ITEMS", 9),
        Column::right("SIZE", 9),
        Column::right("THERE", 7),
        Column::right("CONFLICTS", 9),
        Column::left("FROM → TO", 0),
    ]);
    for folder in &plan.folders {
        let new = if folder.is_new { "  (new folder)" } else { "" };
        output.row(
            &mut table,
            [
                human::count(folder.items),
                human::size(folder.bytes),
                human::count(folder.already_there),
                human::count(folder.conflicts),
                format!("{} → {}{new}", folder.from, folder.to),
            ],
        )?;
    }
    if plan.not_restorable() > 0 {
        output.line(format!(
            "{} cannot be restored there: the target has no such kinds",
            human::plural(plan.not_restorable(), "item")
        ))?;
    }
    output.line(format!(
        "To restore: {}, {} (restore point {}). Nothing was written.",
        human::plural(plan.items(), "item"),
        human::size(plan.bytes()),
        plan.sequence,
    ))
}

/// Prints what a restore did.
///
/// # Errors
/// When the output cannot be written.
pub fn show_summary(output: &mut Output, summary: &RestoreSummary) -> Result<(), CliError> {
    output.object(&Line::RestoreSummary { summary })?;
    for line in summary_lines(summary) {
        output.line(line)?;
    }
    Ok(())
}

/// What a restore did, in words.
#[must_use]
pub fn summary_lines(summary: &RestoreSummary) -> Vec<String> {
    let mut text = match &summary.outcome {
        RestoreOutcome::Finished if summary.failed > 0 => "Restored WITH FAILURES".to_owned(),
        RestoreOutcome::Finished => "Restored".to_owned(),
        RestoreOutcome::Stopped => "STOPPED".to_owned(),
        RestoreOutcome::Failed { .. } => "FAILED".to_owned(),
    };
    text.push_str(&format!(
        ": {}, {}",
        human::plural(summary.restored, "item"),
        human::size(summary.bytes)
    ));
    for (number, words) in [
        (summary.replaced, "replaced"),
        (summary.skipped, "left alone because they are there"),
        (summary.already_there, "brought by an earlier restore"),
        (summary.failed, "failed"),
        (summary.with_losses, "came back with a loss"),
        (summary.folders_created, "folders created"),
    ] {
        if number > 0 {
            text.push_str(&format!("; {} {words}", human::count(number)));
        }
    }
    let mut lines = vec![text];
    if !summary.not_restorable.is_empty() {
        let kinds = summary.not_restorable.iter();
        let kinds: Vec<String> = kinds
            .map(|(kind, number)| format!("{} {kind}", human::count(*number)))
            .collect();
        lines.push(format!(
            "The target cannot have these kinds, which stay in the vault: {}",
            kinds.join(", ")
        ));
    }
    if let Some(folder) = &summary.new_folder {
        lines.push(format!("Folder: {}", human::printable(folder)));
    }
    if let RestoreOutcome::Failed {
        class,
        code,
        message,
    } = &summary.outcome
    {
        lines.push(format!("{message} ({code}). {}", class.advice()));
    }
    if !matches!(summary.outcome, RestoreOutcome::Finished)
        && let Some(folder) = &summary.new_folder
    {
        lines.push(format!(
            "To go on, repeat the command with --folder-name \"{}\"; nothing is written twice.",
            human::printable(folder)
        ));
    }
    lines.extend(problem_lines(&summary.problems));
    lines
}

/// What went wrong with single items, the first of it.
#[must_use]
pub fn problem_lines(problems: &[ItemProblem]) -> Vec<String> {
    let mut lines: Vec<_> = problems
        .iter()
        .take(SHOWN_PROBLEMS)
        .map(|problem| {
            let what = if problem.class.is_some() {
                "failed"
            } else {
                "loss"
            };
            let folder = human::printable(&problem.folder);
            let message = human::printable(&problem.message);
            format!(
                "{what}: {} in {folder}: {message} ({})",
                problem.item, problem.code
            )
        })
        .collect();
    let hidden = problems.len().saturating_sub(SHOWN_PROBLEMS);
    if hidden > 0 {
        lines.push(format!("… and {hidden} more; --json shows them"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use mailkeep_model::FailureClass;

    use super::*;

    #[test]
    fn an_early_end_says_how_to_go_on() {
        let summary = RestoreSummary {
            new_folder: Some("Restored 2026-03-01 10.15".into()),
            restored: 3,
            outcome: RestoreOutcome::Failed {
                class: FailureClass::TargetFull,
                code: "ErrorQuotaExceeded".into(),
                message: "create item".into(),
            },
            ..RestoreSummary::default()
        };
        let text = summary_lines(&summary).join("\n");
        assert!(text.starts_with("FAILED: 3 items"), "{text}");
        assert!(
            text.contains("--folder-name \"Restored 2026-03-01 10.15\""),
            "{text}"
        );
        assert!(text.contains("make room"), "{text}");
    }

    #[test]
    fn failures_are_in_the_first_line() {
        let summary = RestoreSummary {
            restored: 3,
            failed: 1,
            ..RestoreSummary::default()
        };
        let text = summary_lines(&summary).join("\n");
        assert!(
            text.contains("WITH FAILURES") && text.contains("1 failed"),
            "{text}"
        );
    }
}
