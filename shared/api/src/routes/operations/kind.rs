//! What restores and exports have in common: one set of endpoints for each kind.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::{HeaderName, HeaderValue, StatusCode, header};
use mailkeep_engine::operation::{
    NewOperation, OperationError, OperationId, OperationKind, OperationRecord, OperationRequest,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answers::{EventBody, PlanBody, ProblemsBody};
use super::requests::problem_of;
use crate::auth::{Principal, Role};
use crate::http::{
    Audit, Caller, Cursor, Endpoint, IfMatch, Nothing, Page, Path, Query, etag, limit,
};
use crate::problem::Problem;
use crate::routes::bodies::{Given, PageQuery, page};
use crate::service::Api;

/// Longest name of somebody that is written down.
const MAX_NAME_BYTES: usize = 500;

/// The address of one endpoint, its name, and what it does.
pub(super) struct Route(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) &'static str,
);

/// The endpoints that each kind has.
pub(super) struct Routes {
    pub(super) list: Route,
    pub(super) create: Route,
    pub(super) get: Route,
    pub(super) plan: Route,
    pub(super) problems: Route,
    pub(super) events: Route,
    pub(super) confirm: Route,
    pub(super) cancel: Route,
    pub(super) resume: Route,
}

/// What somebody asks for, as it was sent.
pub(super) struct Asked {
    pub(super) request: OperationRequest,
    pub(super) purpose: String,
    pub(super) is_confirmed: bool,
}

/// Restores, or exports.
pub(super) trait Kind: 'static {
    /// As the engine calls it.
    const KIND: OperationKind;
    /// Where its endpoints are.
    const ROUTES: Routes;
    /// What its fields are called in requests, where the engine says `action`.
    const ACTION: &'static str;
    /// What is asked for.
    type New: DeserializeOwned + JsonSchema + Send + 'static;
    /// What is shown.
    type Body: Serialize + JsonSchema + Send + 'static;

    /// What was sent, as the engine wants it.
    fn asked(new: Self::New, storage: &str) -> Result<Asked, Problem>;

    /// A record of this kind as it is shown.
    fn shown(record: &OperationRecord) -> Option<Self::Body>;

    /// There is none of this id.
    fn missing() -> Problem;
}

pub(super) fn endpoints<K: Kind>() -> Vec<Endpoint> {
    let role = Role::RestoreOperator;
    let routes = K::ROUTES;
    let get = |Route(path, name, summary): Route| Endpoint::get(path, name, role).summary(summary);
    let post =
        |Route(path, name, summary): Route| Endpoint::post(path, name, role).summary(summary);
    let tell = |route: Route| {
        post(route)
            .takes_match()
            .answers::<K::Body>(StatusCode::OK)
            .etag()
    };
    vec![
        get(routes.list)
            .query::<PageQuery>()
            .answers::<Page<K::Body>>(StatusCode::OK)
            .to(list::<K>),
        post(routes.create)
            .body::<K::New>()
            .answers::<K::Body>(StatusCode::CREATED)
            .etag()
            .to(create::<K>),
        get(routes.get)
            .answers::<K::Body>(StatusCode::OK)
            .etag()
            .to(one::<K>),
        get(routes.plan)
            .audited(Audit::View)
            .answers::<PlanBody>(StatusCode::OK)
            .to(plan::<K>),
        get(routes.problems)
            .audited(Audit::View)
            .answers::<ProblemsBody>(StatusCode::OK)
            .to(problems::<K>),
        get(routes.events)
            .query::<PageQuery>()
            .answers::<Page<EventBody>>(StatusCode::OK)
            .to(events::<K>),
        tell(routes.confirm).to(confirm::<K>),
        tell(routes.cancel).to(cancel::<K>),
        tell(routes.resume).to(resume::<K>),
    ]
}

/// Its version, which changes with everything that is written down of it.
fn mark(version: u64) -> u32 {
    u32::try_from(version).unwrap_or(u32::MAX)
}

/// The record of this id, with its version.
pub(super) async fn record<K: Kind>(
    api: &Api,
    id: &str,
) -> Result<(OperationRecord, u32), Problem> {
    let found = api.operations().get(&OperationId(id.to_owned())).await;
    match found {
        Ok(found) if found.value.kind() == K::KIND => Ok((found.value, mark(found.version))),
        Ok(_) | Err(OperationError::NoSuchOperation { .. }) => Err(K::missing()),
        Err(error) => Err(error.into()),
    }
}

fn body<K: Kind>(record: &OperationRecord) -> Result<K::Body, Problem> {
    K::shown(record).ok_or_else(|| Problem::bug("an operation of another kind"))
}

/// Who asks, as it is written down for others to see. The audit log has their id.
fn name(who: &Principal) -> String {
    let is_good = |text: &&String| {
        !text.trim().is_empty()
            && text.len() <= MAX_NAME_BYTES
            && !text.chars().any(char::is_control)
    };
    let known = [&who.name, &who.id].into_iter().find(is_good);
    known.map_or_else(|| "somebody".to_owned(), ToOwned::to_owned)
}

