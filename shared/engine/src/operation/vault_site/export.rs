//! Carrying out an export.

use std::sync::Arc;

use mailkeep_ports::Store;

use super::super::{ExportAction, Failure, Keeper, Places, WorkEnd, WorkOrder, WorkState};
use super::parts::PartSink;
use crate::export::{self, ExportFormat, ExportRequest};
use crate::restore::RestoreOutcome;
use crate::{EngineError, Quiet, StopSignal};

/// Where exports go.
pub(super) struct Exports {
    pub(super) store: Arc<dyn Store>,
    pub(super) part_bytes: u64,
}

pub(super) async fn carry_out(
    places: &dyn Places,
    exports: Exports,
    order: &WorkOrder,
    action: &ExportAction,
    keeper: Arc<dyn Keeper>,
    stop: StopSignal,
) -> (WorkEnd, WorkState) {
    let from = order.state.cursor.clone().unwrap_or_default();
    let is_in_folder = from.page.is_some() || !from.done.is_empty();
    let mut sink = PartSink::new(
        exports.store,
        keeper,
        order,
        exports.part_bytes,
        is_in_folder && action.format == ExportFormat::Mbox,
    );
    let end = match export(places, order, action, &mut sink, stop).await {
        Ok(end) => end,
        Err(failure) => WorkEnd::Failed(failure),
    };
    (end, sink.into_state())
}

async fn export(
    places: &dyn Places,
    order: &WorkOrder,
    action: &ExportAction,
    sink: &mut PartSink<'_>,
    stop: StopSignal,
) -> Result<WorkEnd, Failure> {
    let engine = places.vault(&order.request.storage).await?;
    let mailbox = order.pinned.vault_mailbox.parse();
    let request = ExportRequest {
        mailbox: mailbox.map_err(EngineError::from)?,
        snapshot: order.pinned.sequence.to_string(),
        selection: order.request.selection.selection()?,
        format: action.format,
    };
    let from = order.state.cursor.clone().unwrap_or_default();
    let exported = export::go_on(&engine, &request, from, sink, Arc::new(Quiet), stop).await?;
    let settled = sink.settle(&exported.summary, &exported.cursor).await;
    settled.map_err(EngineError::from)?;
    if exported.summary.outcome != RestoreOutcome::Finished {
        return Ok(WorkEnd::Stopped);
    }
    sink.conclude().await.map_err(EngineError::from)?;
    Ok(WorkEnd::Done)
}
