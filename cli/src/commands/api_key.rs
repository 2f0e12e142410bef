//! `mailkeep api-key …`.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_api::auth::Role;
use mailkeep_api::auth::api_key::{ApiKeyError, ApiKeyRecord, ApiKeys};
use secrecy::ExposeSecret as _;

use crate::args::DatabaseArgs;
use crate::args::api::{ApiKeyAddArgs, ApiKeyCommand};
use crate::output::{Column, Table};
use crate::session::Session;
use crate::{CliError, Exit};

/// Carries out the verb.
///
/// # Errors
/// When the job database cannot be used, or there is no such key.
pub(super) async fn run(session: &Session, command: &ApiKeyCommand) -> Result<Exit, CliError> {
    match command {
        ApiKeyCommand::Add(args) => add(session, args).await,
        ApiKeyCommand::Ls { database } => list(session, database).await,
        ApiKeyCommand::Rm { id, database } => remove(session, id, database).await,
    }
}

fn keys(session: &Session, database: &DatabaseArgs) -> Result<ApiKeys, CliError> {
    let table = Arc::new(session.database(database)?.table());
    Ok(ApiKeys::new(table, Arc::clone(&session.clock)))
}

fn failed(error: ApiKeyError) -> CliError {
    match error {
        ApiKeyError::Invalid(_) => CliError::Usage(error.to_string()),
        ApiKeyError::Table(error) => mailkeep_engine::ledger::JobError::from(error).into(),
        _ => CliError::NotFound(error.to_string()),
    }
}

fn object(kind: &str, record: &ApiKeyRecord) -> serde_json::Value {
    serde_json::json!({
        "type": kind,
        "id": record.id,
        "name": record.name,
        "roles": record.roles,
        "created_at": record.created_at,
        "expires_at": record.expires_at,
    })
}

async fn add(session: &Session, args: &ApiKeyAddArgs) -> Result<Exit, CliError> {
    let keys = keys(session, &args.database)?;
    let roles = args.roles.iter().copied().collect();
    let now = session.clock.now();
    let days = args.days.map(|days| TimeDelta::days(i64::from(days)));
    let expires_at = days.and_then(|days| now.checked_add_signed(days));
    let made = keys.add(&args.name, roles, expires_at, &*session.rng).await;
    let made = made.map_err(failed)?;
    let mut output = session.output();
    let mut shown = object("api_key_added", &made.record);
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("key".into(), made.key.expose_secret().into());
    }
    output.object(&shown)?;
    output.line(made.key.expose_secret())?;
    output.flush()?;
    if !output.is_json() {
        eprintln!("This is the only time that the key is shown; keep it in a safe place.");
    }
    Ok(Exit::Done)
}

async fn list(session: &Session, database: &DatabaseArgs) -> Result<Exit, CliError> {
    let all = keys(session, database)?.all().await.map_err(failed)?;
    let mut output = session.output();
    let mut table = Table::new([
        Column::left("ID", 18),
        Column::left("NAME", 24),
        Column::left("ROLES", 32),
        Column::left("MADE", 12),
        Column::left("EXPIRES", 0),
    ]);
    let day = |at: DateTime<Utc>| at.format("%Y-%m-%d").to_string();
    for record in all {
        output.object(&object("api_key", &record))?;
        let roles: Vec<_> = record.roles.iter().copied().map(Role::name).collect();
        let expires = record.expires_at.map_or_else(|| "never".to_owned(), day);
        let cells = [
            record.id,
            record.name,
            roles.join(", "),
            day(record.created_at),
            expires,
        ];
        output.row(&mut table, cells)?;
    }
    if table.is_empty() {
        output.line("There is no API key yet; `mailkeep api-key add` makes one.")?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

async fn remove(session: &Session, id: &str, database: &DatabaseArgs) -> Result<Exit, CliError> {
    keys(session, database)?.remove(id).await.map_err(failed)?;
    let mut output = session.output();
    output.object(&serde_json::json!({"type": "api_key_removed", "id": id}))?;
    output.line(format!("The API key {id} is not valid any more."))?;
    output.flush()?;
    Ok(Exit::Done)
}
