//! Writes down how far the work on an operation has come, as long as it is ours.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::TimeDelta;
use mailkeep_ports::{Expect, Query, Write};

use super::super::id::PART;
use super::super::transition::Change;
use super::super::{ExportPart, Keeper, OperationId, OperationRecord, Problems, WorkState};
use super::Begun;
use crate::claim::Held;
use crate::ledger::{JobError, Ledger, Made, Tries, Versioned, until, write};

/// Parts written in one transaction.
pub(super) const PARTS: usize = 12;
/// For how long plans, problems and parts are kept: not shorter than their operation.
pub(super) const KEPT: TimeDelta = TimeDelta::days(500);
/// Problems that are kept, and bytes of each.
const MOST_PROBLEMS: usize = 300;
const MOST_PROBLEM_BYTES: usize = 300;

pub(super) struct LedgerKeeper {
    ledger: Ledger,
    held: Held,
    id: OperationId,
    dispatch: u32,
}

impl LedgerKeeper {
    pub(super) fn new(ledger: Ledger, begun: &Begun) -> Arc<Self> {
        Arc::new(Self {
            ledger,
            held: begun.held.clone(),
            id: begun.operation.id.clone(),
            dispatch: begun.operation.dispatch,
        })
    }

    /// Everything that a state changes, besides the operation itself.
    pub(super) async fn writes(&self, state: &WorkState) -> Result<Vec<Write>, JobError> {
        let mut writes = vec![];
        for part in &state.new_parts {
            writes.push(self.part(part).await?);
        }
        if !state.problems.problems.is_empty() {
            writes.push(self.problems(&state.problems).await?);
        }
        Ok(writes)
    }

    async fn part(&self, part: &ExportPart) -> Result<Write, JobError> {
        let key = self.id.part(part.number)?;
        // One may be there that an attempt wrote and could not count any more.
        let there: Option<Versioned<ExportPart>> = self.ledger.read(&key).await?;
        self.kept(write(key, there.map(|there| there.version), part)?)
    }

    async fn problems(&self, new: &Problems) -> Result<Write, JobError> {
        let key = self.id.problems()?;
        let there: Option<Versioned<Problems>> = self.ledger.read(&key).await?;
        let version = there.as_ref().map(|there| there.version);
        let mut all = there.map(|there| there.value).unwrap_or_default();
        for problem in &new.problems {
            let mut problem = problem.clone();
            for text in [&mut problem.message, &mut problem.folder] {
                *text = shortened(text, MOST_PROBLEM_BYTES);
            }
            if all.problems.len() < MOST_PROBLEMS && !all.problems.contains(&problem) {
                all.problems.push(problem);
            }
        }
        self.kept(write(key, version, &all)?)
    }

    pub(super) fn kept(&self, write: Write) -> Result<Write, JobError> {
        let at = self.ledger.clock().now().checked_add_signed(KEPT);
        Ok(until(write, at))
    }

    /// Parts before the last few, which go into the transaction of their operation.
    pub(super) async fn spill(&self, state: &mut WorkState) -> Result<bool, JobError> {
        let mut tries = Tries::new();
        while state.new_parts.len() > PARTS {
            let Some(lease) = self.held.read(&self.ledger).await? else {
                return Ok(false);
            };
            let mut writes = vec![Write::Check {
                key: self.held.key.clone(),
                expect: Expect::Version(lease.version),
            }];
            for part in state.new_parts.iter().take(PARTS) {
                writes.push(self.part(part).await?);
            }
            if self.ledger.transact(writes, &mut tries).await? == Made::Yes {
                state.new_parts.drain(..PARTS);
            }
        }
        Ok(true)
    }

    async fn try_keep(&self, state: &mut WorkState) -> Result<bool, JobError> {
        if !self.spill(state).await? {
            return Ok(false);
        }
        let mut tries = Tries::new();
        loop {
            let lease = self.held.read(&self.ledger).await?;
            let found = super::super::repository::find(&self.ledger, &self.id).await?;
            let found = found.filter(|it| it.value.is_out(self.dispatch));
            let (Some(lease), Some(found)) = (lease, found) else {
                return Ok(false);
            };
            let mut change = Change::of(found.clone());
            change.after.take(state);
            if change.after == found.value {
                // There is nothing new, or the answer to our own write was lost.
                state.clear();
                return Ok(true);
            }
            let mut writes = change.writes(self.ledger.clock().now())?;
            writes.push(Write::Check {
                key: self.held.key.clone(),
                expect: Expect::Version(lease.version),
            });
            writes.extend(self.writes(state).await?);
            if self.ledger.transact(writes, &mut tries).await? == Made::Yes {
                state.clear();
                return Ok(true);
            }
        }
    }
}

#[async_trait]
impl Keeper for LedgerKeeper {
    async fn keep(&self, state: &mut WorkState) -> bool {
        match self.try_keep(state).await {
            Ok(is_ours) => is_ours,
            Err(error) => {
                // Whoever goes on does more than needed, and nothing twice.
                tracing::warn!(%error, operation = %self.id, "how far an operation has come was not written down");
                true
            }
        }
    }

    async fn parts(&self, up_to: u32) -> Option<Vec<ExportPart>> {
        let read = async {
            let (mut parts, mut after) = (vec![], None);
            loop {
                let query = Query {
                    after,
                    ..Query::prefix(self.id.partition(), PART)
                };
                let page = self.ledger.list::<ExportPart>(&query).await?;
                let records = page.records.into_iter().map(|part| part.value);
                parts.extend(records.filter(|part| part.number <= up_to));
                after = page.next;
                if after.is_none() {
                    return Ok::<_, JobError>(parts);
                }
            }
        };
        match read.await {
            Ok(parts) => Some(parts),
            Err(error) => {
                tracing::warn!(%error, operation = %self.id, "the parts of an export could not be read");
                None
            }
        }
    }
}

impl WorkState {
    fn clear(&mut self) {
        self.new_parts.clear();
        self.problems.problems.clear();
    }
}

impl OperationRecord {
    /// It has come so far.
    pub(super) fn take(&mut self, state: &WorkState) {
        self.counts = state.counts.clone();
        self.cursor.clone_from(&state.cursor);
        self.parts = state.parts;
        self.part_bytes = state.part_bytes;
    }
}

/// At most so many bytes of a text.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default().to_owned()
}
