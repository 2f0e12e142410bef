//! Operations: restores and exports that somebody asks for and that workers carry out over the queue.
//!
//! An operation is planned first (what would be created, skipped and replaced), waits for somebody to
//! confirm the plan unless that was done beforehand, and is then carried out. It outlives every process:
//! what was done is written down as it goes, so that whoever takes it up again goes on from there.
//!
//! [`Operations`] is for those who ask: it makes, confirms, cancels and lists. Workers and planners of
//! [`work`](crate::work) and [`plan`](crate::plan) do the rest.

mod commands;
mod error;
mod event;
mod id;
mod link;
mod message;
mod record;
mod repository;
mod request;
mod site;
mod tend;
mod transition;
mod vault_site;
mod worker;

#[cfg(test)]
mod tests;

pub use error::OperationError;
pub use event::{OperationEvent, OperationEventRecord};
pub use id::OperationId;
pub use link::PartLink;
pub use message::OperationMessage;
pub use record::{
    Act, ExportPart, OperationCounts, OperationPlan, OperationRecord, Phase, Pinned, PinnedTarget,
    PlanDetails, Problems,
};
pub use repository::Operations;
pub use request::{
    ExportAction, ItemSelection, NewOperation, OperationAction, OperationKind, OperationRequest,
    RestoreAction,
};
pub use site::{
    Failure, FailureKind, Keeper, OperationSite, Places, PlanOrder, Planned, TenantPlace, WorkEnd,
    WorkOrder, WorkState,
};
pub(crate) use tend::{Tender, bury};
pub use vault_site::VaultOperations;
pub use worker::OperationWorker;
