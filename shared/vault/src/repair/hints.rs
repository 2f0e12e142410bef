//! What commits behind lost ones tell about them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use mailkeep_model::{Folder, FolderId};

use super::log::Log;
use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::ids::{ItemKey, PackNumber};
use crate::index::fold::Index;
use crate::index::record::FolderChange;
use crate::index::rows::{RowEntry, SortKey};
use crate::index::segment::Segment;

/// What later commits say of the time before them.
#[derive(Default)]
pub(super) struct Hints {
    /// Each item's version that was its newest when a later commit first touched it, and whether it was
    /// still there then.
    pub newest: HashMap<ItemKey, (SortKey, bool)>,
    /// Folder numbers that no commit introduces that is left.
    pub folders: BTreeSet<u32>,
    /// Contents in packs that no commit names that is left.
    pub contents: HashMap<(ItemKey, u64), PackNumber>,
}

impl Hints {
    /// Reads every sound commit behind `last`.
    pub(super) async fn gather(
        core: &MailboxCore,
        base: &Index,
        log: &Log,
        last: u64,
    ) -> Result<Self, VaultError> {
        let mut hints = Self::default();
        let free = base.state.next_pack..log.first_pack_behind(last);
        let mut names: BTreeMap<u32, FolderId> = (*base.state.folder_names).clone();
        for sequence in log.sound.range(last.saturating_add(1)..).map(|(it, _)| *it) {
            let segment = Segment::read(core, sequence).await?;
            for change in &segment.record.folders {
                names.insert(change.number, change.id.clone());
            }
            let unknown = RefCell::new(BTreeSet::new());
            let rows = segment.rows(&|number| {
                Some(names.get(&number).cloned().unwrap_or_else(|| {
                    unknown.borrow_mut().insert(number);
                    placeholder(number)
                }))
            })?;
            for entry in &rows {
                hints.take(entry, &free);
            }
            for number in unknown.into_inner() {
                names.insert(number, placeholder(number));
                hints.folders.insert(number);
            }
        }
        Ok(hints)
    }

    fn take(&mut self, entry: &RowEntry, free: &std::ops::Range<u32>) {
        match entry {
            RowEntry::Patch(place, patch) => {
                let was_there = patch.life.end.is_some();
                if was_there || patch.life.next.is_some() {
                    let newest = self.newest.entry(place.key);
                    newest.or_insert((*place, was_there));
                }
            }
            RowEntry::Full(row) => {
                if let Some(content) = &row.content
                    && free.contains(&content.place.pack.0)
                {
                    let key = (row.key, content.fingerprint);
                    self.contents.entry(key).or_insert(content.place.pack);
                }
            }
        }
    }
}

/// Stands for the id of a folder that only a lost commit named.
pub(super) fn placeholder(number: u32) -> FolderId {
    FolderId(format!("mailkeep-lost-folder-{number}"))
}

/// Introduces such a folder. The next backup finds where its items are.
pub(super) fn lost_folder(number: u32) -> FolderChange {
    let id = placeholder(number);
    FolderChange {
        number,
        id: id.clone(),
        folder: Some(Folder {
            id,
            parent: None,
            name: format!("Lost folder {number}"),
            well_known: None,
            is_hidden: false,
            class: String::new(),
            total_items: None,
        }),
        is_removed: false,
    }
}
