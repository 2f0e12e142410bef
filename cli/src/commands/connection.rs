//! `mailkeep connection …`.

use mailkeep_exchange::{PermissionCheck, Source};
use mailkeep_model::{LicenseState, MailboxProfile};
use mailkeep_setup::connection::{Access, Connection, DOCUMENT_KIND, Reach};
use mailkeep_vault::PutMode;
use serde::Serialize;

use super::groups;
use super::lookup::{first_mailbox, named_mailbox};
use super::reach::reach;
use crate::args::{AddArgs, ConnectionCommand, TestArgs, UnlockArgs};
use crate::output::{Column, Table};
use crate::session::Session;
use crate::{CliError, Exit};

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
    #[serde(flatten)]
    reach: ShownReach<'a>,
}

#[derive(Serialize)]
#[serde(tag = "protocol", rename_all = "snake_case")]
enum ShownReach<'a> {
    Graph {
        tenant: &'a str,
        client_id: &'a str,
        cloud: &'a str,
        login_url: &'a str,
        graph_url: &'a str,
        credential: &'a str,
    },
    Exchange {
        organisation: &'a str,
        url: &'a str,
        user: &'a str,
        login: &'a str,
        access: Access,
        mailboxes: usize,
        public_folders_as: Option<&'a str>,
    },
}

impl<'a> Shown<'a> {
    fn of(connection: &'a Connection) -> Self {
        let reach = match &connection.reach {
            Reach::Graph(graph) => ShownReach::Graph {
                tenant: &graph.tenant,
                client_id: &graph.client_id,
                cloud: &graph.cloud,
                login_url: &graph.login_url,
                graph_url: &graph.graph_url,
                credential: graph.credential.kind(),
            },
            Reach::Exchange(exchange) => ShownReach::Exchange {
                organisation: &exchange.organisation,
                url: &exchange.url,
                user: exchange.login.user(),
                login: exchange.login.kind(),
                access: exchange.access,
                mailboxes: exchange.mailboxes.len(),
                public_folders_as: exchange.public_folders_as.as_deref(),
            },
        };
        Self {
            name: &connection.name,
            reach,
        }
    }
}

async fn add(session: &Session, args: &AddArgs) -> Result<Exit, CliError> {
    let engine = session.engine(&args.unlock).await?;
    let connection = Connection::new(args.name.clone(), reach(session, args).await?)?;
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

async fn list(session: &Session, unlock: &UnlockArgs) -> Result<Exit, CliError> {
    let engine = session.engine(unlock).await?;
    let connections = session.connections(engine.vault()).await?;
    let mut output = session.output();
    let mut table = Table::new([
        Column::left("NAME", 16),
        Column::left("PROTOCOL", 8),
        Column::left("REALM", 36),
        Column::left("SIGNS IN AS", 36),
        Column::left("SIGN-IN", 11),
        Column::left("SERVICE", 0),
    ]);
    let is_empty = connections.is_empty();
    for connection in connections {
        output.object(&Shown::of(&connection))?;
        let realm = connection.realm().to_owned();
        let (protocol, user, kind, service) = match &connection.reach {
            Reach::Graph(graph) => (
                "graph",
                &*graph.client_id,
                graph.credential.kind(),
                &graph.graph_url,
            ),
            Reach::Exchange(exchange) => (
                "exchange",
                exchange.login.user(),
                exchange.login.kind(),
                &exchange.url,
            ),
        };
        let cells = [
            connection.name.clone(),
            protocol.to_owned(),
            realm,
            user.to_owned(),
            kind.to_owned(),
            service.clone(),
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
    let mut checks = source
        .check_permissions(mailbox.as_ref().map(|mailbox| &mailbox.id))
        .await?;
    checks.extend(groups::check(session, &args.database, &args.name, &*source).await?);
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
            "Backups will not work: grant what is missing. At Microsoft 365 that is an application \
             permission of the app registration, with admin consent; on Exchange a role or right \
             of the service account.",
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
