//! Hooks of jobs, as far as there are any on AWS.

use std::sync::Arc;

use async_trait::async_trait;
use mailkeep_local::LocalHooks;
use mailkeep_ports::{Clock, HookCall, HookFault, HookReport, HookRunner, HookTarget};

/// Posts to webhooks. Programs are not run: there are none in a function, and whoever may edit jobs must not
/// get what its role may do.
pub(crate) struct Webhooks(LocalHooks);

impl Webhooks {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self(LocalHooks::new(clock))
    }
}

#[async_trait]
impl HookRunner for Webhooks {
    async fn run(&self, call: &HookCall) -> HookReport {
        match call.target {
            HookTarget::Webhook(_) => self.0.run(call).await,
            HookTarget::Exec(_) => HookReport {
                fault: Some(HookFault::CannotStart(
                    "programs are not run on AWS; use a webhook".to_owned(),
                )),
                ..HookReport::default()
            },
        }
    }
}
