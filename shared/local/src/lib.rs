//! Adapters for one machine: folder store, system clock and randomness, secrets.

pub mod clock;
pub mod folder;
pub mod rng;
pub mod secrets;

pub use clock::SystemClock;
pub use folder::FolderStore;
pub use rng::SystemRng;
pub use secrets::LocalSecrets;
