//! What stands before each handler: who it is, what they may do, the audit log, and requests that are
//! repeated.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::future::{Either, select};
use http::request::Parts;
use http::{StatusCode, header};
use http_body_util::LengthLimitError;

use super::endpoint::{Audit, Method, Rule};
use super::shell::{Operation, Peer, RequestId};
use crate::auth::{AuthError, Principal};
use crate::problem::Problem;
use crate::records::{Begun, Fingerprint, NewEntry, Outcome, StoredAnswer};
use crate::service::Api;

/// Who sends the request that a handler works on, as an extension of the request.
#[derive(Clone, Debug)]
pub(crate) struct Caller(pub(crate) Principal);

pub(super) async fn guard(
    State((api, rule)): State<(Api, Rule)>,
    request: Request,
    next: Next,
) -> Response {
    let passed = pass(&api, rule, request, next).await;
    let mut response = passed.unwrap_or_else(IntoResponse::into_response);
    response.extensions_mut().insert(Operation(rule.operation));
    response
}

async fn pass(api: &Api, rule: Rule, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let Some(role) = rule.role else {
        return Ok(next.run(Request::from_parts(parts, body)).await);
    };
    let principal = authenticated(api, &parts).await?;
    let entry = NewEntry::of(&parts, &principal, rule.operation);
    if !principal.may(role) {
        if rule.audit != Audit::No {
            api.audit().tell(&entry, Outcome::Denied).await?;
        }
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "forbidden",
            format!("this needs the role {role}"),
        ));
    }
    parts.extensions.insert(Caller(principal.clone()));
    let bytes = match rule.method {
        Method::Get | Method::Delete => Bytes::new(),
        Method::Post | Method::Put => read(api, &parts, body).await?,
    };
    if rule.audit != Audit::Change {
        let response = next.run(Request::from_parts(parts, bytes.into())).await;
        if rule.audit == Audit::View {
            // Before the first byte of mail is sent; what cannot be written down is not shown.
            api.audit()
                .tell(&entry, Outcome::of(response.status()))
                .await?;
        }
        return Ok(response);
    }
    let mut told = api.audit().begin(&entry).await?;
    let done = change(api, rule, &principal, parts, bytes, next).await;
    let status = match &done {
        Ok(response) => response.status(),
        Err(problem) => problem.status(),
    };
    // It is done by now: an answer that cannot be written down here is given all the same.
    if let Err(error) = api.audit().end(&mut told, Outcome::of(status)).await {
        tracing::error!(%error, "the outcome of a change is missing in the audit log");
    }
    done
}

async fn authenticated(api: &Api, parts: &Parts) -> Result<Principal, Problem> {
    api.authenticate()
        .authenticate(parts)
        .await
        .map_err(|error| {
            let of = |code| Problem::new(StatusCode::UNAUTHORIZED, code, error.to_string());
            match &error {
                AuthError::Missing => of("credentials_missing"),
                AuthError::Invalid => of("credentials_invalid"),
                AuthError::Unavailable(cause) => {
                    tracing::error!(cause, "credentials cannot be checked");
                    let wait = std::time::Duration::from_secs(2);
                    let detail = "credentials cannot be checked now; try again";
                    Problem::busy("credentials_unavailable", detail, wait)
                }
            }
        })
}

/// Reads a body that is neither too large nor too slow.
async fn read(api: &Api, parts: &Parts, body: Body) -> Result<Bytes, Problem> {
    let limit = api.settings().max_body_bytes;
    let too_large = || {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body has more than {limit} bytes"),
        )
    };
    let length = parts.headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let reading = Box::pin(to_bytes(body, limit));
    let waiting = api.clock().sleep(api.settings().body_time);
    match select(reading, waiting).await {
        Either::Left((Ok(bytes), _)) => Ok(bytes),
        Either::Left((Err(error), _)) => Err(if error.into_inner().is::<LengthLimitError>() {
            too_large()
        } else {
            Problem::invalid_request("the body ended early")
        }),
        Either::Right(_) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request_timeout",
            "the body did not arrive in time",
        )),
    }
}

/// Carries out a change, once per key.
async fn change(
    api: &Api,
    rule: Rule,
    principal: &Principal,
    parts: Parts,
    bytes: Bytes,
    next: Next,
) -> Result<Response, Problem> {
    let key = if rule.takes_key {
        key_of(&parts)?
    } else {
        None
    };
    let Some(key) = key else {
        return Ok(next.run(Request::from_parts(parts, bytes.into())).await);
    };
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    let fingerprint = Fingerprint::of(&[rule.operation.as_bytes(), path.as_bytes(), &bytes]);
    let ticket = match api
        .replays()
        .begin(&principal.id, &key, fingerprint)
        .await?
    {
        Begun::New(ticket) => ticket,
        Begun::Known(answer) => return answer.response(),
    };
    let response = next.run(Request::from_parts(parts, bytes.into())).await;
    if !response.status().is_success() {
        // Nothing was done: the same key may be tried again.
        api.replays().forget(ticket).await;
        return Ok(response);
    }
    let (answer, response) = StoredAnswer::of(response).await?;
    api.replays().keep(ticket, answer).await;
    Ok(response)
}

fn key_of(parts: &Parts) -> Result<Option<String>, Problem> {
    let Some(value) = parts.headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    let is_good = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    if is_good {
        Ok(Some(text.to_owned()))
    } else {
        let detail = "Idempotency-Key has 1 to 255 visible ASCII characters";
        Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "invalid_idempotency_key",
            detail,
        ))
    }
}

impl NewEntry {
    fn of(parts: &Parts, principal: &Principal, operation: &'static str) -> Self {
        let text = |found: Option<&str>| found.unwrap_or_default().to_owned();
        Self {
            request: text(parts.extensions.get::<RequestId>().map(|id| id.0.as_str())),
            origin: text(parts.extensions.get::<Peer>().map(|peer| peer.0.as_str())),
            who: principal.clone(),
            operation,
            // The path names ids only; the query may name folders and is left out.
            resource: parts.uri.path().to_owned(),
        }
    }
}
