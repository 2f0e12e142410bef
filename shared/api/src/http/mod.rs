//! From the wire to a handler and back.

mod cursor;
pub(crate) mod endpoint;
mod extract;
mod guard;
mod openapi;
mod precondition;
mod shell;
mod strict;

use axum::Router;
use axum::middleware::from_fn_with_state;

pub(crate) use cursor::{Cursor, Page, limit};
pub(crate) use endpoint::{Audit, Endpoint};
pub(crate) use extract::{Json, Nothing, Path, Query, SecretJson};
pub(crate) use guard::Caller;
pub(crate) use openapi::document;
pub(crate) use precondition::{IfMatch, etag};
pub use shell::Peer;
pub(crate) use shell::Slot;

use crate::problem::Problem;
use crate::service::Api;

/// The router over every endpoint.
pub(crate) fn router(api: &Api) -> Router {
    let mut router = Router::new();
    for endpoint in crate::routes::all() {
        let rule = endpoint.rule;
        let guarded = endpoint
            .handler
            .layer(from_fn_with_state((api.clone(), rule), guard::guard));
        router = router.route(rule.path, guarded);
    }
    router
        .fallback(|| async {
            Problem::not_found("no_such_resource", "there is nothing under this path")
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(
                http::StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "the path is right, the method is not; see the header Allow",
            )
        })
        .layer(from_fn_with_state(api.clone(), shell::shell))
        .with_state(api.clone())
}
