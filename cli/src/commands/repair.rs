//! `mailkeep repair`.

use std::sync::Arc;

use mailkeep_engine::repair::{self, MailboxRepair, RepairRequest, RepairSummary};
use mailkeep_engine::{StopSignal, browse};
use mailkeep_vault::{MailboxId, RepairMode};
use serde_json::json;

use crate::args::RepairArgs;
use crate::output::{Output, human};
use crate::session::Session;
use crate::view::verify::VerifyView;
use crate::{CliError, Exit, interrupt};

/// Carries out the verb.
///
/// # Errors
/// When the vault as a whole cannot be read, or there is no such mailbox.
pub(super) async fn run(session: &Session, args: &RepairArgs) -> Result<Exit, CliError> {
    let engine = session.engine(&args.unlock).await?;
    let mut request = RepairRequest {
        mailboxes: vec![],
        mode: if args.dry_run {
            RepairMode::DryRun
        } else {
            RepairMode::Apply
        },
    };
    for name in &args.mailboxes {
        // By id first: a mailbox whose profile is damaged has no address.
        let id = match name.parse::<MailboxId>() {
            Ok(id) => id,
            Err(_) => browse::find_mailbox(&engine, name).await?.id().clone(),
        };
        request.mailboxes.push(id);
    }
    let view = Arc::new(VerifyView::new(session.style(), Arc::clone(&session.clock)));
    let stop = StopSignal::new();
    let _watch = interrupt::watch(stop.clone());
    let summary = repair::repair(&engine, &request, view.clone(), stop).await;
    view.finish();
    let summary = summary?;
    let mut output = session.output();
    for mailbox in &summary.mailboxes {
        show(&mut output, mailbox)?;
    }
    close(&mut output, &summary)?;
    output.flush()?;
    Ok(Exit::from_code(summary.exit_code()))
}

fn show(output: &mut Output, one: &MailboxRepair) -> Result<(), CliError> {
    output.object(&json!({ "type": "mailbox_repair", "repair": one }))?;
    let name = one.address.as_ref().unwrap_or(&one.mailbox);
    let name = human::printable(name);
    if let Some(failure) = &one.failure {
        output.line(format!(
            "NOT REPAIRED: {name}: {}",
            human::printable(failure)
        ))?;
    }
    for step in &one.steps {
        let object = step.object.as_deref().unwrap_or("index");
        output.line(format!("{name}: {object}: {}", step.what))?;
    }
    for loss in &one.losses {
        let folder = loss.folder.as_deref().unwrap_or("unknown folder");
        let what = if loss.is_partial {
            "some attachments are lost"
        } else {
            "content is lost"
        };
        let next = if loss.is_fetched_again {
            "; the next backup fetches it again"
        } else {
            ", of a version that is no longer at the source"
        };
        output.line(format!(
            "{name}, {}, item {}, commit {}: {what}{next}",
            human::printable(folder),
            loss.item,
            loss.sequence
        ))?;
    }
    if one.lists_anew {
        output.line(format!(
            "{name}: commits were lost; the next backup lists every folder anew and compares"
        ))?;
    }
    Ok(())
}

fn close(output: &mut Output, summary: &RepairSummary) -> Result<(), CliError> {
    let lost: u64 = summary.mailboxes.iter().map(|it| it.lost_versions).sum();
    let gaps: u64 = summary.mailboxes.iter().map(|it| it.gaps).sum();
    let steps: usize = summary.mailboxes.iter().map(|it| it.steps.len()).sum();
    let failed = summary.mailboxes.iter().filter(|it| it.failure.is_some());
    let failed = failed.count();
    output.object(&json!({
        "type": "repair", "run": summary.run, "is_dry_run": summary.is_dry_run,
        "is_stopped": summary.is_stopped, "mailboxes": summary.mailboxes.len(),
        "failed": failed, "steps": steps, "lost_versions": lost, "gaps": gaps,
    }))?;
    let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
    let verdict = if summary.is_stopped {
        "STOPPED before the end".to_owned()
    } else if failed > 0 {
        format!(
            "NOT REPAIRED: {failed} of {} mailboxes",
            summary.mailboxes.len()
        )
    } else if steps == 0 && lost == 0 {
        "Nothing to repair".to_owned()
    } else if summary.is_dry_run {
        format!("Would take {}", human::plural(count(steps), "step"))
    } else {
        format!("Repaired with {}", human::plural(count(steps), "step"))
    };
    let losses = match lost {
        0 => String::new(),
        _ => format!(
            " {} without content, {} of them fetched again by the next backup.",
            human::plural(lost, "item version"),
            human::count(gaps)
        ),
    };
    output.line(format!("{verdict}.{losses}"))
}
