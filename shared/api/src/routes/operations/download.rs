//! The files of an export: listed, linked to, sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::Stream;
use futures::stream::{BoxStream, StreamExt as _, unfold};
use http::{HeaderValue, StatusCode, header};
use mailkeep_engine::operation::{ExportPart, PartLink};
use mailkeep_ports::{ByteRange, GetOptions, Key, Store, StoreError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::exports::Exports;
use super::kind::record;
use crate::auth::Role;
use crate::http::{Audit, Cursor, Endpoint, Nothing, Page, Path, Query, Slot, limit};
use crate::problem::Problem;
use crate::routes::bodies::{Given, PageQuery, page};
use crate::service::Api;

/// Read at a time of a file that is sent.
const CHUNK_BYTES: u64 = 1 << 20;
/// How long a link works unless something else is asked for.
const USUAL_SECONDS: u32 = 3_600;
const LEAST_SECONDS: u32 = 60;
/// One that is made with the credentials of a function ends with them, which is within some hours.
const MOST_SECONDS: u32 = 43_200;

pub(super) fn endpoints() -> Vec<Endpoint> {
    let role = Role::RestoreOperator;
    vec![
        Endpoint::get("/v1/exports/{export}/parts", "listExportParts", role)
            .summary("The files of an export, in their order; the last one tells of all others")
            .query::<PageQuery>()
            .answers::<Page<PartBody>>(StatusCode::OK)
            .to(parts),
        Endpoint::post(
            "/v1/exports/{export}/parts/{part}/link",
            "linkExportPart",
            role,
        )
        .reads_only(Audit::View)
        .summary("Makes a link by which one file of an export can be downloaded for a time")
        .optional_body::<LinkBody>()
        .answers::<LinkAnswer>(StatusCode::OK)
        .problem(StatusCode::CONFLICT)
        .problem(StatusCode::GONE)
        .to(link),
        Endpoint::get(
            "/v1/exports/{export}/parts/{part}/content",
            "getExportPartContent",
            role,
        )
        .audited(Audit::View)
        .summary("One file of an export: an archive, or the list of all files")
        .answers_bytes("application/octet-stream")
        .problem(StatusCode::CONFLICT)
        .problem(StatusCode::GONE)
        .problem(StatusCode::UNPROCESSABLE_ENTITY)
        .to(content),
    ]
}

/// A file of an export, complete in itself.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ExportPart")]
struct PartBody {
    /// From 1.
    number: u32,
    /// What to call it.
    file_name: String,
    /// Its size.
    size_bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    sha256: String,
    /// Items that end in it.
    items: u64,
}

impl PartBody {
    fn of(part: ExportPart) -> Self {
        Self {
            number: part.number,
            file_name: part.file_name,
            size_bytes: part.size_bytes,
            sha256: part.sha256,
            items: part.items,
        }
    }
}

/// How long a link is to work.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "LinkRequest")]
struct LinkBody {
    /// For so many seconds.
    #[schemars(range(min = 60, max = 43_200))]
    valid_seconds: u32,
}

impl Default for LinkBody {
    fn default() -> Self {
        Self {
            valid_seconds: USUAL_SECONDS,
        }
    }
}

/// A link to a file of an export.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ExportLink")]
struct LinkAnswer {
    /// Where it is. An address without a host is one of this API.
    url: String,
    /// False when anybody who has the link can download the file: treat it as a secret. True when the
    /// request needs credentials as any other.
    needs_credentials: bool,
    /// Until when it works, at the latest.
    valid_until: DateTime<Utc>,
    /// The file.
    part: PartBody,
}

async fn parts(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> Given<Page<PartBody>> {
    let most = limit(query.limit)?;
    let (record, _) = record::<Exports>(&api, &id).await?;
    let cursor = Cursor::of(&["export parts", &id]);
    let after = cursor.read(query.cursor.as_deref())?;
    let found = api.operations().parts(&record.id, after, most).await?;
    // A worker that was lost may have left more than the record counts.
    let counted = found.records.into_iter().map(|part| part.value);
    let counted = counted.filter(|part| part.number <= record.parts);
    Ok(page(
        counted.map(PartBody::of).collect(),
        &cursor,
        found.next,
    ))
}

async fn link(
    State(api): State<Api>,
    Path((id, number)): Path<(String, u32)>,
    _: Nothing,
    crate::http::Json(body): crate::http::Json<LinkBody>,
) -> Given<LinkAnswer> {
    if !(LEAST_SECONDS..=MOST_SECONDS).contains(&body.valid_seconds) {
        let problem = "a link works for 60 to 43200 seconds";
        return Err(Problem::field("valid_seconds", problem));
    }
    let (record, _) = record::<Exports>(&api, &id).await?;
    let Some(links) = api.links() else {
        // The files are where only this program reaches them.
        let (operation, part) = api.operations().part(&record.id, number).await?;
        return Ok(Json(LinkAnswer {
            url: format!("/v1/exports/{}/parts/{number}/content", record.id),
            needs_credentials: true,
            valid_until: operation.link_until.unwrap_or(operation.created_at),
            part: PartBody::of(part),
        }));
    };
    let valid_for = Duration::from_secs(body.valid_seconds.into());
    let operations = api.operations();
    let made = operations.link(&record.id, number, &**links, valid_for);
    let PartLink { part, url, until } = made.await?;
    Ok(Json(LinkAnswer {
        url,
        needs_credentials: false,
        valid_until: until,
        part: PartBody::of(part),
    }))
}

async fn content(
    State(api): State<Api>,
    Path((id, number)): Path<(String, u32)>,
    Extension(slot): Extension<Slot>,
    _: Nothing,
) -> Result<Response, Problem> {
    let (record, _) = record::<Exports>(&api, &id).await?;
    let (_, part) = api.operations().part(&record.id, number).await?;
    let size = part.size_bytes;
    if let Some(most) = api.settings().max_content_bytes.filter(|most| size > *most) {
        return Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "content_too_large",
            format!("the file has {size} bytes, one answer carries {most}; ask for a link"),
        ));
    }
    let wrong = |_| Problem::bug("the name of an object of an export");
    let key = Key::new(part.key.clone()).map_err(wrong)?;
    let mut chunks = chunks(api.exports().clone(), key, size);
    // What cannot even be begun is a problem; later it can only break off.
    let first = match chunks.next().await {
        None => Bytes::new(),
        Some(first) => first?,
    };
    let first = futures::stream::once(async move { Ok(first) });
    let body = Body::from_stream(File {
        chunks: first.chain(chunks).boxed(),
        _slot: slot,
    });
    let name = format!("attachment; filename=\"{}\"", part.file_name);
    let name = HeaderValue::from_str(&name).map_err(|_| Problem::bug("a file name"))?;
    let kind = HeaderValue::from_static("application/octet-stream");
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_LENGTH, HeaderValue::from(size)),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, body).into_response())
}

/// An object, a part at a time. Ends after a failure, and with one when the object is shorter than it was.
fn chunks(
    store: Arc<dyn Store>,
    key: Key,
    size: u64,
) -> BoxStream<'static, Result<Bytes, StoreError>> {
    let read = move |from: u64| {
        let (store, key) = (Arc::clone(&store), key.clone());
        async move {
            if from >= size {
                return None;
            }
            let end = from.saturating_add(CHUNK_BYTES).min(size);
            let range = GetOptions::range(ByteRange::Range(from..end));
            match store.get(&key, range).await {
                // The length that was announced is not reached: the connection breaks off, as it must.
                Ok(object) if object.body.is_empty() => None,
                Ok(object) => {
                    let length = u64::try_from(object.body.len()).unwrap_or(u64::MAX);
                    Some((Ok(object.body), from.saturating_add(length)))
                }
                Err(error) => Some((Err(error), size)),
            }
        }
    };
    unfold(0, read).boxed()
}

/// A file on its way. It counts as a request until its last byte is sent.
struct File {
    chunks: BoxStream<'static, Result<Bytes, StoreError>>,
    _slot: Slot,
}

impl Stream for File {
    type Item = Result<Bytes, StoreError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.as_mut().poll_next(context)
    }
}
