//! The fold: an index is what its commits, applied in order, leave behind.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::VaultError;
use crate::format::header::ObjectHeader;
use crate::ids::PackNumber;
use crate::index::block::{Block, BlockPlace, Run};
use crate::index::commit_info::Snapshot;
use crate::index::record::CommitRecord;
use crate::index::rows::hash::item_hash;
use crate::index::rows::{Life, Patch, RowEntry};
use crate::index::state::State;
use crate::index::table::{BLOCK_ENTRIES, BLOCK_WEIGHT_BYTES, Entry, FolderNames, Lsm, Table};
use crate::index::tables::lookup::LookupEntry;
use crate::index::tables::packs::PackLine;
use crate::index::tables::parts::PartEntry;
use crate::index::tables::refs::RefEntry;
use crate::index::tables::{Lookup, Packs, Parts, Refs, Rows, Snapshots};
use crate::index::tail::Tail;
use crate::pack_table::PackId;

/// Row entries that may be in memory before they are packed into compressed blocks.
pub(crate) const MEMORY_ROWS: usize = if cfg!(test) { 64 } else { 8_192 };
/// The same in bytes.
pub(crate) const MEMORY_BYTES: usize = 8 << 20;

/// A mailbox's index after a commit.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Folders, gaps, cursors, counts.
    pub state: State,
    /// Item versions.
    pub rows: Lsm<Rows>,
    /// Lookup entries.
    pub lookup: Lsm<Lookup>,
    /// Part locations.
    pub parts: Lsm<Parts>,
    /// Packs.
    pub packs: Lsm<Packs>,
    /// Parts of contents.
    pub refs: Lsm<Refs>,
    /// Commits.
    pub snapshots: Lsm<Snapshots>,
    /// The commit that the newest checkpoint covers; 0 without one.
    pub checkpoint: u64,
    /// Row entries since that checkpoint.
    pub rows_since_checkpoint: u64,
    /// What the next commit carries of those since that checkpoint.
    pub tail: Tail,
}

/// A commit with all that belongs to it.
#[derive(Debug)]
pub(crate) struct Commit {
    /// What it says.
    pub record: CommitRecord,
    /// Its rows.
    pub rows: Vec<RowEntry>,
    /// Header of its segment.
    pub header: ObjectHeader,
    /// Size of its segment.
    pub size_bytes: u64,
}

/// Why a commit does not follow the one before.
fn broken(object: &str, what: &str) -> VaultError {
    VaultError::corrupt(object, what)
}

/// The folder names that hold once `record` is applied. Checks the numbers.
pub(crate) fn names_after(
    state: &State,
    object: &str,
    record: &CommitRecord,
) -> Result<FolderNames, VaultError> {
    let mut names = state.folder_names.clone();
    for change in &record.folders {
        match names.get(&change.number) {
            Some(id) if *id == change.id => {}
            Some(_) => return Err(broken(object, "a folder number is used twice")),
            None => {
                let map: &mut BTreeMap<_, _> = Arc::make_mut(&mut names);
                map.insert(change.number, change.id.clone());
            }
        }
    }
    Ok(names)
}

impl Index {
    /// Checks that a record follows this index.
    pub(crate) fn check_follows(
        &self,
        object: &str,
        record: &CommitRecord,
    ) -> Result<(), VaultError> {
        if Some(record.sequence) != self.state.sequence.checked_add(1) {
            return Err(broken(object, "its record has another sequence number"));
        }
        if record.parent != self.state.commit_id {
            return Err(broken(object, "it does not follow the commit before it"));
        }
        let mut next = self.state.next_pack;
        let numbers = record.packs.iter().map(|pack| pack.number);
        for number in numbers.chain(record.inline.map(|inline| inline.number)) {
            if number.0 < next {
                return Err(broken(object, "a pack number is used twice"));
            }
            next = number.0.saturating_add(1);
        }
        let is_known = |number: PackNumber| number.0 < next;
        let replaced = record.replaced_packs.iter().map(|pack| pack.number);
        let dropped = record.dropped_packs.iter().map(|pack| pack.number);
        if !replaced.chain(dropped).all(is_known) {
            return Err(broken(object, "it changes a pack that was never written"));
        }
        Ok(())
    }

