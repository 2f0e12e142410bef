//! What was asked of the tenant.

use std::collections::{BTreeMap, VecDeque};

use serde::Serialize;
use serde_json::Value;

/// The newest requests that are kept one by one.
const KEPT: usize = 200_000;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LoggedRequest {
    /// Milliseconds since 1970 by the tenant's clock.
    pub unix_millis: i64,
    /// `GET` and so on.
    pub method: String,
    /// The path with placeholders for ids.
    pub template: String,
    /// The account's id.
    pub mailbox: Option<String>,
    /// The answer's status.
    pub status: u16,
    /// It was a member of a batch.
    pub in_batch: bool,
}

/// A mail that the real service would have sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SentMail {
    /// The account's id.
    pub mailbox: String,
    /// The path with placeholders for ids.
    pub template: String,
    /// The request's body.
    pub body: Value,
}

#[derive(Debug, Default)]
pub(crate) struct Journal {
    pub(crate) requests: VecDeque<LoggedRequest>,
    /// Requests by method, template and status.
    pub(crate) counters: BTreeMap<(String, u16), u64>,
    pub(crate) http_requests: u64,
    pub(crate) sent: Vec<SentMail>,
}

impl Journal {
    /// Notes a request.
    pub(crate) fn note(&mut self, request: LoggedRequest) {
        let name = format!("{} {}", request.method, request.template);
        *self.counters.entry((name, request.status)).or_default() += 1;
        if !request.in_batch {
            self.http_requests += 1;
        }
        if self.requests.len() >= KEPT {
            self.requests.pop_front();
        }
        self.requests.push_back(request);
    }
}
