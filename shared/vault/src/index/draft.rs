//! From staged changes to a commit record and its rows, on top of a given index.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_model::{FolderId, Item};

use crate::error::VaultError;
use crate::format::frame::FrameInfo;
use crate::ids::{ItemKey, MailboxId, PackNumber};
use crate::index::commit_info::CommitInfo;
use crate::index::fold::Index;
use crate::index::known::{KnownMaps, Latest};
use crate::index::lost::Lost;
use crate::index::record::{CommitRecord, FolderChange, InlineData};
use crate::index::rows::hash::item_hash;
use crate::index::rows::{Life, Patch, Row, RowEntry, SortKey};
use crate::index::staged::{ItemChange, Placed, Staged, StagedItem};
use crate::index::state::same_but_count;
use crate::index::table::Entry;
use crate::index::tables::parts::PartEntry;
use crate::index::tables::refs::{ContentPlace, RefEntry};
use crate::pack::{FlushedPack, StagedPack, StagedRefs};
use crate::pack_table::{ContentRef, PackEntry, PackId, PartLocation};

/// An uploaded pack must be named by a commit within this time. Half of the shortest grace period.
pub(crate) const MAX_PACK_AGE: TimeDelta = TimeDelta::days(1);

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
    /// The segment's own data.
    pub inline: Option<InlineMaterial<'a>>,
    /// Numbers of packs that earlier commits of this writer named.
    pub numbers: &'a BTreeMap<StagedPack, PackNumber>,
    /// Commits of other writers that this one met.
    pub foreign: &'a BTreeSet<u64>,
    /// What retention took away meanwhile.
    pub lost: &'a Lost,
    /// The mailbox, for errors.
    pub mailbox: &'a MailboxId,
    /// The time.
    pub now: DateTime<Utc>,
}

/// Data for the segment itself.
pub(crate) struct InlineMaterial<'a> {
    /// The writer's number for it.
    pub staged: StagedPack,
    /// Its frames.
    pub frames: &'a [FrameInfo],
    /// The parts of the items in it.
    pub refs: &'a [StagedRefs],
}

/// A commit, ready to be sealed.
#[derive(Debug)]
pub(crate) struct Draft {
    /// What it says.
    pub record: CommitRecord,
    /// Its rows, sorted.
    pub rows: Vec<RowEntry>,
    /// What it carries of the commits before it.
    pub earlier: Option<Vec<u8>>,
}

/// New packs, the segment's own data, where new parts lie, and the parts of new contents.
type NewPacks = (
    Vec<PackEntry>,
    Option<InlineData>,
    Vec<PartEntry>,
    Vec<RefEntry>,
);

