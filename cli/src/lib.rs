//! The `mailkeep` command line: verbs, secrets from safe places, and the way things look. What the
//! verbs do is in `mailkeep-engine`; nothing here decides about mail.

pub mod args;
pub mod commands;
pub mod error;
pub mod files;
pub mod interrupt;
pub mod jobs;
pub mod keys;
pub mod logging;
pub mod output;
pub mod place;
pub mod secret;
pub mod session;
pub mod sink;
pub mod view;

pub use error::{CliError, Exit};