    /// Applies a commit. Nothing is changed when it does not fit.
    pub(crate) fn apply(&mut self, object: &str, commit: Commit) -> Result<(), VaultError> {
        self.check_follows(object, &commit.record)?;
        let names = names_after(&self.state, object, &commit.record)?;
        check_rows(object, &commit)?;
        self.tail.push(&commit);
        self.apply_release(&commit);
        self.apply_rows(&commit);
        self.apply_packs(&commit);
        self.apply_state(names, &commit);
        let Commit { record, rows, .. } = commit;
        self.rows_since_checkpoint += u64::try_from(rows.len()).unwrap_or(u64::MAX);
        for entry in rows {
            self.rows.insert(entry);
        }
        for part in record.parts {
            self.parts.insert(part);
        }
        for content in record.refs {
            self.refs.insert(content);
        }
        self.snapshots.insert(Snapshot {
            sequence: record.sequence,
            run: record.run,
            committed_at: record.committed_at,
            end: record.end,
            counts: self.state.counts,
            is_thinned: false,
        });
        Ok(())
    }

    /// Lays tombstones over what retention takes out.
    fn apply_release(&mut self, commit: &Commit) {
        let Some(release) = &commit.record.release else {
            return;
        };
        for content in &release.contents {
            self.refs.insert(RefEntry {
                content: *content,
                parts: None,
            });
        }
        for id in &release.parts {
            self.parts.insert(PartEntry {
                id: *id,
                place: None,
            });
        }
        for number in release.condemned.iter().filter_map(|pack| pack.number) {
            self.packs.insert(PackLine::Dropped(number));
        }
        self.state.release(release);
    }

    fn apply_rows(&mut self, commit: &Commit) {
        let state = &mut self.state;
        let counts = &mut state.counts;
        for entry in &commit.rows {
            match entry {
                RowEntry::Full(_) => {
                    counts.items = counts.items.saturating_add(1);
                    counts.versions = counts.versions.saturating_add(1);
                }
                RowEntry::Patch(_, patch) if patch.is_dropped => {
                    counts.versions = counts.versions.saturating_sub(1);
                    state.is_uncollected = true;
                }
                RowEntry::Patch(_, patch) => {
                    if patch.life.end.is_some() {
                        counts.items = counts.items.saturating_sub(1);
                    }
                }
            }
            if let Some(entry) = LookupEntry::of(entry, |row| item_hash(&row.item)) {
                self.lookup.insert(entry);
            }
        }
    }

    fn apply_packs(&mut self, commit: &Commit) {
        let state = &mut self.state;
        let inline = commit.record.inline_pack(commit.header, commit.size_bytes);
        for pack in commit.record.packs.iter().chain(&inline) {
            state.next_pack = state.next_pack.max(pack.number.0.saturating_add(1));
            if matches!(pack.id, PackId::Pack(_)) {
                state.counts.packs = state.counts.packs.saturating_add(1);
                state.counts.stored_bytes =
                    state.counts.stored_bytes.saturating_add(pack.size_bytes);
            }
            self.packs.insert(PackLine::There(*pack));
        }
        for pack in &commit.record.replaced_packs {
            self.packs.insert(PackLine::There(*pack));
        }
        for pack in &commit.record.dropped_packs {
            let is_object = u64::from(pack.size_bytes > 0);
            state.counts.packs = state.counts.packs.saturating_sub(is_object);
            state.counts.stored_bytes = state.counts.stored_bytes.saturating_sub(pack.size_bytes);
            self.packs.insert(PackLine::Dropped(pack.number));
        }
        let counts = &mut state.counts;
        counts.segments = counts.segments.saturating_add(1);
        counts.stored_bytes = counts.stored_bytes.saturating_add(commit.size_bytes);
        counts.content_bytes = counts
            .content_bytes
            .saturating_add(commit.record.content_bytes);
    }

    fn apply_state(&mut self, names: FolderNames, commit: &Commit) {
        let Commit { record, .. } = commit;
        let at = record.sequence;
        let state = &mut self.state;
        state.folder_names = names;
        for change in &record.folders {
            state.name_folder(change.number, &change.id);
            if let Some(folder) = &change.folder {
                state.put_folder(change.number, folder.clone(), at);
            }
            if change.is_removed {
                state.remove_folder(&change.id, at);
            }
        }
        if record.is_rebuilt {
            state.rebuilt.push(at);
            state.is_unlisted = true;
        }
        if record.drops_cursors {
            state.cursors.clear();
            state.tree_cursor = None;
            state.is_unlisted = false;
        }
        for (folder, cursor) in &record.cursors {
            match cursor {
                Some(cursor) => state.cursors.insert(*folder, cursor.clone()),
                None => state.cursors.remove(folder),
            };
        }
        if let Some(cursor) = &record.tree_cursor {
            state.tree_cursor.clone_from(cursor);
        }
        for item in &record.resolved_gaps {
            state.resolve_gap(item, at);
        }
        for gap in &record.gaps {
            state.record_gap(gap.clone(), at);
        }
        for item in &record.resolved_removals {
            state.pending_removals.remove(item);
        }
        for (item, folder) in &record.pending_removals {
            state.pending_removals.insert(item.clone(), folder.clone());
        }
        for item in &record.no_longer_left_out {
            state.left_out.remove(item);
        }
        for left_out in &record.left_out {
            state
                .left_out
                .insert(left_out.item.clone(), left_out.clone());
        }
        if let Some(mark) = &record.filter_mark {
            state.filter_mark.clone_from(mark);
        }
        state.sequence = at;
        state.commit_id = record.commit_id;
    }

