//! Answers.

use serde_json::{Value, json};

use super::failure::Failure;
use crate::clock::stamp;
use crate::content::draw::guid;
use crate::content::segment::Segment;

/// What an answer carries.
#[derive(Debug)]
pub(crate) enum Content {
    /// Nothing.
    Empty,
    /// JSON.
    Json(Value),
    /// Bytes that come one piece after the other, with their media type.
    Stream(Vec<Segment>, String),
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) content: Content,
}

impl Reply {
    /// 200 with JSON.
    pub(crate) fn json(value: Value) -> Self {
        Self::with_status(200, value)
    }

    /// JSON with this status.
    pub(crate) fn with_status(status: u16, value: Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content: Content::Json(value),
        }
    }

    /// No body.
    pub(crate) fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            content: Content::Empty,
        }
    }

    /// 200 with bytes.
    pub(crate) fn stream(segments: Vec<Segment>, media_type: &str) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            content: Content::Stream(segments, media_type.to_owned()),
        }
    }

    /// Adds a header.
    pub(crate) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// An error answer.
    pub(crate) fn failure(failure: Failure, unix_seconds: i64, request: u64) -> Self {
        let content = if failure.is_empty {
            Content::Empty
        } else {
            let id = guid(&[request, 0x7265_7175]);
            Content::Json(json!({"error": {
                "code": failure.code,
                "message": failure.message,
                "innerError": {
                    "date": stamp(unix_seconds).trim_end_matches('Z'),
                    "request-id": id,
                    "client-request-id": id,
                }
            }}))
        };
        Self {
            status: failure.status,
            headers: failure.headers,
            content,
        }
    }
}
