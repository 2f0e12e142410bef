//! Calling hooks.

use std::sync::Arc;
use std::time::Duration;

use mailkeep_ports::{HookCall, HookFault, HookReport, HookRunner};
use tokio::sync::Semaphore;

use super::{HookAtWork, Phase, end_hook};
use crate::StopSignal;
use crate::ledger::{JobError, Ledger, Made, RunKey, Tries, Versioned, replace};

/// Hooks at work at once; others wait.
const AT_ONCE: usize = 32;
/// How often it is looked whether to stop.
const LOOK: Duration = Duration::from_secs(1);
/// How often a result is written down before it is given up, and after which waits.
const MOST_ATTEMPTS: u32 = 20;
const BETWEEN_ATTEMPTS: Duration = Duration::from_secs(15);

/// A hook that is to be called now. The planner has written down that it is; so it must be called, once.
#[derive(Clone, Debug)]
pub struct HookOrder {
    /// The cycle.
    pub run: RunKey,
    /// Before or after.
    pub phase: Phase,
    /// The call.
    pub call: HookCall,
    pub(crate) by: String,
}

/// Calls hooks and writes down what came of them.
pub struct HookCaller {
    ledger: Ledger,
    runner: Arc<dyn HookRunner>,
    lease: Duration,
    grace: Duration,
    places: Semaphore,
}

impl HookCaller {
    /// Calls by this runner. `lease` is for how long the planners take this process for alive without
    /// hearing of it; the same as theirs. When the process is to end, hooks at work have `grace` to end.
    #[must_use]
    pub fn new(
        ledger: Ledger,
        runner: Arc<dyn HookRunner>,
        lease: Duration,
        grace: Duration,
    ) -> Self {
        Self {
            ledger,
            runner,
            lease,
            grace,
            places: Semaphore::new(AT_ONCE),
        }
    }

    /// Calls a hook, and writes down what came of it.
    ///
    /// # Errors
    /// When the job database cannot be written for several minutes. The hook counts as one of which
    /// nobody knows how it ended then.
    pub async fn call(&self, order: &HookOrder, stop: &StopSignal) -> Result<(), JobError> {
        let report = {
            let run = async {
                // A semaphore that is never closed.
                let _place = self.places.acquire().await;
                self.runner.run(&order.call).await
            };
            let watch = self.watch(order, stop);
            futures::pin_mut!(run, watch);
            match futures::future::select(run, watch).await {
                futures::future::Either::Left((report, _)) => report,
                futures::future::Either::Right(((), _)) => HookReport {
                    fault: Some(HookFault::Interrupted),
                    ..HookReport::default()
                },
            }
        };
        if let Some(fault) = &report.fault {
            // Its output may hold anything, so it is not logged.
            tracing::warn!(hook = order.call.id, "a hook failed: {fault}");
        }
        let mut attempt = 1;
        loop {
            let (run, phase) = (&order.run, order.phase);
            match end_hook(&self.ledger, run, phase, &order.by, &report).await {
                Ok(()) => return Ok(()),
                Err(error) if attempt >= MOST_ATTEMPTS => return Err(error),
                Err(error) => {
                    tracing::warn!(hook = order.call.id, %error, "what came of a hook is not written down yet");
                    attempt += 1;
                    self.renew(order).await.unwrap_or_default();
                    self.ledger.clock().sleep(BETWEEN_ATTEMPTS).await;
                }
            }
        }
    }

    /// Renews the note of the call; returns when the hook is to be ended.
    async fn watch(&self, order: &HookOrder, stop: &StopSignal) {
        let clock = self.ledger.clock();
        let beat = self.lease / 3;
        let (mut renewed_at, mut stopped_at) = (clock.monotonic(), None);
        loop {
            clock.sleep(LOOK.min(beat)).await;
            let now = clock.monotonic();
            if stop.is_stopped() {
                let since = *stopped_at.get_or_insert(now);
                if now.saturating_sub(since) >= self.grace {
                    return;
                }
            }
            if now.saturating_sub(renewed_at) >= beat {
                match self.renew(order).await {
                    Ok(()) => renewed_at = now,
                    Err(error) => {
                        tracing::warn!(hook = order.call.id, %error, "the lease of a hook was not renewed");
                    }
                }
            }
        }
    }

    async fn renew(&self, order: &HookOrder) -> Result<(), JobError> {
        let key = order.run.hook_at_work(order.phase)?;
        let mut tries = Tries::new();
        loop {
            let note: Option<Versioned<HookAtWork>> = self.ledger.read(&key).await?;
            // Somebody took this process for lost: the hook goes on, its result is written down already.
            let Some(mut note) = note.filter(|note| note.value.by == order.by) else {
                return Ok(());
            };
            note.value.renew(self.ledger.clock().now(), self.lease);
            let write = replace(key.clone(), note.version, &note.value)?;
            if self.ledger.transact(vec![write], &mut tries).await? == Made::Yes {
                return Ok(());
            }
        }
    }
}
