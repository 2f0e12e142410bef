//! Writing and deleting files so that each is there wholly or not at all.

use std::fs::{self, DirBuilder, File, FileTimes, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use mailkeep_ports::{Condition, ETag, Key, PutOptions, StoreError, StoreErrorKind};

use super::errors::{from_io, root_is_gone};
use super::work::{HalfWritten, Work, is_unsupported, no_locks};
use super::{Shared, etag, no_object_lock};

/// How often a folder that another process removes, because it became empty, is made again.
const ATTEMPTS: usize = 32;

/// How placing a file ended when it did not fail.
enum Placed {
    Done(ETag),
    /// A folder above the name, or an empty one of this name, was in the way: try again.
    Again(StoreError),
}

impl Shared {
    pub(super) fn put(
        &self,
        key: &Key,
        body: &Bytes,
        options: &PutOptions,
    ) -> Result<ETag, StoreError> {
        options.check_body(key, body)?;
        if options.retention.is_some() {
            return Err(no_object_lock(key));
        }
        if options.condition == Condition::IfAbsent && self.metadata(key).is_ok() {
            return Err(already_exists(key));
        }
        let work = self.work()?;
        let new = work.write(key, body)?;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            self.make_folders(key)?;
            let placed = match &options.condition {
                Condition::IfAbsent => self.create(&work, key, &new)?,
                condition => self.replace(&work, key, &new, condition)?,
            };
            match placed {
                Placed::Done(etag) => {
                    self.flush_folders(key)?;
                    return Ok(etag);
                }
                Placed::Again(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| root_is_gone(&self.root)))
    }

    /// Makes the folders above an object. The root itself must be there: when its disk is not
    /// mounted, nothing may be written below the mount point.
    fn make_folders(&self, key: &Key) -> Result<(), StoreError> {
        if !self.root.is_dir() {
            return Err(root_is_gone(&self.root));
        }
        let Some((folder, _)) = key.as_str().rsplit_once('/') else {
            return Ok(());
        };
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(0o700);
        match made.create(self.root.join(folder)) {
            Ok(()) => Ok(()),
            // Removed by another process at the same moment; placing the file will tell.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) if is_nesting(&error) => {
                // A folder that was there when it was to be made, and gone when it was looked at,
                // gives the same error as an object of this name.
                if self.is_below_an_object(key) {
                    Err(nesting(key))
                } else {
                    Ok(())
                }
            }
            Err(error) => Err(from_io(key.as_str(), "making its folder", error)),
        }
    }

    /// Whether one of the names above an object is that of an object.
    fn is_below_an_object(&self, key: &Key) -> bool {
        let mut name = key.as_str();
        while let Some((above, _)) = name.rsplit_once('/') {
            name = above;
            if fs::symlink_metadata(self.root.join(name)).is_ok_and(|found| found.is_file()) {
                return true;
            }
        }
        false
    }

    /// The file appears under its name unless the name is taken.
    fn create(&self, work: &Work, key: &Key, new: &HalfWritten) -> Result<Placed, StoreError> {
        let etag = seal(work, key, new, None)?;
        let path = self.path(key);
        match fs::hard_link(&new.path, &path) {
            Ok(()) => Ok(Placed::Done(etag)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // NFS may have done it and lost the answer, and said so on its own second try.
                if new.file.metadata().is_ok_and(|m| m.nlink() == 2) {
                    return Ok(Placed::Done(etag));
                }
                taken(key, &path)
            }
            Err(error) if has_no_links(&error) => {
                let Some(_lock) = work.lock(key)? else {
                    return Err(no_locks(key));
                };
                match fs::symlink_metadata(&path) {
                    Ok(_) => taken(key, &path),
                    Err(_) => rename(key, new, &path, etag),
                }
            }
            Err(error) => again_or_fail(key, error),
        }
    }

    fn replace(
        &self,
        work: &Work,
        key: &Key,
        new: &HalfWritten,
        condition: &Condition,
    ) -> Result<Placed, StoreError> {
        let lock = work.lock(key)?;
        let present = self.present(key)?;
        check_match(key, condition, present.as_ref(), lock.is_some())?;
        let path = self.path(key);
        let etag = seal(work, key, new, present.as_ref())?;
        rename(key, new, &path, etag)
    }

    fn present(&self, key: &Key) -> Result<Option<Metadata>, StoreError> {
        match self.metadata(key) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if error.kind == StoreErrorKind::Missing => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn delete(&self, key: &Key, condition: &Condition) -> Result<(), StoreError> {
        if *condition == Condition::IfAbsent {
            let cause = "a deletion cannot ask that the object is absent";
            return Err(StoreError::new(
                StoreErrorKind::Invalid,
                key.as_str(),
                cause,
            ));
        }
        let present = self.present(key)?;
        if present.is_none() && *condition == Condition::None {
            return Ok(());
        }
        let work = self.work()?;
        let lock = work.lock(key)?;
        let present = self.present(key)?;
        check_match(key, condition, present.as_ref(), lock.is_some())?;
        match fs::remove_file(self.path(key)) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(from_io(key.as_str(), "deleting it", error)),
        }
        let mut folder = key.as_str();
        while let Some((above, _)) = folder.rsplit_once('/') {
            folder = above;
            let path = self.root.join(folder);
            flush_folder(key, &path)?;
            // Fails while something is in it, as it should.
            if fs::remove_dir(&path).is_err() {
                return Ok(());
            }
        }
        flush_folder(key, &self.root)
    }

    /// Makes the name durable. Folders that were there before are flushed too: another process may
    /// have made them a moment ago.
    fn flush_folders(&self, key: &Key) -> Result<(), StoreError> {
        let mut folder = key.as_str();
        while let Some((above, _)) = folder.rsplit_once('/') {
            folder = above;
            flush_folder(key, &self.root.join(folder))?;
        }
        flush_folder(key, &self.root)
    }
}