    /// Packs what is in memory into compressed blocks once it is much: a long log is then read in
    /// bounded memory even when no checkpoint helps.
    pub(crate) fn compact_memory(&mut self) -> Result<(), VaultError> {
        let bytes = self.rows.memory_bytes
            + self.lookup.memory_bytes
            + self.parts.memory_bytes
            + self.refs.memory_bytes
            + self.snapshots.memory_bytes
            + self.packs.memory_bytes;
        if self.rows.memory.len() < MEMORY_ROWS && bytes < MEMORY_BYTES {
            return Ok(());
        }
        pack_memory(&mut self.rows)?;
        pack_memory(&mut self.lookup)?;
        pack_memory(&mut self.parts)?;
        pack_memory(&mut self.packs)?;
        pack_memory(&mut self.refs)?;
        pack_memory(&mut self.snapshots)
    }
}

fn check_rows(object: &str, commit: &Commit) -> Result<(), VaultError> {
    let at = commit.record.sequence;
    let is_release = commit.record.release.is_some();
    let fits = |entry: &RowEntry| match entry {
        RowEntry::Full(row) => row.from == at && row.life == Life::default(),
        RowEntry::Patch(_, patch) => {
            let Patch {
                life: Life { end, next },
                is_dropped,
                ..
            } = patch;
            [end, next].into_iter().flatten().all(|it| *it == at) && (is_release || !is_dropped)
        }
    };
    if u64::try_from(commit.rows.len()) != Ok(commit.record.row_entries) {
        return Err(broken(
            object,
            "it has more or fewer rows than its record says",
        ));
    }
    if !commit.rows.iter().all(fits) {
        return Err(broken(object, "a row belongs to another commit"));
    }
    Ok(())
}

/// Cuts entries into blocks: enough entries, or enough memory, whichever comes first.
#[derive(Debug)]
pub(crate) struct BlockCutter<E> {
    /// Entries of the block so far.
    pub entries: Vec<E>,
    weight_bytes: usize,
}

impl<E: Entry> BlockCutter<E> {
    /// An empty block.
    pub(crate) fn new() -> Self {
        Self {
            entries: vec![],
            weight_bytes: 0,
        }
    }

    /// Adds an entry and returns the block if it is full.
    pub(crate) fn push(&mut self, entry: E) -> Option<Vec<E>> {
        self.weight_bytes += entry.weight_bytes();
        self.entries.push(entry);
        (self.entries.len() >= BLOCK_ENTRIES || self.weight_bytes >= BLOCK_WEIGHT_BYTES)
            .then(|| self.finish())
    }

    /// True when cutting here makes no small block.
    pub(crate) fn is_empty_or_half_full(&self) -> bool {
        self.entries.is_empty()
            || self.entries.len() >= BLOCK_ENTRIES / 2
            || self.weight_bytes >= BLOCK_WEIGHT_BYTES / 2
    }

    /// The block so far; empty afterwards.
    pub(crate) fn finish(&mut self) -> Vec<E> {
        self.weight_bytes = 0;
        std::mem::take(&mut self.entries)
    }
}

fn pack_memory<T: Table>(table: &mut Lsm<T>) -> Result<(), VaultError> {
    if table.memory.is_empty() {
        return Ok(());
    }
    let mut blocks = vec![];
    let mut cutter = BlockCutter::new();
    let mut pack = |entries: Vec<T::Entry>| -> Result<(), VaultError> {
        let bytes = zstd::encode_all(T::encode(&entries).as_slice(), 1)
            .map_err(|error| VaultError::bug(format!("a block in memory: {error}")))?;
        blocks.extend(block_of(BlockPlace::Memory(Bytes::from(bytes)), &entries));
        Ok(())
    };
    for (_, entry) in std::mem::take(&mut table.memory) {
        if let Some(full) = cutter.push(entry) {
            pack(full)?;
        }
    }
    pack(cutter.finish())?;
    table.memory_bytes = 0;
    table.runs.push(Arc::new(Run { blocks }));
    Ok(())
}

/// The directory's line for a block; `None` for an empty one.
pub(crate) fn block_of<E: Entry>(place: BlockPlace, entries: &[E]) -> Option<Block<E::Key>> {
    Some(Block {
        place,
        entries: u32::try_from(entries.len()).ok()?,
        first: entries.first()?.key(),
        last: entries.last()?.key(),
    })
}
