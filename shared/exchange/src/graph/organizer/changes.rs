//! Days of a restored series that differ from the others.

use chrono::{DateTime, Duration, Utc};
use mailkeep_model::SourceMailboxId;
use reqwest::Method;
use serde_json::Value;

use super::event::Change;
use crate::SourceError;
use crate::graph::call::Call;
use crate::graph::client::GraphClient;
use crate::graph::error_map::{Asked, Operation};
use crate::graph::message_json::{Object, text, time};

const LIST: Operation = Operation::new(
    "list occurrences of a series",
    Asked::Item,
    "Calendars.ReadWrite",
);
const CHANGE: Operation =
    Operation::new("change an occurrence", Asked::Item, "Calendars.ReadWrite");
const DELETE: Operation =
    Operation::new("delete an occurrence", Asked::Item, "Calendars.ReadWrite");

/// Days that are changed one by one, at most.
const MOST: usize = 1_000;
/// So far from its time an occurrence may be.
const MOST_MINUTES: i64 = 120;

impl GraphClient {
    /// Makes days of a new series differ, as they did; gives what could not be done. Nobody is told, for
    /// the series has no attendees.
    pub(crate) async fn change_days(
        &self,
        mailbox: &SourceMailboxId,
        series: &str,
        changes: &[Change],
    ) -> Result<Vec<String>, SourceError> {
        let mut missed = changes.len().saturating_sub(MOST);
        for change in changes.iter().take(MOST) {
            let original = match change {
                Change::Deleted(at) | Change::Changed(at, _) => *at,
            };
            let Some(id) = self.day(mailbox, series, original).await? else {
                missed += 1;
                continue;
            };
            let path = ["events", id.as_str()];
            let url = self.links.user(mailbox.as_str(), &path, &[]);
            let call = match change {
                Change::Deleted(_) => Call {
                    method: Method::DELETE,
                    ..Call::get(&DELETE, Some(mailbox), url)
                },
                Change::Changed(_, what) => {
                    let body = Value::Object(what.clone());
                    Call::write(&CHANGE, mailbox, Method::PATCH, url, &body).replayable()
                }
            };
            match self.send(&call).await {
                Ok(_) => {}
                Err(error) if error.class == mailkeep_model::FailureClass::ItemGone => {}
                Err(error) if error.class == mailkeep_model::FailureClass::RequestBug => {
                    missed += 1
                }
                Err(error) => return Err(error),
            }
        }
        Ok(match missed {
            0 => vec![],
            missed => vec![format!(
                "{missed} days of the series that were changed or deleted are as the others again"
            )],
        })
    }

    /// The occurrence that was at this time.
    async fn day(
        &self,
        mailbox: &SourceMailboxId,
        series: &str,
        original: DateTime<Utc>,
    ) -> Result<Option<String>, SourceError> {
        let bound = |days: i64| (original + Duration::days(days)).format("%Y-%m-%dT%H:%M:%SZ");
        let (from, to) = (bound(-2).to_string(), bound(2).to_string());
        let query = [
            ("startDateTime", from.as_str()),
            ("endDateTime", to.as_str()),
            ("$select", "id,start,originalStart"),
            ("$top", "100"),
        ];
        let path = ["events", series, "instances"];
        let url = self.links.user(mailbox.as_str(), &path, &query);
        let all = self.listed(&LIST, mailbox, url).await?;
        // The hour may be told in summer time and meant in winter time.
        let away = |one: &Object| {
            let begins = super::place_in_time(one.get("start"));
            let at = time(one.get("originalStart")).or(begins)?;
            let minutes = (at - original).num_minutes().abs();
            (minutes <= MOST_MINUTES).then_some(minutes)
        };
        let near = all.iter().filter_map(|one| Some((away(one)?, one)));
        let nearest = near.min_by_key(|(minutes, _)| *minutes);
        Ok(nearest.map(|(_, one)| text(one, "id")))
    }
}
