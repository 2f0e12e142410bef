//! The audit log, for administrators.

use axum::extract::State;
use http::StatusCode;

use super::bodies::{Given, PageQuery, page};
use crate::auth::Role;
use crate::http::{Audit, Cursor, Endpoint, Page, Query, limit};
use crate::records::AuditEntry;
use crate::service::Api;

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/v1/audit", "listAudit", Role::Administrator)
            .audited(Audit::View)
            .summary("Who looked at mail or changed something, newest first")
            .query::<PageQuery>()
            .answers::<Page<AuditEntry>>(StatusCode::OK)
            .to(list),
    ]
}

async fn list(State(api): State<Api>, Query(query): Query<PageQuery>) -> Given<Page<AuditEntry>> {
    let most = limit(query.limit)?;
    let cursor = Cursor::of(&["audit"]);
    let after = cursor.read(query.cursor.as_deref())?;
    let found = api.audit().page(after.as_deref(), most).await?;
    Ok(page(found.entries, &cursor, found.next))
}
