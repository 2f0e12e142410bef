//! The folder `~work`: half-written files and locks.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mailkeep_ports::{Key, Rng, StoreError, StoreErrorKind};

use super::errors::{from_io, root_is_gone};

/// Its name; `~` cannot occur in an object's name.
pub(super) const WORK: &str = "~work";
const HALF_WRITTEN: &str = "new-";
const LOCKS: u64 = 64;

/// An open `~work`.
pub(super) struct Work {
    folder: PathBuf,
    root: PathBuf,
    rng: Arc<dyn Rng>,
    /// Locked, shared, as long as this process may write.
    _in_use: File,
}

impl Work {
    /// Makes the folder if needed. When no other process has it open, removes what killed ones left.
    pub(super) fn open(root: &Path, rng: Arc<dyn Rng>) -> Result<Self, StoreError> {
        if !root.is_dir() {
            return Err(root_is_gone(root));
        }
        let folder = root.join(WORK);
        let open = || -> io::Result<File> {
            match DirBuilder::new().mode(0o700).create(&folder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => {}
            }
            let in_use = open_lock(&folder.join("in-use"))?;
            match in_use.try_lock() {
                Ok(()) => {
                    remove_left_overs(&folder)?;
                    // From exclusive to shared; nothing of this process is in there yet.
                    in_use.lock_shared()?;
                }
                Err(TryLockError::WouldBlock) => in_use.lock_shared()?,
                // No locks on this file system: then left-overs stay.
                Err(TryLockError::Error(error)) if is_unsupported(&error) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
            Ok(in_use)
        };
        let in_use = open().map_err(|error| from_io(WORK, "preparing to write", error))?;
        Ok(Self {
            folder,
            root: root.to_owned(),
            rng,
            _in_use: in_use,
        })
    }

    /// Writes a body to a new file that has no object's name yet.
    pub(super) fn write(&self, key: &Key, body: &[u8]) -> Result<HalfWritten, StoreError> {
        let name = format!(
            "{HALF_WRITTEN}{}-{:016x}",
            std::process::id(),
            self.random()
        );
        let path = self.folder.join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let file = options.open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => root_is_gone(&self.root),
            _ => from_io(key.as_str(), "writing it", error),
        })?;
        let mut half_written = HalfWritten { file, path };
        let written = half_written.file.write_all(body);
        written.map_err(|error| from_io(key.as_str(), "writing it", error))?;
        Ok(half_written)
    }

    /// Keeps other writers of this object out, in all processes, until dropped. `None` on a file
    /// system that has no locks.
    pub(super) fn lock(&self, key: &Key) -> Result<Option<File>, StoreError> {
        let path = self.folder.join(format!("lock-{:02}", slot(key.as_str())));
        let locked = open_lock(&path).and_then(|file| match file.lock() {
            Ok(()) => Ok(Some(file)),
            Err(error) if is_unsupported(&error) => Ok(None),
            Err(error) => Err(error),
        });
        locked.map_err(|error| match error.kind() {
            ErrorKind::NotFound => root_is_gone(&self.root),
            _ => from_io(key.as_str(), "locking it", error),
        })
    }

    /// A random number.
    pub(super) fn random(&self) -> u64 {
        self.rng.next_u64()
    }
}

/// The refusal of what cannot be done right without locks.
pub(super) fn no_locks(key: &Key) -> StoreError {
    StoreError::new(
        StoreErrorKind::Invalid,
        key.as_str(),
        "this file system has no file locks, so it cannot write on a condition; use another one",
    )
}

/// True for an operation that the file system does not have.
pub(super) fn is_unsupported(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Unsupported | ErrorKind::InvalidInput
    )
}

fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(0o600);
    options.truncate(false).open(path)
}

fn remove_left_overs(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|n| n.starts_with(HALF_WRITTEN)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Which lock file an object uses (FNV-1a): the same in every process and version.
fn slot(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash % LOCKS
}

/// A file that is not an object yet; removed when dropped.
pub(super) struct HalfWritten {
    pub(super) file: File,
    pub(super) path: PathBuf,
}

impl Drop for HalfWritten {
    fn drop(&mut self) {
        // Already renamed, or removed by the next process that writes.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use mailkeep_ports::SeededRng;

    use super::*;

    #[test]
    fn left_overs_are_removed_only_when_nobody_else_writes() {
        let root = tempfile::tempdir().unwrap();
        let open = |seed| Work::open(root.path(), Arc::new(SeededRng::new(seed))).unwrap();
        let left_over = root.path().join(WORK).join("new-1-0");
        let first = open(1);
        fs::write(&left_over, b"half").unwrap();
        let second = open(2);
        assert!(left_over.exists(), "the first one may still write it");
        drop((first, second));
        drop(open(3));
        assert!(!left_over.exists());
    }

    #[test]
    fn the_lock_of_an_object_never_changes() {
        assert_eq!(slot("vault"), 15);
    }
}
