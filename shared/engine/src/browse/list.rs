//! Folders, items and differences.

use mailkeep_model::{FolderPath, WellKnownFolder};
use mailkeep_vault::{
    DiffPage, ItemFilter, ItemKey, ItemPage, ItemVersion, MailboxView, PageToken, StoredFolder,
};

use crate::EngineError;
use crate::select::starts_with;

/// A folder as a listing shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct FolderEntry {
    /// The folder.
    pub folder: StoredFolder,
    /// It has folders below it.
    pub has_children: bool,
}

/// What is in one folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FolderListing {
    /// The folders directly below it (at the top: the top ones), by name.
    pub folders: Vec<FolderEntry>,
    /// One page of its items, newest first.
    pub items: ItemPage,
}

/// Lists a folder; `None` is the top, with the items that lie in no folder. Folders that were removed at the source are left out unless
/// `include_deleted`.
///
/// # Errors
/// [`EngineError::NoSuchFolder`], or when the mailbox cannot be read.
pub async fn ls(
    view: &MailboxView,
    path: Option<&FolderPath>,
    include_deleted: bool,
    after: Option<&PageToken>,
    limit: usize,
) -> Result<FolderListing, EngineError> {
    let shown: Vec<&StoredFolder> = view
        .folders()
        .iter()
        .filter(|stored| include_deleted || !stored.deleted)
        .collect();
    let top = FolderPath::default();
    let path = path.unwrap_or(&top);
    let here: Vec<_> = shown
        .iter()
        .filter(|stored| {
            if path.0.is_empty() {
                is_root(stored)
            } else {
                stored.path.0.len() == path.0.len() && starts_with(&stored.path, path)
            }
        })
        .map(|stored| stored.folder.id.clone())
        .collect();
    if here.is_empty() && !path.0.is_empty() {
        return Err(EngineError::NoSuchFolder {
            wanted: path.to_string(),
        });
    }
    let is_below = |stored: &StoredFolder, above: &FolderPath| {
        !is_root(stored)
            && stored.path.0.len() == above.0.len() + 1
            && starts_with(&stored.path, above)
    };
    let mut folders: Vec<FolderEntry> = shown
        .iter()
        .filter(|stored| is_below(stored, path))
        .map(|stored| FolderEntry {
            folder: (*stored).clone(),
            has_children: shown.iter().any(|other| is_below(other, &stored.path)),
        })
        .collect();
    folders.sort_by_cached_key(|entry| entry.folder.path.to_string().to_lowercase());
    let items = if here.is_empty() {
        ItemPage::default()
    } else {
        let filter = ItemFilter {
            folders: Some(here),
            include_deleted,
            ..ItemFilter::default()
        };
        view.items(&filter, after, limit).await?
    };
    Ok(FolderListing { folders, items })
}

/// The root has no place of its own in a listing; its items are shown at the top.
pub(super) fn is_root(stored: &StoredFolder) -> bool {
    stored.folder.well_known == Some(WellKnownFolder::Root)
}

/// One page of the items that fit; with `path` only in that folder and below it.
///
/// # Errors
/// [`EngineError::NoSuchFolder`], or when the mailbox cannot be read.
pub async fn find(
    view: &MailboxView,
    path: Option<&FolderPath>,
    filter: &ItemFilter,
    after: Option<&PageToken>,
    limit: usize,
) -> Result<ItemPage, EngineError> {
    let Some(path) = path else {
        return Ok(view.items(filter, after, limit).await?);
    };
    let within: Vec<_> = view
        .folders()
        .iter()
        .filter(|stored| starts_with(&stored.path, path))
        .map(|stored| stored.folder.id.clone())
        .collect();
    if within.is_empty() {
        return Err(EngineError::NoSuchFolder {
            wanted: path.to_string(),
        });
    }
    let filter = ItemFilter {
        folders: Some(within),
        ..filter.clone()
    };
    Ok(view.items(&filter, after, limit).await?)
}

/// The item by this reference; for one that was removed at the source its last version.
///
/// # Errors
/// [`EngineError::NoSuchItem`], or when the mailbox cannot be read.
pub async fn item(view: &MailboxView, reference: &str) -> Result<ItemVersion, EngineError> {
    let missing = || EngineError::NoSuchItem {
        wanted: reference.to_owned(),
    };
    let key: ItemKey = reference.parse().map_err(|_| missing())?;
    view.item(key).await?.ok_or_else(missing)
}

/// One page of what differs between two commits.
///
/// # Errors
/// When the mailbox cannot be read.
pub async fn diff(
    view: &MailboxView,
    from: u64,
    to: u64,
    after: Option<&PageToken>,
    limit: usize,
) -> Result<DiffPage, EngineError> {
    Ok(view.diff(from, to, after, limit).await?)
}
