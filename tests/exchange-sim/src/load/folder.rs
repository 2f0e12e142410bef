//! A folder of `.eml` files; folders inside become mail folders. mbox files and Maildirs inside are
//! read, too.

use std::path::Path;

use super::{Found, LoadError, UNFLAGGED, maildir, mbox, modified, read_error};
use crate::content::blob::Blob;

/// How deep folders may lie.
const DEEPEST: u32 = 60;

/// Reads a folder and everything below it, in the order of names.
pub(crate) fn read(
    path: &Path,
    folders: &[String],
    depth: u32,
    add: &mut impl FnMut(Found),
) -> Result<(), LoadError> {
    if depth > DEEPEST {
        return Err(LoadError::TooDeep(path.to_owned()));
    }
    let failed = |cause| read_error(path, cause);
    let mut entries: Vec<_> = std::fs::read_dir(path)
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let inner = entry.path();
        let failed = |cause| read_error(&inner, cause);
        let is_link = entry.file_type().map_err(failed)?.is_symlink();
        let kind = std::fs::metadata(&inner).map_err(failed)?.file_type();
        if is_link && kind.is_dir() {
            // It may lead in a circle.
            return Err(LoadError::FolderLink(inner));
        }
        let extension = inner
            .extension()
            .map(|text| text.to_string_lossy().to_lowercase())
            .unwrap_or_default();
        if kind.is_dir() {
            let below = [folders, &[name]].concat();
            if maildir::is_maildir(&inner) {
                maildir::read_below(&inner, &below, add)?;
            } else {
                read(&inner, &below, depth + 1, add)?;
            }
        } else if kind.is_file() && extension == "eml" {
            read_file(&inner, folders.to_vec(), add)?;
        } else if kind.is_file() && extension == "mbox" {
            let stem = name.trim_end_matches(".mbox").to_owned();
            mbox::read(&inner, [folders, &[stem]].concat(), add)?;
        }
    }
    Ok(())
}

/// Reads one file that is one message.
pub(crate) fn read_file(
    path: &Path,
    folders: Vec<String>,
    add: &mut impl FnMut(Found),
) -> Result<(), LoadError> {
    let about = std::fs::metadata(path).map_err(|cause| read_error(path, cause))?;
    add(Found {
        folders,
        bytes: Blob::Path {
            path: path.to_owned(),
            offset: 0,
            bytes: about.len(),
        },
        state: UNFLAGGED,
        date: modified(&about),
    });
    Ok(())
}
