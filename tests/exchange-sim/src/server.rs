//! HTTP in front of a tenant.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::Value;

use crate::content::segment::{Chunks, Segment, total_bytes};
use crate::ews::front::{self, Incoming};
use crate::ews::login::Connection;
use crate::ews::pages;
use crate::faults::FaultKind;
use crate::graph::call::Call;
use crate::graph::dispatch::{Guard, Outcome, handle};
use crate::graph::failure::Failure;
use crate::graph::reply::{Content, Reply};
use crate::graph::{login, upload};
use crate::numbers::{index, wide};
use crate::tenant::Tenant;

/// Bodies above this size are refused by Graph.
const HIGHEST_BODY: usize = 4 * 1024 * 1024;
/// Bodies above this size are refused by Exchange.
const HIGHEST_EXCHANGE_BODY: usize = 64 * 1024 * 1024;

/// The routes of a tenant.
pub(crate) fn router(tenant: Arc<Tenant>) -> Router {
    Router::new().fallback(answer).with_state(tenant)
}

async fn answer(State(tenant): State<Arc<Tenant>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let media_type = parts
        .headers
        .get("content-type")
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    let exchange = tenant
        .exchange
        .as_ref()
        .filter(|_| front::is_here(&path))
        .map(Arc::clone);
    let limit = match &exchange {
        _ if path.starts_with("/_admin/") => 1 << 30,
        Some(_) => HIGHEST_EXCHANGE_BODY,
        None => HIGHEST_BODY,
    };
    let Ok(body) = to_bytes(body, limit).await else {
        if exchange.is_some() {
            return respond(plain(pages::html(413)));
        }
        let failure = Failure::new(
            413,
            "ErrorMessageSizeExceeded",
            "The request is larger than 4 MB.",
        );
        return respond(refused(&tenant, failure));
    };
    if let Some(exchange) = exchange {
        let connection = parts.extensions.get::<ConnectInfo<Connection>>();
        let incoming = Incoming {
            method: parts.method,
            path,
            headers: parts.headers,
            body,
            connection: connection.map(|info| info.0.clone()).unwrap_or_default(),
        };
        return respond(front::answer(&tenant, &exchange, incoming).await);
    }
    if let Some(command) = path.strip_prefix("/_admin/") {
        let query = parts.uri.query().unwrap_or_default();
        let reply = crate::admin::http::answer(&tenant, &parts.method, command, query, &body);
        return respond(plain(reply));
    }
    if let Some(directory) = path
        .strip_prefix('/')
        .and_then(|rest| rest.strip_suffix("/oauth2/v2.0/token"))
    {
        return respond(login_outcome(&tenant, directory, &parts.method, &media_type, &body).await);
    }
    let whole = parts.uri.path_and_query().map_or("", |text| text.as_str());
    let (rest, is_upload) = match (
        whole.strip_prefix("/v1.0"),
        whole.strip_prefix("/api/gv1.0"),
    ) {
        (Some(rest), _) => (rest, false),
        (None, Some(rest)) => (rest, true),
        (None, None) => {
            return respond(refused(&tenant, Failure::bad("Invalid version.")));
        }
    };
    let outcome = match Call::parse(parts.method.as_str(), rest) {
        Ok(mut call) => {
            call.headers = parts
                .headers
                .iter()
                .map(|(name, value)| {
                    (
                        name.as_str().to_owned(),
                        String::from_utf8_lossy(value.as_bytes()).into_owned(),
                    )
                })
                .collect();
            call.body = body;
            if is_upload {
                upload::handle(&tenant, &call).await
            } else {
                handle(&tenant, call).await
            }
        }
        Err(failure) => refused(&tenant, failure),
    };
    respond(outcome)
}

fn refused(tenant: &Tenant, failure: Failure) -> Outcome {
    plain(Reply::failure(
        failure,
        tenant.clock.unix_seconds(),
        tenant.next_request(),
    ))
}

async fn login_outcome(
    tenant: &Tenant,
    directory: &str,
    method: &http::Method,
    media_type: &str,
    body: &Bytes,
) -> Outcome {
    let name = "POST /{tenant}/oauth2/v2.0/token";
    let reply = if method == http::Method::POST {
        match crate::graph::dispatch::fault(tenant, name, None).await {
            Ok(_) => login::token(tenant, directory, media_type, body),
            Err(failure) => {
                Reply::failure(failure, tenant.clock.unix_seconds(), tenant.next_request())
            }
        }
    } else {
        Reply::empty(405)
    };
    crate::numbers::locked(&tenant.journal).note(crate::journal::LoggedRequest {
        unix_millis: tenant.clock.unix_millis(),
        method: method.as_str().to_owned(),
        template: "/{tenant}/oauth2/v2.0/token".to_owned(),
        mailbox: None,
        status: reply.status,
        in_batch: false,
    });
    plain(reply)
}

