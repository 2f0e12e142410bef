//! `mailkeep connection …`.

use mailkeep_exchange::graph;
use mailkeep_exchange::{PermissionCheck, Source};
use mailkeep_model::{LicenseState, MailboxProfile};
use mailkeep_vault::PutMode;
use serde::Serialize;

use super::lookup::{first_mailbox, named_mailbox};
use crate::args::{AddArgs, Cloud, ConnectionCommand, TestArgs, UnlockArgs};
use crate::connection::{Connection, Credential, DOCUMENT_KIND, Hosts};
use crate::output::{Column, Table};
use crate::secret::CLIENT_SECRET_VARIABLE;
use crate::session::Session;
use crate::{CliError, Exit, files};

/// Carries out the verb.
///
/// # Errors
/// When the vault or the tenant cannot be reached, or what was given is not usable.
pub(super) async fn run(session: &Session, command: &ConnectionCommand) -> Result<Exit, CliError> {
    match command {
        ConnectionCommand::Add(args) => add(session, args).await,
        ConnectionCommand::Test(args) => test(session, args).await,
        ConnectionCommand::Ls { unlock } => list(session, unlock).await,
        ConnectionCommand::Rm { name, unlock } => remove(session, name, unlock).await,
    }
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "connection")]
struct Shown<'a> {
    name: &'a str,
    tenant: &'a str,
    client_id: &'a str,
    cloud: &'a str,
    login_url: &'a str,
    graph_url: &'a str,
    credential: &'a str,
}

impl<'a> Shown<'a> {
    fn of(connection: &'a Connection) -> Self {
        Self {
            name: &connection.name,
            tenant: &connection.tenant,
            client_id: &connection.client_id,
            cloud: &connection.cloud,
            login_url: &connection.login_url,
            graph_url: &connection.graph_url,
            credential: connection.credential.kind(),
        }
    }
}

async fn add(session: &Session, args: &AddArgs) -> Result<Exit, CliError> {
    let engine = session.engine(&args.unlock).await?;
    let credential = match (&args.certificate_file, &args.private_key_file) {
        (Some(certificate), Some(key)) => Credential::Certificate {
            certificate_pem: files::read_small_text(certificate)?,
            private_key_pem: session.input.text_file("private key", key).await?,
        },
        _ => {
            let file = args.client_secret_file.as_deref();
            let input = &session.input;
            let secret = input.read("client secret", file, CLIENT_SECRET_VARIABLE);
            Credential::Secret {
                client_secret: secret.await?,
            }
        }
    };
    let cloud = cloud_of(args.cloud);
    let url = |given: &Option<String>, usual: &str| given.clone().unwrap_or(usual.to_owned());
    let connection = Connection::new(
        args.name.clone(),
        args.tenant.clone(),
        args.client_id.clone(),
        Hosts {
            cloud: cloud.code().to_owned(),
            login_url: url(&args.login_url, cloud.login_url()),
            graph_url: url(&args.graph_url, cloud.graph_url()),
        },
        credential,
    )?;
    let document = connection.to_document()?;
    let mode = if args.replace {
        PutMode::Replace
    } else {
        PutMode::Create
    };
    let mut output = session.output();
    output.object(&Shown::of(&connection))?;
    // Building the connector checks hosts, ids and the certificate without any request.
    session.connect(connection)?;
    let vault = engine.vault();
    vault
        .put_document(DOCUMENT_KIND, &args.name, &document, mode)
        .await?;
    output.line(format!(
        "Connection {0} is stored, encrypted, in the vault.\nNext: mailkeep connection test {0} --vault {1}",
        args.name,
        session.place()?.in_a_shell()
    ))?;
    output.flush()?;
    Ok(Exit::Done)
}

fn cloud_of(cloud: Cloud) -> graph::Cloud {
    match cloud {
        Cloud::Worldwide => graph::Cloud::Worldwide,
        Cloud::UsGovL4 => graph::Cloud::UsGovL4,
        Cloud::UsGovL5 => graph::Cloud::UsGovL5,
        Cloud::China => graph::Cloud::China,
    }
}

