//! What a vault needs from the world.

use std::sync::Arc;

use mailkeep_ports::{Clock, Rng, Store};

/// A store, a clock and randomness.
#[derive(Clone)]
pub struct VaultContext {
    /// Where the vault lives. Its prefix is the vault's root.
    pub store: Arc<dyn Store>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

impl std::fmt::Debug for VaultContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VaultContext").finish_non_exhaustive()
    }
}
