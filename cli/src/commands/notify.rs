//! `mailkeep notify …`.

use std::path::Path;
use std::sync::Arc;

use mailkeep_aws::{AwsNotify, AwsSettings};
use mailkeep_engine::ledger::JobError;
use mailkeep_engine::news::{Desk, NewsError, send_test};
use mailkeep_local::LocalNotify;
use mailkeep_model::news::{NotificationSettings, Tone};
use mailkeep_ports::{Notify, Recipient};

use crate::args::notify::{NewsArgs, NotifyCommand, NotifyTestArgs, SettingsArgs};
use crate::output::{Column, Table, human};
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
        NotifyCommand::Ls(args) => list(session, args).await,
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
        let cause = "the settings name nobody; give --mail, --webhook or --topic";
        return Err(CliError::Usage(cause.to_owned()));
    }
    let notify = notify(session, &settings).await?;
    let mut output = session.output();
    let mut exit = Exit::Done;
    for to in recipients {
        let (now, number) = (session.clock.now(), session.rng.next_u64());
        let sent = send_test(&*notify, &to, now, number).await;
        let (kind, name) = match &to {
            Recipient::Mail(address) => ("mail", address),
            Recipient::Webhook(name) => ("webhook", name),
            Recipient::Topic(name) => ("topic", name),
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

async fn list(session: &Session, args: &NewsArgs) -> Result<Exit, CliError> {
    let database = session.database(&args.database)?;
    let clock = Arc::clone(&session.clock);
    let desk = Desk::new(Arc::new(database.table()), clock, &*session.rng);
    let failed = |error: NewsError| CliError::from(JobError::from(error));
    let limit = usize::from(args.limit);
    let page = desk.news(None, limit).await.map_err(failed)?;
    let undelivered = desk.undelivered(limit).await.map_err(failed)?;
    let mut output = session.output();
    let mut table = Table::new([
        Column::left("TIME", 20),
        Column::left("NEWS", 8),
        Column::left("JOB", 24),
        Column::left("WHAT", 30),
        Column::left("REASON", 0),
    ]);
    for news in &page.news {
        let tone = match news.kind.tone() {
            Tone::Good => "good",
            Tone::Bad => "bad",
        };
        output.object(&serde_json::json!({"type": "news", "tone": tone, "news": news}))?;
        let reason = news.reason.map_or("", |reason| reason.code());
        let cells = [
            human::time(news.at),
            tone.to_owned(),
            news.job_name.clone(),
            news.kind.words().to_owned(),
            reason.to_owned(),
        ];
        output.row(&mut table, cells)?;
    }
    for message in &undelivered {
        output.object(&serde_json::json!({"type": "undelivered", "message": message}))?;
        for (to, why) in &message.failures {
            let at = human::time(message.at);
            output.line(format!("{at}: {to} was not told: {why}"))?;
        }
    }
    output.flush()?;
    Ok(Exit::Done)
}

/// The settings in a file.
///
/// # Errors
/// When it cannot be read, and everything that is wrong in it.
pub(super) fn settings(path: &Path) -> Result<NotificationSettings, CliError> {
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

/// What delivers by these settings.
///
/// # Errors
/// When a secret or certificate is not where they say, or AWS is needed and nothing says where it is.
pub(super) async fn notify(
    session: &Session,
    settings: &NotificationSettings,
) -> Result<Arc<dyn Notify>, CliError> {
    let made = LocalNotify::new(settings, session.input.secrets(), &session.clock).await;
    let made = made.map_err(|error| CliError::Usage(error.to_string()))?;
    if !AwsNotify::is_needed(settings) {
        return Ok(Arc::new(made));
    }
    let config = AwsSettings::default().load().await;
    let config = config.map_err(|error| CliError::Usage(error.to_string()))?;
    Ok(Arc::new(AwsNotify::new(&config, settings, Arc::new(made))))
}

/// Those given, or everybody whom the settings name, each once.
fn recipients(settings: &NotificationSettings, args: &NotifyTestArgs) -> Vec<Recipient> {
    let mut found: Vec<Recipient> = vec![];
    let mail = args.mail.iter().cloned().map(Recipient::Mail);
    let webhooks = args.webhooks.iter().cloned().map(Recipient::Webhook);
    let topics = args.topics.iter().cloned().map(Recipient::Topic);
    found.extend(mail.chain(webhooks).chain(topics));
    if found.is_empty() {
        for card in [Tone::Good, Tone::Bad].map(|tone| settings.card(tone)) {
            let mail = card.mail_to.addresses().iter().cloned();
            found.extend(mail.map(Recipient::Mail));
            found.extend(card.webhooks.iter().cloned().map(Recipient::Webhook));
            found.extend(card.topics.iter().cloned().map(Recipient::Topic));
        }
    }
    found.sort();
    found.dedup();
    found
}