fn flush_folder(key: &Key, folder: &Path) -> Result<(), StoreError> {
    match File::open(folder).and_then(|file| file.sync_all()) {
        Ok(()) => Ok(()),
        // Emptied and removed by another process, with the object; or a file system that cannot.
        Err(error) if error.kind() == ErrorKind::NotFound || is_unsupported(&error) => Ok(()),
        Err(error) => Err(from_io(key.as_str(), "flushing its folder", error)),
    }
}

/// Gives the file its time, which makes its version mark unique, and flushes it to the disk.
fn seal(
    work: &Work,
    key: &Key,
    new: &HalfWritten,
    replaced: Option<&Metadata>,
) -> Result<ETag, StoreError> {
    let seal = || -> io::Result<ETag> {
        let written = new.file.metadata()?.modified()?;
        let mut time = randomised(written, work.random());
        let old = match replaced {
            Some(metadata) => Some(metadata.modified()?),
            None => None,
        };
        // The first step serves file systems that keep nanoseconds, the others coarser ones.
        for step in [1_000, 1_000_000, 1_000_000_000, 2_000_000_000] {
            if let Some(old) = old
                && time <= old
            {
                let later = Duration::from_nanos(step + work.random() % step);
                let out_of_range = || io::Error::other("its time stamp is out of range");
                time = old.checked_add(later).ok_or_else(out_of_range)?;
            }
            new.file.set_times(FileTimes::new().set_modified(time))?;
            let stored = new.file.metadata()?.modified()?;
            if old.is_none_or(|old| stored > old) {
                break;
            }
            time = stored;
        }
        new.file.sync_all()?;
        Ok(etag(&new.file.metadata()?))
    };
    seal().map_err(|error| from_io(key.as_str(), "flushing it to the disk", error))
}

/// The same millisecond with a random rest.
fn randomised(time: SystemTime, random: u64) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let below = since.map_or(0, |since| u64::from(since.subsec_nanos() % 1_000_000));
    time.checked_sub(Duration::from_nanos(below))
        .and_then(|time| time.checked_add(Duration::from_nanos(random % 1_000_000)))
        .unwrap_or(time)
}

fn check_match(
    key: &Key,
    condition: &Condition,
    present: Option<&Metadata>,
    is_locked: bool,
) -> Result<(), StoreError> {
    let Condition::IfMatch(expected) = condition else {
        return Ok(());
    };
    if !is_locked {
        return Err(no_locks(key));
    }
    match present {
        None => Err(key.missing()),
        Some(metadata) if etag(metadata) == *expected => Ok(()),
        Some(_) => {
            let cause = "it has another version";
            Err(StoreError::new(
                StoreErrorKind::Changed,
                key.as_str(),
                cause,
            ))
        }
    }
}

fn rename(key: &Key, new: &HalfWritten, path: &Path, etag: ETag) -> Result<Placed, StoreError> {
    match fs::rename(&new.path, path) {
        Ok(()) => Ok(Placed::Done(etag)),
        Err(_) if path.is_dir() => taken(key, path),
        Err(error) => again_or_fail(key, error),
    }
}

/// The name is taken: by an object, by a folder of objects, or by an empty folder, which goes.
fn taken(key: &Key, path: &Path) -> Result<Placed, StoreError> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_dir() => return Err(already_exists(key)),
        // What was in the way is gone again.
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Placed::Again(already_exists(key)));
        }
        _ => {}
    }
    match fs::remove_dir(path) {
        Ok(()) => Ok(Placed::Again(nesting(key))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Placed::Again(nesting(key))),
        Err(_) => Err(nesting(key)),
    }
}

fn again_or_fail(key: &Key, error: io::Error) -> Result<Placed, StoreError> {
    let is_gone = error.kind() == ErrorKind::NotFound;
    let is_below_an_object = is_nesting(&error);
    let error = from_io(key.as_str(), "writing it", error);
    if is_gone {
        let kind = StoreErrorKind::Unavailable;
        Ok(Placed::Again(StoreError { kind, ..error }))
    } else if is_below_an_object {
        Err(nesting(key))
    } else {
        Err(error)
    }
}

fn is_nesting(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory | ErrorKind::IsADirectory
    )
}

/// `EPERM` (1) is how Linux says that a file system has no hard links; a lack of permission would
/// be `EACCES`.
fn has_no_links(error: &io::Error) -> bool {
    error.kind() == ErrorKind::Unsupported || error.raw_os_error() == Some(1)
}

fn already_exists(key: &Key) -> StoreError {
    let cause = "an object has this name";
    StoreError::new(StoreErrorKind::AlreadyExists, key.as_str(), cause)
}

fn nesting(key: &Key) -> StoreError {
    let cause = "a name cannot also be a folder: an object above or below it is there";
    StoreError::new(StoreErrorKind::Invalid, key.as_str(), cause)
}
