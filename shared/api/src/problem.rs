//! What went wrong, as the sender is told: `application/problem+json` (RFC 9457), with a code that
//! never changes.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use mailkeep_engine::EngineError;
use mailkeep_engine::error::vault_code;
use mailkeep_engine::ledger::JobError;
use mailkeep_engine::news::NewsError;
use mailkeep_engine::operation::OperationError;
use mailkeep_exchange::SourceError;
use mailkeep_model::{FailureClass, FieldError, FieldErrors};
use mailkeep_ports::{StoreError, StoreErrorKind, TableError, TableErrorKind};
use mailkeep_vault::VaultError;
use schemars::JsonSchema;
use serde::Serialize;

/// A problem before it is written down.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    errors: Vec<FieldError>,
    retry_after: Option<Duration>,
}

/// A problem as it is written down.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct ProblemBody {
    /// `urn:mailkeep:problem:` and the code.
    r#type: String,
    /// The code in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What this is about, why, and what to do.
    detail: String,
    /// The code, for programs. Never changes.
    code: String,
    /// The request, for those who look for it in logs.
    request_id: String,
    /// What is wrong with which field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: vec![],
            retry_after: None,
        }
    }

    /// The request cannot be understood.
    pub(crate) fn invalid_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
    }

    /// There is no such thing.
    pub(crate) fn not_found(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// Understood, but it makes no sense.
    pub(crate) fn invalid(code: &'static str, errors: &FieldErrors) -> Self {
        let detail = "some fields are wrong; see errors";
        Self {
            errors: errors.list().to_vec(),
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
        }
    }

    /// One field makes no sense.
    pub(crate) fn field(field: &str, problem: impl Into<String>) -> Self {
        let mut errors = FieldErrors::default();
        errors.add(field, problem);
        Self::invalid("invalid_field", &errors)
    }

    pub(crate) fn busy(code: &'static str, detail: impl Into<String>, wait: Duration) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(wait)
    }

    pub(crate) fn bug(what: &str) -> Self {
        tracing::error!(what, "bug in the API");
        let detail = "this is a bug of mailkeep; please report it with the request id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "bug", detail)
    }

    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same, of the fields of a part that stands in the field `prefix`.
    pub(crate) fn within(mut self, prefix: &str) -> Self {
        for error in &mut self.errors {
            error.field = format!("{prefix}.{}", error.field);
        }
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// Writes it down.
    pub(crate) fn render(&self, request_id: &str) -> Response {
        let body = ProblemBody {
            r#type: format!("urn:mailkeep:problem:{}", self.code),
            title: title(self.code),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code.to_owned(),
            request_id: request_id.to_owned(),
            errors: self.errors.clone(),
        };
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_millis().div_ceil(1_000).max(1).to_string();
            if let Ok(value) = HeaderValue::from_str(&seconds) {
                headers.insert(header::RETRY_AFTER, value);
            }
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let value = HeaderValue::from_static("Bearer realm=\"mailkeep\"");
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}

/// `job_active` → `Job active`.
fn title(code: &str) -> String {
    let words = code.replace('_', " ");
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_ascii_uppercase().to_string() + letters.as_str(),
        None => words,
    }
}

/// The outermost layer writes it down, because it knows the request's id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<TableError> for Problem {
    fn from(error: TableError) -> Self {
        let wait = error.retry_after.unwrap_or(Duration::from_secs(2));
        match error.kind {
            TableErrorKind::Conflict => Self::new(
                StatusCode::CONFLICT,
                "changed_meanwhile",
                "somebody else changed the same thing again and again; try again",
            ),
            TableErrorKind::Busy | TableErrorKind::Unavailable => Self::busy(
                "database_unavailable",
                "the job database is not available; try again",
                wait,
            ),
            TableErrorKind::TooLarge => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "too_large",
                "it is too large to be kept; make it smaller",
            ),
            _ => {
                tracing::error!(%error, "the job database failed");
                let detail =
                    "the job database failed; its administrator finds the cause in the log";
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "database", detail)
            }
        }
    }
}

