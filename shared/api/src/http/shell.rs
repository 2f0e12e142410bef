//! What is the same for every request: its id, how many there are at a time, headers, problems in
//! writing, one line in the log.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use data_encoding::HEXLOWER;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::sync::OwnedSemaphorePermit;

use crate::problem::Problem;
use crate::service::Api;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Where a request comes from, as an extension of the request: an IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer(pub String);

/// The id of a request.
#[derive(Clone, Debug)]
pub(super) struct RequestId(pub(super) String);

/// One of the requests that may be worked on at a time; held until the last byte is sent.
#[derive(Clone)]
pub(crate) struct Slot(
    #[expect(dead_code, reason = "it counts as long as it is held")] Arc<OwnedSemaphorePermit>,
);

pub(super) async fn shell(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers(), &api);
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    let started = api.clock().monotonic();
    let response = match api.slot() {
        Some(slot) => {
            request.extensions_mut().insert(slot);
            next.run(request).await
        }
        None => axum::response::IntoResponse::into_response(Problem::busy(
            "busy",
            "too many requests are being worked on; try again",
            std::time::Duration::from_secs(1),
        )),
    };
    let mut response = written(response, &id);
    let took = api.clock().monotonic().saturating_sub(started);
    let operation = response.extensions().get::<Operation>().map(|it| it.0);
    // No path and no query: they name what somebody looks at.
    tracing::info!(
        request = id,
        %method,
        operation = operation.unwrap_or("none"),
        status = response.status().as_u16(),
        milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "request"
    );
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'; sandbox",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The operation's name, as an extension of the response.
#[derive(Clone, Copy)]
pub(super) struct Operation(pub(super) &'static str);

/// The answer, with a problem written down.
fn written(mut response: Response, id: &str) -> Response {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let mut rendered = problem.render(id);
    // For example `Allow`.
    for (name, value) in response.headers() {
        if !rendered.headers().contains_key(name) && *name != header::CONTENT_LENGTH {
            rendered.headers_mut().insert(name.clone(), value.clone());
        }
    }
    *rendered.extensions_mut() = std::mem::take(response.extensions_mut());
    rendered
}

impl Api {
    fn slot(&self) -> Option<Slot> {
        let permit = Arc::clone(self.slots()).try_acquire_owned().ok()?;
        Some(Slot(Arc::new(permit)))
    }
}

/// The sender's own, so that it finds the request again, or a new one.
fn request_id(headers: &HeaderMap, api: &Api) -> String {
    let own = headers
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let is_plain = |text: &&str| {
        (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    own.filter(is_plain).map_or_else(
        || {
            let mut bytes = [0; 16];
            api.rng().fill(&mut bytes);
            HEXLOWER.encode(&bytes)
        },
        ToOwned::to_owned,
    )
}
