//! The same over HTTP, as JSON.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use super::Admin;
use crate::graph::failure::Failure;
use crate::graph::reply::Reply;
use crate::tenant::Tenant;

/// Answers `/_admin/{command}`.
pub(crate) fn answer(tenant: &Arc<Tenant>, command: &str, _query: &str, _body: &Bytes) -> Reply {
    let admin = Admin::new(Arc::clone(tenant));
    match command {
        "mailboxes" => Reply::json(json!(admin.mailboxes())),
        "counters" => Reply::json(json!(admin.counters())),
        _ => Reply::failure(
            Failure::new(404, "NoSuchCommand", "There is no such admin command."),
            tenant.clock.unix_seconds(),
            0,
        ),
    }
}
