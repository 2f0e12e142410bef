//! `mailkeep export`.

use std::sync::Arc;

use mailkeep_engine::export::{self, ExportRequest, ExportSummary};
use mailkeep_engine::operation::{ExportAction, OperationAction, OperationRequest};
use mailkeep_engine::{StopSignal, browse};
use serde::Serialize;

use super::{operation, restore, snapshot_selector};
use crate::args::{ExportArgs, ExportFormat};
use crate::output::human;
use crate::session::Session;
use crate::sink::FolderSink;
use crate::view::restore::{TransferView, problem_lines};
use crate::{CliError, Exit, files, interrupt};

#[derive(Serialize)]
#[serde(tag = "type", rename = "export_summary")]
struct Line<'a> {
    output: String,
    #[serde(flatten)]
    summary: &'a ExportSummary,
}

/// Carries out the verb.
///
/// # Errors
/// When the vault cannot be read, what was asked for is not there, or a file cannot be written.
pub(super) async fn run(session: &Session, args: &ExportArgs) -> Result<Exit, CliError> {
    let output = args.output.as_deref();
    if let Some(output) = output {
        files::must_be_empty(output, "export")?;
    }
    let engine = session.engine(&args.unlock).await?;
    let mailbox = browse::find_mailbox(&engine, &args.mailbox).await?;
    let request = ExportRequest {
        mailbox: mailbox.id().clone(),
        snapshot: snapshot_selector(&args.snapshot, session.clock.now()),
        selection: restore::selection(session, &args.items, &args.query)?,
        format: match args.format {
            ExportFormat::Eml => export::ExportFormat::Eml,
            ExportFormat::Mbox => export::ExportFormat::Mbox,
        },
    };
    let Some(folder) = output else {
        let action = ExportAction {
            format: request.format,
            keep_days: args.keep_days,
        };
        let request = OperationRequest {
            storage: args.queue.storage.clone(),
            mailbox: request.mailbox.to_string(),
            snapshot: request.snapshot,
            selection: operation::chosen(request.selection),
            action: OperationAction::Export(action),
        };
        return operation::ask(session, &args.queue, request).await;
    };
    let mut sink = FolderSink::new(folder);
    let clock = Arc::clone(&session.clock);
    let view = Arc::new(TransferView::new("export", session.style(), clock));
    let stop = StopSignal::new();
    let _watch = interrupt::watch(stop.clone());
    let summary = export::run(&engine, &request, &mut sink, view.clone(), stop).await;
    view.finish();
    let summary = summary?;
    let mut output = session.output();
    output.object(&Line {
        output: folder.display().to_string(),
        summary: &summary,
    })?;
    output.line(format!(
        "{}: {} in {}, {}, to {}{}",
        match Exit::from_code(summary.exit_code()) {
            Exit::Done => "Exported",
            Exit::Gaps => "Exported WITH GAPS",
            Exit::Error | Exit::Authentication => "STOPPED",
        },
        human::plural(summary.exported, "item"),
        human::plural(summary.files, "file"),
        human::size(summary.bytes),
        folder.display(),
        match summary.failed {
            0 => String::new(),
            failed => format!("; {} could not be read", human::plural(failed, "item")),
        }
    ))?;
    for line in problem_lines(&summary.problems) {
        output.line(line)?;
    }
    output.flush()?;
    Ok(Exit::from_code(summary.exit_code()))
}
