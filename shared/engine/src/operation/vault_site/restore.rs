//! Carrying out a restore.

use std::sync::Arc;

use async_trait::async_trait;
use mailkeep_model::{FailureClass, SourceMailboxId};
use tokio::sync::Mutex;

use super::super::{
    Failure, FailureKind, Keeper, OperationCounts, Places, RestoreAction, WorkEnd, WorkOrder,
    WorkState,
};
use crate::cursor::Cursor;
use crate::restore::{
    self, Placement, RestoreKeeper, RestoreOutcome, RestoreRequest, RestoreSummary, Restored,
};
use crate::{EngineError, Quiet, StopSignal};

pub(super) async fn carry_out(
    places: &dyn Places,
    order: &WorkOrder,
    action: &RestoreAction,
    keeper: Arc<dyn Keeper>,
    stop: StopSignal,
) -> (WorkEnd, WorkState) {
    let notes = Arc::new(Notes {
        keeper,
        before: order.state.counts.clone(),
        state: Mutex::new((order.state.clone(), 0)),
    });
    let end = match restore(places, order, action, notes.clone(), stop).await {
        Ok(restored) => {
            let mut state = notes.state.lock().await;
            notes.take(&mut state, &restored.summary, &restored.cursor);
            end(restored)
        }
        // What was written down last is what is known.
        Err(failure) => WorkEnd::Failed(failure),
    };
    let state = notes.state.lock().await.0.clone();
    (end, state)
}

async fn restore(
    places: &dyn Places,
    order: &WorkOrder,
    action: &RestoreAction,
    keeper: Arc<Notes>,
    stop: StopSignal,
) -> Result<Restored, Failure> {
    let engine = places.vault(&order.request.storage).await?;
    let storage = &order.request.storage;
    let tenant = places.tenant(&action.connection, storage).await?;
    let pinned = order.pinned.target.as_ref();
    let pinned = pinned.filter(|pinned| pinned.realm == tenant.realm);
    let Some(pinned) = pinned else {
        return Err(Failure {
            kind: FailureKind::Class {
                class: FailureClass::Configuration,
                retry_after: None,
            },
            message: "the connection leads to another tenant now than when the restore was planned"
                .to_owned(),
        });
    };
    let mailbox = order.pinned.vault_mailbox.parse();
    let mailbox = mailbox.map_err(EngineError::from)?;
    let target = SourceMailboxId(pinned.mailbox.clone());
    let request = RestoreRequest {
        snapshot: order.pinned.sequence.to_string(),
        selection: order.request.selection.selection()?,
        placement: match &pinned.new_folder {
            Some(name) => Placement::NewFolder {
                name: Some(name.clone()),
            },
            None => Placement::Original,
        },
        below: action.below.clone(),
        on_conflict: action.on_conflict,
        use_export_streams: action.use_export_streams,
        ..RestoreRequest::new(mailbox, target)
    };
    let from = order.state.cursor.clone().unwrap_or_default();
    let observer = Arc::new(Quiet);
    let restored = restore::go_on(
        &engine,
        tenant.target,
        &request,
        from,
        keeper,
        observer,
        stop,
    );
    Ok(restored.await?)
}

fn end(restored: Restored) -> WorkEnd {
    match restored.summary.outcome {
        RestoreOutcome::Finished => WorkEnd::Done,
        RestoreOutcome::Stopped => WorkEnd::Stopped,
        RestoreOutcome::Failed { class, message, .. } => WorkEnd::Failed(Failure {
            kind: FailureKind::Class {
                class,
                retry_after: restored.retry_after,
            },
            message,
        }),
    }
}

/// Adds what is restored now to what was restored before.
struct Notes {
    keeper: Arc<dyn Keeper>,
    before: OperationCounts,
    /// What was written down, or will be next, and how many problems of the summary are in it.
    state: Mutex<(WorkState, usize)>,
}

impl Notes {
    fn take(&self, state: &mut (WorkState, usize), summary: &RestoreSummary, cursor: &Cursor) {
        let (state, problems) = state;
        let new = summary.problems.get(*problems..).unwrap_or_default();
        state.problems.problems.extend_from_slice(new);
        *problems = summary.problems.len();
        let dealt = summary.restored + summary.skipped + summary.already_there + summary.failed;
        let before = &self.before;
        state.counts = OperationCounts {
            items_done: before.items_done + dealt,
            created: before.created + summary.restored,
            replaced: before.replaced + summary.replaced,
            skipped: before.skipped + summary.skipped,
            already_there: before.already_there + summary.already_there,
            failed: before.failed + summary.failed,
            with_losses: before.with_losses + summary.with_losses,
            folders_created: before.folders_created + summary.folders_created,
            bytes: before.bytes + summary.bytes,
        };
        state.cursor = Some(cursor.clone());
    }
}

#[async_trait]
impl RestoreKeeper for Notes {
    async fn keep(&self, summary: &RestoreSummary, cursor: &Cursor) -> bool {
        let mut state = self.state.lock().await;
        self.take(&mut state, summary, cursor);
        self.keeper.keep(&mut state.0).await
    }
}
