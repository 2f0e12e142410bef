//! A store in a folder.
//!
//! Layout: the object `a/b/c` is the file `a/b/c` below the root, byte for byte, so that any tool
//! can copy, check or restore a vault. Beside the objects there is one folder, `~work`, that holds
//! half-written files and lock files; `~` cannot occur in the name of an object. It may be deleted
//! while nothing uses the vault. Folders get mode 0700, files 0600.
//!
//! * **All or nothing, durable**: a body is written to a file in `~work`, flushed to the disk, and
//!   then appears under its name by one system call; then the folders above it are flushed.
//! * **`IfAbsent`** is `link(2)`, which the kernel refuses when the name is taken: exact among
//!   threads, processes and, on NFS, machines. File systems without hard links (exFAT, some network
//!   shares) fall back to check and rename under a lock.
//! * **`IfMatch`**, replacing and deleting take an advisory lock on one of 64 lock files, chosen by
//!   the object's name, so they are exact among processes.
//! * **Version mark**: inode number, modification time and size. A hash of the content would be the
//!   obvious choice, but a listing would have to read the whole vault. Time stamps of a file system
//!   alone are too coarse, so every write sets the time itself: strictly later than that of the
//!   object it replaces, and with a random part below a millisecond, so that an object deleted and
//!   created again differs too. Copying a vault changes its version marks; nothing stores them.
//! * **Left-overs** of killed processes are removed by the next process that writes while no other
//!   has the vault open for writing.
//! * **File systems that ignore case** (macOS, Windows shares) work because no two names in a vault
//!   differ in case alone; the strict contract of names needs one that does not.

mod errors;
mod list;
mod work;
mod write;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use mailkeep_ports::{
    Condition, ETag, GetOptions, Key, ListOptions, ListPage, MAX_BODY_BYTES, Object, ObjectInfo,
    PutOptions, Retention, Rng, Store, StoreError, StoreErrorKind,
};

use self::errors::{from_io, root_is_gone};
use self::work::Work;

/// Keeps each object as a file. Clones share one instance. See the module for the guarantees.
#[derive(Clone)]
pub struct FolderStore {
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    rng: Arc<dyn Rng>,
    /// Made by the first write: reading needs no permission to write.
    work: Mutex<Option<Arc<Work>>>,
}

impl FolderStore {
    /// Uses a folder that exists.
    ///
    /// # Errors
    /// [`StoreErrorKind::Missing`] when there is no such folder, [`StoreErrorKind::Invalid`] when
    /// it is something else, [`StoreErrorKind::Denied`].
    pub fn open(root: impl Into<PathBuf>, rng: Arc<dyn Rng>) -> Result<Self, StoreError> {
        let root = root.into();
        let shown = root.display().to_string();
        let metadata = fs::metadata(&root).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => StoreError::new(
                StoreErrorKind::Missing,
                &shown,
                "there is no such folder; check the path, or that its disk is mounted",
            ),
            _ => from_io(&shown, "opening the folder", error),
        })?;
        if !metadata.is_dir() {
            return Err(StoreError::new(
                StoreErrorKind::Invalid,
                &shown,
                "this is not a folder",
            ));
        }
        let work = Mutex::default();
        Ok(Self {
            shared: Arc::new(Shared { root, rng, work }),
        })
    }

    /// Uses a folder and makes it, and those above it, when missing.
    ///
    /// # Errors
    /// Like [`FolderStore::open`].
    pub fn create(root: impl Into<PathBuf>, rng: Arc<dyn Rng>) -> Result<Self, StoreError> {
        let root = root.into();
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(&root).map_err(|error| {
            let shown = root.display().to_string();
            match error.kind() {
                std::io::ErrorKind::AlreadyExists | std::io::ErrorKind::NotADirectory => {
                    StoreError::new(StoreErrorKind::Invalid, &shown, "this is not a folder")
                }
                _ => from_io(&shown, "making the folder", error),
            }
        })?;
        Self::open(root, rng)
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// Runs `action` where blocking is allowed.
    async fn blocking<T: Send + 'static>(
        &self,
        name: &str,
        action: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        let task = tokio::task::spawn_blocking(move || action(&shared));
        task.await.unwrap_or_else(|error| {
            let cause = "the operation was cut off";
            Err(StoreError::new(StoreErrorKind::Unavailable, name, cause).with_source(error))
        })
    }
}

