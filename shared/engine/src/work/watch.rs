//! While a task is worked on: keep the lease and the message, and stop the work when it must.

use chrono::TimeDelta;
use mailkeep_ports::Receipt;
use std::time::Duration;

use super::Worker;
use super::begin::Begun;
use crate::StopSignal;
use crate::ledger::JobError;
use crate::run::WorkTime;

impl Worker {
    /// Renews lease and message until the work is to stop; then it asks for that and returns.
    pub(super) async fn watch(
        &self,
        begun: &Begun,
        receipt: &Receipt,
        parent: &StopSignal,
        own: &StopSignal,
    ) {
        let clock = self.ledger().clock();
        let mut renewed_at = clock.monotonic();
        loop {
            let wait = self.pause(begun);
            clock.sleep(wait).await;
            if parent.is_stopped() {
                // The child stops with it. The lease is still renewed while work is being ended.
                own.stop();
            }
            let (lease, progress) = (self.settings.lease, begun.order.gauge.read());
            match begun.lease.renew(self.ledger(), lease, progress).await {
                Ok(true) => renewed_at = clock.monotonic(),
                Ok(false) => return own.stop(),
                Err(error) => {
                    tracing::warn!(%error, "the lease of a mailbox was not renewed");
                    // Others may take the mailbox now; they will be served first.
                    if clock.monotonic().saturating_sub(renewed_at) >= self.settings.lease {
                        return own.stop();
                    }
                }
            }
            // Of no use when the message came back meanwhile: whoever has it finds the lease.
            let _ = self.queue.extend(receipt, self.settings.lease).await;
            match self.must_stop(begun).await {
                Ok(true) => own.stop(),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the state of a run could not be read"),
            }
        }
    }

    /// Until the next look: a third of the lease and not longer than others may wait for news of how far
    /// it is, or the end of the activity period.
    fn pause(&self, begun: &Begun) -> Duration {
        let beat = (self.settings.lease / 3).min(self.settings.beat);
        let now = self.ledger().clock().now();
        let left = begun.until.map(|until| until - now);
        let left = left.filter(|left| *left > TimeDelta::zero());
        left.and_then(|left| left.to_std().ok())
            .map_or(beat, |left| beat.min(left))
            .max(Duration::from_millis(1))
    }

    async fn must_stop(&self, begun: &Begun) -> Result<bool, JobError> {
        let Some(run) = self.ledger().run(&begun.task.run).await? else {
            return Ok(true);
        };
        let now = self.ledger().clock().now();
        let time = WorkTime::of(&run.value, &begun.order.definition, now);
        Ok(!run.value.may_work() || !time.is_open())
    }
}
