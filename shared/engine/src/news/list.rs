//! What there is to read.

use chrono::{DateTime, Utc};
use mailkeep_model::news::News;
use mailkeep_ports::Query;
use serde::{Deserialize, Serialize};

use super::records::{Envelope, LIST, TargetState, To, UNDELIVERED, decode};
use super::{Desk, NewsError};

/// One page of news, newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct NewsPage {
    /// The news.
    pub news: Vec<News>,
    /// Pass to get the next page; `None` at the end.
    pub next: Option<String>,
}

/// A message that some did not get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    /// Id of the message.
    pub id: String,
    /// When it was given up.
    pub at: DateTime<Utc>,
    /// Who did not get it, and why. For administrators only: it holds addresses.
    pub failures: Vec<(String, String)>,
}

impl Undelivered {
    pub(super) fn of(envelope: &Envelope, at: DateTime<Utc>) -> Option<Self> {
        let failures = envelope.targets.iter().filter_map(|target| {
            let TargetState::Failed(why) = &target.state else {
                return None;
            };
            let to = match &target.to {
                To::Mail(address) => address.clone(),
                To::Webhook(name) => format!("webhook {name}"),
                To::Topic(name) => format!("topic {name}"),
            };
            Some((to, why.clone()))
        });
        let failures: Vec<_> = failures.collect();
        (!failures.is_empty()).then(|| Self {
            id: envelope.id.clone(),
            at,
            failures,
        })
    }
}

impl Desk {
    /// News, newest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn news(&self, after: Option<String>, limit: usize) -> Result<NewsPage, NewsError> {
        let query = Query {
            after,
            ..Query::prefix(LIST, "").limited(limit).descending()
        };
        let page = self.table.query(&query).await?;
        let now = self.clock.now();
        let alive = page.items.iter().filter(|item| !item.is_expired(now));
        Ok(NewsPage {
            news: alive.map(decode).collect::<Result<_, _>>()?,
            next: page.next,
        })
    }

    /// Messages that some did not get, newest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn undelivered(&self, limit: usize) -> Result<Vec<Undelivered>, NewsError> {
        let query = Query::prefix(UNDELIVERED, "").limited(limit).descending();
        let page = self.table.query(&query).await?;
        let now = self.clock.now();
        let alive = page.items.iter().filter(|item| !item.is_expired(now));
        alive.map(decode).collect()
    }
}
