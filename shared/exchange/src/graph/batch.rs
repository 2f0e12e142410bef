//! Many small reads in one HTTP request.
//!
//! The service counts every member as a call and runs at most four of one mailbox at once; a batch
//! saves round trips, not quota. Members are judged and repeated one by one.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use mailkeep_model::{FailureClass, SourceMailboxId};
use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use url::Url;

use super::call::Call;
use super::client::{GraphClient, IMMUTABLE_IDS, RENEWALS};
use super::error_map::{Asked, ErrorBody, Operation, classify};
use super::links::Links;
use crate::SourceError;
use crate::retry::{Backoff, retry_after};

/// Members of one batch, at most.
const WIDEST: usize = 20;

const SEND_BATCH: Operation = Operation::new("send batch", Asked::Mailbox, "Mail.Read");

/// One member.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) operation: Operation,
    pub(crate) url: Url,
    pub(crate) prefer: Option<String>,
}

impl Part {
    pub(crate) fn new(operation: &Operation, url: Url) -> Self {
        Self {
            operation: *operation,
            url,
            prefer: None,
        }
    }
}

/// What came of one member.
pub(crate) type PartAnswer = Result<Box<RawValue>, SourceError>;

/// Reads a member's body.
pub(crate) fn read_part<T: DeserializeOwned>(
    operation: &Operation,
    answer: PartAnswer,
) -> Result<T, SourceError> {
    serde_json::from_str(answer?.get()).map_err(|_| {
        operation.error(
            FailureClass::Transient,
            "unreadable_answer",
            "the answer has another shape than documented",
        )
    })
}

#[derive(Deserialize)]
struct BatchAnswer {
    responses: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    id: String,
    status: u16,
    #[serde(default)]
    headers: Option<HashMap<String, Value>>,
    #[serde(default)]
    body: Option<Box<RawValue>>,
}

/// Gives tests the bodies in an answer.
#[cfg(feature = "fuzzing")]
pub(crate) fn read_members(
    bytes: &[u8],
) -> Result<Vec<super::message_json::Object>, serde_json::Error> {
    let answer: BatchAnswer = super::json::parse(bytes)?;
    let members = answer.responses.into_iter();
    Ok(members
        .filter_map(|member| {
            let _ = (member.id, member.status);
            let _ = header_map(member.headers.unwrap_or_default());
            let body = Ok(member.body?);
            read_part(&SEND_BATCH, body).ok()
        })
        .collect())
}

struct Waiting {
    index: usize,
    backoff: Backoff,
}

