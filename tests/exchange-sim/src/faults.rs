//! Faults of the service, on demand.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::content::draw::Draw;
use crate::graph::failure::Failure;

/// The forms of `Retry-After`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryAfter {
    /// No such header.
    #[default]
    Absent,
    /// Whole seconds.
    Seconds(u32),
    /// A fraction such as `2.128`, as text.
    Fraction(String),
    /// An HTTP date this many seconds ahead by the tenant's clock.
    Date(u32),
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// 429.
    Throttle {
        /// The header.
        #[serde(default)]
        retry_after: RetryAfter,
    },
    /// Any status with an error code, for example 500 `ErrorInternalServerError`.
    Error {
        /// The status.
        status: u16,
        /// The code.
        code: String,
    },
    /// Any status without a body, for example 503 or 404.
    EmptyError {
        /// The status.
        status: u16,
    },
    /// 200 with JSON that stops after some bytes.
    TruncateJson,
    /// The connection breaks in the middle of a `$value` or another byte stream.
    CutStream {
        /// After this many bytes.
        after: u64,
    },
    /// The answer comes this many milliseconds late, by the machine's clock.
    Slow {
        /// How late.
        millis: u64,
    },
    /// Raw control characters inside the strings of JSON.
    ControlCharacters,
    /// Links to the next page lead to another host.
    ForeignLink,
    /// The call is carried out, then the connection breaks without an answer.
    LostAnswer,
    /// EWS: `ErrorServerBusy`; the budget answers nothing until the time is over by the tenant's clock.
    EwsBusy {
        /// How long.
        backoff_millis: u64,
    },
    /// EWS: the whole request fails with this code.
    EwsFault {
        /// The code.
        code: String,
    },
    /// EWS: status 200, and every response message fails with this code.
    EwsItems {
        /// The code.
        code: String,
    },
    /// EWS: response messages behind these are `ErrorBatchProcessingStopped`.
    EwsStopBatch {
        /// Messages that are answered.
        after: u32,
    },
    /// A page of the web server instead of SOAP.
    HtmlPage {
        /// The status; with 200 it is a page to sign in at.
        status: u16,
    },
    /// 200 with XML that stops after some bytes.
    TruncateXml,
}

/// A fault that waits for its calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// How many calls it hits.
    pub times: u32,
    /// Lets this many matching calls pass first.
    #[serde(default)]
    pub skip: u32,
    /// Only calls whose `METHOD template` contains this, for example `messages/delta` or
    /// `PUT /upload`.
    #[serde(default)]
    pub only: Option<String>,
    /// Only calls for this account (id or address).
    #[serde(default)]
    pub mailbox: Option<String>,
}

impl Fault {
    /// A fault that hits the next `times` calls of any kind.
    #[must_use]
    pub fn new(kind: FaultKind, times: u32) -> Self {
        Self {
            kind,
            times,
            skip: 0,
            only: None,
            mailbox: None,
        }
    }

    /// Only calls whose `METHOD template` contains `text`.
    #[must_use]
    pub fn only(mut self, text: &str) -> Self {
        self.only = Some(text.to_owned());
        self
    }

    /// Only calls for this account (id or address).
    #[must_use]
    pub fn for_mailbox(mut self, mailbox: &str) -> Self {
        self.mailbox = Some(mailbox.to_owned());
        self
    }

    /// Lets `calls` matching calls pass first.
    #[must_use]
    pub fn after(mut self, calls: u32) -> Self {
        self.skip = calls;
        self
    }
}

/// How lost delta tokens are answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenLoss {
    /// 410 with a `Location` to start over.
    #[default]
    GoneWithLocation,
    /// 410 `resyncRequired`.
    Gone,
    /// 400 `syncStateNotFound`.
    NotFound,
    /// 400 `SyncStateInvalid`.
    Invalid,
}

/// Which item is meant: account number and item number.
pub(crate) type ItemKey = (u32, u32);

#[derive(Debug, Default)]
pub(crate) struct Faults {
    pub(crate) waiting: Vec<Fault>,
    /// Out of a thousand calls this many fail in some way.
    pub(crate) random_permille: u64,
    pub(crate) corrupt: HashSet<ItemKey>,
    pub(crate) no_mime: HashSet<ItemKey>,
    /// Reads of these items fail this many more times.
    pub(crate) transient: HashMap<ItemKey, u32>,
    pub(crate) token_loss: TokenLoss,
    pub(crate) refused_login: Option<u32>,
}

impl Faults {
    /// The fault that hits this call, if any.
    pub(crate) fn take(&mut self, name: &str, account: Option<(&str, &str)>) -> Option<FaultKind> {
        let position = self.waiting.iter_mut().position(|fault| {
            let fits_call = fault.only.as_ref().is_none_or(|text| name.contains(text));
            let fits_mailbox = fault.mailbox.as_ref().is_none_or(|wanted| {
                account.is_some_and(|(id, address)| {
                    id == wanted || address.eq_ignore_ascii_case(wanted)
                })
            });
            if !fits_call || !fits_mailbox {
                return false;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                return false;
            }
            true
        })?;
        let fault = self.waiting.get_mut(position)?;
        fault.times = fault.times.saturating_sub(1);
        let kind = fault.kind.clone();
        if fault.times == 0 {
            self.waiting.remove(position);
        }
        Some(kind)
    }

    /// A random fault for the call with this number.
    pub(crate) fn random(&self, seed: u64, request: u64) -> Option<FaultKind> {
        let mut draw = Draw::new(&[seed, request, 0x6661_756c]);
        if draw.below(1000) >= self.random_permille {
            return None;
        }
        Some(match draw.below(7) {
            0 => FaultKind::Throttle {
                retry_after: RetryAfter::Seconds(1),
            },
            1 => FaultKind::Throttle {
                retry_after: RetryAfter::Fraction("0.512".to_owned()),
            },
            2 => FaultKind::EmptyError { status: 503 },
            3 => FaultKind::EmptyError { status: 504 },
            4 => FaultKind::Error {
                status: 500,
                code: "ErrorInternalServerError".to_owned(),
            },
            5 => FaultKind::CutStream { after: 1_000 },
            _ => FaultKind::TruncateJson,
        })
    }
}

impl FaultKind {
    /// The error answer of faults that keep the call from being carried out.
    pub(crate) fn refusal(&self, now_millis: i64) -> Option<Failure> {
        match self {
            Self::Throttle { retry_after } => {
                let failure = Failure::new(
                    429,
                    "TooManyRequests",
                    "Too many requests. Please try again later.",
                );
                Some(match retry_after {
                    RetryAfter::Absent => failure,
                    RetryAfter::Seconds(seconds) => {
                        failure.header("Retry-After", seconds.to_string())
                    }
                    RetryAfter::Fraction(text) => failure.header("Retry-After", text.clone()),
                    RetryAfter::Date(seconds) => {
                        let at = now_millis / 1000 + i64::from(*seconds);
                        let date = chrono::DateTime::from_timestamp(at, 0).unwrap_or_default();
                        failure.header(
                            "Retry-After",
                            date.format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
                        )
                    }
                })
            }
            Self::Error { status, code } => Some(Failure::new(
                *status,
                code,
                "The service failed on request.",
            )),
            Self::EmptyError { status } => {
                let mut failure = Failure::new(*status, "", "");
                failure.is_empty = true;
                Some(failure)
            }
            _ => None,
        }
    }
}
