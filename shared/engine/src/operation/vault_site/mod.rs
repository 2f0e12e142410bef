//! The site that plans and carries out operations on vaults and tenants.

mod archive;
mod export;
mod parts;
mod plan;
mod restore;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mailkeep_exchange::SourceError;
use mailkeep_model::FailureClass;
use mailkeep_model::state::Reason;
use mailkeep_ports::{Clock, RetryPolicy, RetryStore, Rng, Store};

use super::{
    Failure, FailureKind, Keeper, OperationAction, OperationSite, Places, PlanOrder, Planned,
    WorkEnd, WorkOrder, WorkState,
};
use crate::{EngineError, StopSignal};

pub(super) use parts::prefix;

/// How often planning looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(250);
/// Bytes of mail in one archive of an export. An archive is one object, and is in memory until it is
/// complete, together with one item.
const PART_BYTES: u64 = 32 << 20;

/// Plans and carries out operations.
pub struct VaultOperations {
    places: Arc<dyn Places>,
    exports: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    part_bytes: u64,
}

impl VaultOperations {
    /// Operations on what these places lead to; exports go into `exports`.
    #[must_use]
    pub fn new(
        places: Arc<dyn Places>,
        exports: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Self {
        let policy = RetryPolicy::default();
        let exports = Arc::new(RetryStore::new(exports, clock.clone(), rng, policy));
        Self {
            places,
            exports,
            clock,
            part_bytes: PART_BYTES,
        }
    }

    /// The same with smaller archives.
    #[must_use]
    pub fn with_part_bytes(self, part_bytes: u64) -> Self {
        let part_bytes = part_bytes.clamp(1, PART_BYTES);
        Self { part_bytes, ..self }
    }
}

#[async_trait]
impl OperationSite for VaultOperations {
    async fn plan(&self, order: &PlanOrder, stop: StopSignal) -> Result<Planned, Failure> {
        let plan = plan::plan(&*self.places, order);
        let stopped = async {
            while !stop.is_stopped() {
                self.clock.sleep(LOOK).await;
            }
        };
        futures::pin_mut!(plan, stopped);
        match futures::future::select(plan, stopped).await {
            futures::future::Either::Left((planned, _)) => planned,
            // Nothing was written, so that it can be begun anew.
            futures::future::Either::Right(_) => Err(Failure {
                kind: FailureKind::Stopped,
                message: String::new(),
            }),
        }
    }

    async fn carry_out(
        &self,
        order: &WorkOrder,
        keeper: Arc<dyn Keeper>,
        stop: StopSignal,
    ) -> (WorkEnd, WorkState) {
        match &order.request.action {
            OperationAction::Restore(action) => {
                restore::carry_out(&*self.places, order, action, keeper, stop).await
            }
            OperationAction::Export(action) => {
                let exports = export::Exports {
                    store: self.exports.clone(),
                    part_bytes: self.part_bytes,
                };
                export::carry_out(&*self.places, exports, order, action, keeper, stop).await
            }
        }
    }
}

impl Failure {
    /// Trying again is of no use.
    fn last(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::Final(reason),
            message: message.into(),
        }
    }
}

impl From<&SourceError> for Failure {
    fn from(error: &SourceError) -> Self {
        Self {
            kind: FailureKind::Class {
                class: error.class,
                retry_after: error.retry_after,
            },
            message: format!("{error}. {}", error.class.advice()),
        }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        Self::from(&error)
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match &error {
            EngineError::Source(error) => Self::from(error),
            EngineError::Sink(_) => Self {
                kind: FailureKind::Storage,
                message: error.to_string(),
            },
            EngineError::Vault(_) | EngineError::RunRecord { .. } => Self {
                kind: FailureKind::Class {
                    class: FailureClass::Vault,
                    retry_after: None,
                },
                message: error.to_string(),
            },
            _ => Self::last(Reason::NotFound, error.to_string()),
        }
    }
}
