//! `mailkeep hold …`.

use chrono::{DateTime, Utc};
use mailkeep_engine::browse;
use mailkeep_vault::{Hold, ItemFilter};

use crate::args::retention::{HoldAddArgs, HoldCommand};
use crate::output::{Column, Output, Table, human};
use crate::session::Session;
use crate::{CliError, Exit};

/// Carries out the verb.
///
/// # Errors
/// When the vault cannot be read or written, or there is no such mailbox or hold.
pub(super) async fn run(session: &Session, command: &HoldCommand) -> Result<Exit, CliError> {
    let mut output = session.output();
    match command {
        HoldCommand::Add(args) => add(session, args, &mut output).await?,
        HoldCommand::Ls { unlock } => {
            let engine = session.engine(unlock).await?;
            list(&mut output, &engine.vault().holds().await?)?;
        }
        HoldCommand::Rm { name, unlock } => {
            let engine = session.engine(unlock).await?;
            engine.vault().remove_hold(name).await?;
            output.object(&serde_json::json!({"type": "hold_removed", "name": name}))?;
            output.line("Hold removed. Policies decide again about what it covered.")?;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

async fn add(session: &Session, args: &HoldAddArgs, output: &mut Output) -> Result<(), CliError> {
    let engine = session.engine(&args.unlock).await?;
    let now = session.clock.now();
    let mailbox = match args.mailbox.as_deref() {
        None => None,
        Some(name) => Some(browse::find_mailbox(&engine, name).await?.id().clone()),
    };
    let hold = Hold {
        name: args.name.clone(),
        reason: args.reason.clone(),
        placed_at: now,
        mailbox,
        search: search(args, now),
    };
    engine.vault().add_hold(&hold).await?;
    output.object(&object(&hold))?;
    output.line("Hold placed.")
}

/// What is searched for; `None` for everything.
fn search(args: &HoldAddArgs, now: DateTime<Utc>) -> Option<ItemFilter> {
    let search = ItemFilter {
        sender: args.from.clone(),
        recipient: args.recipient.clone(),
        subject: args.subject.clone(),
        text: args.text.clone(),
        since: args.since.map(|time| time.start(now)),
        before: args.until.map(|time| time.end(now)),
        ..ItemFilter::default()
    };
    (search != ItemFilter::default()).then_some(search)
}

fn list(output: &mut Output, holds: &[Hold]) -> Result<(), CliError> {
    let mut table = Table::new([
        Column::left("NAME", 20),
        Column::left("SINCE", 16),
        Column::left("MAILBOX", 26),
        Column::left("WHAT", 30),
        Column::left("REASON", 0),
    ]);
    for hold in holds {
        output.object(&object(hold))?;
        let mailbox = hold.mailbox.as_ref().map(ToString::to_string);
        let cells = [
            hold.name.clone(),
            human::time(hold.placed_at),
            mailbox.unwrap_or_else(|| "all".to_owned()),
            words(hold.search.as_ref()),
            hold.reason.clone(),
        ];
        output.row(&mut table, cells)?;
    }
    if holds.is_empty() {
        output.line("There is no legal hold in this vault.")?;
    }
    Ok(())
}

fn words(search: Option<&ItemFilter>) -> String {
    let Some(search) = search else {
        return "everything".to_owned();
    };
    let texts = [
        ("from", &search.sender),
        ("to", &search.recipient),
        ("subject", &search.subject),
        ("text", &search.text),
    ];
    let times = [("since", search.since), ("before", search.before)];
    let texts = texts
        .into_iter()
        .filter_map(|(name, text)| Some(format!("{name} {}", text.as_ref()?)));
    let times = times
        .into_iter()
        .filter_map(|(name, at)| Some(format!("{name} {}", human::time(at?))));
    texts.chain(times).collect::<Vec<_>>().join(", ")
}

fn object(hold: &Hold) -> serde_json::Value {
    serde_json::json!({
        "type": "hold",
        "name": hold.name,
        "reason": hold.reason,
        "placed_at": hold.placed_at,
        "mailbox": hold.mailbox.as_ref().map(ToString::to_string),
        "search": hold.search,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_told_in_words() {
        let search = ItemFilter {
            sender: Some("ann".to_owned()),
            since: Some(DateTime::UNIX_EPOCH),
            ..ItemFilter::default()
        };
        let told = words(Some(&search));
        assert!(told.starts_with("from ann, since 1970-01-01"), "{told}");
        assert_eq!(words(None), "everything");
    }
}
