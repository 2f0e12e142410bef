//! Adapters for one machine: folder store, job database, system clock and randomness, secrets, mail,
//! webhooks, scripts, logs.

pub mod clock;
#[cfg(feature = "database")]
pub mod database;
pub mod folder;
pub mod hooks;
mod http;
pub mod logs;
pub mod notify;
pub mod rng;
pub mod secrets;

pub use clock::SystemClock;
#[cfg(feature = "database")]
pub use database::{Database, DatabaseError, SqliteQueue, SqliteTable};
pub use folder::FolderStore;
pub use hooks::LocalHooks;
pub use logs::FolderLogs;
pub use notify::{LocalNotify, SetUpError};
pub use rng::SystemRng;
pub use secrets::LocalSecrets;
