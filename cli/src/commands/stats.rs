//! `mailkeep stats`.

use mailkeep_engine::browse::{self, MailboxStats, VaultStats};
use serde::Serialize;

use crate::args::StatsArgs;
use crate::output::{Column, Output, Table, human};
use crate::session::Session;
use crate::{CliError, Exit};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    MailboxStats {
        #[serde(flatten)]
        stats: &'a MailboxStats,
    },
    VaultStats {
        vault: &'a str,
        created_at: chrono::DateTime<chrono::Utc>,
        mailboxes: usize,
        items: u64,
        versions: u64,
        gaps: u64,
        content_bytes: u64,
        stored_bytes: u64,
    },
}

/// Carries out the verb.
///
/// # Errors
/// When the vault cannot be read or there is no such mailbox.
pub(super) async fn run(session: &Session, args: &StatsArgs) -> Result<Exit, CliError> {
    let engine = session.engine(&args.unlock).await?;
    let mut output = session.output();
    let stats = if args.mailboxes.is_empty() {
        browse::vault_stats(&engine).await?
    } else {
        let mut stats = VaultStats::default();
        for name in &args.mailboxes {
            let mailbox = browse::find_mailbox(&engine, name).await?;
            let view = mailbox.view().await?;
            let one = browse::mailbox_stats(&mailbox, &view).await?;
            stats.mailboxes.push(one);
        }
        stats
    };
    let mut table = Table::new([
        Column::left("MAILBOX", 30),
        Column::right("ITEMS", 9),
        Column::right("VERSIONS", 9),
        Column::right("GAPS", 5),
        Column::right("POINTS", 6),
        Column::right("CONTENT", 9),
        Column::right("STORED", 9),
        Column::right("OF", 6),
    ]);
    for one in &stats.mailboxes {
        output.object(&Line::MailboxStats { stats: one })?;
        show(&mut output, &mut table, one.address.clone(), one)?;
    }
    let total = stats.total();
    let vault = engine.vault();
    output.object(&Line::VaultStats {
        vault: vault.id(),
        created_at: vault.info().created_at,
        mailboxes: stats.mailboxes.len(),
        items: total.items,
        versions: total.versions,
        gaps: total.gaps,
        content_bytes: total.content_bytes,
        stored_bytes: total.stored_bytes,
    })?;
    show(&mut output, &mut table, "TOTAL".to_owned(), &total)?;
    for (mailbox, reason) in &stats.unreadable {
        output.object(&serde_json::json!({
            "type": "unreadable_mailbox", "mailbox": mailbox, "message": reason,
        }))?;
        output.line(format!("UNREADABLE: mailbox {mailbox}: {reason}"))?;
    }
    output.flush()?;
    Ok(if stats.unreadable.is_empty() {
        Exit::Done
    } else {
        Exit::Gaps
    })
}

fn show(
    output: &mut Output,
    table: &mut Table<8>,
    name: String,
    stats: &MailboxStats,
) -> Result<(), CliError> {
    let cells = [
        name,
        human::count(stats.items),
        human::count(stats.versions),
        human::count(stats.gaps),
        human::count(stats.snapshots),
        human::size(stats.content_bytes),
        human::size(stats.stored_bytes),
        human::percent(stats.stored_bytes, stats.content_bytes),
    ];
    output.row(table, cells)
}
