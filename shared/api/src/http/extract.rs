//! Reading requests strictly: what is not known is refused, in words that help.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::request::Parts;
use http::{StatusCode, header};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::strict::Strict;
use crate::problem::Problem;

/// A body in JSON. The type refuses unknown fields.
pub(crate) struct Json<T>(pub(crate) T);

/// The same for a body that holds a secret: what is told of a wrong one never quotes it.
pub(crate) struct SecretJson<T>(pub(crate) T);

/// The query of an address. The type refuses unknown fields.
pub(crate) struct Query<T>(pub(crate) T);

/// The variable parts of a path.
pub(crate) struct Path<T>(pub(crate) T);

/// No query at all.
pub(crate) struct Nothing;

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = json_bytes(request, state).await?;
        read(&bytes).map(Self).map_err(|error| {
            // The place is told apart, it says little where the message names the field.
            wrong_json(&error, error.to_string())
        })
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for SecretJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = Zeroizing::new(json_bytes(request, state).await?.to_vec());
        read(&bytes).map(Self).map_err(|error| {
            // What serde says may quote what was sent.
            let message = error.to_string();
            let names_fields_only = ["unknown field", "missing field", "duplicate field"]
                .iter()
                .any(|start| message.starts_with(start));
            let place = format!("line {}, column {}", error.line(), error.column());
            let safe = if names_fields_only {
                message
            } else {
                format!("a value does not fit its field at {place}")
            };
            wrong_json(&error, safe)
        })
    }
}

/// The bytes of a body that says that it is JSON. Nothing is taken for an empty object, so that bodies
/// that are all optional can be left out.
async fn json_bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    let is_json = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| is_json(value.to_str().unwrap_or_default()));
    let bytes = Bytes::from_request(request, state)
        .await
        .map_err(|_| Problem::invalid_request("the body cannot be read"))?;
    if bytes.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    if is_json {
        return Ok(bytes);
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "send JSON, with the header Content-Type: application/json",
    ))
}

/// Reads a whole body.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    let mut body = serde_json::Deserializer::from_slice(bytes);
    let value = T::deserialize(Strict::new(&mut body))?;
    body.end()?;
    Ok(value)
}

fn wrong_json(error: &serde_json::Error, message: String) -> Problem {
    if error.classify() == serde_json::error::Category::Data {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", message)
    } else {
        let (line, column) = (error.line(), error.column());
        let detail = format!("the body is no JSON, see line {line}, column {column}");
        Problem::new(StatusCode::BAD_REQUEST, "invalid_json", detail)
    }
}

fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Query::from_request_parts(parts, state).await;
        read.map(|axum::extract::Query(value)| Self(value))
            .map_err(|rejection: QueryRejection| Problem::invalid_request(rejection.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Path::from_request_parts(parts, state).await;
        read.map(|axum::extract::Path(value)| Self(value))
            .map_err(|_: PathRejection| {
                Problem::not_found("no_such_resource", "there is nothing under this path")
            })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Nothing {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        match parts.uri.query() {
            None | Some("") => Ok(Self),
            Some(_) => Err(Problem::invalid_request("this address takes no query")),
        }
    }
}
