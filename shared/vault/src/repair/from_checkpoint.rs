//! Lost commits out of a checkpoint: it holds everything that they said but the data in them.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::Repair;
use super::index_refs;
use super::log::Log;
use super::rebuild::{Lost, Rebuilt};
use super::salvage::{Salvage, frame_table};
use crate::error::VaultError;
use crate::ids::PackNumber;
use crate::index::block::BlockReader;
use crate::index::fold::Index;
use crate::index::record::{DroppedPack, FolderChange, InlineData};
use crate::index::rows::{Life, Patch, RowEntry};
use crate::index::scan::{self, Scan};
use crate::index::tables::packs::PackLine;
use crate::index::tables::{Lookup, Packs, Parts, Rows, Snapshots};
use crate::names;
use crate::pack_table::{PackEntry, PackId};

/// Row entries that are rebuilt at once; more commits follow in another round.
const ROWS_AT_ONCE: u64 = 100_000;

/// The commits `lost` between the index `base` and the checkpoint `after`.
pub(super) async fn rebuild(
    repair: &Repair,
    base: &Index,
    lost: &mut Lost,
    after: &Index,
    blocks: &BlockReader,
    log: &Log,
) -> Result<Vec<Rebuilt>, VaultError> {
    limit(lost, after, blocks).await?;
    let mut rebuilding = Rebuilding {
        repair,
        base,
        own: BlockReader::new(repair.core.clone(), None),
        after,
        blocks,
        first: lost.first,
        last: lost.last,
        upper: log.first_pack_behind(lost.last),
        commits: BTreeMap::new(),
    };
    rebuilding.start(lost).await?;
    rebuilding.rows().await?;
    rebuilding.state();
    let kept = rebuilding.packs().await?;
    rebuilding.parts(&kept).await?;
    let mut commits: Vec<Rebuilt> = rebuilding.commits.into_values().collect();
    commits.iter_mut().for_each(Rebuilt::close);
    Ok(commits)
}

/// Takes no more commits at once than fit into memory.
async fn limit(lost: &mut Lost, after: &Index, blocks: &BlockReader) -> Result<(), VaultError> {
    let mut counts: BTreeMap<u64, u64> = BTreeMap::new();
    let folders = &after.state.folder_names;
    let mut scan: Scan<'_, Lookup> =
        Scan::new(blocks, folders, &after.lookup, Bound::Unbounded, None).await?;
    while let Some(entry) = scan.next().await? {
        let at = [Some(entry.place.from), entry.life.end, entry.life.next];
        for at in at.into_iter().flatten() {
            if (lost.first..=lost.last).contains(&at) {
                *counts.entry(at).or_default() += 1;
            }
        }
    }
    let mut sum = 0;
    for (sequence, count) in counts {
        sum += count;
        if sum > ROWS_AT_ONCE && sequence > lost.first {
            lost.last = sequence - 1;
            lost.next = None;
            break;
        }
    }
    Ok(())
}

struct Rebuilding<'a> {
    repair: &'a Repair,
    base: &'a Index,
    own: BlockReader,
    after: &'a Index,
    blocks: &'a BlockReader,
    first: u64,
    last: u64,
    /// Pack numbers from here on were given out by later commits.
    upper: u32,
    commits: BTreeMap<u64, Rebuilt>,
}

