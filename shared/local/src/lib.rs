//! Adapters for one machine: folder store, job database, system clock and randomness, secrets.

pub mod clock;
pub mod database;
pub mod folder;
pub mod rng;
pub mod secrets;

pub use clock::SystemClock;
pub use database::{Database, DatabaseError, SqliteQueue, SqliteTable};
pub use folder::FolderStore;
pub use rng::SystemRng;
pub use secrets::LocalSecrets;