async fn list<K: Kind>(
    State(api): State<Api>,
    Query(query): Query<PageQuery>,
) -> Given<Page<K::Body>> {
    let most = limit(query.limit)?;
    let cursor = Cursor::of(&[K::ROUTES.list.1]);
    let after = cursor.read(query.cursor.as_deref())?;
    // Both kinds are in one list: a page may have few entries of this one.
    let found = api.operations().list(after, most).await?;
    let shown = found
        .records
        .iter()
        .filter_map(|record| K::shown(&record.value));
    Ok(page(shown.collect(), &cursor, found.next))
}

async fn create<K: Kind>(
    State(api): State<Api>,
    Extension(Caller(who)): Extension<Caller>,
    _: Nothing,
    crate::http::Json(new): crate::http::Json<K::New>,
) -> Result<Response, Problem> {
    let asked = K::asked(new, &api.storage().name)?;
    let new = NewOperation {
        id: None,
        request: asked.request,
        asked_by: name(&who),
        purpose: asked.purpose,
        is_confirmed: asked.is_confirmed,
    };
    let made = api.operations().create(new).await;
    let made = made.map_err(|error| problem_of(error, K::ACTION))?;
    let location = format!("{}/{}", K::ROUTES.create.0, made.id);
    let location = HeaderValue::from_str(&location).map_err(|_| Problem::bug("an id"))?;
    // What was just made is the first version, or whoever is faster than us changed it.
    let headers = [etag(1), (header::LOCATION, location)];
    Ok((StatusCode::CREATED, headers, Json(body::<K>(&made)?)).into_response())
}

async fn one<K: Kind>(
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Nothing,
) -> Result<Response, Problem> {
    let (record, version) = record::<K>(&api, &id).await?;
    answer::<K>(&record, version)
}

fn answer<K: Kind>(record: &OperationRecord, version: u32) -> Result<Response, Problem> {
    let tag: (HeaderName, HeaderValue) = etag(version);
    Ok(([tag], Json(body::<K>(record)?)).into_response())
}

async fn plan<K: Kind>(
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Nothing,
) -> Given<PlanBody> {
    let (record, _) = record::<K>(&api, &id).await?;
    let details = api.operations().plan(&record.id).await?;
    Ok(Json(PlanBody::of(record, details)))
}

async fn problems<K: Kind>(
    State(api): State<Api>,
    Path(id): Path<String>,
    _: Nothing,
) -> Given<ProblemsBody> {
    let (record, _) = record::<K>(&api, &id).await?;
    let problems = api.operations().problems(&record.id).await?;
    Ok(Json(ProblemsBody::of(&record, problems)))
}

async fn events<K: Kind>(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> Given<Page<EventBody>> {
    let most = limit(query.limit)?;
    let (record, _) = record::<K>(&api, &id).await?;
    let cursor = Cursor::of(&[K::ROUTES.events.1, &id]);
    let after = cursor.read(query.cursor.as_deref())?;
    let found = api.operations().events(&record.id, after, most).await?;
    let events = found.records.iter().map(|it| EventBody::of(&it.value));
    Ok(page(events.collect::<Result<_, _>>()?, &cursor, found.next))
}

/// What somebody tells an operation to do.
#[derive(Clone, Copy)]
enum Command {
    Confirm,
    Cancel,
    Resume,
}

async fn told<K: Kind>(
    api: &Api,
    who: &Principal,
    id: &str,
    if_match: &IfMatch,
    command: Command,
) -> Result<Response, Problem> {
    let (record, version) = self::record::<K>(api, id).await?;
    // A plan never changes once it is made, and each command holds only in the states that it is
    // meant for: a change in between is no other operation.
    if_match.optional(version)?;
    let (operations, by) = (api.operations(), name(who));
    match command {
        Command::Confirm => operations.confirm(&record.id, &by).await?,
        Command::Cancel => operations.cancel(&record.id, &by).await?,
        Command::Resume => operations.resume(&record.id, &by).await?,
    };
    let (record, version) = self::record::<K>(api, id).await?;
    answer::<K>(&record, version)
}

async fn confirm<K: Kind>(
    State(api): State<Api>,
    Extension(Caller(who)): Extension<Caller>,
    Path(id): Path<String>,
    if_match: IfMatch,
    _: Nothing,
) -> Result<Response, Problem> {
    told::<K>(&api, &who, &id, &if_match, Command::Confirm).await
}

async fn cancel<K: Kind>(
    State(api): State<Api>,
    Extension(Caller(who)): Extension<Caller>,
    Path(id): Path<String>,
    if_match: IfMatch,
    _: Nothing,
) -> Result<Response, Problem> {
    told::<K>(&api, &who, &id, &if_match, Command::Cancel).await
}

async fn resume<K: Kind>(
    State(api): State<Api>,
    Extension(Caller(who)): Extension<Caller>,
    Path(id): Path<String>,
    if_match: IfMatch,
    _: Nothing,
) -> Result<Response, Problem> {
    told::<K>(&api, &who, &id, &if_match, Command::Resume).await
}
