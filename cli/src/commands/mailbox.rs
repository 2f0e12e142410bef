//! `mailkeep mailbox ls`.

use mailkeep_engine::browse;
use mailkeep_exchange::{Cursor, Source};
use mailkeep_model::{LicenseState, MailboxKind, MailboxProfile};
use mailkeep_vault::MailboxDetails;
use serde::Serialize;

use super::lookup::MOST_PAGES;
use crate::args::MailboxLsArgs;
use crate::output::{Column, Output, Table};
use crate::session::Session;
use crate::{CliError, Exit};

#[derive(Serialize)]
#[serde(tag = "type", rename = "mailbox")]
struct Line<'a> {
    /// Id in the vault.
    mailbox: Option<String>,
    realm: &'a str,
    #[serde(flatten)]
    profile: &'a MailboxProfile,
}

/// Carries out the verb.
///
/// # Errors
/// When the vault or the tenant cannot be listed.
pub(super) async fn run(session: &Session, args: &MailboxLsArgs) -> Result<Exit, CliError> {
    let engine = session.engine(&args.unlock).await?;
    let mut output = session.output();
    let exit = match args.connection.as_deref() {
        Some(name) => {
            let connection = session.connection(engine.vault(), Some(name)).await?;
            let realm = connection.realm().to_owned();
            let source = session.connect(connection)?.source;
            of_source(&mut output, &realm, &*source).await?;
            Exit::Done
        }
        None => of_vault(&mut output, browse::mailboxes(&engine).await?)?,
    };
    output.flush()?;
    Ok(exit)
}

async fn of_source(output: &mut Output, realm: &str, source: &dyn Source) -> Result<(), CliError> {
    let mut table = Table::new([
        Column::left("ADDRESS", 36),
        Column::left("NAME", 24),
        Column::left("KIND", 10),
        Column::left("LICENCE", 10),
        Column::left("SIGN-IN", 0),
    ]);
    let mut next: Option<Cursor> = None;
    for _ in 0..MOST_PAGES {
        let page = source.mailboxes(next.as_ref()).await?;
        for profile in &page.mailboxes {
            output.object(&Line {
                mailbox: None,
                realm,
                profile,
            })?;
            let cells = [
                profile.address.clone(),
                profile.display_name.clone(),
                kind_words(profile.kind).to_owned(),
                license_words(profile.license).to_owned(),
                if profile.account_enabled {
                    "allowed"
                } else {
                    "blocked"
                }
                .to_owned(),
            ];
            output.row(&mut table, cells)?;
        }
        output.flush()?;
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    if table.is_empty() {
        output.line("The tenant lists no mailbox.")?;
    }
    Ok(())
}

fn of_vault(output: &mut Output, entries: Vec<browse::MailboxEntry>) -> Result<Exit, CliError> {
    let mut table = Table::new([
        Column::left("ID", 26),
        Column::left("ADDRESS", 36),
        Column::left("KIND", 10),
        Column::left("NAME", 0),
    ]);
    let mut exit = Exit::Done;
    for entry in &entries {
        match &entry.details {
            Ok(MailboxDetails { realm, profile }) => {
                output.object(&Line {
                    mailbox: Some(entry.id.to_string()),
                    realm,
                    profile,
                })?;
                let cells = [
                    entry.id.to_string(),
                    profile.address.clone(),
                    kind_words(profile.kind).to_owned(),
                    profile.display_name.clone(),
                ];
                output.row(&mut table, cells)?;
            }
            Err(reason) => {
                exit = Exit::Gaps;
                output.object(&serde_json::json!({
                    "type": "unreadable_mailbox",
                    "mailbox": entry.id.to_string(),
                    "message": reason,
                }))?;
                let words = format!("UNREADABLE: {reason}");
                let cells = [entry.id.to_string(), words, String::new(), String::new()];
                output.row(&mut table, cells)?;
            }
        }
    }
    if entries.is_empty() {
        output.line("The vault holds no mailbox yet; `mailkeep backup` fills it.")?;
    }
    Ok(exit)
}

fn kind_words(kind: MailboxKind) -> &'static str {
    match kind {
        MailboxKind::User => "user",
        MailboxKind::Shared => "shared",
        MailboxKind::Room => "room",
        MailboxKind::Equipment => "equipment",
        MailboxKind::Linked => "linked",
        MailboxKind::PublicFolders => "public",
        _ => "other",
    }
}

fn license_words(license: LicenseState) -> &'static str {
    match license {
        LicenseState::Licensed => "yes",
        LicenseState::Unlicensed => "no",
        LicenseState::Unknown => "unknown",
    }
}
