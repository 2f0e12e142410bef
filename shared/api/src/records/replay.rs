//! Requests that are sent twice because the first answer got lost (`Idempotency-Key`): carried out
//! once, answered the same.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use axum::body::{Body, to_bytes};
use axum::response::Response;
use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::HEXLOWER;
use http::{HeaderName, HeaderValue, StatusCode, header};
use mailkeep_ports::{Clock, Expect, ItemKey, Rng, Table, TableError, TableErrorKind, Write};
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// How long an answer is kept.
const KEPT: TimeDelta = TimeDelta::hours(24);
/// After so long a request that was begun counts as lost with its process, and is carried out again.
const BEGUN: TimeDelta = TimeDelta::minutes(5);
/// Largest answer that is kept. Answers to changes are small.
const MAX_ANSWER_BYTES: usize = 256 << 10;
const SORT: &str = "answer";
/// Tries of one write.
const TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(50);
/// Headers that belong to an answer.
const HEADERS: [HeaderName; 4] = [
    header::CONTENT_TYPE,
    header::ETAG,
    header::LOCATION,
    header::RETRY_AFTER,
];

/// What a request asks for, so that another one with the same key is noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprint(String);

impl Fingerprint {
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(&u64::try_from(part.len()).unwrap_or_default().to_le_bytes());
            context.update(part);
        }
        Self(HEXLOWER.encode(context.finish().as_ref()))
    }
}

/// An answer that can be given again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredAnswer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl StoredAnswer {
    /// Takes an answer apart, and puts it together again for the one who waits for it.
    pub(crate) async fn of(response: Response) -> Result<(Self, Response), Problem> {
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, MAX_ANSWER_BYTES).await;
        let bytes = bytes.map_err(|_| Problem::bug("an answer to a change is too large"))?;
        let headers = HEADERS.iter().filter_map(|name| {
            let value = parts.headers.get(name)?.to_str().ok()?;
            Some((name.to_string(), value.to_owned()))
        });
        let answer = Self {
            status: parts.status.as_u16(),
            headers: headers.collect(),
            body: String::from_utf8_lossy(&bytes).into_owned(),
        };
        Ok((answer, Response::from_parts(parts, Body::from(bytes))))
    }

    /// The answer again.
    pub(crate) fn response(self) -> Result<Response, Problem> {
        let wrong = || Problem::bug("a stored answer cannot be read");
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).map_err(|_| wrong())?;
        for (name, value) in self.headers {
            let name: HeaderName = name.parse().map_err(|_| wrong())?;
            let value = HeaderValue::from_str(&value).map_err(|_| wrong())?;
            response.headers_mut().insert(name, value);
        }
        let replayed = HeaderName::from_static("idempotent-replayed");
        let yes = HeaderValue::from_static("true");
        response.headers_mut().insert(replayed, yes);
        Ok(response)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    fingerprint: Fingerprint,
    /// Tells apart whoever carries it out.
    #[serde(default)]
    claim: u64,
    begun_at: DateTime<Utc>,
    answer: Option<StoredAnswer>,
}

/// The right to carry a request out.
pub(crate) struct Ticket {
    key: ItemKey,
    version: u64,
    record: Record,
}

/// What is to be done about a request.
pub(crate) enum Begun {
    /// It is carried out.
    New(Ticket),
    /// It was.
    Known(StoredAnswer),
}

