//! `mailkeep retain`: what would go, and the run that lets go of it.

use std::io::{self, IsTerminal, Write};

use mailkeep_engine::retain::{self, MailboxRetention, MailboxRun};
use mailkeep_engine::{Engine, browse};
use mailkeep_vault::{DEFAULT_GRACE_DAYS, MIN_GRACE_DAYS, MailboxId, MailboxPlan, Retained};

use crate::args::RetainArgs;
use crate::output::{Column, Output, Table, human};
use crate::session::Session;
use crate::{CliError, Exit};

/// Carries out the verb.
///
/// # Errors
/// When the vault, a policy or a hold cannot be read, there is no such mailbox, or nobody agreed.
pub(super) async fn run(session: &Session, args: &RetainArgs) -> Result<Exit, CliError> {
    let grace = args.grace.map_or(DEFAULT_GRACE_DAYS, |grace| grace.0);
    if grace < MIN_GRACE_DAYS {
        return Err(CliError::Usage(format!(
            "--grace must be at least {MIN_GRACE_DAYS}d: restores and paused backups rely on it"
        )));
    }
    let engine = session.engine(&args.unlock).await?;
    let mailboxes = ids(&engine, &args.mailboxes).await?;
    let mut output = session.output();
    if args.dry_run {
        let plans = retain::plan(&engine, &mailboxes).await?;
        let exit = show(&mut output, &plans)?;
        output.flush()?;
        return Ok(exit);
    }
    if !args.yes {
        let plans = retain::plan(&engine, &mailboxes).await?;
        if let Some(question) = question(&plans) {
            confirm(&question)?;
        }
    }
    let runs = retain::run(&engine, &mailboxes, grace).await?;
    let exit = show_runs(&mut output, &runs)?;
    output.flush()?;
    Ok(exit)
}

/// What somebody must agree to; `None` when nothing goes.
fn question(plans: &[MailboxRetention]) -> Option<String> {
    let plans = || plans.iter().filter_map(|entry| entry.plan.as_ref().ok());
    let versions: u64 = plans().map(|plan| plan.dropped_versions).sum();
    let packs: u64 = plans().map(|plan| plan.condemned_packs).sum();
    let content = plans().map(|plan| plan.dropped_bytes).sum();
    let stored = plans().map(|plan| plan.condemned_bytes).sum();
    if versions == 0 && packs == 0 {
        return None;
    }
    Some(format!(
        "{} ({} of mail) can no longer be restored, and up to {} ({}) that earlier runs let go of \
         are deleted for good. Go on? Type yes: ",
        human::plural(versions, "version"),
        human::size(content),
        human::plural(packs, "pack"),
        human::size(stored),
    ))
}

/// Asks on the terminal.
fn confirm(question: &str) -> Result<(), CliError> {
    if !io::stdin().is_terminal() {
        return Err(CliError::Usage(
            "something would be let go of for good (--dry-run shows it); give --yes if that is meant"
                .into(),
        ));
    }
    let mut answer = String::new();
    let asked = io::stderr()
        .write_all(question.as_bytes())
        .and_then(|()| io::stderr().flush())
        .and_then(|()| io::stdin().read_line(&mut answer));
    match asked {
        Ok(_) if answer.trim().eq_ignore_ascii_case("yes") => Ok(()),
        _ => Err(CliError::Usage("nothing was changed".into())),
    }
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
                if let Some(remark) = clock_remark(&name, plan) {
                    exit = Exit::Gaps;
                    remarks.push(remark);
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

/// Says that the clock is not believed.
fn clock_remark(name: &str, plan: &MailboxPlan) -> Option<String> {
    let (last, next) = plan.now.silence?;
    Some(format!(
        "CLOCK: {name}: between {} and {} nothing was backed up. Either the clock jumped or the \
         vault was not used; until `mailkeep policy confirm-clock` retention counts back from the \
         first of these times.",
        human::time(last),
        human::time(next),
    ))
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
        "condemned_packs": plan.condemned_packs,
        "condemned_bytes": plan.condemned_bytes,
    })
}

fn show_runs(output: &mut Output, runs: &[MailboxRun]) -> Result<Exit, CliError> {
    let mut table = Table::new([
        Column::left("MAILBOX", 30),
        Column::right("GONE", 9),
        Column::right("CONTENT", 9),
        Column::right("COPIED", 9),
        Column::right("DELETED", 9),
        Column::right("WAITING", 9),
        Column::right("LOCKED", 9),
        Column::right("HELD", 9),
    ]);
    let mut exit = Exit::Done;
    let mut remarks = vec![];
    for run in runs {
        let name = run
            .address
            .clone()
            .unwrap_or_else(|| run.mailbox.to_string());
        let done = match &run.done {
            Err(reason) => {
                exit = Exit::Gaps;
                output.object(&serde_json::json!({
                    "type": "unfinished_mailbox", "mailbox": run.mailbox.to_string(),
                    "message": reason,
                }))?;
                remarks.push(format!("UNFINISHED: {name}: {reason}"));
                continue;
            }
            Ok(done) => done,
        };
        output.object(&run_object(run, done))?;
        let row = [
            name.clone(),
            human::count(done.dropped_versions),
            human::size(done.dropped_bytes),
            human::size(done.copied_bytes),
            human::size(done.deleted_bytes),
            human::size(done.waiting_bytes),
            human::size(done.locked_bytes),
            human::size(done.held_bytes),
        ];
        output.row(&mut table, row)?;
        let mut remark = |words: String| {
            exit = Exit::Gaps;
            remarks.push(words);
        };
        if let Some(words) = clock_remark(&name, &done.plan) {
            remark(words);
        }
        for pack in &done.unreadable {
            remark(format!("DAMAGED: {name}: {pack}"));
        }
        if done.is_postponed {
            remark(format!(
                "POSTPONED: {name}: a backup changed the mailbox too often; run retain again"
            ));
        }
    }
    for remark in remarks {
        output.line(remark)?;
    }
    Ok(exit)
}

fn run_object(run: &MailboxRun, done: &Retained) -> serde_json::Value {
    serde_json::json!({
        "type": "retained",
        "mailbox": run.mailbox.to_string(),
        "address": run.address,
        "counted_back_from": done.plan.now.at,
        "silence": done.plan.now.silence,
        "holds": done.plan.holds,
        "dropped_versions": done.dropped_versions,
        "dropped_items": done.dropped_items,
        "dropped_bytes": done.dropped_bytes,
        "held_versions": done.plan.held_versions,
        "condemned_packs": done.condemned_packs,
        "condemned_bytes": done.condemned_bytes,
        "repacked_packs": done.repacked_packs,
        "orphans": done.orphans,
        "emptied_commits": done.emptied_commits,
        "new_packs": done.new_packs,
        "copied_bytes": done.copied_bytes,
        "deleted_packs": done.deleted_packs,
        "deleted_bytes": done.deleted_bytes,
        "deleted_index_objects": done.deleted_commits,
        "waiting_packs": done.waiting_packs,
        "waiting_bytes": done.waiting_bytes,
        "locked_objects": done.locked_objects,
        "locked_bytes": done.locked_bytes,
        "held_packs": done.held_packs,
        "held_bytes": done.held_bytes,
        "unreadable": done.unreadable,
        "is_postponed": done.is_postponed,
    })
}
