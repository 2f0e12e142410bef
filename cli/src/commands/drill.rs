//! `mailkeep drill`.

use mailkeep_vault::drill;
use serde_json::json;

use crate::args::DrillArgs;
use crate::output::human;
use crate::session::Session;
use crate::{CliError, Exit, keys};

/// Proves that a recovery key works.
///
/// # Errors
/// When it does not.
pub(super) async fn run(session: &Session, args: &DrillArgs) -> Result<Exit, CliError> {
    let store = session.store().await?;
    let key = keys::read_recovery_file(&session.input, &args.recovery_key_file).await?;
    let report = drill(session.context(store), key).await?;
    let mut output = session.output();
    let unreadable: Vec<_> = report
        .unreadable
        .iter()
        .map(|(id, _)| id.to_string())
        .collect();
    output.object(&json!({
        "type": "drill",
        "vault": report.vault,
        "key_epoch": report.key_epoch,
        "mailboxes": report.mailboxes,
        "erased": report.erased,
        "unreadable": unreadable,
        "item": report.item.as_ref().map(|item| json!({
            "mailbox": item.mailbox.to_string(),
            "item": item.item.to_string(),
            "bytes": item.bytes,
        })),
    }))?;
    let mailboxes = u64::try_from(report.mailboxes).unwrap_or(u64::MAX);
    output.line(format!(
        "The recovery key opens vault {} and {}.",
        report.vault,
        human::plural(mailboxes, "mailbox key")
    ))?;
    output.line(match &report.item {
        Some(item) => format!(
            "Item {} of mailbox {} came back whole ({}).",
            item.item,
            item.mailbox,
            human::size(item.bytes)
        ),
        None => "The vault holds no item that could be read back.".to_owned(),
    })?;
    for (id, error) in &report.unreadable {
        output.line(format!("Mailbox {id} cannot be opened: {error}"))?;
    }
    output.flush()?;
    let is_clean = report.unreadable.is_empty();
    Ok(if is_clean { Exit::Done } else { Exit::Error })
}
