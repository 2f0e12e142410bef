//! `$batch`: up to twenty calls in one.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt as _;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::dispatch;
use super::failure::Failure;
use super::json::put;
use super::reply::{Content, Reply};
use crate::content::draw::Draw;
use crate::content::segment::collect;
use crate::tenant::Tenant;

/// Calls in one batch.
const HIGHEST: usize = 20;
/// Members that run at once.
const AT_ONCE: usize = 4;

/// Runs a batch.
pub(crate) async fn run(tenant: &Arc<Tenant>, outer: &Call) -> Result<Reply, Failure> {
    if outer.method != "POST" {
        return Err(Failure::method());
    }
    let body = outer.json()?;
    let requests = body
        .get("requests")
        .and_then(Value::as_array)
        .filter(|requests| !requests.is_empty())
        .ok_or_else(|| Failure::bad("Invalid batch payload format."))?;
    if requests.len() > HIGHEST {
        return Err(Failure::bad(format!(
            "Number of batch request steps exceeds the maximum value of {HIGHEST}."
        )));
    }
    let mut members: Vec<(String, Call)> = Vec::new();
    for request in requests {
        let (id, call) = member(outer, request)?;
        if members.iter().any(|(other, _)| *other == id) {
            return Err(Failure::bad("Batch request ids must be unique."));
        }
        members.push((id, call));
    }
    let mut answers: Vec<Value> = futures::stream::iter(members)
        .map(|(id, call)| async move {
            let reply = dispatch::member(tenant, call).await;
            answer(&id, reply)
        })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let mut draw = Draw::new(&[tenant.world.seed, tenant.next_request()]);
    for at in 1..answers.len() {
        let other = crate::numbers::index(draw.below(crate::numbers::wide(at + 1)));
        answers.swap(at, other);
    }
    Ok(Reply::json(json!({"responses": answers})))
}

fn member(outer: &Call, request: &Value) -> Result<(String, Call), Failure> {
    let text = |name: &str| request.get(name).and_then(Value::as_str);
    let known = ["id", "method", "url", "headers", "body", "dependsOn"];
    let map = request
        .as_object()
        .filter(|map| map.keys().all(|key| known.contains(&key.as_str())))
        .ok_or_else(|| Failure::bad("Invalid batch payload format."))?;
    let (Some(id), Some(method), Some(url)) = (text("id"), text("method"), text("url")) else {
        return Err(Failure::bad(
            "Batch members need a text id, a method and a url.",
        ));
    };
    if url.contains("://") || url.trim_start_matches('/').starts_with("v1.0/") {
        return Err(Failure::bad("Batch urls must be relative to the version."));
    }
    if url.trim_start_matches('/').starts_with("$batch") {
        return Err(Failure::bad("Batches cannot be nested."));
    }
    if map.contains_key("dependsOn") {
        return Err(Failure::bad("dependsOn is not simulated."));
    }
    let mut call = Call::parse(method, &format!("/{}", url.trim_start_matches('/')))?;
    call.is_member = true;
    if let Some(value) = outer.header("authorization") {
        call.headers
            .push(("authorization".to_owned(), value.to_owned()));
    }
    for (name, value) in map
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let value = value.as_str().unwrap_or_default().to_owned();
        call.headers.push((name.to_ascii_lowercase(), value));
    }
    if let Some(body) = map.get("body") {
        if call.header("content-type").is_none() {
            return Err(Failure::bad(
                "A batch member with a body needs a Content-Type header.",
            ));
        }
        call.body = Bytes::from(body.to_string());
    }
    Ok((id.to_owned(), call))
}

fn answer(id: &str, reply: Reply) -> Value {
    let mut headers: Map<String, Value> = reply
        .headers
        .into_iter()
        .map(|(name, value)| (name, json!(value)))
        .collect();
    let mut out = json!({"id": id, "status": reply.status});
    match reply.content {
        Content::Empty => {}
        Content::Json(value) => {
            headers.insert("Content-Type".into(), json!("application/json"));
            put(&mut out, "body", value);
        }
        Content::Stream(segments, media_type) => {
            headers.insert("Content-Type".into(), json!(media_type));
            let text = base64_simd::STANDARD.encode_to_string(collect(segments));
            put(&mut out, "body", json!(text));
        }
    }
    put(&mut out, "headers", Value::Object(headers));
    out
}