async fn list(session: &Session, unlock: &UnlockArgs) -> Result<Exit, CliError> {
    let engine = session.engine(unlock).await?;
    let connections = session.connections(engine.vault()).await?;
    let mut output = session.output();
    let mut table = Table::new([
        Column::left("NAME", 16),
        Column::left("TENANT", 36),
        Column::left("CLIENT", 36),
        Column::left("CLOUD", 10),
        Column::left("SIGN-IN", 11),
        Column::left("GRAPH", 0),
    ]);
    let is_empty = connections.is_empty();
    for connection in connections {
        output.object(&Shown::of(&connection))?;
        let kind = connection.credential.kind().to_owned();
        let cells = [
            connection.name,
            connection.tenant,
            connection.client_id,
            connection.cloud,
            kind,
            connection.graph_url,
        ];
        output.row(&mut table, cells)?;
    }
    if is_empty {
        output.line("No connection yet; `mailkeep connection add` stores one.")?;
    }
    output.flush()?;
    Ok(Exit::Done)
}

async fn remove(session: &Session, name: &str, unlock: &UnlockArgs) -> Result<Exit, CliError> {
    let engine = session.engine(unlock).await?;
    // Loaded first, so that a wrong name is an error and not a silent success.
    session.connection(engine.vault(), Some(name)).await?;
    engine.vault().delete_document(DOCUMENT_KIND, name).await?;
    let mut output = session.output();
    output.object(&serde_json::json!({"type": "connection_removed", "name": name}))?;
    output.line(format!(
        "Connection {name} is forgotten. What was backed up over it stays in the vault."
    ))?;
    output.flush()?;
    Ok(Exit::Done)
}

#[derive(Serialize)]
#[serde(tag = "type", rename = "permission")]
struct Permission<'a> {
    permission: &'a str,
    purpose: &'a str,
    mailbox: Option<&'a str>,
    restore_only: bool,
    granted: bool,
    failure: Option<&'a str>,
}

async fn test(session: &Session, args: &TestArgs) -> Result<Exit, CliError> {
    let engine = session.engine(&args.unlock).await?;
    let connection = session.connection(engine.vault(), Some(&args.name)).await?;
    let source = session.connect(connection)?.source;
    let mailbox = tried_mailbox(&*source, args.mailbox.as_deref()).await?;
    let checks = source
        .check_permissions(mailbox.as_ref().map(|mailbox| &mailbox.id))
        .await?;
    let mut output = session.output();
    let mut table = Table::new([
        Column::left("RESULT", 8),
        Column::left("PERMISSION", 22),
        Column::left("TRIED ON", 30),
        Column::left("NEEDED FOR", 0),
    ]);
    for check in &checks {
        let tried_on = check.mailbox.as_deref();
        output.object(&Permission {
            permission: &check.permission,
            purpose: &check.purpose,
            mailbox: tried_on,
            restore_only: check.restore_only,
            granted: check.failure.is_none(),
            failure: check.failure.as_deref(),
        })?;
        let result = if check.failure.is_none() {
            "ok"
        } else {
            "MISSING"
        };
        let only = if check.restore_only {
            " (restore only)"
        } else {
            ""
        };
        let cells = [
            result.to_owned(),
            check.permission.clone(),
            tried_on.unwrap_or("the tenant").to_owned(),
            format!("{}{only}", check.purpose),
        ];
        output.row(&mut table, cells)?;
        if let Some(failure) = &check.failure {
            output.line(format!("          {failure}"))?;
        }
    }
    let missing = |restore_only: bool| {
        let is_missing = |check: &&PermissionCheck| {
            check.failure.is_some() && check.restore_only == restore_only
        };
        checks.iter().filter(is_missing).count()
    };
    let exit = if missing(false) > 0 {
        output.line(
            "Backups will not work: grant what is missing to the app registration as an \
             application permission, and give admin consent.",
        )?;
        Exit::Authentication
    } else if missing(true) > 0 {
        output.line("Backups will work. Restores into this tenant need what is missing.")?;
        Exit::Done
    } else {
        output.line("Backups and restores will work.")?;
        Exit::Done
    };
    output.flush()?;
    Ok(exit)
}

/// The mailbox to try permissions on: the wanted one, else the first that should have a mailbox,
/// else the first one. `None` when mailboxes cannot be listed; the checks then say why.
async fn tried_mailbox(
    source: &dyn Source,
    wanted: Option<&str>,
) -> Result<Option<MailboxProfile>, CliError> {
    if let Some(wanted) = wanted {
        return named_mailbox(source, wanted).await.map(Some);
    }
    let licensed = |profile: &MailboxProfile| profile.license == LicenseState::Licensed;
    Ok(match first_mailbox(source, licensed).await {
        Ok(None) => first_mailbox(source, |_| true).await.unwrap_or(None),
        found => found.unwrap_or(None),
    })
}
