//! What several answers have in common.

use axum::Json;
use http::StatusCode;
use mailkeep_model::state::{Reason, State, Vocabulary, words};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::http::{Cursor, Page};

/// What a handler gives.
pub(super) type Given<T> = Result<Json<T>, crate::problem::Problem>;

/// Which page of a list.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PageQuery {
    /// Most entries; 50 unless given.
    #[schemars(range(min = 1, max = 200))]
    pub(super) limit: Option<u16>,
    /// `next_cursor` of the page before.
    #[schemars(length(min = 1, max = 4000))]
    pub(super) cursor: Option<String>,
}

/// A state, why, and what to do.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "State")]
pub(super) struct StateBody {
    /// Its code. Never changes.
    code: String,
    /// In words.
    words: String,
    /// Why it is no plain success.
    reason: Option<String>,
    /// What a person does about it.
    action: Option<String>,
}

impl StateBody {
    pub(super) fn of(state: State, vocabulary: Vocabulary) -> Self {
        Self::with(state, vocabulary, state.reason())
    }

    /// With a reason that is not in the state itself.
    pub(super) fn with(state: State, vocabulary: Vocabulary, reason: Option<Reason>) -> Self {
        Self {
            code: state.code().to_owned(),
            words: words(vocabulary, state).to_owned(),
            reason: reason.map(|reason| reason.code().to_owned()),
            action: reason.map(|reason| reason.action().to_owned()),
        }
    }
}

/// One page of records.
pub(super) fn page<T>(data: Vec<T>, cursor: &Cursor, next: Option<String>) -> Json<Page<T>> {
    let next_cursor = next.map(|next| cursor.write(&next));
    Json(Page { data, next_cursor })
}

/// Accepted: it will be done.
pub(super) fn accepted<T>(body: T) -> (StatusCode, Json<T>) {
    (StatusCode::ACCEPTED, Json(body))
}
