//! From staged changes to a commit record and its rows, on top of a given index.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use mailkeep_model::{FolderId, Item};

use crate::error::VaultError;
use crate::ids::{ItemKey, PackNumber};
use crate::index::commit_info::CommitInfo;
use crate::index::fold::Index;
use crate::index::known::{KnownMaps, Latest};
use crate::index::record::{CommitRecord, FolderChange, InlineData};
use crate::index::rows::hash::item_hash;
use crate::index::rows::{Life, Row, RowEntry, SortKey};
use crate::index::staged::{ItemChange, Placed, Staged, StagedItem};
use crate::index::state::same_but_count;
use crate::index::table::Entry;
use crate::index::tables::parts::PartEntry;
use crate::pack::{FlushedPack, StagedPack};
use crate::pack_table::{ContentRef, PackEntry, PackId, PartLocation};

/// What a commit is made of.
pub(crate) struct Material<'a> {
    /// Id of the commit; stays the same however often it is tried.
    pub commit_id: [u8; 16],
    /// What the commit says about itself.
    pub info: &'a CommitInfo,
    /// Changes.
    pub staged: &'a Staged,
    /// Packs in the store.
    pub packs: &'a [FlushedPack],
    /// The segment's own data: the writer's number for it, and its frames.
    pub inline: Option<(StagedPack, &'a [crate::format::frame::FrameInfo])>,
    /// Numbers of packs that earlier commits of this writer named.
    pub numbers: &'a BTreeMap<StagedPack, PackNumber>,
    /// Commits of other writers that this one met.
    pub foreign: &'a BTreeSet<u64>,
    /// The time.
    pub now: DateTime<Utc>,
}

/// A commit, ready to be sealed.
#[derive(Debug)]
pub(crate) struct Draft {
    /// What it says.
    pub record: CommitRecord,
    /// Its rows, sorted.
    pub rows: Vec<RowEntry>,
}

struct Drafter<'a> {
    material: &'a Material<'a>,
    index: &'a Index,
    known: &'a KnownMaps,
    sequence: u64,
    numbers: BTreeMap<StagedPack, PackNumber>,
    rows: Vec<RowEntry>,
    folders: BTreeMap<u32, FolderChange>,
    new_folders: BTreeMap<FolderId, u32>,
    next_folder: u32,
    /// Folders whose items two writers changed differently: they are listed anew by the next run.
    disputed: BTreeSet<u32>,
    content_bytes: u64,
}

/// Makes the commit that follows `index`.
pub(crate) fn draft(
    material: &Material<'_>,
    index: &Index,
    known: &KnownMaps,
) -> Result<Draft, VaultError> {
    let mut drafter = Drafter {
        material,
        index,
        known,
        sequence: index.state.sequence.saturating_add(1),
        numbers: BTreeMap::new(),
        rows: vec![],
        folders: BTreeMap::new(),
        new_folders: BTreeMap::new(),
        next_folder: index.state.next_folder(),
        disputed: BTreeSet::new(),
        content_bytes: 0,
    };
    drafter.finish()
}

