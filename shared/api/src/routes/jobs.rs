//! Jobs: made, edited, started, stopped, deleted.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use chrono::{DateTime, Utc};
use http::{HeaderValue, StatusCode, header};
use mailkeep_engine::job::{self, EditWhen, JobRecord, StartRequest};
use mailkeep_engine::ledger::{JobError, JobId};
use mailkeep_engine::run::{RunRecord, RunScope};
use mailkeep_model::job::{Hooks, JobDefinition, JobKind};
use mailkeep_model::state::{State as RunState, Vocabulary};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bodies::{Given, PageQuery, StateBody, accepted, page};
use crate::auth::{Principal, Role};
use crate::http::{Caller, Cursor, Endpoint, IfMatch, Nothing, Page, Path, Query, etag, limit};
use crate::problem::Problem;
use crate::service::Api;

const JOB: &str = "/v1/jobs/{job}";

pub(super) fn endpoints() -> Vec<Endpoint> {
    let (viewer, operator) = (Role::Viewer, Role::Operator);
    vec![
        Endpoint::get("/v1/jobs", "listJobs", viewer)
            .summary("The jobs, oldest first")
            .query::<PageQuery>()
            .answers::<Page<JobBody>>(StatusCode::OK)
            .to(list),
        Endpoint::post("/v1/jobs", "createJob", operator)
            .summary("Makes a job")
            .body::<JobDefinition>()
            .answers::<JobBody>(StatusCode::CREATED)
            .etag()
            .to(create),
        Endpoint::get(JOB, "getJob", viewer)
            .summary("One job")
            .answers::<JobBody>(StatusCode::OK)
            .to(get),
        Endpoint::delete(JOB, "deleteJob", operator)
            .summary("Deletes a job; never its backups")
            .query::<DeleteQuery>()
            .answers_nothing()
            .takes_match()
            .to(delete),
        Endpoint::get("/v1/jobs/{job}/definition", "getJobDefinition", operator)
            .summary("The newest definition of a job")
            .answers::<JobDefinition>(StatusCode::OK)
            .etag()
            .to(definition),
        Endpoint::put("/v1/jobs/{job}/definition", "putJobDefinition", operator)
            .summary("Gives a job a new definition")
            .query::<EditQuery>()
            .body::<JobDefinition>()
            .wants_match()
            .answers::<JobBody>(StatusCode::OK)
            .etag()
            .to(edit),
        Endpoint::get("/v1/jobs/{job}/versions", "listJobVersions", operator)
            .summary("The definitions that a job had, newest first")
            .query::<PageQuery>()
            .answers::<Page<VersionBody>>(StatusCode::OK)
            .to(versions),
        Endpoint::get(
            "/v1/jobs/{job}/versions/{version}",
            "getJobVersion",
            operator,
        )
        .summary("One definition that a job had")
        .answers::<VersionBody>(StatusCode::OK)
        .to(version),
        Endpoint::post("/v1/jobs/{job}/start", "startJob", operator)
            .summary("Starts a job: it works in its activity periods from now on")
            .optional_body::<StartBody>()
            .answers::<JobBody>(StatusCode::ACCEPTED)
            .to(start),
        Endpoint::post("/v1/jobs/{job}/run", "runJob", operator)
            .summary("Has a job begin a cycle now, whatever its schedule says; blackouts hold")
            .optional_body::<StartBody>()
            .answers::<JobBody>(StatusCode::ACCEPTED)
            .to(run),
        Endpoint::post("/v1/jobs/{job}/stop", "stopJob", operator)
            .summary("Stops a job: what is at work is finished and kept")
            .answers::<JobBody>(StatusCode::ACCEPTED)
            .to(stop),
        Endpoint::post("/v1/jobs/{job}/activate", "activateJob", operator)
            .summary("Switches a job on again")
            .answers::<JobBody>(StatusCode::OK)
            .to(activate),
        Endpoint::post("/v1/jobs/{job}/deactivate", "deactivateJob", operator)
            .summary("Switches a job off: as stopped, and it cannot be started")
            .answers::<JobBody>(StatusCode::OK)
            .to(deactivate),
    ]
}

