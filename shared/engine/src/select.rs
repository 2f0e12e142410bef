//! Which stored items a restore or an export takes.

use std::collections::{BTreeMap, BTreeSet};

use mailkeep_model::{FolderId, FolderPath};
use mailkeep_vault::{ItemFilter, ItemKey, ItemVersion, MailboxView, PageToken, StoredFolder};

use crate::EngineError;

/// Items read from the index at once.
const PAGE: usize = 200;

/// Which items. An empty selection is the whole mailbox.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only in these folders and their subfolders; empty means all.
    pub folders: Vec<FolderPath>,
    /// Only these items, by reference; empty means all. Items that were removed at the source can
    /// be named, too: their last version is taken.
    pub items: Vec<ItemKey>,
    /// Only items that fit. Its `folders` are ignored; use the ones above.
    pub filter: ItemFilter,
}

impl Selection {
    /// True when folders count as such, so that empty ones are taken as well.
    pub(crate) fn is_whole_folders(&self) -> bool {
        let filter = ItemFilter {
            folders: None,
            ..self.filter.clone()
        };
        self.items.is_empty() && filter == ItemFilter::default()
    }
}

/// One folder with what is selected in it.
#[derive(Clone, Debug)]
pub(crate) struct SelectedFolder {
    folder: StoredFolder,
    /// The selected items, when they were named one by one.
    items: Option<Vec<ItemKey>>,
}

impl SelectedFolder {
    pub(crate) fn folder(&self) -> &StoredFolder {
        &self.folder
    }
}

/// One page of selected items.
pub(crate) struct SelectedPage {
    pub(crate) items: Vec<ItemVersion>,
    pub(crate) next: Option<PageMark>,
}

/// Where the next page starts.
pub(crate) enum PageMark {
    Token(PageToken),
    Offset(usize),
}

/// The folders that a selection touches, in the order of their paths.
pub(crate) async fn folders(
    view: &MailboxView,
    selection: &Selection,
) -> Result<Vec<SelectedFolder>, EngineError> {
    let mut stored: Vec<&StoredFolder> = view.folders().iter().collect();
    stored.sort_by(|a, b| (&a.path, &a.folder.id).cmp(&(&b.path, &b.folder.id)));
    let within = folders_within(&stored, &selection.folders)?;
    let mut named: BTreeMap<FolderId, Vec<ItemKey>> = BTreeMap::new();
    for key in &selection.items {
        let version = item(view, *key).await?;
        named.entry(version.item.folder).or_default().push(*key);
    }
    let is_named = !selection.items.is_empty();
    Ok(stored
        .into_iter()
        .filter(|stored| within.contains(&stored.folder.id))
        .filter(|stored| !is_named || named.contains_key(&stored.folder.id))
        .map(|stored| SelectedFolder {
            items: is_named.then(|| named.get(&stored.folder.id).cloned().unwrap_or_default()),
            folder: stored.clone(),
        })
        .collect())
}

/// The item's version in this view; for a removed item its last one.
pub(crate) async fn item(view: &MailboxView, key: ItemKey) -> Result<ItemVersion, EngineError> {
    view.item(key)
        .await?
        .ok_or_else(|| EngineError::NoSuchItem {
            wanted: key.to_string(),
        })
}

fn folders_within(
    stored: &[&StoredFolder],
    wanted: &[FolderPath],
) -> Result<BTreeSet<FolderId>, EngineError> {
    for path in wanted {
        if !stored.iter().any(|stored| starts_with(&stored.path, path)) {
            return Err(EngineError::NoSuchFolder {
                wanted: path.to_string(),
            });
        }
    }
    Ok(stored
        .iter()
        .filter(|stored| {
            wanted.is_empty() || wanted.iter().any(|path| starts_with(&stored.path, path))
        })
        .map(|stored| stored.folder.id.clone())
        .collect())
}

/// True when `path` is `top` or lies below it. Letter case does not matter.
pub(crate) fn starts_with(path: &FolderPath, top: &FolderPath) -> bool {
    path.0.len() >= top.0.len()
        && path
            .0
            .iter()
            .zip(&top.0)
            .all(|(a, b)| a.to_lowercase() == b.to_lowercase())
}

/// How many items are selected, and their bytes.
pub(crate) async fn count(
    view: &MailboxView,
    folders: &[SelectedFolder],
    filter: &ItemFilter,
) -> Result<(u64, u64), EngineError> {
    let (mut items, mut bytes) = (0, 0);
    for folder in folders {
        let mut from = None;
        loop {
            let page = page(view, folder, filter, from).await?;
            for version in &page.items {
                items += 1;
                bytes += version.item.size_bytes;
            }
            match page.next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
    }
    Ok((items, bytes))
}

/// One page of a folder's selected items.
pub(crate) async fn page(
    view: &MailboxView,
    selected: &SelectedFolder,
    filter: &ItemFilter,
    from: Option<PageMark>,
) -> Result<SelectedPage, EngineError> {
    match (&selected.items, from) {
        (Some(keys), from) => {
            let start = match from {
                Some(PageMark::Offset(offset)) => offset,
                _ => 0,
            };
            let mut items = vec![];
            for key in keys.iter().skip(start).take(PAGE) {
                items.push(item(view, *key).await?);
            }
            let end = start + items.len();
            Ok(SelectedPage {
                next: (end < keys.len()).then_some(PageMark::Offset(end)),
                items,
            })
        }
        (None, from) => {
            let after = match from {
                Some(PageMark::Token(token)) => Some(token),
                _ => None,
            };
            let filter = ItemFilter {
                folders: Some(vec![selected.folder.folder.id.clone()]),
                ..filter.clone()
            };
            let page = view.items(&filter, after.as_ref(), PAGE).await?;
            Ok(SelectedPage {
                items: page.items,
                next: page.next.map(PageMark::Token),
            })
        }
    }
}
