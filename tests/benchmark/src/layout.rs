//! Where corpus, vault and the repositories of other tools lie.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::Failure;

/// The folders below the folder to work in.
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The generated mail.
    pub(crate) fn corpus(&self) -> PathBuf {
        self.root.join("corpus")
    }

    /// One mailbox of it.
    pub(crate) fn mailbox(&self, number: u32) -> PathBuf {
        self.corpus().join(format!("{number:02}"))
    }

    /// Our vault.
    pub(crate) fn vault(&self) -> PathBuf {
        self.root.join("vault")
    }

    /// Something that belongs to another tool.
    pub(crate) fn peer(&self, name: &str) -> PathBuf {
        self.root.join("peers").join(name)
    }

    /// Removes what an earlier benchmark left.
    pub(crate) fn clear(&self) -> Result<(), Failure> {
        for folder in [self.corpus(), self.vault(), self.root.join("peers")] {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Files and bytes below a folder; none when it is missing.
pub(crate) fn disk_use(folder: &Path) -> Result<(u64, u64), Failure> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((0, 0)),
        other => other?,
    };
    let (mut files, mut bytes) = (0, 0);
    for entry in entries {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            let (below, size) = disk_use(&entry.path())?;
            files += below;
            bytes += size;
        } else {
            files += 1;
            bytes += metadata.len();
        }
    }
    Ok((files, bytes))
}
