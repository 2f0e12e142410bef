//! What is kept of news, and where.

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_model::news::{Document, News, Report, Tone, Track, write_news, write_report};
use mailkeep_ports::{Item, ItemKey, Message, NotifyErrorKind, Recipient};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{NewsError, NewsEvent};

pub(super) const INBOX: &str = "news-inbox";
pub(super) const LIST: &str = "news";
pub(super) const OUTBOX: &str = "news-outbox";
pub(super) const UNDELIVERED: &str = "news-undelivered";
const JOBS: &str = "news-jobs";

/// How long news are listed.
pub(super) const KEPT: TimeDelta = TimeDelta::days(400);

/// Most pieces of news in one message; more are counted.
pub(super) const MAX_ENTRIES: usize = 200;

/// A message that is not delivered to everybody yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Envelope {
    pub(super) id: String,
    pub(super) news: Vec<News>,
    /// Pieces of news beyond those.
    pub(super) more: u64,
    /// Instead of news.
    pub(super) report: Option<Report>,
    pub(super) targets: Vec<Target>,
    /// When it was due for the first time.
    pub(super) first_due_at: DateTime<Utc>,
    /// When it is tried next.
    pub(super) due_at: DateTime<Utc>,
    /// Failed rounds of delivery.
    pub(super) attempts: u32,
    pub(super) lease: Option<Lease>,
}

/// Somebody who is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Target {
    pub(super) to: To,
    pub(super) state: TargetState,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum To {
    Mail(String),
    Webhook(String),
    Topic(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum TargetState {
    /// With the last failure.
    Waiting(Option<String>),
    Delivered,
    /// For good, with the failure.
    Failed(String),
}

/// Somebody is delivering it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    pub(super) by: String,
    pub(super) until: DateTime<Utc>,
}

impl Target {
    pub(super) fn new(to: To) -> Self {
        Self {
            to,
            state: TargetState::Waiting(None),
        }
    }

    pub(super) fn recipient(&self) -> Recipient {
        match &self.to {
            To::Mail(address) => Recipient::Mail(address.clone()),
            To::Webhook(name) => Recipient::Webhook(name.clone()),
            To::Topic(name) => Recipient::Topic(name.clone()),
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, TargetState::Waiting(_))
    }
}

impl Envelope {
    pub(super) fn message(&self) -> Result<Message, NewsError> {
        let (written, document) = match &self.report {
            Some(report) => {
                let news = std::slice::from_ref(&report.news);
                (
                    write_report(report),
                    Document::new(&self.id, self.first_due_at, news),
                )
            }
            None => (
                write_news(&self.news, self.more),
                Document::new(&self.id, self.first_due_at, &self.news),
            ),
        };
        let json = serde_json::to_string(&document);
        Ok(Message {
            id: self.id.clone(),
            at: self.first_due_at,
            subject: written.subject,
            text: written.text,
            json: json.map_err(|cause| NewsError::Bug(cause.to_string()))?,
        })
    }

    /// Adds a piece of news.
    pub(super) fn add(&mut self, news: News) {
        if self.news.len() < MAX_ENTRIES {
            self.news.push(news);
        } else {
            self.more += 1;
        }
    }
}

/// Why a delivery failed, in words that hold no address.
pub(super) fn failure_code(kind: NotifyErrorKind) -> &'static str {
    match kind {
        NotifyErrorKind::Busy => "busy",
        NotifyErrorKind::Unreachable => "unreachable",
        NotifyErrorKind::Denied => "denied",
        NotifyErrorKind::BadAddress => "bad_address",
        _ => "refused",
    }
}

fn moment(at: DateTime<Utc>) -> String {
    format!("{:015}", at.timestamp_millis().max(0))
}

pub(super) fn inbox(event: &NewsEvent) -> Result<ItemKey, NewsError> {
    Ok(ItemKey::new(
        INBOX,
        format!("{}/{}", moment(event.at), event.id),
    )?)
}

pub(super) fn listed(event: &NewsEvent) -> Result<ItemKey, NewsError> {
    Ok(ItemKey::new(
        LIST,
        format!("{}/{}", moment(event.at), event.id),
    )?)
}

pub(super) fn job(event: &NewsEvent) -> Result<ItemKey, NewsError> {
    let track = match event.happening.track() {
        Track::Runs => "runs",
        Track::Hooks => "hooks",
    };
    Ok(ItemKey::new(JOBS, format!("{}/{track}", event.job))?)
}

pub(super) fn outbox(id: &str) -> Result<ItemKey, NewsError> {
    Ok(ItemKey::new(OUTBOX, format!("one/{id}"))?)
}

/// What is collected for one moment.
pub(super) fn collected(tone: Tone, due_at: DateTime<Utc>) -> Result<ItemKey, NewsError> {
    let tone = match tone {
        Tone::Good => "good",
        Tone::Bad => "bad",
    };
    Ok(ItemKey::new(OUTBOX, format!("{tone}/{}", moment(due_at)))?)
}

pub(super) fn undelivered(at: DateTime<Utc>, id: &str) -> Result<ItemKey, NewsError> {
    Ok(ItemKey::new(UNDELIVERED, format!("{}/{id}", moment(at)))?)
}

pub(super) fn encode<T: Serialize>(record: &T) -> Result<Vec<u8>, NewsError> {
    serde_json::to_vec(record).map_err(|cause| NewsError::Bug(cause.to_string()))
}

pub(super) fn decode<T: DeserializeOwned>(item: &Item) -> Result<T, NewsError> {
    serde_json::from_slice(&item.body).map_err(|cause| NewsError::Corrupt {
        key: item.key.to_string(),
        cause: cause.to_string(),
    })
}