impl Rebuilding<'_> {
    /// Commits without content, each with the id that its neighbours expect.
    async fn start(&mut self, lost: &Lost) -> Result<(), VaultError> {
        let core = &self.repair.core;
        let state = &self.after.state;
        let mut parent = self.base.state.commit_id;
        let mut content_bytes = self.base.state.counts.content_bytes;
        for (sequence, id) in (lost.first..=lost.last).zip(lost.ids(core)) {
            let id = if sequence == state.sequence {
                state.commit_id
            } else {
                id
            };
            let key = sequence.to_be_bytes();
            let (folders, table) = (&state.folder_names, &self.after.snapshots);
            let snapshot =
                scan::get::<Snapshots>(self.blocks, folders, None, &table.runs, &key).await?;
            let at = snapshot.as_ref().map(|it| it.committed_at);
            let at = at.unwrap_or_else(|| lost.time(core));
            let mut commit = Rebuilt::new(sequence, id, parent, at, &self.repair.run);
            commit.record.is_rebuilt = state.rebuilt.contains(&sequence);
            if let Some(snapshot) = snapshot {
                let bytes = snapshot.counts.content_bytes;
                commit.record.content_bytes = bytes.saturating_sub(content_bytes);
                content_bytes = bytes;
                commit.record.run = snapshot.run;
                commit.record.end = snapshot.end;
            }
            self.commits.insert(sequence, commit);
            parent = id;
        }
        Ok(())
    }

    fn is_lost(&self, sequence: u64) -> bool {
        (self.first..=self.last).contains(&sequence)
    }

    fn push(&mut self, sequence: u64, entry: RowEntry) {
        if let Some(commit) = self.commits.get_mut(&sequence) {
            commit.rows.push(entry);
        }
    }

    async fn rows(&mut self) -> Result<(), VaultError> {
        let folders = self.after.state.folder_names.clone();
        let mut scan: Scan<'_, Rows> = Scan::new(
            self.blocks,
            &folders,
            &self.after.rows,
            Bound::Unbounded,
            None,
        )
        .await?;
        while let Some(entry) = scan.next().await? {
            let RowEntry::Full(row) = entry else { continue };
            let (place, life) = (row.sort_key(), row.life);
            let next = life.next.filter(|next| life.end != Some(*next));
            for at in [life.end, next].into_iter().flatten() {
                let life = Life {
                    end: life.end.filter(|end| *end == at),
                    next: life.next.filter(|next| *next == at),
                };
                self.push(at, RowEntry::Patch(place, Patch::of_life(life)));
            }
            if self.is_lost(row.from) {
                let mut row = row;
                row.life = Life::default();
                self.push(row.from, RowEntry::Full(row));
            } else if row.from < self.first
                && let Some(content) = row.content
                && (content.is_lost() || content.place.pack.0 >= self.base.state.next_pack)
            {
                let key = place.to_bytes();
                let newest = self.base.rows.memory.get(&key).cloned();
                let runs = &self.base.rows.runs;
                let names = &self.base.state.folder_names;
                let before = scan::get::<Rows>(&self.own, names, newest, runs, &key).await?;
                let before = before.and_then(RowEntry::into_row);
                if before.is_some_and(|before| before.content != Some(content)) {
                    let patch = Patch {
                        content: Some(content),
                        ..Patch::default()
                    };
                    self.push(self.last, RowEntry::Patch(place, patch));
                }
            }
        }
        Ok(())
    }

    /// Folders, gaps and cursors.
    fn state(&mut self) {
        let state = &self.after.state;
        let mut named: BTreeMap<u64, BTreeMap<u32, FolderChange>> = BTreeMap::new();
        for (number, id) in state.folder_names.iter() {
            if !self.base.state.folder_names.contains_key(number) {
                let change = FolderChange {
                    number: *number,
                    id: id.clone(),
                    folder: None,
                    is_removed: false,
                };
                named.entry(self.first).or_default().insert(*number, change);
            }
        }
        for version in &state.folders {
            let change = |folder, is_removed| FolderChange {
                number: version.number,
                id: version.folder.id.clone(),
                folder,
                is_removed,
            };
            if self.is_lost(version.from) {
                let change = change(Some(version.folder.clone()), false);
                let changes = named.entry(version.from).or_default();
                changes.insert(version.number, change);
            }
            if let Some(to) = version.to.filter(|to| self.is_lost(*to)) {
                let changes = named.entry(to).or_default();
                let is_named = changes
                    .get(&version.number)
                    .is_some_and(|it| it.folder.is_some());
                if !is_named {
                    changes.insert(version.number, change(None, true));
                }
            }
        }
        for (sequence, changes) in named {
            if let Some(commit) = self.commits.get_mut(&sequence) {
                commit.record.folders = changes.into_values().collect();
            }
        }
        for version in state.gaps.values().chain(&state.resolved_gaps) {
            if let Some(commit) = self.commits.get_mut(&version.from) {
                commit.record.gaps.push(version.gap.clone());
            }
            if let Some(commit) = version.to.and_then(|to| self.commits.get_mut(&to)) {
                commit.record.resolved_gaps.push(version.gap.item.clone());
            }
        }
        // As of the checkpoint: what later commits say of a cursor they say again.
        if let Some(commit) = self.commits.get_mut(&self.last) {
            let cursors = state.cursors.iter();
            commit.record.cursors = cursors
                .map(|(folder, cursor)| (*folder, Some(cursor.clone())))
                .collect();
            commit.record.tree_cursor = Some(state.tree_cursor.clone());
            commit.record.left_out = state.left_out.values().cloned().collect();
            commit.record.filter_mark = Some(state.filter_mark.clone());
            let pending = state.pending_removals.iter();
            commit.record.pending_removals = pending
                .map(|(item, folder)| (item.clone(), folder.clone()))
                .collect();
        }
    }

    /// Packs that the lost commits named, or changed. Returns the numbers of those that are there.
    async fn packs(&mut self) -> Result<Vec<PackNumber>, VaultError> {
        let known = self.base.state.next_pack;
        let folders = self.after.state.folder_names.clone();
        let table = &self.after.packs;
        let mut scan: Scan<'_, Packs> =
            Scan::new(self.blocks, &folders, table, Bound::Unbounded, None).await?;
        let mut kept = vec![];
        while let Some(line) = scan.next().await? {
            match line {
                PackLine::There(pack) if pack.number.0 >= known => match pack.id {
                    _ if pack.number.0 >= self.upper => {}
                    PackId::Pack(_) => {
                        if let Some(commit) = self.commits.get_mut(&self.first) {
                            commit.record.packs.push(pack);
                            kept.push(pack.number);
                        }
                    }
                    PackId::Segment(sequence) => {
                        if self.is_lost(sequence) {
                            self.data(sequence, &pack).await?;
                            kept.push(pack.number);
                        }
                    }
                },
                PackLine::There(pack) => self.changed_pack(&pack).await?,
                PackLine::Dropped(number) => self.dropped_pack(number).await?,
            }
        }
        Ok(kept)
    }

    async fn before(&self, number: PackNumber) -> Result<Option<PackEntry>, VaultError> {
        let key = number.0.to_be_bytes();
        let newest = self.base.packs.memory.get(&key).copied();
        let (runs, names) = (&self.base.packs.runs, &self.base.state.folder_names);
        let line = scan::get::<Packs>(&self.own, names, newest, runs, &key).await?;
        Ok(line.and_then(PackLine::entry))
    }

    async fn changed_pack(&mut self, pack: &PackEntry) -> Result<(), VaultError> {
        let before = self.before(pack.number).await?;
        if before.is_some_and(|before| before.id != pack.id)
            && let Some(commit) = self.commits.get_mut(&self.last)
        {
            commit.record.replaced_packs.push(*pack);
        }
        Ok(())
    }

    async fn dropped_pack(&mut self, number: PackNumber) -> Result<(), VaultError> {
        if let Some(before) = self.before(number).await?
            && let Some(commit) = self.commits.get_mut(&self.last)
        {
            let is_object = matches!(before.id, PackId::Pack(_));
            commit.record.dropped_packs.push(DroppedPack {
                number,
                size_bytes: if is_object { before.size_bytes } else { 0 },
            });
        }
        Ok(())
    }

    /// What is left of the data in a lost commit.
    async fn data(&mut self, sequence: u64, pack: &PackEntry) -> Result<(), VaultError> {
        let core = &self.repair.core;
        let key = names::log(&core.id, sequence)?;
        let mut inline = InlineData {
            number: pack.number,
            frames: 0,
        };
        let mut data = None;
        if let Some(bytes) = self.repair.remains(sequence).await? {
            let (header, frames) = match frame_table(core, super::log::KIND, &key, &bytes) {
                Some(table) => table,
                None => {
                    let frames =
                        index_refs::frames_of(self.after, self.blocks, pack.number).await?;
                    (pack.header, frames)
                }
            };
            let mut salvage = Salvage::read(core, &key, &header, &frames, &bytes)?;
            salvage.truncate(pack.frames);
            if !salvage.is_empty() {
                inline.frames = salvage.count();
                data = Some(salvage);
            }
        }
        if let Some(commit) = self.commits.get_mut(&sequence) {
            commit.record.inline = Some(inline);
            commit.data = data;
        }
        Ok(())
    }

    /// Where the parts in those packs lie.
    async fn parts(&mut self, kept: &[PackNumber]) -> Result<(), VaultError> {
        let folders = self.after.state.folder_names.clone();
        let table = &self.after.parts;
        let mut scan: Scan<'_, Parts> =
            Scan::new(self.blocks, &folders, table, Bound::Unbounded, None).await?;
        let known = self.base.state.next_pack;
        while let Some(part) = scan.next().await? {
            let Some(place) = part.place else { continue };
            let pack = place.pack;
            let is_new = kept.contains(&pack) || place.is_lost();
            if (is_new || pack.0 < known)
                && self.part_before(&part.id.0).await? != Some(place)
                && let Some(commit) = self.commits.get_mut(&self.first)
            {
                commit.record.parts.push(part);
            }
        }
        Ok(())
    }

    async fn part_before(
        &self,
        id: &[u8; 16],
    ) -> Result<Option<crate::pack_table::PartLocation>, VaultError> {
        let newest = self.base.parts.memory.get(id).copied();
        let (runs, names) = (&self.base.parts.runs, &self.base.state.folder_names);
        let part = scan::get::<Parts>(&self.own, names, newest, runs, id).await?;
        Ok(part.and_then(|part| part.place))
    }
}
