//! Connections to tenants and Exchange organisations. Their secrets go in and never come out.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures::future::{Either, select};
use http::{HeaderValue, StatusCode, header};
use mailkeep_exchange::{Cursor as SourceCursor, Source};
use mailkeep_model::{LicenseState, MailboxKind, MailboxProfile, SourceMailboxId};
use mailkeep_setup::connection::{Access, Connection, DOCUMENT_KIND, Reach};
use mailkeep_setup::{SetupError, Tenant};
use mailkeep_vault::{PutMode, VaultError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bodies::{Given, PageQuery, page};
use super::new_connection::{NewConnection, ReachBody};
use crate::auth::Role;
use crate::http::{Audit, Cursor, Endpoint, Nothing, Page, Path, Query, SecretJson, limit};
use crate::problem::Problem;
use crate::service::Api;

/// How long a tenant is waited for. API Gateway gives up after 30 seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(20);
const ONE: &str = "/v1/connections/{connection}";

pub(super) fn endpoints() -> Vec<Endpoint> {
    let (viewer, administrator) = (Role::Viewer, Role::Administrator);
    vec![
        Endpoint::get("/v1/connections", "listConnections", viewer)
            .summary("The connections, by name; never their secrets")
            .query::<PageQuery>()
            .answers::<Page<ConnectionBody>>(StatusCode::OK)
            .to(list),
        Endpoint::post("/v1/connections", "createConnection", administrator)
            .summary("Stores a connection, with its secret, in the vault")
            .body::<NewConnection>()
            .answers::<ConnectionBody>(StatusCode::CREATED)
            .to(create),
        Endpoint::get(ONE, "getConnection", viewer)
            .summary("One connection; never its secret")
            .answers::<ConnectionBody>(StatusCode::OK)
            .to(get),
        Endpoint::put(ONE, "replaceConnection", administrator)
            .summary("Replaces a connection, its secret included")
            .body::<ReachBody>()
            .answers::<ConnectionBody>(StatusCode::OK)
            .to(replace),
        Endpoint::delete(ONE, "deleteConnection", administrator)
            .summary("Forgets a connection; never what was backed up over it")
            .answers_nothing()
            .to(delete),
        Endpoint::post(
            "/v1/connections/{connection}/test",
            "testConnection",
            administrator,
        )
        .reads_only(Audit::Change)
        .summary("Tries every permission that backups and restores need")
        .optional_body::<TestBody>()
        .answers::<TestResult>(StatusCode::OK)
        .problem(StatusCode::BAD_GATEWAY)
        .to(test),
        Endpoint::get(
            "/v1/connections/{connection}/mailboxes",
            "listSourceMailboxes",
            Role::Operator,
        )
        .summary("The mailboxes that a connection leads to, as their source lists them")
        .query::<PageQuery>()
        .answers::<Page<SourceMailboxBody>>(StatusCode::OK)
        .problem(StatusCode::BAD_GATEWAY)
        .problem(StatusCode::UNPROCESSABLE_ENTITY)
        .to(mailboxes),
    ]
}

/// A connection, without its secret.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Connection")]
struct ConnectionBody {
    /// Its name.
    name: String,
    /// `graph` or `exchange`.
    protocol: &'static str,
    /// Tenant or organisation: what the ids of mailboxes are unique in.
    realm: String,
    /// The application or user that it signs in as.
    signs_in_as: String,
    /// How: `secret`, `certificate`, `ntlm`, `basic` or `oauth`.
    sign_in: &'static str,
    /// The service.
    url: String,
    /// The sign-in service, for Graph.
    login_url: Option<String>,
    /// The Microsoft cloud, for Graph.
    cloud: Option<String>,
    /// By which right mailboxes are opened, for Exchange: `impersonation` or `delegate`.
    access: Option<&'static str>,
    /// How many mailboxes are named, for Exchange.
    mailboxes: Option<usize>,
}

impl ConnectionBody {
    fn of(connection: &Connection) -> Self {
        let (name, realm) = (connection.name.clone(), connection.realm().to_owned());
        match &connection.reach {
            Reach::Graph(graph) => Self {
                name,
                protocol: "graph",
                realm,
                signs_in_as: graph.client_id.clone(),
                sign_in: graph.credential.kind(),
                url: graph.graph_url.clone(),
                login_url: Some(graph.login_url.clone()),
                cloud: Some(graph.cloud.clone()),
                access: None,
                mailboxes: None,
            },
            Reach::Exchange(exchange) => Self {
                name,
                protocol: "exchange",
                realm,
                signs_in_as: exchange.login.user().to_owned(),
                sign_in: exchange.login.kind(),
                url: exchange.url.clone(),
                login_url: None,
                cloud: None,
                access: Some(match exchange.access {
                    Access::Impersonation => "impersonation",
                    Access::Delegate => "delegate",
                }),
                mailboxes: Some(exchange.mailboxes.len()),
            },
        }
    }
}

/// What to try.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "ConnectionTest")]
struct TestBody {
    /// Id of the mailbox at the source to try permissions on; the first one that should work unless
    /// given.
    #[schemars(length(min = 1, max = 1000))]
    mailbox: Option<String>,
}

/// What was found.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ConnectionTestResult")]
struct TestResult {
    /// Backups will work.
    backups_work: bool,
    /// Restores will work.
    restores_work: bool,
    /// Each permission.
    permissions: Vec<PermissionBody>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Permission")]
struct PermissionBody {
    /// Its name as administrators know it.
    permission: String,
    /// What it is needed for.
    purpose: String,
    /// Address of the mailbox that it was tried on.
    mailbox: Option<String>,
    /// Only needed to restore.
    restore_only: bool,
    /// It is there.
    is_granted: bool,
    /// Why it does not work.
    failure: Option<String>,
}

/// A mailbox as its source lists it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SourceMailbox")]
struct SourceMailboxBody {
    /// Its id at the source.
    source_id: String,
    /// Its address.
    address: String,
    /// Its name.
    display_name: String,
    /// What it is used for.
    kind: MailboxKind,
    /// Whether the account may have a mailbox.
    license: LicenseState,
    /// False when sign-in is blocked.
    account_enabled: bool,
}

impl From<SetupError> for Problem {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Field { field, cause } => Self::field(field, cause),
            SetupError::Vault(error) => error.into(),
            SetupError::Exchange { source } => (*source).into(),
            error => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "unusable_connection",
                error.to_string(),
            ),
        }
    }
}

