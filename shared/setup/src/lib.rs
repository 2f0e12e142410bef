//! Connections as a vault keeps them, and opening them: what the command line, the service and the
//! functions on AWS share. Knows no adapter of storage.

pub mod connection;
mod error;
mod tenant;
mod vault_connections;

pub use error::SetupError;
pub use tenant::Tenant;
pub use vault_connections::VaultConnections;
