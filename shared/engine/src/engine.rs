//! What every operation needs: a vault, the time and randomness.

use std::sync::Arc;

use mailkeep_model::RunId;
use mailkeep_ports::{Clock, Rng};
use mailkeep_vault::{Ulid, Vault};

/// A vault with the clock and the randomness to work on it. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    vault: Vault,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl Engine {
    /// An engine on this vault.
    #[must_use]
    pub fn new(vault: Vault, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self { vault, clock, rng }
    }

    /// The vault.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The randomness.
    #[must_use]
    pub fn rng(&self) -> &Arc<dyn Rng> {
        &self.rng
    }

    pub(crate) fn new_run_id(&self) -> RunId {
        RunId(Ulid::new(&*self.clock, &*self.rng).to_string())
    }
}
