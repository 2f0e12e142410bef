//! Who looked at what, searched, restored, exported or changed something, when and from where. Never
//! what is in mail.

use std::sync::Arc;

use chrono::{DateTime, Datelike as _, Months, NaiveDate, TimeDelta, Utc};
use http::StatusCode;
use mailkeep_ports::{Clock, Expect, ItemKey, Query, Table, TableError, TableErrorKind, Write};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::Principal;
use crate::problem::Problem;

/// How long entries are kept.
const KEPT: TimeDelta = TimeDelta::days(400);
/// Months that may hold entries that are kept.
const MONTHS: u32 = 15;
/// Tries of one write.
const TRIES: u32 = 4;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It was begun. When this stays, the process ended in between: it may have been done.
    Begun,
    /// It was done.
    Done,
    /// It was wrong, or could not be done in that state.
    Refused,
    /// Whoever sent it may not do that.
    Denied,
    /// It failed.
    Failed,
}

impl Outcome {
    pub(crate) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            0..400 => Self::Done,
            403 => Self::Denied,
            400..500 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

/// An entry of the audit log.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AuditEntry {
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// The request.
    pub(crate) request_id: String,
    /// Who.
    pub(crate) who: Principal,
    /// From which address; empty when that is not known.
    pub(crate) origin: String,
    /// The operation, as in the OpenAPI document.
    pub(crate) operation: String,
    /// What it was about.
    pub(crate) resource: String,
    /// What became of it.
    pub(crate) outcome: Outcome,
}

/// An entry before it is written.
#[derive(Clone, Debug)]
pub(crate) struct NewEntry {
    pub(crate) request: String,
    pub(crate) origin: String,
    pub(crate) who: Principal,
    pub(crate) operation: &'static str,
    pub(crate) resource: String,
}

/// An entry whose outcome is still to be told.
pub(crate) struct Told {
    entry: AuditEntry,
    key: ItemKey,
    version: u64,
}

/// One page, newest first.
pub(crate) struct AuditPage {
    pub(crate) entries: Vec<AuditEntry>,
    pub(crate) next: Option<String>,
}

/// The audit log.
pub(crate) struct AuditLog {
    table: Arc<dyn Table>,
    clock: Arc<dyn Clock>,
}

impl AuditLog {
    pub(crate) fn new(table: Arc<dyn Table>, clock: Arc<dyn Clock>) -> Self {
        Self { table, clock }
    }

    /// Tells of something that is over.
    pub(crate) async fn tell(&self, new: &NewEntry, outcome: Outcome) -> Result<(), Problem> {
        self.create(new, outcome).await.map(|_| ())
    }

    /// Tells of something that is about to be done.
    pub(crate) async fn begin(&self, new: &NewEntry) -> Result<Told, Problem> {
        self.create(new, Outcome::Begun).await
    }

    /// Tells what became of it.
    pub(crate) async fn end(&self, told: &mut Told, outcome: Outcome) -> Result<(), TableError> {
        told.entry.outcome = outcome;
        let body = encode(&told.entry);
        let expect = Expect::Version(told.version);
        self.put(told.key.clone(), expect, body, told.entry.at)
            .await
    }

    async fn create(&self, new: &NewEntry, outcome: Outcome) -> Result<Told, Problem> {
        let at = self.clock.now();
        let entry = AuditEntry {
            at,
            request_id: new.request.clone(),
            who: new.who.clone(),
            origin: new.origin.clone(),
            operation: new.operation.to_owned(),
            resource: new.resource.chars().take(2_000).collect(),
            outcome,
        };
        // The sender may choose the request's id and use it twice: the moment tells them apart.
        let nanos = at.timestamp_subsec_nanos();
        let sort = format!(
            "{:011}{nanos:09}/{}",
            at.timestamp().max(0),
            entry.request_id
        );
        let key = ItemKey::new(partition(at.date_naive()), sort)?;
        let written = self
            .put(key.clone(), Expect::Absent, encode(&entry), at)
            .await;
        match written {
            Ok(()) => Ok(Told {
                entry,
                key,
                version: 1,
            }),
            Err(error) => {
                tracing::error!(%error, "the audit log cannot be written");
                Err(Problem::busy(
                    "audit_unavailable",
                    "this is only done when it can be written to the audit log; try again",
                    std::time::Duration::from_secs(2),
                ))
            }
        }
    }