impl Drafter<'_> {
    fn finish(&mut self) -> Result<Draft, VaultError> {
        let (packs, inline, parts) = self.packs();
        self.add_folders();
        let staged = self.material.staged;
        for (key, item) in &staged.items {
            self.add_item(*key, item)?;
        }
        self.rows.sort_by_key(Entry::key);
        let cursors = self.cursors();
        let record = CommitRecord {
            sequence: self.sequence,
            commit_id: self.material.commit_id,
            parent: self.index.state.commit_id,
            committed_at: self.material.now,
            run: self.material.info.run.clone(),
            end: self.material.info.end.clone(),
            cursors,
            folders: std::mem::take(&mut self.folders).into_values().collect(),
            tree_cursor: self.tree_cursor(),
            gaps: staged.gaps.values().flatten().cloned().collect(),
            resolved_gaps: none_keys(&staged.gaps),
            pending_removals: staged
                .pending_removals
                .iter()
                .filter_map(|(item, folder)| Some((item.clone(), folder.clone()?)))
                .collect(),
            resolved_removals: none_keys(&staged.pending_removals),
            left_out: staged.left_out.values().flatten().cloned().collect(),
            no_longer_left_out: none_keys(&staged.left_out),
            filter_mark: self.filter_mark(),
            packs,
            inline,
            parts,
            content_bytes: self.content_bytes,
            row_entries: u64::try_from(self.rows.len()).unwrap_or(u64::MAX),
        };
        Ok(Draft {
            record,
            rows: std::mem::take(&mut self.rows),
        })
    }

    fn packs(&mut self) -> (Vec<PackEntry>, Option<InlineData>, Vec<PartEntry>) {
        let mut next = self.index.state.next_pack;
        let mut number = |staged: StagedPack| {
            let number = PackNumber(next);
            next = next.saturating_add(1);
            self.numbers.insert(staged, number);
            number
        };
        let mut parts = BTreeMap::new();
        let mut add_parts = |pack: PackNumber, frames: &[crate::format::frame::FrameInfo]| {
            for frame in frames {
                if let Some(id) = frame.content_id {
                    let place = PartLocation {
                        pack,
                        frame: frame.place,
                    };
                    parts.insert(id, PartEntry { id, place });
                }
            }
        };
        let mut packs = vec![];
        for pack in self.material.packs {
            let entry = PackEntry {
                number: number(pack.staged),
                id: PackId::Pack(pack.ulid),
                size_bytes: pack.size_bytes,
                sha256: pack.sha256,
                header: pack.header,
                frames: u32::try_from(pack.frames.len()).unwrap_or(u32::MAX),
            };
            add_parts(entry.number, &pack.frames);
            packs.push(entry);
        }
        let inline = self.material.inline.map(|(staged, frames)| {
            let number = number(staged);
            add_parts(number, frames);
            InlineData {
                number,
                frames: u32::try_from(frames.len()).unwrap_or(u32::MAX),
            }
        });
        (packs, inline, parts.into_values().collect())
    }

    fn add_folders(&mut self) {
        let staged = self.material.staged;
        for (id, folder) in &staged.folders {
            let stored = self.index.state.folder(id).map(|version| &version.folder);
            let changed = match (stored, folder) {
                (None, None) => false,
                (Some(stored), Some(folder)) => {
                    !same_but_count(stored, folder) || stored.total_items != folder.total_items
                }
                _ => true,
            };
            if !changed {
                continue;
            }
            let number = self.folder_number(id);
            self.folders.insert(
                number,
                FolderChange {
                    number,
                    id: id.clone(),
                    folder: folder.clone(),
                    is_removed: folder.is_none(),
                },
            );
        }
    }

    /// The number of a folder; an unknown one gets the next.
    fn folder_number(&mut self, id: &FolderId) -> u32 {
        if let Some(number) = self.index.state.folder_number(id) {
            return number;
        }
        if let Some(number) = self.new_folders.get(id) {
            return *number;
        }
        let number = self.next_folder;
        self.next_folder = self.next_folder.saturating_add(1);
        self.new_folders.insert(id.clone(), number);
        self.folders.insert(
            number,
            FolderChange {
                number,
                id: id.clone(),
                folder: None,
                is_removed: false,
            },
        );
        number
    }

    fn add_item(&mut self, key: ItemKey, staged: &StagedItem) -> Result<(), VaultError> {
        let latest = self.known.latest(key);
        // Another writer changed the item after this one looked at it.
        let is_disputed = latest.is_some_and(|latest| {
            latest.from > staged.base && self.material.foreign.contains(&latest.from)
        });
        match &staged.change {
            ItemChange::Put(item, content) => {
                let is_new = matches!(content, Placed::Staged { .. });
                let content = self.place(content)?;
                if let Some(latest) = latest.filter(|latest| !latest.is_removed)
                    && latest.hash == item_hash(item)
                    && self.is_stored(latest.place(key), content.as_ref(), is_new)
                {
                    return Ok(());
                }
                let folder = self.folder_number(&item.folder);
                if is_disputed && let Some(latest) = latest {
                    self.disputed.extend([folder, latest.folder]);
                    if self.is_newer(&latest.place(key), item) {
                        return Ok(());
                    }
                }
                self.add_row(key, folder, item, content, latest);
            }
            ItemChange::Remove(_) => {
                let Some(latest) = latest.filter(|latest| !latest.is_removed) else {
                    return Ok(());
                };
                if is_disputed {
                    self.disputed.insert(latest.folder);
                    return Ok(());
                }
                let life = Life {
                    end: Some(self.sequence),
                    next: None,
                };
                self.rows.push(RowEntry::Patch(latest.place(key), life));
            }
        }
        Ok(())
    }

    fn add_row(
        &mut self,
        key: ItemKey,
        folder: u32,
        item: &Item,
        content: Option<ContentRef>,
        latest: Option<Latest>,
    ) {
        if let Some(latest) = latest {
            let life = Life {
                end: (!latest.is_removed).then_some(self.sequence),
                next: Some(self.sequence),
            };
            self.rows.push(RowEntry::Patch(latest.place(key), life));
        }
        if let Some(content) = &content
            && self
                .numbers
                .values()
                .any(|number| *number == content.place.pack)
        {
            self.content_bytes = self.content_bytes.saturating_add(content.size_bytes);
        }
        self.rows.push(RowEntry::Full(Box::new(Row {
            key,
            folder,
            from: self.sequence,
            life: Life::default(),
            previous: latest.map(|latest| latest.place(key)),
            content,
            item: item.clone(),
        })));
    }

    /// Turns a place into one that the index can hold.
    fn place(&self, content: &Placed) -> Result<Option<ContentRef>, VaultError> {
        let (pack, frame, size_bytes, fingerprint) = match content {
            Placed::Missing => return Ok(None),
            Placed::Indexed(content) => return Ok(Some(*content)),
            Placed::Staged {
                pack,
                frame,
                size_bytes,
                fingerprint,
            } => (pack, *frame, *size_bytes, *fingerprint),
        };
        let number = self
            .numbers
            .get(pack)
            .or_else(|| self.material.numbers.get(pack))
            .ok_or_else(|| VaultError::bug("a row refers to content that no commit holds"))?;
        Ok(Some(ContentRef {
            place: PartLocation {
                pack: *number,
                frame,
            },
            size_bytes,
            fingerprint,
        }))
    }

    /// True when the stored version with the same metadata has this content too. Only a version of a
    /// recent commit is at hand; content that was stored just now is otherwise taken as new.
    fn is_stored(&self, place: SortKey, content: Option<&ContentRef>, is_new: bool) -> bool {
        if !is_new {
            return true;
        }
        match self.index.rows.memory.get(&place.to_bytes()) {
            Some(RowEntry::Full(row)) => {
                row.content.map(|it| it.fingerprint) == content.map(|it| it.fingerprint)
            }
            _ => false,
        }
    }

    /// True when the stored version was modified later than `item`.
    fn is_newer(&self, place: &SortKey, item: &Item) -> bool {
        match self.index.rows.memory.get(&place.to_bytes()) {
            Some(RowEntry::Full(row)) => row.item.modified_at > item.modified_at,
            _ => false,
        }
    }

    /// A folder that another writer changed meanwhile is overwritten; unless this writer says how far it
    /// followed the tree, the tree is then listed anew by the next run.
    fn tree_cursor(&self) -> Option<Option<String>> {
        let staged = self.material.staged;
        let is_disputed = staged.folders.keys().any(|id| {
            let stored = self.index.state.folder(id);
            stored.is_some_and(|version| self.material.foreign.contains(&version.from))
        });
        match &staged.tree_cursor {
            None if is_disputed => Some(None),
            cursor => cursor.clone(),
        }
    }

    /// The mark, when it is another than before. Where somebody else wrote meanwhile by another filter,
    /// nobody knows what the cursors passed: the mark becomes one that no filter has, so that the next
    /// run lists everything.
    fn filter_mark(&self) -> Option<Option<String>> {
        let mark = self.material.staged.filter_mark.as_ref()?;
        if *mark == self.index.state.filter_mark {
            return None;
        }
        let is_alone = self.material.foreign.is_empty();
        Some(if is_alone {
            mark.clone()
        } else {
            Some(String::new())
        })
    }

    fn cursors(&mut self) -> Vec<(u32, Option<String>)> {
        let staged = self.material.staged;
        let mut cursors = BTreeMap::new();
        for (folder, cursor) in &staged.cursors {
            if staged.folders.get(folder).is_some_and(Option::is_none) {
                continue;
            }
            let known = self.index.state.folder_number(folder);
            let stored = known.and_then(|number| self.index.state.cursors.get(&number));
            if stored != cursor.as_ref() {
                cursors.insert(self.folder_number(folder), cursor.clone());
            }
        }
        cursors.extend(self.disputed.iter().map(|folder| (*folder, None)));
        cursors.into_iter().collect()
    }
}

fn none_keys<K: Clone, V>(map: &BTreeMap<K, Option<V>>) -> Vec<K> {
    map.iter()
        .filter(|(_, value)| value.is_none())
        .map(|(key, _)| key.clone())
        .collect()
}
