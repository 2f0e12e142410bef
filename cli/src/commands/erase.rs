//! `mailkeep erase` and `mailkeep mailbox restart`.

use mailkeep_engine::browse;
use mailkeep_vault::MailboxId;
use serde_json::json;

use super::lookup::{first_mailbox, is_named};
use crate::args::{EraseArgs, RestartArgs};
use crate::output::human;
use crate::session::Session;
use crate::{CliError, Exit};

/// Erases a mailbox.
///
/// # Errors
/// Without `--yes`, when there is no such mailbox, or the store fails.
pub(super) async fn run(session: &Session, args: &EraseArgs) -> Result<Exit, CliError> {
    if !args.yes {
        return Err(CliError::Usage(
            "erasing destroys the backup of this mailbox for good; give --yes if that is meant"
                .into(),
        ));
    }
    let engine = session.engine(&args.unlock).await?;
    let id = match args.mailbox.parse::<MailboxId>() {
        Ok(id) => id,
        Err(_) => browse::find_mailbox(&engine, &args.mailbox)
            .await?
            .id()
            .clone(),
    };
    let erasure = engine.vault().erase_mailbox(&id).await?;
    let caveats = erasure.caveats();
    let mut output = session.output();
    output.object(&json!({
        "type": "erasure",
        "mailbox": id.to_string(),
        "is_done": erasure.is_done(),
        "destroyed": erasure.destroyed,
        "remaining": erasure.remaining,
        "caveats": caveats,
    }))?;
    let keys = u64::try_from(erasure.destroyed.len()).unwrap_or(u64::MAX);
    output.line(format!(
        "Mailbox {id}: {} destroyed, and looked for again.",
        human::plural(keys, "key record")
    ))?;
    output.line(if erasure.is_done() {
        "Nobody can read it from this vault any more."
    } else {
        "NOT DONE YET: see below."
    })?;
    for caveat in caveats {
        output.line(format!("  - {caveat}"))?;
    }
    output.flush()?;
    Ok(if erasure.is_done() {
        Exit::Done
    } else {
        Exit::Gaps
    })
}

/// Starts a mailbox that was erased afresh.
///
/// # Errors
/// When the tenant does not list it, or its erasure is not finished.
pub(super) async fn restart(session: &Session, args: &RestartArgs) -> Result<Exit, CliError> {
    let engine = session.engine(&args.unlock).await?;
    let name = args.connection.as_deref();
    let connection = session.connection(engine.vault(), name).await?;
    let realm = connection.realm().to_owned();
    let source = session.connect(connection)?.source;
    let found = first_mailbox(&*source, |profile| is_named(profile, &args.mailbox)).await?;
    let profile = found.ok_or_else(|| {
        CliError::NotFound("the tenant lists no mailbox by this address or id".into())
    })?;
    let mailbox = engine.vault().restart_mailbox(&realm, &profile).await?;
    let mut output = session.output();
    let id = mailbox.id();
    output.object(&json!({ "type": "mailbox_restarted", "mailbox": id.to_string() }))?;
    output.line(format!("The next backup fills mailbox {id}."))?;
    output.flush()?;
    Ok(Exit::Done)
}
