//! `mailkeep retain`.

use mailkeep_engine::retain::{self, MailboxRetention};
use mailkeep_engine::{Engine, browse};
use mailkeep_vault::{MailboxId, MailboxPlan};

use crate::args::RetainArgs;
use crate::output::{Column, Output, Table, human};
use crate::session::Session;
use crate::{CliError, Exit};

/// Carries out the verb.
///
/// # Errors
/// When the vault, a policy or a hold cannot be read, or there is no such mailbox.
pub(super) async fn run(session: &Session, args: &RetainArgs) -> Result<Exit, CliError> {
    let engine = session.engine(&args.unlock).await?;
    let mailboxes = ids(&engine, &args.mailboxes).await?;
    let plans = retain::plan(&engine, &mailboxes).await?;
    let mut output = session.output();
    let exit = show(&mut output, &plans)?;
    output.flush()?;
    Ok(exit)
}

async fn ids(engine: &Engine, names: &[String]) -> Result<Vec<MailboxId>, CliError> {
    let mut ids = vec![];
    for name in names {
        let mailbox = browse::find_mailbox(engine, name).await?;
        ids.push(mailbox.id().clone());
    }
    Ok(ids)
}

fn show(output: &mut Output, plans: &[MailboxRetention]) -> Result<Exit, CliError> {
    let mut table = Table::new([
        Column::left("MAILBOX", 30),
        Column::right("VERSIONS", 9),
        Column::right("WOULD GO", 9),
        Column::right("ITEMS", 7),
        Column::right("CONTENT", 9),
        Column::right("HELD", 7),
        Column::left("POLICY", 0),
    ]);
    let mut exit = Exit::Done;
    let mut remarks = vec![];
    for entry in plans {
        let name = entry
            .address
            .clone()
            .unwrap_or_else(|| entry.mailbox.to_string());
        match &entry.plan {
            Err(reason) => {
                exit = Exit::Gaps;
                output.object(&serde_json::json!({
                    "type": "unreadable_mailbox", "mailbox": entry.mailbox.to_string(),
                    "message": reason,
                }))?;
                remarks.push(format!("UNREADABLE: {name}: {reason}"));
            }
            Ok(plan) => {
                output.object(&object(entry, plan))?;
                output.row(&mut table, cells(&name, plan))?;
                if let Some((last, next)) = plan.now.silence {
                    exit = Exit::Gaps;
                    remarks.push(format!(
                        "CLOCK: {name}: between {} and {} nothing was backed up. Either the clock \
                         jumped or the vault was not used; until `mailkeep policy confirm-clock` \
                         retention counts back from the first of these times.",
                        human::time(last),
                        human::time(next),
                    ));
                }
            }
        }
    }
    for remark in remarks {
        output.line(remark)?;
    }
    output.line("Nothing was changed.")?;
    Ok(exit)
}

fn cells(name: &str, plan: &MailboxPlan) -> [String; 7] {
    [
        name.to_owned(),
        human::count(plan.versions),
        human::count(plan.dropped_versions),
        human::count(plan.dropped_items),
        human::size(plan.dropped_bytes),
        human::count(plan.held_versions),
        super::policy::words(&plan.policy),
    ]
}

fn object(entry: &MailboxRetention, plan: &MailboxPlan) -> serde_json::Value {
    serde_json::json!({
        "type": "retention",
        "mailbox": entry.mailbox.to_string(),
        "address": entry.address,
        "policy": plan.policy,
        "sequence": plan.sequence,
        "counted_back_from": plan.now.at,
        "silence": plan.now.silence,
        "holds": plan.holds,
        "kept_points": plan.kept_points,
        "versions": plan.versions,
        "dropped_versions": plan.dropped_versions,
        "dropped_items": plan.dropped_items,
        "dropped_bytes": plan.dropped_bytes,
        "held_versions": plan.held_versions,
    })
}
