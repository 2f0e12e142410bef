//! Addresses that are posted to.

use mailkeep_ports::{Clock, HookCall, HookFault, HookReport};
use reqwest::Url;
use serde_json::{Map, Value};

use super::output::Tail;
use crate::http;

/// Version of the document that is posted.
const SCHEMA: u32 = 1;
/// Of a longer answer the rest is not read.
const MAX_ANSWER: u64 = 1 << 20;
/// What the names of facts begin with.
const PREFIX: &str = "MAILKEEP_";

pub(super) async fn run(clock: &dyn Clock, address: &str, call: &HookCall) -> HookReport {
    let tail = Tail::default();
    let fault = tokio::select! {
        fault = post(address, call, &tail) => fault,
        () = clock.sleep(call.timeout) => Some(HookFault::TimedOut),
    };
    tail.report(fault)
}

async fn post(address: &str, call: &HookCall, tail: &Tail) -> Option<HookFault> {
    let cannot = |why: &str| Some(HookFault::CannotStart(why.to_owned()));
    let Ok(url) = Url::parse(address) else {
        return cannot("it is no address");
    };
    let client = match http::client(&url, None) {
        Ok(client) => client,
        Err(why) => return cannot(why),
    };
    let request = client
        .post(url)
        .header("content-type", "application/json")
        .header("webhook-id", &call.id)
        .body(document(call));
    let mut response = match request.send().await {
        Ok(response) => response,
        Err(error) => return cannot(http::words(&error)),
    };
    let mut left = MAX_ANSWER;
    while let Ok(Some(piece)) = response.chunk().await {
        tail.push(&piece);
        left = left.saturating_sub(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if left == 0 {
            break;
        }
    }
    let status = response.status();
    (!status.is_success()).then(|| HookFault::Code(i32::from(status.as_u16())))
}

/// The facts, with their names in lower case.
fn document(call: &HookCall) -> String {
    let mut fields = Map::new();
    fields.insert("schema".to_owned(), SCHEMA.into());
    fields.insert("id".to_owned(), call.id.clone().into());
    for (name, value) in &call.facts {
        let name = name.strip_prefix(PREFIX).unwrap_or(name);
        fields.insert(name.to_lowercase(), value.clone().into());
    }
    Value::Object(fields).to_string()
}
