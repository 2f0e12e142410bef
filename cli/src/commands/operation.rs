//! `mailkeep operation …`.

use std::sync::Arc;

use mailkeep_engine::Selection;
use mailkeep_engine::operation::{
    ExportPart, ItemSelection, NewOperation, OperationId, OperationKind, OperationRecord,
    OperationRequest, Operations,
};
use mailkeep_local::Database;
use mailkeep_model::state::State;
use mailkeep_ports::{GetOptions, Key, sha256};

use crate::args::DatabaseArgs;
use crate::args::operation::{
    OperationCommand, OperationDownloadArgs, OperationNameArgs, QueueArgs,
};
use crate::output::{Column, Table, human};
use crate::session::Session;
use crate::view::restore::problem_lines;
use crate::{CliError, Exit, files};

/// The queue's name in the job database.
pub(super) const QUEUE: &str = "tasks";
/// Receives after which a message is a dead letter.
pub(super) const MAX_RECEIVES: u32 = 10;
/// Who asks, where it cannot be known better.
const SOMEBODY: &str = "command line";
/// Events that `operation show` shows.
const EVENTS: usize = 20;

/// Carries out the verb.
///
/// # Errors
/// When the job database cannot be used, there is no such operation, or it refuses.
pub(super) async fn run(session: &Session, command: &OperationCommand) -> Result<Exit, CliError> {
    match command {
        OperationCommand::Ls { limit, database } => list(session, *limit, database).await,
        OperationCommand::Show(args) => show(session, args).await,
        OperationCommand::Confirm(args) => {
            let (operations, id) = named(session, args)?;
            done(session, &operations.confirm(&id, &by()).await?, "confirmed")
        }
        OperationCommand::Cancel(args) => {
            let (operations, id) = named(session, args)?;
            done(session, &operations.cancel(&id, &by()).await?, "cancelled")
        }
        OperationCommand::Resume(args) => {
            let (operations, id) = named(session, args)?;
            done(session, &operations.resume(&id, &by()).await?, "resumed")
        }
        OperationCommand::Download(args) => download(session, args).await,
    }
}

/// The operations in the job database.
pub(super) fn operations(session: &Session, database: &Database) -> Operations {
    let queue = Arc::new(database.queue(QUEUE, MAX_RECEIVES));
    Operations::new(session.ledger(database), queue)
}

