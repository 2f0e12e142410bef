//! Hooks: programs of this machine, and addresses that are posted to.

mod exec;
mod output;
mod post;

use std::sync::Arc;

use async_trait::async_trait;
use mailkeep_ports::{Clock, HookCall, HookReport, HookRunner, HookTarget};

/// Runs hooks on this machine.
///
/// A program gets nothing of our environment but `PATH`, `HOME`, `USER`, `LANG`, `LC_ALL`, `TZ` and
/// `TMPDIR`: our own holds secrets. It runs in a group of processes of its own, and what is left of the
/// group when it ends is killed. At its timeout the group is asked to end (`SIGTERM`), and killed three
/// seconds later.
///
/// A webhook gets a JSON object. It is posted once, is not signed, and no redirect is followed.
pub struct LocalHooks {
    clock: Arc<dyn Clock>,
}

impl LocalHooks {
    /// Hooks by this clock.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

#[async_trait]
impl HookRunner for LocalHooks {
    async fn run(&self, call: &HookCall) -> HookReport {
        match &call.target {
            HookTarget::Exec(words) => exec::run(&*self.clock, words, call).await,
            HookTarget::Webhook(address) => post::run(&*self.clock, address, call).await,
        }
    }
}