    async fn put(
        &self,
        key: ItemKey,
        expect: Expect,
        body: Vec<u8>,
        at: DateTime<Utc>,
    ) -> Result<(), TableError> {
        let write = Write::Put {
            key,
            expect,
            body: body.into(),
            expires_at: at.checked_add_signed(KEPT),
        };
        let mut is_unsure = false;
        for attempt in 1..=TRIES {
            match self.table.write(write.clone()).await {
                Ok(_) => return Ok(()),
                // Ours: nobody else writes under this request's id in this nanosecond.
                Err(error) if error.kind == TableErrorKind::Conflict && is_unsure => return Ok(()),
                Err(error) if error.is_retryable() && attempt < TRIES => {
                    is_unsure |= error.kind == TableErrorKind::Unavailable;
                    let wait = std::time::Duration::from_millis(50) * 2_u32.pow(attempt);
                    self.clock.sleep(wait).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One page, newest first. `after` is a mark of the page before.
    pub(crate) async fn page(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<AuditPage, Problem> {
        let now = self.clock.now();
        let (mut month, mut sort) = match after {
            None => (now.date_naive(), None),
            Some(mark) => {
                let wrong = || Problem::invalid_request("the cursor is none");
                let (month, sort) = mark.split_once(' ').ok_or_else(wrong)?;
                let first = NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d");
                let sort = (!sort.is_empty()).then(|| sort.to_owned());
                (first.map_err(|_| wrong())?, sort)
            }
        };
        let oldest = now.date_naive().checked_sub_months(Months::new(MONTHS));
        let oldest = oldest.unwrap_or_default();
        let mut entries = vec![];
        loop {
            let query = Query {
                after: sort.take(),
                ..Query::prefix(partition(month), "")
                    .limited(limit - entries.len())
                    .descending()
            };
            let page = self.table.query(&query).await?;
            for item in page.items.iter().filter(|item| !item.is_expired(now)) {
                let entry = serde_json::from_slice(&item.body)
                    .map_err(|_| Problem::bug("an entry of the audit log cannot be read"))?;
                entries.push(entry);
            }
            sort = page.next;
            if sort.is_none() {
                month = match month.checked_sub_months(Months::new(1)) {
                    Some(before) if before >= oldest => before,
                    _ => {
                        return Ok(AuditPage {
                            entries,
                            next: None,
                        });
                    }
                };
            }
            if entries.len() >= limit {
                let sort = sort.unwrap_or_default();
                let next = format!("{:04}-{:02} {sort}", month.year(), month.month());
                return Ok(AuditPage {
                    entries,
                    next: Some(next),
                });
            }
        }
    }
}

/// One partition a month, so that none grows without end.
fn partition(day: NaiveDate) -> String {
    format!("audit/{:04}-{:02}", day.year(), day.month())
}

fn encode(entry: &AuditEntry) -> Vec<u8> {
    // Plain text and numbers: this cannot fail.
    serde_json::to_vec(entry).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use mailkeep_ports::{MemoryTable, TestClock};

    use super::*;

    fn entry(number: usize) -> NewEntry {
        NewEntry {
            request: format!("r{number}"),
            origin: "192.0.2.1".into(),
            who: Principal {
                id: "key:a".into(),
                name: "a".into(),
                roles: BTreeSet::new(),
            },
            operation: "listItems",
            resource: "/v1/mailboxes/x/items".into(),
        }
    }

    #[tokio::test]
    async fn entries_are_listed_newest_first_across_months_and_for_400_days() {
        let start: DateTime<Utc> = "2025-12-31T23:00:00Z".parse().unwrap();
        let clock = Arc::new(TestClock::manual(start));
        let log = AuditLog::new(Arc::new(MemoryTable::new()), clock.clone());
        for number in 0..10 {
            let mut told = log.begin(&entry(number)).await.unwrap();
            if number != 9 {
                log.end(&mut told, Outcome::Done).await.unwrap();
            }
            clock.advance(Duration::from_secs(20 * 86_400));
        }
        let (mut found, mut after) = (vec![], None);
        loop {
            let page = log.page(after.as_deref(), 3).await.unwrap();
            assert!(page.entries.len() <= 3);
            found.extend(page.entries);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let ids: Vec<_> = found.iter().map(|it| it.request_id.as_str()).collect();
        assert_eq!(
            ids,
            ["r9", "r8", "r7", "r6", "r5", "r4", "r3", "r2", "r1", "r0"]
        );
        assert_eq!(found[0].outcome, Outcome::Begun);
        assert_eq!(found[1].outcome, Outcome::Done);
        clock.advance(Duration::from_secs(300 * 86_400));
        let page = log.page(None, 200).await.unwrap();
        assert_eq!(page.entries.last().unwrap().request_id, "r6");
    }
}