impl From<JobError> for Problem {
    fn from(error: JobError) -> Self {
        let code = error.code();
        let of = |status| Self::new(status, code, error.to_string());
        match error {
            JobError::Invalid(errors) => Self::invalid(code, &errors),
            JobError::NoSuchJob { .. } => Self::not_found(code, "there is no such job"),
            JobError::NoSuchRun { .. } => Self::not_found(code, "the job has no such run"),
            JobError::NameTaken { .. } | JobError::Active { .. } | JobError::Refused { .. } => {
                of(StatusCode::CONFLICT)
            }
            JobError::VersionChanged { .. } => of(StatusCode::PRECONDITION_FAILED),
            JobError::Table(error) => error.into(),
            JobError::Source(error) => error.into(),
            JobError::Queue(error) => {
                tracing::error!(%error, "the queue failed");
                let wait = Duration::from_secs(2);
                Self::busy("queue", "the queue is not available; try again", wait)
            }
            JobError::Corrupt { .. } => {
                tracing::error!(%error, "a record cannot be read");
                of(StatusCode::INTERNAL_SERVER_ERROR)
            }
            error => Self::bug(&error.to_string()),
        }
    }
}

impl From<NewsError> for Problem {
    fn from(error: NewsError) -> Self {
        JobError::from(error).into()
    }
}

impl From<OperationError> for Problem {
    fn from(error: OperationError) -> Self {
        let code = error.code();
        let of = |status| Self::new(status, code, error.to_string());
        match error {
            OperationError::Invalid(errors) => Self::invalid("invalid_field", &errors),
            OperationError::NoSuchOperation { .. } | OperationError::NoSuchPart { .. } => {
                of(StatusCode::NOT_FOUND)
            }
            OperationError::IdTaken { .. } | OperationError::Refused { .. } => {
                of(StatusCode::CONFLICT)
            }
            OperationError::Store(error) => error.into(),
            OperationError::Ledger(error) => error.into(),
            error => Self::bug(&error.to_string()),
        }
    }
}

/// The store of exports; the vault has its own words.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if error.kind == StoreErrorKind::Missing {
            let detail = "the file is not there any more; make the export again";
            return Self::new(StatusCode::GONE, "file_missing", detail);
        }
        tracing::error!(%error, "the store of exports failed");
        let detail = "the files of exports cannot be reached; try again";
        Self::busy("exports_unavailable", detail, Duration::from_secs(5))
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        let code = vault_code(&error);
        let of = |status| Self::new(status, code, error.to_string());
        match &error {
            VaultError::Busy { .. } | VaultError::KeyService(_) => {
                of(StatusCode::SERVICE_UNAVAILABLE).retry_after(Duration::from_secs(5))
            }
            VaultError::Stale { .. } => {
                of(StatusCode::SERVICE_UNAVAILABLE).retry_after(Duration::from_secs(1))
            }
            VaultError::Missing { .. } => of(StatusCode::NOT_FOUND),
            VaultError::Erased { .. } | VaultError::Lost { .. } => of(StatusCode::GONE),
            VaultError::Invalid { .. } => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_field",
                error.to_string(),
            ),
            VaultError::AlreadyExists { .. } => {
                Self::new(StatusCode::CONFLICT, "already_exists", error.to_string())
            }
            VaultError::Full { .. } => of(StatusCode::INSUFFICIENT_STORAGE),
            _ => {
                tracing::error!(%error, code, "the vault failed");
                of(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl From<SourceError> for Problem {
    fn from(error: SourceError) -> Self {
        use FailureClass as C;
        let detail = format!("{error}. {}", error.class.advice());
        let wait = error.retry_after.unwrap_or(Duration::from_secs(10));
        match error.class {
            C::Throttled => Self::busy("source_throttled", detail, wait),
            C::Connection | C::Transient | C::MailboxBusy => {
                Self::busy("source_unavailable", detail, wait)
            }
            C::MailboxGone | C::MailboxUnavailable | C::FolderGone | C::ItemGone => {
                Self::not_found("source_not_found", detail)
            }
            C::Configuration => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "configuration", detail)
            }
            class if class.is_authentication() || class == C::AuthScope => {
                Self::new(StatusCode::BAD_GATEWAY, "source_refused", detail)
            }
            _ => Self::new(StatusCode::BAD_GATEWAY, "source_failed", detail),
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Vault(error) => error.into(),
            EngineError::Source(error) => error.into(),
            EngineError::NoSuchMailbox { .. } => {
                Self::not_found("no_such_mailbox", "the vault has no such mailbox")
            }
            EngineError::NoSuchSnapshot { .. } => {
                Self::not_found("no_such_snapshot", "the mailbox has no such restore point")
            }
            EngineError::NoSuchFolder { .. } => Self::not_found(
                "no_such_folder",
                "the mailbox has no such folder in this restore point",
            ),
            EngineError::NoSuchItem { .. } => Self::not_found(
                "no_such_item",
                "the mailbox has no such item in this restore point",
            ),
            EngineError::Invalid(what) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_field", what)
            }
            error => Self::bug(&error.to_string()),
        }
    }
}