impl Shared {
    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }

    fn work(&self) -> Result<Arc<Work>, StoreError> {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(work) = &*work {
            return Ok(Arc::clone(work));
        }
        let made = Arc::new(Work::open(&self.root, Arc::clone(&self.rng))?);
        *work = Some(Arc::clone(&made));
        Ok(made)
    }

    /// The file of an object, if it is one.
    fn metadata(&self, key: &Key) -> Result<fs::Metadata, StoreError> {
        match fs::symlink_metadata(self.path(key)) {
            Ok(metadata) if metadata.is_file() => Ok(metadata),
            Ok(_) => Err(key.missing()),
            Err(error) => Err(self.read_error(key, error)),
        }
    }

    fn read_error(&self, key: &Key, error: std::io::Error) -> StoreError {
        match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
                if self.root.is_dir() {
                    key.missing()
                } else {
                    root_is_gone(&self.root)
                }
            }
            _ => from_io(key.as_str(), "reading it", error),
        }
    }

    fn get(&self, key: &Key, options: &GetOptions) -> Result<Object, StoreError> {
        self.metadata(key)?;
        let opened = fs::File::open(self.path(key));
        let file = opened.map_err(|error| self.read_error(key, error))?;
        // From here on everything is about the opened file, whatever takes its name meanwhile.
        let metadata = file.metadata().map_err(|e| self.read_error(key, e))?;
        let info = info(key, &metadata);
        let range = options.resolve(key, info.size_bytes)?;
        let length = range.end.saturating_sub(range.start);
        if length > MAX_BODY_BYTES {
            let cause = format!("{length} bytes at once are more than 64 MiB");
            return Err(StoreError::new(
                StoreErrorKind::Invalid,
                key.as_str(),
                cause,
            ));
        }
        let mut body = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
        let read = file.read_exact_at(&mut body, range.start);
        read.map_err(|error| from_io(key.as_str(), "reading it", error))?;
        Ok(Object {
            info,
            offset: range.start,
            body: Bytes::from(body),
        })
    }
}

fn etag(metadata: &fs::Metadata) -> ETag {
    ETag(format!(
        "{:x}-{:x}.{:09}-{:x}",
        metadata.ino(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.size(),
    ))
}

fn info(key: &Key, metadata: &fs::Metadata) -> ObjectInfo {
    let nanos = u32::try_from(metadata.mtime_nsec()).unwrap_or(0);
    ObjectInfo {
        key: key.clone(),
        size_bytes: metadata.size(),
        etag: etag(metadata),
        modified_at: DateTime::<Utc>::from_timestamp(metadata.mtime(), nanos).unwrap_or_default(),
        retention: None,
    }
}

fn no_object_lock(key: &Key) -> StoreError {
    let cause = "a folder has no Object Lock";
    StoreError::new(StoreErrorKind::Invalid, key.as_str(), cause)
}

#[async_trait]
impl Store for FolderStore {
    async fn put(&self, key: &Key, body: Bytes, options: PutOptions) -> Result<ETag, StoreError> {
        let owned = key.clone();
        self.blocking(key.as_str(), move |shared| {
            shared.put(&owned, &body, &options)
        })
        .await
    }

    async fn get(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError> {
        let owned = key.clone();
        self.blocking(key.as_str(), move |shared| shared.get(&owned, &options))
            .await
    }

    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError> {
        let owned = key.clone();
        self.blocking(key.as_str(), move |shared| {
            let metadata = shared.metadata(&owned)?;
            Ok(info(&owned, &metadata))
        })
        .await
    }

    async fn list(&self, options: ListOptions) -> Result<ListPage, StoreError> {
        let prefix = options.prefix.clone();
        self.blocking(&prefix, move |shared| list::page(&shared.root, &options))
            .await
    }

    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), StoreError> {
        let owned = key.clone();
        self.blocking(key.as_str(), move |shared| {
            shared.delete(&owned, &condition)
        })
        .await
    }

    async fn extend_retention(&self, key: &Key, _retention: Retention) -> Result<(), StoreError> {
        Err(no_object_lock(key))
    }
}