impl GraphClient {
    /// Sends `parts`, twenty at a time, and answers in their order. Single members fail inside.
    ///
    /// # Errors
    /// When a batch as a whole cannot be sent.
    pub(crate) async fn batch(
        &self,
        mailbox: Option<&SourceMailboxId>,
        parts: &[Part],
    ) -> Result<Vec<PartAnswer>, SourceError> {
        let mut answers: Vec<Option<PartAnswer>> = parts.iter().map(|_| None).collect();
        let mut queue: VecDeque<Waiting> = (0..parts.len())
            .map(|index| Waiting {
                index,
                backoff: self.backoff(None),
            })
            .collect();
        let mut width = WIDEST;
        let mut renewals = RENEWALS;
        while !queue.is_empty() {
            let token = self.tokens.token().await?;
            let mut is_refused = false;
            let round: Vec<Waiting> = queue.drain(..queue.len().min(width)).collect();
            let mut members = match self.send_batch(mailbox, parts, &round).await {
                Ok(members) => members,
                Err(error) if is_passing(&error) && width > 1 => {
                    // Too much for one answer, perhaps: ask for less at once.
                    width = width.div_ceil(4);
                    round
                        .into_iter()
                        .rev()
                        .for_each(|part| queue.push_front(part));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut pause = Duration::ZERO;
            let mut block = Duration::ZERO;
            for mut waiting in round {
                let Some(part) = parts.get(waiting.index) else {
                    continue;
                };
                let answer = self.judge(part, members.remove(&waiting.index.to_string()));
                let Err(error) = &answer else {
                    set(&mut answers, waiting.index, answer);
                    continue;
                };
                let state = self.state(mailbox);
                if error.class == FailureClass::AuthToken && renewals > 0 {
                    // The token ended between the batch's own check and this member's.
                    is_refused = true;
                    state.counters.retry();
                    queue.push_back(waiting);
                    continue;
                }
                if error.class == FailureClass::Throttled {
                    state.counters.throttle();
                }
                match waiting.backoff.next(error.clone(), &*self.rng) {
                    Ok(wait) if wait <= self.options.longest_wait => {
                        state.counters.retry();
                        match error.class {
                            FailureClass::Throttled => block = block.max(wait),
                            _ => pause = pause.max(wait),
                        }
                        queue.push_back(waiting);
                    }
                    _ => set(&mut answers, waiting.index, answer),
                }
            }
            if is_refused {
                renewals -= 1;
                self.tokens.renewed(&token).await?;
            }
            if !block.is_zero() {
                // The mailbox that was asked to wait waits, with all its other calls.
                self.state(mailbox).budget.block(block);
            } else if !pause.is_zero() {
                self.clock.sleep(pause).await;
            }
        }
        let missing = || Err(SEND_BATCH.error(FailureClass::Transient, "no_answer", "no answer"));
        Ok(answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(missing))
            .collect())
    }

    async fn send_batch(
        &self,
        mailbox: Option<&SourceMailboxId>,
        parts: &[Part],
        round: &[Waiting],
    ) -> Result<HashMap<String, Member>, SourceError> {
        let requests: Vec<Value> = round
            .iter()
            .filter_map(|waiting| Some((waiting.index, parts.get(waiting.index)?)))
            .map(|(index, part)| {
                let prefer = match &part.prefer {
                    Some(more) => format!("{IMMUTABLE_IDS}, {more}"),
                    None => IMMUTABLE_IDS.to_owned(),
                };
                json!({
                    "id": index.to_string(),
                    "method": "GET",
                    "url": Links::relative(&part.url),
                    "headers": { "Prefer": prefer },
                })
            })
            .collect();
        let body = json!({ "requests": requests }).to_string();
        let call = Call {
            method: Method::POST,
            body: Some(("application/json", Bytes::from(body))),
            calls: u32::try_from(round.len()).unwrap_or(u32::MAX),
            attempts: Some(3),
            ..Call::get(&SEND_BATCH, mailbox, self.links.url(&["$batch"], &[]))
        };
        let answer: BatchAnswer = self.json(&call).await?;
        Ok(answer
            .responses
            .into_iter()
            .map(|member| (member.id.clone(), member))
            .collect())
    }

    /// One member's outcome.
    fn judge(&self, part: &Part, member: Option<Member>) -> PartAnswer {
        let Some(member) = member else {
            return Err(part.operation.error(
                FailureClass::Transient,
                "no_answer",
                "the service left this request of a batch out",
            ));
        };
        if (200..300).contains(&member.status) {
            return Ok(member.body.unwrap_or_else(|| RawValue::NULL.to_owned()));
        }
        let body = member
            .body
            .as_ref()
            .map_or_else(ErrorBody::default, |body| {
                ErrorBody::parse(body.get().as_bytes())
            });
        let mut error = classify(&part.operation, member.status, &body);
        let headers = header_map(member.headers.unwrap_or_default());
        error.retry_after = retry_after(&headers, self.clock.now());
        Err(error)
    }
}

/// The service or the way to it failed for a moment.
fn is_passing(error: &SourceError) -> bool {
    let class = error.class;
    matches!(class, FailureClass::Transient | FailureClass::Connection)
}

fn set(answers: &mut [Option<PartAnswer>], index: usize, answer: PartAnswer) {
    if let Some(slot) = answers.get_mut(index) {
        *slot = Some(answer);
    }
}

/// A member's headers; their values are text or numbers.
fn header_map(headers: HashMap<String, Value>) -> HeaderMap {
    headers
        .into_iter()
        .filter_map(|(name, value)| {
            let text = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            let name = HeaderName::try_from(name).ok()?;
            Some((name, HeaderValue::try_from(text).ok()?))
        })
        .collect()
}
