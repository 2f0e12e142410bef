//! One call, before it is sent.

use bytes::Bytes;
use mailkeep_model::SourceMailboxId;
use reqwest::Method;
use url::Url;

use super::error_map::Operation;

/// One call.
#[derive(Clone)]
pub(crate) struct Call<'a> {
    pub(crate) operation: &'a Operation,
    pub(crate) mailbox: Option<&'a SourceMailboxId>,
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// `Prefer` beside immutable ids.
    pub(crate) prefer: Vec<String>,
    /// May be answered from a copy of the directory that is some seconds old; what is counted or
    /// cast needs that.
    pub(crate) is_eventual: bool,
    /// Media type and bytes.
    pub(crate) body: Option<(&'static str, Bytes)>,
    /// `Content-Range` of an upload.
    pub(crate) range: Option<String>,
    /// The address is a secret of its own; no token goes there.
    pub(crate) is_anonymous: bool,
    /// May be sent again although the first may have been carried out.
    pub(crate) is_replayable: bool,
    /// How many calls the service counts.
    pub(crate) calls: u32,
    /// Attempts; `None` means as configured.
    pub(crate) attempts: Option<u32>,
}

impl<'a> Call<'a> {
    /// A read.
    pub(crate) fn get(
        operation: &'a Operation,
        mailbox: Option<&'a SourceMailboxId>,
        url: Url,
    ) -> Self {
        Self {
            operation,
            mailbox,
            method: Method::GET,
            url,
            prefer: vec![],
            is_eventual: false,
            body: None,
            range: None,
            is_anonymous: false,
            is_replayable: true,
            calls: 1,
            attempts: None,
        }
    }

    /// A call with a JSON body. Not sent again when it may have been carried out.
    pub(crate) fn write(
        operation: &'a Operation,
        mailbox: &'a SourceMailboxId,
        method: Method,
        url: Url,
        body: &serde_json::Value,
    ) -> Self {
        Self {
            method,
            body: Some(("application/json", Bytes::from(body.to_string()))),
            is_replayable: false,
            ..Self::get(operation, Some(mailbox), url)
        }
    }

    /// Allows replays: carrying it out twice is the same as once.
    pub(crate) fn replayable(mut self) -> Self {
        self.is_replayable = true;
        self
    }

    /// Limits the attempts.
    pub(crate) fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Allows an answer that is some seconds old.
    pub(crate) fn eventual(mut self) -> Self {
        self.is_eventual = true;
        self
    }

    /// Adds a preference.
    pub(crate) fn prefer(mut self, preference: impl Into<String>) -> Self {
        self.prefer.push(preference.into());
        self
    }
}
