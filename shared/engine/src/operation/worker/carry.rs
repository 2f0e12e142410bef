//! While an operation is worked on: keep the lease and the message, and stop the work when it must.

use std::sync::Arc;
use std::time::Duration;

use mailkeep_model::state::State;
use mailkeep_ports::Receipt;

use super::super::{Phase, PlanOrder, WorkOrder, WorkState};
use super::finish::Work;
use super::keeper::LedgerKeeper;
use super::{Begun, OperationWorker};
use crate::StopSignal;
use crate::ledger::JobError;
use crate::work::Worked;

/// How often a worker looks whether somebody cancelled.
const LOOK: Duration = Duration::from_secs(10);

impl OperationWorker {
    pub(super) async fn carry_out(
        &self,
        begun: Begun,
        receipt: &Receipt,
        stop: &StopSignal,
    ) -> Result<Worked, JobError> {
        let own = stop.child();
        let keeper = LedgerKeeper::new(self.ledger().clone(), &begun);
        let work = {
            let work = self.work(&begun, keeper.clone(), own.clone());
            let watch = self.watch(&begun, receipt, stop, &own);
            futures::pin_mut!(work, watch);
            match futures::future::select(work, watch).await {
                futures::future::Either::Left((work, _)) => work,
                futures::future::Either::Right(((), work)) => work.await,
            }
        };
        self.finish(&begun, &keeper, work).await
    }

    async fn work(&self, begun: &Begun, keeper: Arc<LedgerKeeper>, stop: StopSignal) -> Work {
        let operation = &begun.operation;
        let (id, request) = (operation.id.clone(), operation.request.clone());
        let (Phase::Work, Some(pinned)) = (operation.phase, operation.pinned.clone()) else {
            let order = PlanOrder { id, request };
            return Work::Plan(self.site.plan(&order, stop).await);
        };
        let plan = operation.plan.as_ref();
        let order = WorkOrder {
            id,
            request,
            pinned,
            state: WorkState {
                counts: operation.counts.clone(),
                cursor: operation.cursor.clone(),
                parts: operation.parts,
                part_bytes: operation.part_bytes,
                ..WorkState::default()
            },
            expected: plan.map_or((0, 0), |plan| (plan.items, plan.bytes)),
            attempt: self.attempt(begun),
        };
        let (end, state) = self.site.carry_out(&order, keeper, stop).await;
        Work::Done(end, Box::new(state))
    }

    /// The epoch of an operation's own lease grows with each attempt. That of a mailbox does, too.
    fn attempt(&self, begun: &Begun) -> u64 {
        begun.held.epoch
    }

    /// Renews lease and message until the work is to stop; then it asks for that and returns.
    async fn watch(&self, begun: &Begun, receipt: &Receipt, parent: &StopSignal, own: &StopSignal) {
        let clock = self.ledger().clock();
        let mut renewed_at = clock.monotonic();
        let beat = self.settings.lease / 3;
        let look = LOOK.min(beat).max(Duration::from_millis(1));
        loop {
            clock.sleep(look).await;
            if parent.is_stopped() {
                // The child stops with it. The lease is still renewed while work is being ended.
                own.stop();
            }
            if clock.monotonic().saturating_sub(renewed_at) >= beat {
                match begun
                    .held
                    .renew(self.ledger(), self.settings.lease, None)
                    .await
                {
                    Ok(true) => renewed_at = clock.monotonic(),
                    Ok(false) => return own.stop(),
                    Err(error) => {
                        tracing::warn!(%error, "the lease of an operation was not renewed");
                        // Others may take it now; they will be served first.
                        if clock.monotonic().saturating_sub(renewed_at) >= self.settings.lease {
                            return own.stop();
                        }
                    }
                }
                // Of no use when the message came back meanwhile: whoever has it finds the lease.
                let _ = self
                    .operations
                    .queue
                    .extend(receipt, self.settings.lease)
                    .await;
            }
            match self.operations.find(&begun.operation.id).await {
                Ok(Some(found)) if found.value.state != State::Stopping => {}
                Ok(_) => own.stop(),
                Err(error) => tracing::warn!(%error, "an operation could not be read"),
            }
        }
    }
}
