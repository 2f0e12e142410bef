//! Listing a tree of folders in the byte order of the objects' names.
//!
//! Folders are read one entry at a time, in whatever order the system gives them, and only the
//! smallest names that the page still has room for are kept: memory does not grow with the folder.

use std::collections::BinaryHeap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use mailkeep_ports::{Key, ListOptions, ListPage, StoreError};

use super::errors::{from_io, root_is_gone};
use super::info;

/// One page.
pub(super) fn page(root: &Path, options: &ListOptions) -> Result<ListPage, StoreError> {
    if !root.is_dir() {
        return Err(root_is_gone(root));
    }
    let mut walk = Walk {
        root,
        options,
        limit: options.page_limit(),
        page: ListPage::default(),
        last: String::new(),
    };
    // Start in the folder of the prefix; nothing elsewhere can match.
    let start = match options.prefix.rfind('/') {
        Some(at) => options.prefix.get(..=at).unwrap_or_default(),
        None => "",
    };
    if start.is_empty() || Key::new(start.trim_end_matches('/')).is_ok() {
        walk.folder(start)?;
    }
    Ok(walk.page)
}

struct Walk<'a> {
    root: &'a Path,
    options: &'a ListOptions,
    limit: usize,
    page: ListPage,
    last: String,
}

/// Whether the page has all it can hold.
#[derive(PartialEq, Eq)]
enum Flow {
    GoOn,
    Full,
}

impl Walk<'_> {
    /// Lists the folder `at`, which is empty or ends in `/`.
    fn folder(&mut self, at: &str) -> Result<Flow, StoreError> {
        let mut after = None;
        loop {
            let (names, is_complete) = self.smallest(at, after.as_deref())?;
            for name in &names {
                let flow = if !name.ends_with('/') {
                    self.object(name)?
                } else if self.options.delimited {
                    self.rolled_up(name)?
                } else {
                    self.folder(name)?
                };
                if flow == Flow::Full {
                    return Ok(Flow::Full);
                }
            }
            match names.last() {
                Some(last) if !is_complete => after = Some(last.clone()),
                _ => return Ok(Flow::GoOn),
            }
        }
    }

    /// The first entries of a folder after `after`, in order; folders end in `/`. At least one more
    /// than the page has room for, or all.
    fn smallest(&self, at: &str, after: Option<&str>) -> Result<(Vec<String>, bool), StoreError> {
        let room = self.limit.saturating_sub(self.count()) + 1;
        let mut kept = BinaryHeap::new();
        let mut is_complete = true;
        for name in self.entries(at)? {
            let name = name?;
            if !self.is_wanted(&name) || after.is_some_and(|after| name.as_str() <= after) {
                continue;
            }
            kept.push(name);
            if kept.len() > room {
                kept.pop();
                is_complete = false;
            }
        }
        Ok((kept.into_sorted_vec(), is_complete))
    }

    /// Full names of what may be or hold objects. A folder that is not there has none.
    fn entries(
        &self,
        at: &str,
    ) -> Result<impl Iterator<Item = Result<String, StoreError>>, StoreError> {
        let read = match fs::read_dir(self.root.join(at)) {
            Ok(read) => Some(read),
            Err(error) if is_gone(&error) => None,
            Err(error) => return Err(from_io(at, "listing it", error)),
        };
        let at = at.to_owned();
        Ok(read.into_iter().flatten().filter_map(move |entry| {
            let named = entry.and_then(|entry| Ok((entry.file_name(), entry.file_type()?)));
            let (name, kind) = match named {
                Ok(named) => named,
                Err(error) if is_gone(&error) => return None,
                Err(error) => return Some(Err(from_io(&at, "listing it", error))),
            };
            let name = format!("{at}{}", name.to_str()?);
            Key::new(name.as_str()).ok()?;
            if kind.is_dir() {
                Some(Ok(name + "/"))
            } else {
                kind.is_file().then_some(Ok(name))
            }
        }))
    }

    fn is_wanted(&self, name: &str) -> bool {
        let prefix = self.options.prefix.as_str();
        let is_folder = name.ends_with('/');
        let matches = name.starts_with(prefix) || (is_folder && prefix.starts_with(name));
        let after = self.options.start_after.as_deref();
        let is_passed = after.is_some_and(|after| {
            // A folder is passed only when everything in it is.
            name <= after && !(is_folder && after.starts_with(name))
        });
        matches && !is_passed
    }

    fn object(&mut self, name: &str) -> Result<Flow, StoreError> {
        let key = Key::new(name)?;
        let metadata = match fs::symlink_metadata(self.root.join(name)) {
            Ok(metadata) => metadata,
            // Deleted since the folder was read.
            Err(error) if is_gone(&error) => return Ok(Flow::GoOn),
            Err(error) => return Err(from_io(name, "listing it", error)),
        };
        if self.is_full() {
            return Ok(Flow::Full);
        }
        self.page.objects.push(info(&key, &metadata));
        name.clone_into(&mut self.last);
        Ok(Flow::GoOn)
    }

    fn rolled_up(&mut self, name: &str) -> Result<Flow, StoreError> {
        let after = self.options.start_after.as_deref();
        if after.is_some_and(|after| name <= after) || !self.holds_an_object(name)? {
            return Ok(Flow::GoOn);
        }
        if self.is_full() {
            return Ok(Flow::Full);
        }
        self.page.prefixes.push(name.to_owned());
        name.clone_into(&mut self.last);
        Ok(Flow::GoOn)
    }

    /// False for folders that a killed process left empty.
    fn holds_an_object(&self, at: &str) -> Result<bool, StoreError> {
        for name in self.entries(at)? {
            let name = name?;
            if !name.ends_with('/') || self.holds_an_object(&name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn count(&self) -> usize {
        self.page.objects.len() + self.page.prefixes.len()
    }

    fn is_full(&mut self) -> bool {
        let is_full = self.count() >= self.limit;
        if is_full {
            self.page.next = Some(self.last.clone());
        }
        is_full
    }
}

fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
