//! What happened: to one job, and as news of all jobs.

use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use mailkeep_engine::ledger::{EventRecord, Mood};
use mailkeep_model::news::{Figures, News, NewsKind, Tone};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use super::bodies::{Given, PageQuery, page};
use super::jobs::record;
use crate::auth::Role;
use crate::http::{Cursor, Endpoint, Page, Path, Query, limit};
use crate::problem::Problem;
use crate::service::Api;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/v1/events", "listEvents", Role::Viewer)
            .summary("Good and bad news of all jobs, newest first")
            .query::<PageQuery>()
            .answers::<Page<NewsBody>>(StatusCode::OK)
            .to(news),
        Endpoint::get("/v1/jobs/{job}/events", "listJobEvents", Role::Viewer)
            .summary("What happened to a job, newest first")
            .query::<PageQuery>()
            .answers::<Page<EventBody>>(StatusCode::OK)
            .to(events),
    ]
}

/// A piece of news.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "News")]
struct NewsBody {
    /// Its id.
    id: String,
    /// What kind.
    r#type: NewsKind,
    /// Good or bad.
    tone: Tone,
    /// Why it is no plain success.
    reason: Option<String>,
    /// What a person does about it.
    action: Option<String>,
    /// The job.
    job: String,
    /// Its name then.
    job_name: String,
    /// The run.
    run: Option<String>,
    /// When.
    at: DateTime<Utc>,
    /// What the run did.
    figures: Option<Figures>,
}

impl NewsBody {
    fn of(news: News) -> Self {
        Self {
            id: news.id,
            r#type: news.kind,
            tone: news.kind.tone(),
            reason: news.reason.map(|reason| reason.code().to_owned()),
            action: news.reason.map(|reason| reason.action().to_owned()),
            job: news.job,
            job_name: news.job_name,
            run: news.run.map(|run| run.0),
            at: news.at,
            figures: news.figures,
        }
    }
}

/// Something that happened to a job.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "JobEvent")]
struct EventBody {
    /// When.
    at: DateTime<Utc>,
    /// The run, where there is one.
    run: Option<u64>,
    /// What.
    what: String,
    /// `good`, `plain` or `bad`.
    mood: &'static str,
    /// More, depending on what.
    details: Map<String, Value>,
}

impl EventBody {
    fn of(record: &EventRecord) -> Result<Self, Problem> {
        let wrong = || Problem::bug("an event cannot be shown");
        let event = serde_json::to_value(&record.event).map_err(|_| wrong())?;
        let Value::Object(mut details) = event else {
            return Err(wrong());
        };
        let what = details.remove("what");
        let what = what.as_ref().and_then(Value::as_str).ok_or_else(wrong)?;
        Ok(Self {
            at: record.at,
            run: record.cycle,
            what: what.to_owned(),
            mood: match record.event.mood() {
                Mood::Good => "good",
                Mood::Plain => "plain",
                Mood::Bad => "bad",
            },
            details,
        })
    }
}

async fn news(State(api): State<Api>, Query(query): Query<PageQuery>) -> Given<Page<NewsBody>> {
    let most = limit(query.limit)?;
    let cursor = Cursor::of(&["news"]);
    let after = cursor.read(query.cursor.as_deref())?;
    let found = api.desk().news(after, most).await?;
    let news = found.news.into_iter().map(NewsBody::of);
    Ok(page(news.collect(), &cursor, found.next))
}

async fn events(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> Given<Page<EventBody>> {
    let most = limit(query.limit)?;
    let job = record(&api, &id).await?;
    let cursor = Cursor::of(&["events", &id]);
    let after = cursor.read(query.cursor.as_deref())?;
    let found = api.ledger().events(&job.id, after, most).await?;
    let events = found.records.iter().map(|it| EventBody::of(&it.value));
    Ok(page(events.collect::<Result<_, _>>()?, &cursor, found.next))
}
