//! A worker's part: from a message to a leased operation, its work, and its result.

mod begin;
mod carry;
mod finish;
mod keeper;

use std::sync::Arc;

use mailkeep_model::state::RetryPolicy;
use mailkeep_ports::{Queue, Receipt};

use super::{OperationMessage, OperationRecord, OperationSite, Operations};
use crate::StopSignal;
use crate::claim::Held;
use crate::ledger::{JobError, Ledger};
use crate::work::{WorkSettings, Worked};
use begin::Beginning;

/// Works on operations, for a worker. Cheap to clone.
#[derive(Clone)]
pub struct OperationWorker {
    operations: Operations,
    site: Arc<dyn OperationSite>,
    settings: WorkSettings,
    retry: RetryPolicy,
    name: String,
}

/// Work that has begun.
struct Begun {
    /// As it was written when the work began.
    operation: OperationRecord,
    held: Held,
}

impl OperationWorker {
    pub(crate) fn new(
        ledger: Ledger,
        queue: Arc<dyn Queue>,
        site: Arc<dyn OperationSite>,
        settings: WorkSettings,
        name: &str,
    ) -> Self {
        Self {
            operations: Operations::new(ledger, queue),
            site,
            settings,
            retry: RetryPolicy::default(),
            name: name.to_owned(),
        }
    }

    fn ledger(&self) -> &Ledger {
        self.operations.ledger()
    }

    /// Works on the operation of a message.
    pub(crate) async fn work_on(
        &self,
        message: &OperationMessage,
        receipt: &Receipt,
        stop: &StopSignal,
    ) -> Result<Worked, JobError> {
        match self.begin(message).await? {
            Beginning::Old => Ok(Worked::Skipped),
            Beginning::GivenBack => Ok(Worked::GivenBack),
            Beginning::Begun(begun) => self.carry_out(*begun, receipt, stop).await,
        }
    }
}