/// Leaves a restore or an export to `serve`.
pub(super) async fn ask(
    session: &Session,
    args: &QueueArgs,
    request: OperationRequest,
) -> Result<Exit, CliError> {
    let database = session.database(&args.database)?;
    let new = NewOperation {
        id: None,
        request,
        asked_by: by(),
        purpose: args.reason.clone(),
        is_confirmed: args.yes,
    };
    let operation = operations(session, &database).create(new).await?;
    let mut output = session.output();
    output.object(&object(&operation))?;
    output.line(format!("Operation {} is being planned.", operation.id))?;
    if !args.yes {
        output.line(format!(
            "Look at its plan with `mailkeep operation show {0}`, then `mailkeep operation confirm {0}`.",
            operation.id
        ))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// The items that were chosen, as an operation names them.
pub(super) fn chosen(selection: Selection) -> ItemSelection {
    ItemSelection {
        folders: selection.folders,
        items: selection.items.iter().map(ToString::to_string).collect(),
        filter: selection.filter,
    }
}

fn by() -> String {
    let name = std::env::var("USER").unwrap_or_default();
    if name.trim().is_empty() {
        SOMEBODY.to_owned()
    } else {
        name
    }
}

fn named(
    session: &Session,
    args: &OperationNameArgs,
) -> Result<(Operations, OperationId), CliError> {
    let database = session.database(&args.database)?;
    let id = OperationId(args.operation.trim().to_ascii_uppercase());
    Ok((operations(session, &database), id))
}

fn kind(operation: &OperationRecord) -> &'static str {
    match operation.kind() {
        OperationKind::Restore => "restore",
        OperationKind::Export => "export",
    }
}

fn object(operation: &OperationRecord) -> serde_json::Value {
    let reason = operation.reason();
    serde_json::json!({
        "type": "operation",
        "id": operation.id,
        "kind": kind(operation),
        "phase": operation.phase,
        "state": {
            "code": operation.state.code(),
            "reason": reason.map(|reason| reason.code()),
            "action": reason.map(|reason| reason.action()),
        },
        "words": operation.words(),
        "waits_for_confirmation": operation.waits_for_confirmation(),
        "message": operation.message,
        "asked_by": operation.asked_by,
        "purpose": operation.purpose,
        "created_at": operation.created_at,
        "started_at": operation.started_at,
        "ended_at": operation.ended_at,
        "link_until": operation.link_until,
        "request": operation.request,
        "pinned": operation.pinned,
        "plan": operation.plan,
        "counts": operation.counts,
        "parts": operation.parts,
        "part_bytes": operation.part_bytes,
    })
}

fn done(session: &Session, operation: &OperationRecord, what: &str) -> Result<Exit, CliError> {
    let mut output = session.output();
    output.object(&object(operation))?;
    output.line(format!("Operation {}: {what}.", operation.id))?;
    output.flush()?;
    Ok(Exit::Done)
}

async fn list(session: &Session, limit: usize, database: &DatabaseArgs) -> Result<Exit, CliError> {
    let operations = operations(session, &session.database(database)?);
    let mut output = session.output();
    let mut table = Table::new([
        Column::left("OPERATION", 26),
        Column::left("KIND", 8),
        Column::left("STATE", 22),
        Column::right("ITEMS", 9),
        Column::right("OF", 9),
        Column::left("ASKED BY", 16),
        Column::left("NOTE", 0),
    ]);
    let (mut left, mut after) = (limit, None);
    while left > 0 {
        let page = operations.list(after, left).await?;
        left = left.saturating_sub(page.records.len());
        for operation in page.records {
            let operation = operation.value;
            output.object(&object(&operation))?;
            let of = operation.plan.as_ref().map(|plan| plan.items.to_string());
            let note = operation.reason().map(|reason| reason.action());
            let cells = [
                operation.id.to_string(),
                kind(&operation).to_owned(),
                operation.words().to_owned(),
                operation.counts.items_done.to_string(),
                of.unwrap_or_default(),
                human::printable(&operation.asked_by).into_owned(),
                note.unwrap_or_default().to_owned(),
            ];
            output.row(&mut table, cells)?;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if table.is_empty() {
        output.line("No restore or export was asked for yet.")?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

async fn show(session: &Session, args: &OperationNameArgs) -> Result<Exit, CliError> {
    let (operations, id) = named(session, args)?;
    let operation = operations.get(&id).await?.value;
    let plan = operations.plan(&id).await?;
    let problems = operations.problems(&id).await?;
    let events = operations.events(&id, None, EVENTS).await?;
    let mut output = session.output();
    output.object(&object(&operation))?;
    output.line(format!(
        "{} {}: {}",
        kind(&operation),
        id,
        operation.words()
    ))?;
    if let Some(reason) = operation.reason() {
        output.line(reason.action())?;
    }
    if !operation.message.is_empty() {
        output.line(human::printable(&operation.message))?;
    }
    if let Some(figures) = &operation.plan {
        output.line(format!(
            "Plan: {} ({}) in {}; {} created, {} replaced, {} left alone, {} there already",
            human::plural(figures.items, "item"),
            human::size(figures.bytes),
            human::plural(figures.folders, "folder"),
            human::count(figures.to_create),
            human::count(figures.to_replace),
            human::count(figures.to_skip),
            human::count(figures.already_there),
        ))?;
    }
    for folder in &plan.folders {
        output.object(&serde_json::json!({"type": "planned_folder", "folder": folder}))?;
        let (from, to) = (human::printable(&folder.from), human::printable(&folder.to));
        output.line(format!(
            "  {from} -> {to}: {}",
            human::plural(folder.items, "item")
        ))?;
    }
    let counts = &operation.counts;
    output.line(format!(
        "Done: {}; {} created ({}), {} failed",
        human::plural(counts.items_done, "item"),
        human::count(counts.created),
        human::size(counts.bytes),
        human::count(counts.failed),
    ))?;
    for line in problem_lines(&problems.problems) {
        output.line(line)?;
    }
    for problem in &problems.problems {
        output.object(&serde_json::json!({"type": "operation_problem", "problem": problem}))?;
    }
    for event in events.records.into_iter().rev() {
        let event = event.value;
        output.object(&serde_json::json!({"type": "operation_event", "event": event}))?;
        let what = serde_json::to_string(&event.event).unwrap_or_default();
        let at = event.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        output.line(format!("{at}  {}", human::printable(&what)))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

async fn download(session: &Session, args: &OperationDownloadArgs) -> Result<Exit, CliError> {
    files::must_be_empty(&args.output, "export")?;
    let (operations, id) = named(session, &args.name)?;
    let operation = operations.get(&id).await?.value;
    if operation.state != State::LinkReady {
        return Err(CliError::NotFound(format!(
            "the operation has no files to download; its state is `{}`",
            operation.state.code()
        )));
    }
    let store = session.exports(&args.exports, &args.name.database).await?;
    std::fs::create_dir_all(&args.output).map_err(CliError::file("creating", &args.output))?;
    let mut output = session.output();
    for number in 1..=operation.parts {
        let (_, part) = operations.part(&id, number).await?;
        let key = Key::new(part.key.clone())?;
        let body = store.get(&key, GetOptions::default()).await?.body;
        check(&part, &body)?;
        let path = args.output.join(&part.file_name);
        files::Reserved::create(&path, "export")?.fill(&body)?;
        output.object(&serde_json::json!({"type": "export_part", "part": part}))?;
        output.line(format!(
            "{} ({})",
            path.display(),
            human::size(part.size_bytes)
        ))?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// What came is what was put there.
fn check(part: &ExportPart, body: &[u8]) -> Result<(), CliError> {
    let digest = sha256(body);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    if digest == part.sha256 {
        return Ok(());
    }
    Err(CliError::NotFound(format!(
        "the file {} is damaged; make the export again",
        part.file_name
    )))
}