impl Material<'_> {
    /// Retention deletes packs that no commit named for a whole grace period: nobody may name one that
    /// is condemned, or so old that it may be soon.
    fn check_pack(&self, pack: &FlushedPack) -> Result<(), VaultError> {
        let is_old = self.now.signed_duration_since(pack.uploaded_at) > MAX_PACK_AGE;
        if is_old || self.lost.is_condemned(pack.ulid) {
            return Err(VaultError::stale(
                self.mailbox,
                "what it had uploaded may have been deleted, because no commit named it for too long",
            ));
        }
        Ok(())
    }
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
        let (packs, inline, parts, refs) = self.packs()?;
        self.add_folders();
        let staged = self.material.staged;
        for (key, item) in &staged.items {
            self.add_item(*key, item)?;
        }
        self.add_contents()?;
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
            refs,
            release: None,
            replaced_packs: staged.replaced_packs.values().copied().collect(),
            dropped_packs: staged.dropped_packs.values().copied().collect(),
            is_rebuilt: false,
            drops_cursors: staged.drops_cursors,
        };
        Ok(Draft {
            record,
            rows: std::mem::take(&mut self.rows),
            earlier: self.index.tail.frame(),
        })
    }

    fn packs(&mut self) -> Result<NewPacks, VaultError> {
        let mut next = self.index.state.next_pack;
        let mut number = |staged: StagedPack| {
            let number = PackNumber(next);
            next = next.saturating_add(1);
            self.numbers.insert(staged, number);
            number
        };
        let mut parts = BTreeMap::new();
        let mut refs = vec![];
        let mut add = |pack: PackNumber, frames: &[FrameInfo], staged: &[StagedRefs]| {
            for frame in frames {
                if let Some(id) = frame.content_id {
                    let place = Some(PartLocation {
                        pack,
                        frame: frame.place,
                    });
                    parts.insert(id, PartEntry { id, place });
                }
            }
            refs.extend(staged.iter().map(|content| RefEntry {
                content: ContentPlace {
                    pack,
                    frame: content.frame,
                },
                parts: Some(content.parts.clone()),
            }));
        };
        let mut packs = vec![];
        for pack in self.material.packs {
            self.material.check_pack(pack)?;
            let entry = PackEntry {
                number: number(pack.staged),
                id: PackId::Pack(pack.ulid),
                size_bytes: pack.size_bytes,
                sha256: pack.sha256,
                header: pack.header,
                frames: u32::try_from(pack.frames.len()).unwrap_or(u32::MAX),
            };
            add(entry.number, &pack.frames, &pack.refs);
            packs.push(entry);
        }
        let inline = self.material.inline.as_ref().map(|inline| {
            let number = number(inline.staged);
            add(number, inline.frames, inline.refs);
            InlineData {
                number,
                frames: u32::try_from(inline.frames.len()).unwrap_or(u32::MAX),
            }
        });
        for (id, (pack, place)) in &self.material.staged.parts {
            let is_there = self.known.place(id).is_some_and(|it| it.pack == *pack);
            if is_there && !parts.contains_key(id) {
                let (id, place) = (*id, Some(*place));
                parts.insert(id, PartEntry { id, place });
            }
        }
        Ok((packs, inline, parts.into_values().collect(), refs))
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
                let content = self.place(key, content)?;
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
                let patch = Patch::of_life(life);
                self.rows.push(RowEntry::Patch(latest.place(key), patch));
            }
        }
        Ok(())
    }

    /// Contents that lie elsewhere now. An item that ends in this commit too gets both in one patch.
    fn add_contents(&mut self) -> Result<(), VaultError> {
        let mut contents = BTreeMap::new();
        for (key, (place, content)) in &self.material.staged.contents {
            contents.insert(*key, (*place, self.place(place.key, content)?));
        }
        for entry in &mut self.rows {
            if let RowEntry::Patch(place, patch) = entry
                && let Some((_, content)) = contents.remove(&place.to_bytes())
            {
                patch.content = content;
            }
        }
        for (place, content) in contents.into_values() {
            let patch = Patch {
                content,
                ..Patch::default()
            };
            self.rows.push(RowEntry::Patch(place, patch));
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
            let patch = Patch::of_life(life);
            self.rows.push(RowEntry::Patch(latest.place(key), patch));
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
            content,
            item: item.clone(),
        })));
    }

    /// Turns a place into one that the index can hold.
    fn place(&self, key: ItemKey, content: &Placed) -> Result<Option<ContentRef>, VaultError> {
        let (pack, frame, size_bytes, fingerprint) = match content {
            Placed::Missing => return Ok(None),
            Placed::Indexed(content) => return self.follow(key, *content).map(Some),
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
        let content = ContentRef {
            place: PartLocation {
                pack: *number,
                frame,
            },
            size_bytes,
            fingerprint,
        };
        self.follow(key, content).map(Some)
    }

    /// Where a stored content lies now that retention may have moved it.
    fn follow(&self, key: ItemKey, content: ContentRef) -> Result<ContentRef, VaultError> {
        self.material.lost.follow(key, content).ok_or_else(|| {
            VaultError::stale(
                self.material.mailbox,
                "content that it counted on was let go of",
            )
        })
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
