//! `mailkeep policy …`.

use mailkeep_engine::{Engine, browse};
use mailkeep_model::{PointRule, RetentionPolicy};
use mailkeep_vault::PolicyScope;

use crate::args::retention::{PolicyCommand, PolicySetArgs};
use crate::args::values::DaysArg;
use crate::output::{Column, Output, Table};
use crate::session::Session;
use crate::{CliError, Exit};

/// Carries out the verb.
///
/// # Errors
/// When the vault cannot be read or written, or there is no such mailbox.
pub(super) async fn run(session: &Session, command: &PolicyCommand) -> Result<Exit, CliError> {
    let mut output = session.output();
    match command {
        PolicyCommand::Show { unlock } => {
            show(&session.engine(unlock).await?, &mut output).await?;
        }
        PolicyCommand::Set(args) => {
            let policy = policy(args)?;
            let engine = session.engine(&args.unlock).await?;
            let scope = scope(&engine, args.mailbox.as_deref()).await?;
            engine.vault().set_policy(&scope, &policy).await?;
            output.object(&line(&scope, None, &policy))?;
            output.line(format!("Policy set: {}.", words(&policy)))?;
        }
        PolicyCommand::Reset { mailbox, unlock } => {
            let engine = session.engine(unlock).await?;
            let scope = scope(&engine, mailbox.as_deref()).await?;
            engine.vault().remove_policy(&scope).await?;
            output.object(&serde_json::json!({"type": "policy_reset"}))?;
            output.line(match scope {
                PolicyScope::Default => "The vault keeps everything again.",
                PolicyScope::Mailbox(_) => "The mailbox has the vault's policy again.",
            })?;
        }
        PolicyCommand::ConfirmClock { unlock } => {
            let engine = session.engine(unlock).await?;
            engine.vault().confirm_clock().await?;
            output.object(&serde_json::json!({
                "type": "clock_confirmed", "at": session.clock.now(),
            }))?;
            output.line("Retention believes the clock from now on.")?;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

async fn scope(engine: &Engine, mailbox: Option<&str>) -> Result<PolicyScope, CliError> {
    Ok(match mailbox {
        None => PolicyScope::Default,
        Some(name) => {
            let mailbox = browse::find_mailbox(engine, name).await?;
            PolicyScope::Mailbox(mailbox.id().clone())
        }
    })
}

fn policy(args: &PolicySetArgs) -> Result<RetentionPolicy, CliError> {
    let days = |days: Option<DaysArg>| days.map(|days| days.0);
    let policy = RetentionPolicy {
        keep_days: args.keep.0,
        min_versions: args.min_versions,
        points: PointRule {
            hourly: days(args.hourly),
            daily: days(args.daily),
            weekly: days(args.weekly),
            monthly: days(args.monthly),
            yearly: days(args.yearly),
        },
    };
    if policy.keeps_everything() && (policy.min_versions > 0 || !policy.points.is_empty()) {
        return Err(CliError::Usage(
            "--keep forever keeps everything; no other option adds to it".to_owned(),
        ));
    }
    Ok(policy)
}

async fn show(engine: &Engine, output: &mut Output) -> Result<(), CliError> {
    let settings = engine.vault().retention_settings().await?;
    let mut table = Table::new([Column::left("FOR", 36), Column::left("POLICY", 0)]);
    output.object(&line(&PolicyScope::Default, None, &settings.default))?;
    let cells = ["every other mailbox".to_owned(), words(&settings.default)];
    output.row(&mut table, cells)?;
    let mailboxes = browse::mailboxes(engine).await?;
    for (id, policy) in &settings.overrides {
        let address = mailboxes
            .iter()
            .find(|entry| entry.id == *id)
            .and_then(|entry| Some(entry.details.as_ref().ok()?.profile.address.clone()));
        let scope = PolicyScope::Mailbox(id.clone());
        output.object(&line(&scope, address.as_deref(), policy))?;
        let cells = [address.unwrap_or_else(|| id.to_string()), words(policy)];
        output.row(&mut table, cells)?;
    }
    Ok(())
}

fn line(scope: &PolicyScope, address: Option<&str>, policy: &RetentionPolicy) -> serde_json::Value {
    let mailbox = match scope {
        PolicyScope::Default => None,
        PolicyScope::Mailbox(id) => Some(id.to_string()),
    };
    serde_json::json!({
        "type": "policy", "mailbox": mailbox, "address": address, "policy": policy,
    })
}

/// A policy in words.
pub(super) fn words(policy: &RetentionPolicy) -> String {
    let Some(days) = policy.keep_days else {
        return "keep for ever".to_owned();
    };
    let mut words = format!("keep {days} d");
    if policy.min_versions > 0 {
        words += &format!(", at least {} versions", policy.min_versions);
    }
    let PointRule {
        hourly,
        daily,
        weekly,
        monthly,
        yearly,
    } = policy.points;
    for (name, days) in [
        ("hourly", hourly),
        ("daily", daily),
        ("weekly", weekly),
        ("monthly", monthly),
        ("yearly", yearly),
    ] {
        if let Some(days) = days {
            words += &format!(", {name} {days} d");
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_told_in_words() {
        let mut policy = RetentionPolicy::default();
        assert_eq!(words(&policy), "keep for ever");
        policy.keep_days = Some(90);
        policy.min_versions = 2;
        policy.points.monthly = Some(3650);
        assert_eq!(
            words(&policy),
            "keep 90 d, at least 2 versions, monthly 3650 d"
        );
    }
}
