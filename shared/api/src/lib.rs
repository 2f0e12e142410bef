//! The HTTP API: one router over engine and vault, served alike by `mailkeep serve` and by a function
//! behind API Gateway.
//!
//! Every endpoint is one entry of a table (`http::endpoint`), which says who may call it, what is
//! audited, what goes in and what comes out. The router, the roles and the OpenAPI document are made
//! from that table. `docs/api.md` tells users of it.
//!
//! Architecture invariant: handlers hold no rules about mail or jobs; they call the engine. Lists are
//! read page by page, messages are streamed. No address, subject or secret is ever logged.

pub mod auth;
mod http;
mod problem;
mod records;
mod routes;
mod serve;
mod service;
mod views;

pub use http::Peer;
pub use serve::{Front, serve};
pub use service::{Api, ApiParts, ApiSettings, Storage};

/// The OpenAPI document, as JSON.
#[must_use]
pub fn openapi() -> serde_json::Value {
    http::document(&routes::all())
}
