//! `mailkeep find`, and the filter that `export` and `restore` share with it.

use chrono::{DateTime, Utc};
use mailkeep_engine::{Engine, browse};
use mailkeep_model::FolderPath;
use mailkeep_vault::{ItemFilter, Mailbox};

use super::folders::FolderNames;
use super::{PAGE, snapshot_selector};
use crate::args::{FindArgs, QueryArgs};
use crate::output::{Output, Table, human};
use crate::session::Session;
use crate::view::items;
use crate::{CliError, Exit};

/// What was asked for, as the vault understands it; folders are apart.
pub(super) fn filter(query: &QueryArgs, now: DateTime<Utc>) -> ItemFilter {
    ItemFilter {
        folders: None,
        sender: query.from.clone(),
        recipient: query.recipient.clone(),
        subject: query.subject.clone(),
        text: None,
        since: query.since.map(|time| time.start(now)),
        before: query.until.map(|time| time.end(now)),
        min_size_bytes: query.min_size.map(|size| size.0),
        max_size_bytes: query.max_size.map(|size| size.0),
        has_attachments: query.has_attachment.then_some(true),
        is_read: query.unread.then_some(false),
        categories: query.category.iter().cloned().collect(),
        include_deleted: query.deleted,
    }
}

/// The folders that were asked for.
pub(super) fn paths(query: &QueryArgs) -> Vec<FolderPath> {
    query
        .folders
        .iter()
        .map(|path| FolderPath::parse(path))
        .collect()
}

/// Carries out the verb.
///
/// # Errors
/// When the vault cannot be read or there is no such mailbox, folder or restore point.
pub(super) async fn run(session: &Session, args: &FindArgs) -> Result<Exit, CliError> {
    let engine = session.engine(&args.unlock).await?;
    let (mailboxes, unreadable) = wanted_mailboxes(&engine, &args.mailboxes).await?;
    let mut output = session.output();
    let mut found = 0;
    for mailbox in &mailboxes {
        let heading = (mailboxes.len() > 1).then(|| mailbox.profile().address.clone());
        found += in_mailbox(session, &mut output, mailbox, heading, args).await?;
    }
    output.line(format!("{} found.", human::plural(found, "item")))?;
    for reason in &unreadable {
        output.object(&serde_json::json!({"type": "unreadable_mailbox", "message": reason}))?;
        output.line(format!("NOT SEARCHED: {reason}"))?;
    }
    output.flush()?;
    Ok(if unreadable.is_empty() {
        Exit::Done
    } else {
        Exit::Gaps
    })
}

/// The named mailboxes, or all; and why some could not be opened.
pub(super) async fn wanted_mailboxes(
    engine: &Engine,
    names: &[String],
) -> Result<(Vec<Mailbox>, Vec<String>), CliError> {
    let mut mailboxes = vec![];
    let mut unreadable = vec![];
    for name in names {
        mailboxes.push(browse::find_mailbox(engine, name).await?);
    }
    if names.is_empty() {
        for entry in browse::mailboxes(engine).await? {
            match engine.vault().mailbox(&entry.id).await {
                Ok(mailbox) => mailboxes.push(mailbox),
                Err(error) => unreadable.push(format!("mailbox {}: {error}", entry.id)),
            }
        }
    }
    Ok((mailboxes, unreadable))
}

async fn in_mailbox(
    session: &Session,
    output: &mut Output,
    mailbox: &Mailbox,
    mut heading: Option<String>,
    args: &FindArgs,
) -> Result<u64, CliError> {
    let now = session.clock.now();
    let view = browse::open(mailbox, &snapshot_selector(&args.snapshot, now)).await?;
    let names = FolderNames::of(&view);
    let filter = filter(&args.query, now);
    let address = &mailbox.profile().address;
    let mut table = Table::new(items::COLUMNS);
    let mut left = args.limit.unwrap_or(usize::MAX);
    let mut found = 0;
    // One pass per folder; without folders, one over everything.
    let mut scopes: Vec<Option<FolderPath>> = paths(&args.query).into_iter().map(Some).collect();
    if scopes.is_empty() {
        scopes.push(None);
    }
    for scope in &scopes {
        let mut after = None;
        while left > 0 {
            let limit = left.min(PAGE);
            let page = browse::find(&view, scope.as_ref(), &filter, after.as_ref(), limit).await?;
            for version in &page.items {
                if let Some(heading) = heading.take() {
                    output.line(format!("── {}", human::printable(&heading)))?;
                }
                let folder = names.path(&version.item.folder);
                items::show(output, &mut table, address, &folder, version)?;
                found += 1;
            }
            left = left.saturating_sub(page.items.len());
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    Ok(found)
}
