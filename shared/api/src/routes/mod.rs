//! The endpoints.

mod audit;
mod bodies;
mod connections;
mod events;
mod filter;
mod items;
mod job_runs;
mod jobs;
mod mailboxes;
mod new_connection;
mod operations;
mod previews;
mod system;

use crate::http::Endpoint;

/// Every endpoint.
pub(crate) fn all() -> Vec<Endpoint> {
    [
        system::endpoints(),
        connections::endpoints(),
        jobs::endpoints(),
        previews::endpoints(),
        job_runs::endpoints(),
        events::endpoints(),
        mailboxes::endpoints(),
        items::endpoints(),
        operations::endpoints(),
        audit::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
