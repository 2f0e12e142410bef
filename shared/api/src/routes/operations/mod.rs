//! Restores and exports that people ask for: planned, confirmed, followed, cancelled.

mod answers;
mod download;
mod exports;
mod kind;
mod requests;
mod restores;

use crate::http::Endpoint;

/// The endpoints of both kinds.
pub(super) fn endpoints() -> Vec<Endpoint> {
    [
        kind::endpoints::<restores::Restores>(),
        kind::endpoints::<exports::Exports>(),
        download::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
