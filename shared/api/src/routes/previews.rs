//! When a job may work next.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use http::StatusCode;
use mailkeep_model::job::JobDefinition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bodies::Given;
use super::jobs::record;
use crate::auth::Role;
use crate::http::{Audit, Endpoint, Nothing, Path, Query};
use crate::problem::Problem;
use crate::service::Api;

/// Periods unless the sender says otherwise.
const DEFAULT: u16 = 10;
/// Most periods.
const MAX: u16 = 100;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::post("/v1/jobs/preview", "previewDefinition", Role::Viewer)
            .reads_only(Audit::No)
            .summary("Checks a definition, and tells when such a job may work")
            .body::<PreviewBody>()
            .answers::<Preview>(StatusCode::OK)
            .to(of_definition),
        Endpoint::get("/v1/jobs/{job}/preview", "previewJob", Role::Viewer)
            .summary("When a job may work next")
            .query::<PreviewQuery>()
            .answers::<Preview>(StatusCode::OK)
            .to(of_job),
    ]
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PreviewRequest")]
struct PreviewBody {
    /// The definition.
    definition: JobDefinition,
    /// Most periods; 10 unless given.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    count: Option<u16>,
}

#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct PreviewQuery {
    /// Most periods; 10 unless given.
    #[schemars(range(min = 1, max = 100))]
    count: Option<u16>,
}

/// When a job may work.
#[derive(Debug, Serialize, JsonSchema)]
struct Preview {
    /// The activity periods from now on, blackouts taken out.
    periods: Vec<Period>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PreviewPeriod")]
struct Period {
    /// It begins.
    from: DateTime<Utc>,
    /// It ends; null when it does not.
    to: Option<DateTime<Utc>>,
}

fn periods(api: &Api, definition: &JobDefinition, count: Option<u16>) -> Given<Preview> {
    let count = match count.unwrap_or(DEFAULT) {
        count @ 1..=MAX => usize::from(count),
        _ => return Err(Problem::invalid_request("count is a number from 1 to 100")),
    };
    let wrong = |errors| Problem::invalid("invalid_definition", &errors);
    let schedule = definition.activity().map_err(wrong)?;
    let windows = schedule.windows_after(api.clock().now()).take(count);
    let periods = windows.map(|window| Period {
        from: window.start,
        to: window.end,
    });
    Ok(Json(Preview {
        periods: periods.collect(),
    }))
}

async fn of_definition(
    State(api): State<Api>,
    _: Nothing,
    crate::http::Json(body): crate::http::Json<PreviewBody>,
) -> Given<Preview> {
    let problems = body.definition.problems().into_result();
    problems.map_err(|errors| Problem::invalid("invalid_definition", &errors))?;
    periods(&api, &body.definition, body.count)
}

async fn of_job(
    State(api): State<Api>,
    Path(job): Path<String>,
    Query(query): Query<PreviewQuery>,
) -> Given<Preview> {
    let job = record(&api, &job).await?;
    let definition = api.jobs().definition_of(&job, job.newest).await?;
    periods(&api, &definition, query.count)
}
