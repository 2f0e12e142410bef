//! Health, version, the document, who one is, where backups go.

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use mailkeep_ports::ItemKey;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::bodies::{Given, PageQuery, page};
use crate::auth::{Principal, Role};
use crate::http::{Caller, Cursor, Endpoint, Nothing, Page, Path, Query, limit};
use crate::problem::Problem;
use crate::service::{Api, Storage};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/v1/health", "getHealth", Role::Viewer)
            .public()
            .summary("Whether the service works: it answers, and so does its job database")
            .answers::<Health>(StatusCode::OK)
            .to(health),
        Endpoint::get("/v1/openapi.json", "getOpenApi", Role::Viewer)
            .public()
            .summary("This document")
            .answers::<Value>(StatusCode::OK)
            .to(openapi),
        Endpoint::get("/v1/version", "getVersion", Role::Viewer)
            .summary("The version of the program")
            .answers::<Version>(StatusCode::OK)
            .to(version),
        Endpoint::get("/v1/me", "getMe", Role::Viewer)
            .summary("Who one is, and one's roles")
            .answers::<Principal>(StatusCode::OK)
            .to(me),
        Endpoint::get("/v1/storages", "listStorages", Role::Viewer)
            .summary("The storages that jobs may name")
            .query::<PageQuery>()
            .answers::<Page<Storage>>(StatusCode::OK)
            .to(storages),
        Endpoint::get("/v1/storages/{storage}", "getStorage", Role::Viewer)
            .summary("One storage")
            .answers::<Storage>(StatusCode::OK)
            .to(storage),
    ]
}

#[derive(Debug, Serialize, JsonSchema)]
struct Health {
    /// `ok`; when it is not, the answer is a problem.
    status: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Version {
    /// The version of the program.
    version: &'static str,
    /// The version of this interface, as in its paths.
    api: &'static str,
}

async fn health(State(api): State<Api>, _: Nothing) -> Given<Health> {
    let key = ItemKey::new("health", "health")?;
    api.table().get(&key).await?;
    Ok(Json(Health { status: "ok" }))
}

async fn openapi(_: Nothing) -> Json<Value> {
    Json(crate::openapi())
}

async fn version(_: Nothing) -> Json<Version> {
    Json(Version {
        version: env!("CARGO_PKG_VERSION"),
        api: "v1",
    })
}

async fn me(Extension(Caller(principal)): Extension<Caller>, _: Nothing) -> Json<Principal> {
    Json(principal)
}

async fn storages(State(api): State<Api>, Query(query): Query<PageQuery>) -> Given<Page<Storage>> {
    limit(query.limit)?;
    let cursor = Cursor::of(&["storages"]);
    // There is but one page.
    cursor.read(query.cursor.as_deref())?;
    Ok(page(vec![api.storage().clone()], &cursor, None))
}

async fn storage(State(api): State<Api>, Path(name): Path<String>, _: Nothing) -> Given<Storage> {
    let storage = api.storage();
    if storage.name != name {
        return Err(Problem::not_found(
            "no_such_storage",
            "there is no storage of this name",
        ));
    }
    Ok(Json(storage.clone()))
}