/// A job.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Job")]
struct JobBody {
    /// Its id.
    id: String,
    /// Its name; unique.
    name: String,
    /// One cycle, or one after another.
    r#type: JobKind,
    /// Name of the connection.
    connection: String,
    /// Name of the storage.
    storage: String,
    /// Where it is.
    state: StateBody,
    /// The definition that the next cycle gets.
    version: u32,
    /// The newest definition; newer while a cycle ends that was told to end first.
    newest_version: u32,
    /// Nobody switched it off.
    is_active: bool,
    /// It begins cycles by itself.
    is_started: bool,
    /// The number of its newest run; 0 when there was none.
    run: u64,
    /// That run is not over.
    is_running: bool,
    /// When its last run ended.
    last_ended_at: Option<DateTime<Utc>>,
    /// When it was made.
    created_at: DateTime<Utc>,
}

/// A definition that a job had.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobVersion")]
struct VersionBody {
    /// Its number.
    version: u32,
    /// When it was made.
    made_at: DateTime<Utc>,
    /// The definition.
    definition: JobDefinition,
}

/// How a job is to be started.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "Start")]
struct StartBody {
    /// Which mailboxes of its scope: `all` unless given.
    scope: ScopeBody,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "RunScope")]
enum ScopeBody {
    /// All.
    #[default]
    All,
    /// Those that failed the last time.
    Failed,
    /// These, by address or id.
    Chosen(#[schemars(length(min = 1, max = 10_000))] Vec<String>),
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct DeleteQuery {
    /// Stop it first when it is at work; otherwise that is refused.
    stop: bool,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct EditQuery {
    /// What happens when the job is at work.
    apply: Apply,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Apply {
    /// The change is refused.
    #[default]
    NotActive,
    /// It is stopped, and goes on with the new definition.
    StopFirst,
    /// Its cycle ends; the next one has the new definition.
    AfterCycle,
}

impl StartBody {
    fn request(self, ignores_schedule: bool) -> Result<StartRequest, Problem> {
        let scope = match self.scope {
            ScopeBody::All => RunScope::All,
            ScopeBody::Failed => RunScope::Failed,
            ScopeBody::Chosen(names) => {
                let is_good = (1..=10_000).contains(&names.len())
                    && names.iter().all(|name| !name.trim().is_empty());
                if !is_good {
                    return Err(Problem::field(
                        "scope.chosen",
                        "name 1 to 10000 mailboxes, none of them empty",
                    ));
                }
                RunScope::Chosen(names)
            }
        };
        Ok(StartRequest {
            scope,
            ignores_schedule,
        })
    }
}

/// The record of a job, unless it is deleted.
pub(super) async fn record(api: &Api, id: &str) -> Result<JobRecord, Problem> {
    let none = || Problem::not_found("no_such_job", "there is no such job");
    let is_id = id.len() == 26 && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_id {
        return Err(none());
    }
    let job = api.ledger().job(&JobId(id.to_owned())).await?;
    let job = job.map(|job| job.value);
    job.filter(|job| job.deleted_at.is_none()).ok_or_else(none)
}

/// A record as it is shown.
async fn shown(api: &Api, job: &JobRecord) -> Result<JobBody, Problem> {
    let definition = api.jobs().definition_of(job, job.newest).await?;
    let run = if job.is_open {
        let run = api.ledger().run(&job.id.run(job.cycle)).await?;
        run.map(|run| run.value)
    } else {
        None
    };
    let state = state_of(api, job, &definition, run.as_ref());
    Ok(JobBody {
        id: job.id.to_string(),
        name: job.name.clone(),
        r#type: definition.kind,
        connection: definition.connection,
        storage: definition.storage,
        state: StateBody::of(state, Vocabulary::JobList),
        version: job.version,
        newest_version: job.newest,
        is_active: job.is_active,
        is_started: job.is_started,
        run: job.cycle,
        is_running: job.is_open,
        last_ended_at: job.last.map(|last| last.ended_at),
        created_at: job.created_at,
    })
}

fn state_of(
    api: &Api,
    job: &JobRecord,
    definition: &JobDefinition,
    run: Option<&RunRecord>,
) -> RunState {
    job::state(job, definition, run.map(|run| run.state), api.clock().now())
}

async fn list(State(api): State<Api>, Query(query): Query<PageQuery>) -> Given<Page<JobBody>> {
    let most = limit(query.limit)?;
    let cursor = Cursor::of(&["jobs"]);
    let after = cursor.read(query.cursor.as_deref())?;
    let found = api.ledger().job_page(after, most).await?;
    let mut jobs = vec![];
    for job in found.records {
        if job.value.deleted_at.is_none() {
            jobs.push(shown(&api, &job.value).await?);
        }
    }
    Ok(page(jobs, &cursor, found.next))
}

/// What a job calls runs on the machine of the service or is sent from there: only who may do everything
/// may say what that is. What is there already may stay.
fn check_hooks(who: &Principal, hooks: &Hooks, now: &Hooks) -> Result<(), Problem> {
    if hooks == now || who.may(Role::Administrator) {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::FORBIDDEN,
        "hooks_forbidden",
        "scripts and webhooks of jobs are given or changed by administrators only",
    ))
}

async fn create(
    State(api): State<Api>,
    Extension(Caller(who)): Extension<Caller>,
    _: Nothing,
    crate::http::Json(definition): crate::http::Json<JobDefinition>,
) -> Result<Response, Problem> {
    check_hooks(&who, &definition.hooks, &Hooks::default())?;
    if definition.storage != api.storage().name {
        let problem = format!(
            "there is no such storage; the name of this one is `{}`",
            api.storage().name
        );
        return Err(Problem::field("storage", problem));
    }
    let job = api.jobs().create(&definition).await?;
    let body = shown(&api, &job).await?;
    let location = format!("/v1/jobs/{}", job.id);
    let location = HeaderValue::from_str(&location).map_err(|_| Problem::bug("an id"))?;
    let headers = [etag(job.newest), (header::LOCATION, location)];
    Ok((StatusCode::CREATED, headers, Json(body)).into_response())
}

async fn get(State(api): State<Api>, Path(job): Path<String>, _: Nothing) -> Given<JobBody> {
    let job = record(&api, &job).await?;
    Ok(Json(shown(&api, &job).await?))
}

async fn delete(
    State(api): State<Api>,
    Path(job): Path<String>,
    Query(query): Query<DeleteQuery>,
    if_match: IfMatch,
) -> Result<StatusCode, Problem> {
    let job = record(&api, &job).await?;
    if_match.optional(job.newest)?;
    api.jobs().delete(&job.id, query.stop).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn definition(
    State(api): State<Api>,
    Path(job): Path<String>,
    _: Nothing,
) -> Result<Response, Problem> {
    let job = record(&api, &job).await?;
    let definition = api.jobs().definition_of(&job, job.newest).await?;
    Ok(([etag(job.newest)], Json(definition)).into_response())
}

async fn edit(
    State(api): State<Api>,
    Extension(Caller(who)): Extension<Caller>,
    Path(job): Path<String>,
    Query(query): Query<EditQuery>,
    if_match: IfMatch,
    crate::http::Json(definition): crate::http::Json<JobDefinition>,
) -> Result<Response, Problem> {
    let job = record(&api, &job).await?;
    // A precondition counts only for what would be done without it (RFC 9110, 13.2.1).
    let problems = definition.problems();
    if !problems.is_empty() {
        return Err(JobError::Invalid(problems).into());
    }
    let expected = if_match.required(job.newest)?;
    let current = api.jobs().definition_of(&job, job.newest).await?;
    check_hooks(&who, &definition.hooks, &current.hooks)?;
    let when = match query.apply {
        Apply::NotActive => EditWhen::NotActive,
        Apply::StopFirst => EditWhen::StopFirst,
        Apply::AfterCycle => EditWhen::AfterCycle,
    };
    let jobs = api.jobs();
    let job = jobs
        .edit_version(&job.id, &definition, when, expected)
        .await?;
    let body = shown(&api, &job).await?;
    Ok(([etag(job.newest)], Json(body)).into_response())
}

async fn versions(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> Given<Page<VersionBody>> {
    let most = limit(query.limit)?;
    let job = record(&api, &id).await?;
    let cursor = Cursor::of(&["versions", &id]);
    let below = match cursor.read(query.cursor.as_deref())? {
        None => job.newest.saturating_add(1),
        Some(mark) => mark
            .parse()
            .map_err(|_| Problem::invalid_request("the cursor is none"))?,
    };
    let mut found = vec![];
    for number in (1..below).rev().take(most) {
        found.push(one_version(&api, &job, number).await?);
    }
    let last = found.last().map(|last| last.version);
    let next = last.filter(|last| *last > 1).map(|last| last.to_string());
    Ok(page(found, &cursor, next))
}

async fn version(
    State(api): State<Api>,
    Path((job, number)): Path<(String, u32)>,
    _: Nothing,
) -> Given<VersionBody> {
    let job = record(&api, &job).await?;
    Ok(Json(one_version(&api, &job, number).await?))
}

async fn one_version(api: &Api, job: &JobRecord, number: u32) -> Result<VersionBody, Problem> {
    let found = api.ledger().definition(&job.id, number).await?;
    let found = found
        .ok_or_else(|| Problem::not_found("no_such_version", "the job has no such definition"))?;
    Ok(VersionBody {
        version: number,
        made_at: found.value.made_at,
        definition: found.value.definition,
    })
}

async fn start(
    State(api): State<Api>,
    Path(job): Path<String>,
    _: Nothing,
    crate::http::Json(body): crate::http::Json<StartBody>,
) -> Result<(StatusCode, Json<JobBody>), Problem> {
    begin(&api, &job, body.request(false)?).await
}

async fn run(
    State(api): State<Api>,
    Path(job): Path<String>,
    _: Nothing,
    crate::http::Json(body): crate::http::Json<StartBody>,
) -> Result<(StatusCode, Json<JobBody>), Problem> {
    begin(&api, &job, body.request(true)?).await
}

async fn begin(
    api: &Api,
    job: &str,
    request: StartRequest,
) -> Result<(StatusCode, Json<JobBody>), Problem> {
    let job = record(api, job).await?;
    let job = api.jobs().start(&job.id, request).await?;
    Ok(accepted(shown(api, &job).await?))
}

async fn stop(
    State(api): State<Api>,
    Path(job): Path<String>,
    _: Nothing,
) -> Result<(StatusCode, Json<JobBody>), Problem> {
    let job = record(&api, &job).await?;
    let job = api.jobs().stop(&job.id).await?;
    Ok(accepted(shown(&api, &job).await?))
}

async fn activate(State(api): State<Api>, Path(job): Path<String>, _: Nothing) -> Given<JobBody> {
    let job = record(&api, &job).await?;
    let job = api.jobs().activate(&job.id).await?;
    Ok(Json(shown(&api, &job).await?))
}

async fn deactivate(State(api): State<Api>, Path(job): Path<String>, _: Nothing) -> Given<JobBody> {
    let job = record(&api, &job).await?;
    let job = api.jobs().deactivate(&job.id).await?;
    Ok(Json(shown(&api, &job).await?))
}