async fn existing(api: &Api, name: &str) -> Result<Connection, Problem> {
    let found = Connection::find(api.engine().vault(), name).await?;
    found.ok_or_else(|| {
        Problem::not_found("no_such_connection", "there is no connection of this name")
    })
}

/// What a tenant answers, unless it takes longer than anybody waits for an answer of ours.
async fn in_time<T>(api: &Api, asking: impl Future<Output = T>) -> Result<T, Problem> {
    match select(Box::pin(asking), api.clock().sleep(LONGEST_WAIT)).await {
        Either::Left((answer, _)) => Ok(answer),
        Either::Right(_) => Err(Problem::busy(
            "source_unavailable",
            "the source did not answer in time; check its address, or try again",
            Duration::from_secs(10),
        )),
    }
}

fn open(api: &Api, connection: Connection) -> Result<Arc<dyn Source>, Problem> {
    let (clock, rng) = (Arc::clone(api.clock()), Arc::clone(api.rng()));
    Ok(Tenant::open(connection, clock, rng)?.source)
}

async fn list(
    State(api): State<Api>,
    Query(query): Query<PageQuery>,
) -> Given<Page<ConnectionBody>> {
    let most = limit(query.limit)?;
    let cursor = Cursor::of(&["connections"]);
    let after = cursor.read(query.cursor.as_deref())?;
    let names = api.engine().vault().documents(DOCUMENT_KIND).await?;
    let mut rest = names
        .into_iter()
        .filter(|name| after.as_ref().is_none_or(|after| name > after));
    let mut shown = vec![];
    for name in rest.by_ref().take(most) {
        // One that was removed this moment is left out.
        if let Some(found) = Connection::find(api.engine().vault(), &name).await? {
            shown.push(ConnectionBody::of(&found));
        }
    }
    let last = shown.last().map(|last| last.name.clone());
    let next = last.filter(|_| rest.next().is_some());
    Ok(page(shown, &cursor, next))
}

async fn get(
    State(api): State<Api>,
    Path(name): Path<String>,
    _: Nothing,
) -> Given<ConnectionBody> {
    Ok(Json(ConnectionBody::of(&existing(&api, &name).await?)))
}

