//! Making and finding operations.

use std::sync::Arc;

use mailkeep_model::state::State;
use mailkeep_ports::queue::Outgoing;
use mailkeep_ports::{Query, Queue};
use mailkeep_vault::Ulid;

use super::id::{EVENT, OPERATIONS, PART, RECORD};
use super::transition::birth;
use super::{
    ExportPart, NewOperation, OperationCounts, OperationError, OperationEventRecord, OperationId,
    OperationMessage, OperationRecord, Phase, PlanDetails, Problems,
};
use crate::ledger::{JobError, Ledger, Made, RecordPage, Tries, Versioned};

/// The operations of one job database. Cheap to clone.
#[derive(Clone)]
pub struct Operations {
    pub(super) ledger: Ledger,
    pub(super) queue: Arc<dyn Queue>,
}

impl Operations {
    /// The operations in this database, handed to workers over this queue: that of the tasks.
    #[must_use]
    pub fn new(ledger: Ledger, queue: Arc<dyn Queue>) -> Self {
        Self { ledger, queue }
    }

    /// The job database.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Makes an operation and has it planned.
    ///
    /// # Errors
    /// `Invalid` with everything that is wrong; `IdTaken` when another request has the id.
    pub async fn create(&self, new: NewOperation) -> Result<OperationRecord, OperationError> {
        new.check().map_err(OperationError::Invalid)?;
        let ledger = &self.ledger;
        let now = ledger.clock().now();
        let fresh = || OperationId(Ulid::new(&**ledger.clock(), &**ledger.rng()).to_string());
        let mut operation = OperationRecord {
            id: new.id.clone().unwrap_or_else(fresh),
            request: new.request,
            asked_by: new.asked_by,
            purpose: new.purpose,
            created_at: now,
            confirms_itself: new.is_confirmed,
            phase: Phase::Plan,
            state: State::Queued,
            confirmed: None,
            cancelled: None,
            pinned: None,
            plan: None,
            counts: OperationCounts::default(),
            cursor: None,
            parts: 0,
            part_bytes: 0,
            message: String::new(),
            dispatch: 0,
            is_out: false,
            sent_at: None,
            starts: 0,
            failures: 0,
            was_held: false,
            look_at: None,
            started_at: None,
            ended_at: None,
            link_until: None,
            has_files: false,
        };
        operation.hand_out(now);
        let writes = birth(&operation)?;
        let mut tries = Tries::new();
        loop {
            if ledger.transact(writes.clone(), &mut tries).await? == Made::Yes {
                self.send(&operation).await;
                return Ok(operation);
            }
            let Some(there) = self.find(&operation.id).await? else {
                continue;
            };
            let there = there.value;
            let is_same =
                there.request == operation.request && there.asked_by == operation.asked_by;
            if !is_same {
                return Err(OperationError::IdTaken { id: operation.id });
            }
            // The answer was lost, or it was made under this id before.
            if there.dispatch == operation.dispatch {
                self.send(&there).await;
            }
            return Ok(there);
        }
    }

    /// Sends the message of an operation that was handed out. When that fails, a planner does it later.
    pub(super) async fn send(&self, operation: &OperationRecord) {
        let message = OperationMessage {
            operation: operation.id.clone(),
            dispatch: operation.dispatch,
        };
        let sent = match message.encode() {
            Ok(body) => self.queue.send(vec![Outgoing::now(body)]).await,
            Err(error) => return tracing::error!(%error, "a message could not be written"),
        };
        if let Err(error) = sent {
            tracing::warn!(%error, operation = %operation.id, "the message of an operation was not sent; a planner sends it later");
        }
    }

    pub(super) async fn find(
        &self,
        id: &OperationId,
    ) -> Result<Option<Versioned<OperationRecord>>, JobError> {
        find(&self.ledger, id).await
    }

    /// The operation.
    ///
    /// # Errors
    /// `NoSuchOperation`.
    pub async fn get(
        &self,
        id: &OperationId,
    ) -> Result<Versioned<OperationRecord>, OperationError> {
        let missing = || OperationError::NoSuchOperation {
            wanted: id.to_string(),
        };
        if !id.is_well_formed() {
            return Err(missing());
        }
        self.find(id).await?.ok_or_else(missing)
    }

    /// Operations, newest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<RecordPage<Versioned<OperationRecord>>, OperationError> {
        let query = Query {
            after,
            ..Query::prefix(OPERATIONS, RECORD)
                .limited(limit)
                .descending()
        };
        Ok(self.ledger.list(&query).await?)
    }

    /// What happened to an operation, newest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn events(
        &self,
        id: &OperationId,
        after: Option<String>,
        limit: usize,
    ) -> Result<RecordPage<Versioned<OperationEventRecord>>, OperationError> {
        let query = Query {
            after,
            ..Query::prefix(id.partition(), EVENT)
                .limited(limit)
                .descending()
        };
        Ok(self.ledger.list(&query).await?)
    }

    /// The folders of an operation's plan; empty before it is made.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn plan(&self, id: &OperationId) -> Result<PlanDetails, OperationError> {
        let read: Option<Versioned<PlanDetails>> = self.ledger.read(&id.plan()?).await?;
        Ok(read.map(|read| read.value).unwrap_or_default())
    }

    /// The items that failed or lost something.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn problems(&self, id: &OperationId) -> Result<Problems, OperationError> {
        let read: Option<Versioned<Problems>> = self.ledger.read(&id.problems()?).await?;
        Ok(read.map(|read| read.value).unwrap_or_default())
    }

    /// The parts of an export that are complete, in their order.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn parts(
        &self,
        id: &OperationId,
        after: Option<String>,
        limit: usize,
    ) -> Result<RecordPage<Versioned<ExportPart>>, OperationError> {
        let query = Query {
            after,
            ..Query::prefix(id.partition(), PART).limited(limit)
        };
        Ok(self.ledger.list(&query).await?)
    }
}

/// The operation, if there is one.
pub(super) async fn find(
    ledger: &Ledger,
    id: &OperationId,
) -> Result<Option<Versioned<OperationRecord>>, JobError> {
    ledger.read(&id.record()?).await
}
