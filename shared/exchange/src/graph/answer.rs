//! A good answer, and what an exchange that failed is called.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use mailkeep_model::FailureClass;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;

use super::client::MailboxState;
use super::error_map::Operation;
use super::json;
use crate::budget::Permit;
use crate::{ByteStream, SourceError};

/// A JSON answer is never longer.
const LONGEST_ANSWER: usize = 64 * 1024 * 1024;
/// Code of an answer that was cut off.
const TRUNCATED: &str = "truncated_answer";

/// A good answer whose body is still to be read. Counts against the mailbox until it is.
pub(crate) struct Answer {
    pub(crate) status: u16,
    response: reqwest::Response,
    operation: Operation,
    state: Arc<MailboxState>,
    _permit: Permit,
}

impl Answer {
    pub(crate) fn new(
        response: reqwest::Response,
        operation: &Operation,
        state: Arc<MailboxState>,
        permit: Permit,
    ) -> Self {
        Self {
            status: response.status().as_u16(),
            response,
            operation: *operation,
            state,
            _permit: permit,
        }
    }

    /// The whole body.
    pub(crate) async fn bytes(mut self) -> Result<Vec<u8>, SourceError> {
        let mut body = vec![];
        while let Some(chunk) = self.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > LONGEST_ANSWER {
                return Err(self.operation.error(
                    FailureClass::Transient,
                    "answer_too_long",
                    "the answer is longer than any should be",
                ));
            }
        }
        Ok(body)
    }

    /// The body as JSON.
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Result<T, SourceError> {
        let operation = self.operation;
        let request_id = request_id(self.response.headers());
        let body = self.bytes().await?;
        json::parse(&body).map_err(|_| SourceError {
            request_id,
            ..operation.error(
                FailureClass::Transient,
                TRUNCATED,
                "the answer was cut off or is no JSON",
            )
        })
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, SourceError> {
        match self.response.chunk().await {
            Ok(chunk) => {
                if let Some(bytes) = &chunk {
                    self.state.counters.received(bytes.len());
                }
                Ok(chunk)
            }
            Err(error) => Err(connection_error(&self.operation, &error)),
        }
    }

    /// The body as it comes in. Ends with an error when less arrives than was announced.
    pub(crate) fn stream(self) -> ByteStream {
        let announced = self.response.content_length();
        Box::pin(stream::unfold(
            Some((self, 0u64)),
            move |state| async move {
                let (mut answer, received) = state?;
                match answer.chunk().await {
                    Ok(Some(chunk)) => {
                        let received = received + chunk.len() as u64;
                        Some((Ok(chunk), Some((answer, received))))
                    }
                    Ok(None) if announced.is_some_and(|length| length != received) => {
                        let error = answer.operation.error(
                            FailureClass::Connection,
                            "short_answer",
                            "less arrived than was announced",
                        );
                        Some((Err(error), None))
                    }
                    Ok(None) => None,
                    Err(error) => Some((Err(error), None)),
                }
            },
        ))
    }
}

pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("request-id")?.to_str().ok()?;
    Some(id.chars().take(100).collect())
}

/// Code and words for a failed exchange. The library's own text holds addresses and is not used.
pub(crate) fn connection_words(error: &reqwest::Error) -> (&'static str, &'static str) {
    if error.is_timeout() {
        ("timeout", "the service did not answer in time")
    } else if error.is_connect() {
        (
            "connect",
            "no connection to the service; check network, DNS, TLS and proxy",
        )
    } else if error.is_body() || error.is_decode() {
        ("broken_answer", "the answer broke off")
    } else {
        ("network", "the connection failed")
    }
}

pub(crate) fn connection_error(operation: &Operation, error: &reqwest::Error) -> SourceError {
    let (code, words) = connection_words(error);
    operation.error(FailureClass::Connection, code, words)
}