/// Checks a connection and stores it. Nothing is sent to what it leads to.
async fn store(
    api: &Api,
    name: String,
    reach: ReachBody,
    mode: PutMode,
) -> Result<ConnectionBody, Problem> {
    let connection = Connection::new(name, reach.into_reach()?)?;
    let document = connection.to_document()?;
    let body = ConnectionBody::of(&connection);
    // Building the connector checks hosts, ids and the certificate.
    open(api, connection)?;
    let vault = api.engine().vault();
    let stored = vault
        .put_document(DOCUMENT_KIND, &body.name, &document, mode)
        .await;
    match stored {
        Ok(()) => Ok(body),
        Err(VaultError::AlreadyExists { .. }) => Err(Problem::new(
            StatusCode::CONFLICT,
            "name_taken",
            "there is a connection of this name; PUT replaces it",
        )),
        Err(error) => Err(error.into()),
    }
}

async fn create(
    State(api): State<Api>,
    _: Nothing,
    SecretJson(new): SecretJson<NewConnection>,
) -> Result<Response, Problem> {
    let body = store(&api, new.name, new.reach, PutMode::Create).await?;
    let location = format!("/v1/connections/{}", body.name);
    let location = HeaderValue::from_str(&location).map_err(|_| Problem::bug("a name"))?;
    let headers = [(header::LOCATION, location)];
    Ok((StatusCode::CREATED, headers, Json(body)).into_response())
}

async fn replace(
    State(api): State<Api>,
    Path(name): Path<String>,
    _: Nothing,
    SecretJson(reach): SecretJson<ReachBody>,
) -> Given<ConnectionBody> {
    existing(&api, &name).await?;
    Ok(Json(store(&api, name, reach, PutMode::Replace).await?))
}

async fn delete(
    State(api): State<Api>,
    Path(name): Path<String>,
    _: Nothing,
) -> Result<StatusCode, Problem> {
    existing(&api, &name).await?;
    let vault = api.engine().vault();
    vault.delete_document(DOCUMENT_KIND, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn test(
    State(api): State<Api>,
    Path(name): Path<String>,
    _: Nothing,
    crate::http::Json(body): crate::http::Json<TestBody>,
) -> Given<TestResult> {
    let is_id = |id: &String| (1..=1_000).contains(&id.chars().count());
    if body.mailbox.as_ref().is_some_and(|id| !is_id(id)) {
        let problem = "has 1 to 1000 characters; leave it out to try a likely mailbox";
        return Err(Problem::field("mailbox", problem));
    }
    let source = open(&api, existing(&api, &name).await?)?;
    let asking = async {
        let mailbox = match body.mailbox {
            Some(id) => Some(SourceMailboxId(id)),
            // When mailboxes cannot be listed, the checks say why.
            None => match source.mailboxes(None).await {
                Ok(page) => likely(page.mailboxes),
                Err(_) => None,
            },
        };
        source.check_permissions(mailbox.as_ref()).await
    };
    let checks = in_time(&api, asking).await??;
    let works = |restore_only: bool| {
        !checks
            .iter()
            .any(|check| check.failure.is_some() && (restore_only || !check.restore_only))
    };
    Ok(Json(TestResult {
        backups_work: works(false),
        restores_work: works(true),
        permissions: checks
            .into_iter()
            .map(|check| PermissionBody {
                permission: check.permission,
                purpose: check.purpose,
                mailbox: check.mailbox,
                restore_only: check.restore_only,
                is_granted: check.failure.is_none(),
                failure: check.failure,
            })
            .collect(),
    }))
}

/// The first that should have a mailbox, else the first.
fn likely(mailboxes: Vec<MailboxProfile>) -> Option<SourceMailboxId> {
    let licensed = |it: &&MailboxProfile| it.license == LicenseState::Licensed;
    let found = mailboxes.iter().find(licensed).or(mailboxes.first());
    found.map(|profile| profile.id.clone())
}

async fn mailboxes(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(query): Query<PageQuery>,
) -> Given<Page<SourceMailboxBody>> {
    // The source decides how many there are on a page.
    limit(query.limit)?;
    let cursor = Cursor::of(&["source mailboxes", &name]);
    let after = cursor.read(query.cursor.as_deref())?.map(SourceCursor);
    let source = open(&api, existing(&api, &name).await?)?;
    let found = in_time(&api, source.mailboxes(after.as_ref())).await??;
    let shown = found
        .mailboxes
        .into_iter()
        .map(|profile| SourceMailboxBody {
            source_id: profile.id.0,
            address: profile.address,
            display_name: profile.display_name,
            kind: profile.kind,
            license: profile.license,
            account_enabled: profile.account_enabled,
        });
    Ok(page(
        shown.collect(),
        &cursor,
        found.next.map(|next| next.0),
    ))
}
