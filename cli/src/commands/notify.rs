//! `mailkeep notify …`.

use std::path::Path;

use mailkeep_engine::news::send_test;
use mailkeep_local::LocalNotify;
use mailkeep_model::news::{NotificationSettings, Tone};
use mailkeep_ports::Recipient;

use crate::args::notify::{NotifyCommand, NotifyTestArgs, SettingsArgs};
use crate::session::Session;
use crate::{CliError, Exit};

/// Larger files are no settings.
const MAX_BYTES: u64 = 1 << 20;

/// Carries out the verb.
///
/// # Errors
/// When the settings cannot be read or are wrong.
pub(super) async fn run(session: &Session, command: &NotifyCommand) -> Result<Exit, CliError> {
    match command {
        NotifyCommand::Check(args) => check(session, args).await,
        NotifyCommand::Test(args) => test(session, args).await,
    }
}

async fn check(session: &Session, args: &SettingsArgs) -> Result<Exit, CliError> {
    let settings = settings(&args.settings)?;
    notify(session, &settings).await?;
    let mut output = session.output();
    output.object(&serde_json::json!({"type": "notifications_checked"}))?;
    output.line("The settings are right, and their secrets are where they should be.")?;
    output.flush()?;
    Ok(Exit::Done)
}

async fn test(session: &Session, args: &NotifyTestArgs) -> Result<Exit, CliError> {
    let settings = settings(&args.settings.settings)?;
    let recipients = recipients(&settings, args);
    if recipients.is_empty() {
        let cause = "the settings name nobody; give --mail or --webhook";
        return Err(CliError::Usage(cause.to_owned()));
    }
    let notify = notify(session, &settings).await?;
    let mut output = session.output();
    let mut exit = Exit::Done;
    for to in recipients {
        let (now, number) = (session.clock.now(), session.rng.next_u64());
        let sent = send_test(&notify, &to, now, number).await;
        let (kind, name) = match &to {
            Recipient::Mail(address) => ("mail", address),
            Recipient::Webhook(name) => ("webhook", name),
        };
        let error = sent.err().map(|error| error.to_string());
        output.object(&serde_json::json!({
            "type": "notification_tested",
            "channel": kind,
            "to": name,
            "is_delivered": error.is_none(),
            "error": error,
        }))?;
        match error {
            None => output.line(format!("{kind} {name}: delivered"))?,
            Some(error) => {
                exit = Exit::Error;
                output.line(format!("{kind} {name}: NOT delivered: {error}"))?;
            }
        }
    }
    output.flush()?;
    Ok(exit)
}

fn settings(path: &Path) -> Result<NotificationSettings, CliError> {
    let metadata = std::fs::metadata(path).map_err(CliError::file("reading", path))?;
    let wrong = |what: String| CliError::Usage(format!("{}: {what}", path.display()));
    if metadata.len() > MAX_BYTES {
        return Err(wrong("larger than 1 MiB, which no settings are".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(CliError::file("reading", path))?;
    let settings: NotificationSettings =
        toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
    let problems = settings.problems();
    if problems.is_empty() {
        return Ok(settings);
    }
    let lines = problems.list().iter().map(|it| format!("\n  {it}"));
    Err(wrong(lines.collect()))
}

async fn notify(
    session: &Session,
    settings: &NotificationSettings,
) -> Result<LocalNotify, CliError> {
    let made = LocalNotify::new(settings, session.input.secrets(), &session.clock).await;
    made.map_err(|error| CliError::Usage(error.to_string()))
}

/// Those given, or everybody whom the settings name, each once.
fn recipients(settings: &NotificationSettings, args: &NotifyTestArgs) -> Vec<Recipient> {
    let mut found: Vec<Recipient> = vec![];
    let mail = args.mail.iter().cloned().map(Recipient::Mail);
    let webhooks = args.webhooks.iter().cloned().map(Recipient::Webhook);
    found.extend(mail.chain(webhooks));
    if found.is_empty() {
        for card in [Tone::Good, Tone::Bad].map(|tone| settings.card(tone)) {
            let mail = card.mail_to.addresses().iter().cloned();
            found.extend(mail.map(Recipient::Mail));
            found.extend(card.webhooks.iter().cloned().map(Recipient::Webhook));
        }
    }
    found.sort();
    found.dedup();
    found
}
