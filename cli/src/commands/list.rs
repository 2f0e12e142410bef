//! `mailkeep ls`.

use mailkeep_engine::browse;
use mailkeep_model::FolderPath;
use mailkeep_vault::{MailboxView, StoredFolder};
use serde::Serialize;

use super::{PAGE, snapshot_selector};
use crate::args::LsArgs;
use crate::output::{Column, Output, Table, human};
use crate::session::Session;
use crate::view::items;
use crate::{CliError, Exit};

#[derive(Serialize)]
#[serde(tag = "type", rename = "folder")]
struct FolderLine<'a> {
    mailbox: &'a str,
    path: String,
    well_known: Option<mailkeep_model::WellKnownFolder>,
    is_hidden: bool,
    deleted: bool,
    items_at_source: Option<u64>,
}

/// Carries out the verb.
///
/// # Errors
/// When the vault cannot be read or there is no such mailbox, folder or restore point.
pub(super) async fn run(session: &Session, args: &LsArgs) -> Result<Exit, CliError> {
    let engine = session.engine(&args.unlock).await?;
    let mailbox = browse::find_mailbox(&engine, &args.mailbox).await?;
    let selector = snapshot_selector(&args.snapshot, session.clock.now());
    let view = browse::open(&mailbox, &selector).await?;
    let address = &mailbox.profile().address;
    let mut output = session.output();
    match args.folder.as_deref() {
        None => folders(&mut output, address, &view, args.deleted)?,
        Some(folder) => {
            let path = FolderPath::parse(folder);
            list_items(&mut output, address, &view, &path, args).await?;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

fn folders(
    output: &mut Output,
    address: &str,
    view: &MailboxView,
    deleted: bool,
) -> Result<(), CliError> {
    let mut shown: Vec<&StoredFolder> = view.folders().iter().collect();
    shown.retain(|stored| (deleted || !stored.deleted) && !stored.path.0.is_empty());
    shown.sort_by_cached_key(|stored| stored.path.to_string().to_lowercase());
    let mut table = Table::new([
        Column::right("AT SOURCE", 9),
        Column::left("", 3),
        Column::left("FOLDER", 0),
    ]);
    for stored in &shown {
        show_folder(output, &mut table, address, stored)?;
    }
    if shown.is_empty() {
        output.line("No folder was backed up yet.")?;
    }
    Ok(())
}

fn show_folder(
    output: &mut Output,
    table: &mut Table<3>,
    address: &str,
    stored: &StoredFolder,
) -> Result<(), CliError> {
    output.object(&FolderLine {
        mailbox: address,
        path: stored.path.to_string(),
        well_known: stored.folder.well_known,
        is_hidden: stored.folder.is_hidden,
        deleted: stored.deleted,
        items_at_source: stored.folder.total_items,
    })?;
    let marks = match (stored.deleted, stored.folder.is_hidden) {
        (true, _) => "D",
        (false, true) => "h",
        (false, false) => "",
    };
    let count = stored.folder.total_items.map(human::count);
    let cells = [
        count.unwrap_or_default(),
        marks.to_owned(),
        stored.path.to_string(),
    ];
    output.row(table, cells)
}

async fn list_items(
    output: &mut Output,
    address: &str,
    view: &MailboxView,
    path: &FolderPath,
    args: &LsArgs,
) -> Result<(), CliError> {
    let mut table = Table::new(items::COLUMNS);
    let mut below = Table::new([
        Column::right("AT SOURCE", 9),
        Column::left("", 3),
        Column::left("FOLDER BELOW", 0),
    ]);
    let name = path.to_string();
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut after = None;
    let mut is_first = true;
    while left > 0 {
        let limit = left.min(PAGE);
        let listing = browse::ls(view, Some(path), args.deleted, after.as_ref(), limit).await?;
        if std::mem::take(&mut is_first) {
            for entry in &listing.folders {
                show_folder(output, &mut below, address, &entry.folder)?;
            }
        }
        for version in &listing.items.items {
            items::show(output, &mut table, address, &name, version)?;
        }
        left = left.saturating_sub(listing.items.items.len());
        after = listing.items.next;
        if after.is_none() {
            break;
        }
    }
    if table.is_empty() {
        output.line("No items.")?;
    }
    Ok(())
}