/// Answers by the keys of their requests.
pub(crate) struct Replays {
    table: Arc<dyn Table>,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Replays {
    pub(crate) fn new(table: Arc<dyn Table>, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { table, clock, rng }
    }

    /// Begins a request with this key of this sender.
    pub(crate) async fn begin(
        &self,
        who: &str,
        key: &str,
        fingerprint: Fingerprint,
    ) -> Result<Begun, Problem> {
        let name = Fingerprint::of(&[who.as_bytes(), key.as_bytes()]).0;
        let key = ItemKey::new(format!("idempotency/{name}"), SORT)?;
        let now = self.clock.now();
        let found = self.table.get(&key).await?;
        let (expect, version) = match &found {
            None => (Expect::Absent, 1),
            Some(item) => (
                Expect::Version(item.version),
                item.version.saturating_add(1),
            ),
        };
        if let Some(item) = found.filter(|item| !item.is_expired(now)) {
            let known: Record = serde_json::from_slice(&item.body)
                .map_err(|_| Problem::bug("a stored answer cannot be read"))?;
            if known.fingerprint != fingerprint {
                return Err(Problem::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "idempotency_key_reused",
                    "another request was sent with this Idempotency-Key; choose a new one",
                ));
            }
            if let Some(answer) = known.answer {
                return Ok(Begun::Known(answer));
            }
            if now.signed_duration_since(known.begun_at) < BEGUN {
                return Err(in_progress());
            }
        }
        let record = Record {
            fingerprint,
            claim: self.rng.next_u64(),
            begun_at: now,
            answer: None,
        };
        match self.write(&key, expect, &record).await {
            Ok(()) => Ok(Begun::New(Ticket {
                key,
                version,
                record,
            })),
            Err(error) if error.kind == TableErrorKind::Conflict => Err(in_progress()),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps the answer.
    pub(crate) async fn keep(&self, ticket: Ticket, answer: StoredAnswer) {
        let record = Record {
            answer: Some(answer),
            ..ticket.record
        };
        let expect = Expect::Version(ticket.version);
        if let Err(error) = self.write(&ticket.key, expect, &record).await {
            // What was asked for is done, and its answer is given.
            tracing::warn!(%error, "an answer could not be kept for a repeated request");
        }
    }

    /// Forgets a request that changed nothing.
    pub(crate) async fn forget(&self, ticket: Ticket) {
        let Ticket { key, version, .. } = ticket;
        let write = Write::Delete {
            key: key.clone(),
            version,
        };
        if let Err(error) = self.try_write(&key, write, |found| found.is_none()).await {
            tracing::warn!(%error, "a request that changed nothing could not be forgotten");
        }
    }

    async fn write(
        &self,
        key: &ItemKey,
        expect: Expect,
        record: &Record,
    ) -> Result<(), TableError> {
        let write = Write::Put {
            key: key.clone(),
            expect,
            body: serde_json::to_vec(record).unwrap_or_default().into(),
            expires_at: record.begun_at.checked_add_signed(KEPT),
        };
        let is_ours = |found: Option<&Record>| {
            found.is_some_and(|found| {
                found.claim == record.claim && found.answer.is_some() == record.answer.is_some()
            })
        };
        self.try_write(key, write, is_ours).await
    }

    /// Writes, again when that may help. An answer that was lost must not hold the key up: what is there
    /// tells whether it was written.
    async fn try_write(
        &self,
        key: &ItemKey,
        write: Write,
        is_done: impl Fn(Option<&Record>) -> bool + Send + Sync,
    ) -> Result<(), TableError> {
        let (mut is_unsure, mut wait) = (false, FIRST_WAIT);
        for _ in 1..TRIES {
            match self.table.write(write.clone()).await {
                Err(error) if error.kind == TableErrorKind::Conflict && is_unsure => {
                    let found = self.table.get(key).await?;
                    let found = found.and_then(|item| serde_json::from_slice(&item.body).ok());
                    return if is_done(found.as_ref()) {
                        Ok(())
                    } else {
                        Err(error)
                    };
                }
                Err(error) if error.is_retryable() => {
                    is_unsure |= error.kind == TableErrorKind::Unavailable;
                    self.clock.sleep(wait).await;
                    wait *= 2;
                }
                written => return written.map(drop),
            }
        }
        self.table.write(write).await.map(drop)
    }
}

fn in_progress() -> Problem {
    Problem::new(
        StatusCode::CONFLICT,
        "request_in_progress",
        "the request with this Idempotency-Key is being worked on; ask again",
    )
    .retry_after(Duration::from_secs(1))
}