fn plain(reply: Reply) -> Outcome {
    Outcome {
        reply,
        damage: None,
        pass: None,
    }
}

fn respond(outcome: Outcome) -> Response {
    let Outcome {
        reply,
        damage,
        pass,
    } = outcome;
    let mut builder = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        builder = builder.header(name.as_str(), value.as_str());
    }
    let is_lost = matches!(damage, Some(FaultKind::LostAnswer));
    let body = match reply.content {
        Content::Empty if is_lost => broken(Vec::new(), 0, None),
        Content::Empty => Body::empty(),
        Content::Json(value) => {
            builder = builder.header("Content-Type", "application/json; charset=utf-8");
            json_body(value, damage.as_ref())
        }
        Content::Stream(segments, media_type) => {
            builder = builder.header("Content-Type", media_type);
            match damage {
                Some(FaultKind::CutStream { after }) => broken(segments, after, pass),
                Some(FaultKind::LostAnswer) => broken(segments, 0, pass),
                _ => {
                    builder = builder.header("Content-Length", total_bytes(&segments));
                    stream_body(segments, pass)
                }
            }
        }
    };
    builder.body(body).unwrap_or_default()
}

fn json_body(value: Value, damage: Option<&FaultKind>) -> Body {
    let mut value = value;
    if matches!(damage, Some(FaultKind::ForeignLink)) {
        for name in ["@odata.nextLink", "@odata.deltaLink"] {
            if let Some(link) = value.get_mut(name) {
                let tail = link
                    .as_str()
                    .and_then(|text| text.split_once("/v1.0"))
                    .map(|(_, tail)| tail.to_owned())
                    .unwrap_or_default();
                *link = Value::from(format!("http://graph.attacker.example/v1.0{tail}"));
            }
        }
    }
    let mut text = value.to_string();
    match damage {
        Some(FaultKind::TruncateJson) => {
            let end = text
                .find("\"value\":[")
                .map_or(text.len() / 2, |at| at + "\"value\":[".len());
            text.truncate(end);
        }
        Some(FaultKind::ControlCharacters) => {
            text = text.replacen("\"subject\":\"", "\"subject\":\"\u{b}\u{1}", usize::MAX);
        }
        Some(FaultKind::LostAnswer) => return broken(Vec::new(), 0, None),
        Some(FaultKind::CutStream { .. }) => {
            return broken(vec![Segment::Text(Bytes::from(text))], 5, None);
        }
        _ => {}
    }
    Body::from(text)
}

/// Streams pieces; the pass is given back just before the last one leaves.
fn stream_body(segments: Vec<Segment>, pass: Option<Guard>) -> Body {
    let total = total_bytes(&segments);
    let mut sent = 0;
    let mut pass = pass;
    let pieces = Chunks::new(segments).map(move |chunk| {
        sent += wide(chunk.len());
        if sent >= total {
            drop(pass.take());
        }
        Ok::<Bytes, std::io::Error>(chunk)
    });
    Body::from_stream(futures::stream::iter(pieces))
}

/// Streams at most `after` bytes and then breaks the connection.
fn broken(segments: Vec<Segment>, after: u64, pass: Option<Guard>) -> Body {
    let mut left = after;
    let mut pass = pass;
    let pieces = Chunks::new(segments).map_while(move |mut chunk| {
        if left == 0 {
            drop(pass.take());
            return None;
        }
        chunk.truncate(index(left));
        left -= wide(chunk.len());
        Some(Ok(chunk))
    });
    let end = async move {
        if after > 0 {
            // What was sent so far has to leave before the connection breaks.
            #[expect(
                clippy::disallowed_methods,
                reason = "the client sees the break by its real clock"
            )]
            tokio::time::sleep(std::time::Duration::from_millis(30)).await;
        }
        Err(std::io::Error::other("cut on request"))
    };
    let end = futures::stream::once(end);
    Body::from_stream(futures::stream::iter(pieces).chain(end))
}
