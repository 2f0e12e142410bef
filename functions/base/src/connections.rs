//! Connections of a vault that is opened when one is asked for.

use async_trait::async_trait;
use mailkeep_engine::Engine;
use mailkeep_engine::operation::{Places, TenantPlace};
use mailkeep_engine::work::{Connections, Workplace};
use mailkeep_exchange::SourceError;
use mailkeep_model::FailureClass;
use mailkeep_setup::VaultConnections;
use tokio::sync::OnceCell;

use crate::Context;

/// What jobs call the vault when nothing else is set.
const STORAGE: &str = "main";

/// The connections in the vault. It is opened for the first one, so that a new stack, whose vault nobody
/// made yet, runs without errors, and an invocation that has nothing to do asks for no key.
pub struct LateConnections {
    context: Context,
    open: OnceCell<VaultConnections>,
}

impl LateConnections {
    /// The connections in the vault of this function.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self {
            context,
            open: OnceCell::new(),
        }
    }

    async fn known(&self) -> Result<&VaultConnections, SourceError> {
        self.open.get_or_try_init(|| self.opened()).await
    }

    async fn opened(&self) -> Result<VaultConnections, SourceError> {
        let engine = self.context.engine().await.map_err(|error| {
            SourceError::new(
                FailureClass::Vault,
                "open the vault",
                "vault",
                error.to_string(),
            )
        })?;
        let storage = self
            .context
            .environment()
            .text("STORAGE")
            .unwrap_or(STORAGE);
        let (clock, rng) = (self.context.clock().clone(), self.context.rng().clone());
        Ok(VaultConnections::new(engine, storage, clock, rng))
    }
}

#[async_trait]
impl Connections for LateConnections {
    async fn open(&self, connection: &str, storage: &str) -> Result<Workplace, SourceError> {
        self.known().await?.open(connection, storage).await
    }
}

#[async_trait]
impl Places for LateConnections {
    async fn vault(&self, storage: &str) -> Result<Engine, SourceError> {
        self.known().await?.vault(storage).await
    }

    async fn tenant(&self, connection: &str, storage: &str) -> Result<TenantPlace, SourceError> {
        self.known().await?.tenant(connection, storage).await
    }
}
