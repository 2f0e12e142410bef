//! Where operations are carried out: what workers need beside the job database.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mailkeep_exchange::{Source, SourceError, Target};
use mailkeep_model::FailureClass;
use mailkeep_model::state::Reason;

use super::{
    ExportPart, OperationCounts, OperationId, OperationPlan, OperationRequest, Pinned, PlanDetails,
    Problems,
};
use crate::cursor::Cursor;
use crate::{Engine, StopSignal};

/// Opens vaults and tenants by the names that requests have for them.
#[async_trait]
pub trait Places: Send + Sync + 'static {
    /// The vault of a storage.
    ///
    /// # Errors
    /// When there is none by that name, or it cannot be opened.
    async fn vault(&self, storage: &str) -> Result<Engine, SourceError>;

    /// The tenant or server behind a connection. Connections are kept in the vault of `storage`.
    ///
    /// # Errors
    /// When there is none by that name, or it cannot be opened.
    async fn tenant(&self, connection: &str, storage: &str) -> Result<TenantPlace, SourceError>;
}

/// A tenant or server that is open.
#[derive(Clone)]
pub struct TenantPlace {
    /// To read from.
    pub source: Arc<dyn Source>,
    /// To write to.
    pub target: Arc<dyn Target>,
    /// What ids of mailboxes are unique in.
    pub realm: String,
}

/// An operation to plan.
#[derive(Clone, Debug)]
pub struct PlanOrder {
    /// Which.
    pub id: OperationId,
    /// What was asked for.
    pub request: OperationRequest,
}

/// An operation to carry out.
#[derive(Clone, Debug)]
pub struct WorkOrder {
    /// Which.
    pub id: OperationId,
    /// What was asked for.
    pub request: OperationRequest,
    /// What the names in it mean.
    pub pinned: Pinned,
    /// What was done before, and where to go on.
    pub state: WorkState,
    /// Items and bytes that there are altogether.
    pub expected: (u64, u64),
    /// Tells apart all attempts at this operation: names of files of one are never those of another.
    pub attempt: u64,
}

/// How far an operation has come.
#[derive(Clone, Debug, Default)]
pub struct WorkState {
    /// What was done.
    pub counts: OperationCounts,
    /// Where to go on.
    pub cursor: Option<Cursor>,
    /// The number of parts of an export that are complete.
    pub parts: u32,
    /// The size of those parts.
    pub part_bytes: u64,
    /// Items that failed since the last time that this was written down.
    pub problems: Problems,
    /// Parts that were completed since then, in their order.
    pub new_parts: Vec<ExportPart>,
}

/// A plan that was made.
#[derive(Clone, Debug)]
pub struct Planned {
    /// What the names mean.
    pub pinned: Pinned,
    /// Figures.
    pub plan: OperationPlan,
    /// Its folders.
    pub details: PlanDetails,
}

/// Why work on an operation ended without being done.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What kind.
    pub kind: FailureKind,
    /// The cause in words. Holds no address and no subject.
    pub message: String,
}

/// What kind of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// Of the target, the source or the vault.
    Class {
        /// The class.
        class: FailureClass,
        /// How long the service asks to wait.
        retry_after: Option<Duration>,
    },
    /// The store of exports; it may pass.
    Storage,
    /// Trying again is of no use.
    Final(Reason),
    /// It was told to stop.
    Stopped,
}

/// How work on an operation ended.
#[derive(Clone, Debug)]
pub enum WorkEnd {
    /// All is dealt with.
    Done,
    /// Stopped on request.
    Stopped,
    /// It failed.
    Failed(Failure),
}

/// Writes down how far the work has come.
#[async_trait]
pub trait Keeper: Send + Sync {
    /// Writes it down; then `problems` and `new_parts` are empty. `false` when somebody else has the
    /// operation now: the work is to end, and its result will not be taken.
    async fn keep(&self, state: &mut WorkState) -> bool;

    /// The parts of an export that were written down, up to this number; `None` when they cannot be
    /// read.
    async fn parts(&self, up_to: u32) -> Option<Vec<ExportPart>>;
}

/// Plans operations and carries them out. [`VaultOperations`](super::VaultOperations) does so;
/// simulations have others.
#[async_trait]
pub trait OperationSite: Send + Sync + 'static {
    /// Finds out what an operation would do. Writes nothing.
    async fn plan(&self, order: &PlanOrder, stop: StopSignal) -> Result<Planned, Failure>;

    /// Carries an operation out until it is done or told to stop, and returns what was done altogether.
    /// Writes down how far it is every now and then, and whenever something could not be found again by
    /// looking at what is there.
    async fn carry_out(
        &self,
        order: &WorkOrder,
        keeper: Arc<dyn Keeper>,
        stop: StopSignal,
    ) -> (WorkEnd, WorkState);
}
