//! Runs of a job, their tasks, and how each mailbox of a job fares.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use mailkeep_engine::job::MailboxRecord;
use mailkeep_engine::run::{RunRecord, TaskRecord};
use mailkeep_model::Counters;
use mailkeep_model::state::{MailboxHealth, Vocabulary};
use schemars::JsonSchema;
use serde::Serialize;

use super::bodies::{Given, PageQuery, StateBody, page};
use super::jobs::record;
use crate::auth::Role;
use crate::http::{Cursor, Endpoint, Nothing, Page, Path, Query, limit};
use crate::problem::Problem;
use crate::service::Api;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let viewer = Role::Viewer;
    vec![
        Endpoint::get("/v1/jobs/{job}/runs", "listRuns", viewer)
            .summary("The runs of a job, newest first")
            .query::<PageQuery>()
            .answers::<Page<RunBody>>(StatusCode::OK)
            .to(runs),
        Endpoint::get("/v1/jobs/{job}/runs/{run}", "getRun", viewer)
            .summary("One run, with its figures so far")
            .answers::<RunBody>(StatusCode::OK)
            .to(run),
        Endpoint::get("/v1/jobs/{job}/runs/{run}/tasks", "listTasks", viewer)
            .summary("The tasks of a run: one for each mailbox")
            .query::<PageQuery>()
            .answers::<Page<TaskBody>>(StatusCode::OK)
            .to(tasks),
        Endpoint::get("/v1/jobs/{job}/mailboxes", "listJobMailboxes", viewer)
            .summary("How each mailbox of a job fared the last time")
            .query::<PageQuery>()
            .answers::<Page<JobMailboxBody>>(StatusCode::OK)
            .to(mailboxes),
    ]
}

/// A run: one pass over the scope of a job.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Run")]
struct RunBody {
    /// The job.
    job: String,
    /// Its number, from 1.
    run: u64,
    /// Where it is.
    state: StateBody,
    /// The definition that it works by.
    version: u32,
    /// When it began.
    began_at: DateTime<Utc>,
    /// When it ended.
    ended_at: Option<DateTime<Utc>>,
    /// All mailboxes in scope were listed: the numbers of tasks do not grow any more.
    is_listed: bool,
    /// Tasks that wait.
    tasks_waiting: u64,
    /// Tasks at work.
    tasks_at_work: u32,
    /// Tasks that are over.
    tasks_ended: u64,
    /// Those of them that failed.
    tasks_failed: u64,
    /// What was counted. `items_scanned` and `items_stored` are the figures of progress.
    counters: Counters,
}

impl RunBody {
    fn of(run: RunRecord) -> Self {
        Self {
            job: run.key.job.to_string(),
            run: run.key.cycle,
            state: StateBody::of(run.state, Vocabulary::Backup),
            version: run.version,
            began_at: run.opened_at,
            ended_at: run.ended_at,
            is_listed: run.listing.is_done,
            tasks_waiting: run.waiting,
            tasks_at_work: run.in_flight,
            tasks_ended: run.tally.tasks(),
            tasks_failed: run.tally.failed(),
            counters: run.counters,
        }
    }
}

/// The task of one mailbox in a run.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Task")]
struct TaskBody {
    /// Its name in the run.
    task: String,
    /// The mailbox's id at its source.
    source_id: String,
    /// Its address.
    address: String,
    /// Its id in the vault, once it is known: the one that `/v1/mailboxes` takes.
    mailbox: Option<String>,
    /// Where it is.
    state: StateBody,
    /// Attempts that failed.
    attempts_failed: u32,
    /// When work was begun.
    began_at: Option<DateTime<Utc>>,
    /// When it was over.
    ended_at: Option<DateTime<Utc>>,
    /// The last failure in words; empty without one.
    message: String,
    /// What was counted.
    counters: Counters,
}

impl TaskBody {
    fn of(task: TaskRecord) -> Self {
        Self {
            task: task.key.name,
            source_id: task.mailbox.id.0,
            address: task.mailbox.address,
            mailbox: Some(task.vault_mailbox).filter(|id| !id.is_empty()),
            state: StateBody::of(task.state, Vocabulary::Account),
            attempts_failed: task.failures,
            began_at: task.started_at,
            ended_at: task.ended_at,
            message: task.message,
            counters: task.counters,
        }
    }
}

/// How a mailbox of a job fared the last time.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobMailbox")]
struct JobMailboxBody {
    /// The mailbox's id at its source.
    source_id: String,
    /// Its address then.
    address: String,
    /// The run.
    run: u64,
    /// Green, amber or red.
    health: MailboxHealth,
    /// When it ended.
    ended_at: DateTime<Utc>,
    /// When it last ended well or with a warning.
    good_at: Option<DateTime<Utc>>,
}

impl JobMailboxBody {
    fn of(record: MailboxRecord) -> Self {
        Self {
            source_id: record.mailbox.0,
            address: record.address,
            run: record.cycle,
            health: record.health,
            ended_at: record.ended_at,
            good_at: record.good_at,
        }
    }
}

async fn runs(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> Given<Page<RunBody>> {
    let most = limit(query.limit)?;
    let job = record(&api, &id).await?;
    let cursor = Cursor::of(&["runs", &id]);
    let after = cursor.read(query.cursor.as_deref())?;
    let found = api.ledger().runs(&job.id, after, most).await?;
    let runs = found.records.into_iter().map(|run| RunBody::of(run.value));
    Ok(page(runs.collect(), &cursor, found.next))
}

async fn existing(api: &Api, job: &str, run: u64) -> Result<RunRecord, Problem> {
    let job = record(api, job).await?;
    let found = api.ledger().run(&job.id.run(run)).await?;
    let none = || Problem::not_found("no_such_run", "the job has no such run");
    Ok(found.ok_or_else(none)?.value)
}

async fn run(
    State(api): State<Api>,
    Path((job, run)): Path<(String, u64)>,
    _: Nothing,
) -> Given<RunBody> {
    Ok(Json(RunBody::of(existing(&api, &job, run).await?)))
}

async fn tasks(
    State(api): State<Api>,
    Path((job, run)): Path<(String, u64)>,
    Query(query): Query<PageQuery>,
) -> Given<Page<TaskBody>> {
    let most = limit(query.limit)?;
    let cursor = Cursor::of(&["tasks", &job, &run.to_string()]);
    let run = existing(&api, &job, run).await?;
    let after = cursor.read(query.cursor.as_deref())?;
    let found = api.ledger().tasks(&run.key, after, most).await?;
    let tasks = found.records.into_iter().map(|it| TaskBody::of(it.value));
    Ok(page(tasks.collect(), &cursor, found.next))
}

async fn mailboxes(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> Given<Page<JobMailboxBody>> {
    let most = limit(query.limit)?;
    let job = record(&api, &id).await?;
    let cursor = Cursor::of(&["job mailboxes", &id]);
    let after = cursor.read(query.cursor.as_deref())?;
    let found = api.ledger().mailboxes(&job.id, after, most).await?;
    let found_records = found.records.into_iter();
    let mailboxes = found_records.map(|it| JobMailboxBody::of(it.value));
    Ok(page(mailboxes.collect(), &cursor, found.next))
}
