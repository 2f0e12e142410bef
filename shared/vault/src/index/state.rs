//! What every reader and writer holds of a mailbox besides the tables: folders, gaps, cursors, counts.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use mailkeep_model::{Folder, FolderId, Gap, ItemId};

use crate::index::commit_info::IndexCounts;
use crate::index::left_out::LeftOut;
use crate::index::ranges::Ranges;
use crate::index::release::{Condemned, Release};
use crate::index::table::FolderNames;
use crate::pack_table::PackId;

/// A folder's description from one commit to another.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FolderVersion {
    /// The folder's number in the index. Never reused.
    pub number: u32,
    /// Its description. Only the item count changes in place.
    pub folder: Folder,
    /// The commit that brought it.
    pub from: u64,
    /// The commit that changed or removed it.
    pub to: Option<u64>,
}

/// An entry of the failed-item ledger.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct GapVersion {
    /// The gap.
    pub gap: Gap,
    /// The commit that recorded it first.
    pub from: u64,
    /// The commit that resolved it.
    pub to: Option<u64>,
}

/// Resolved gaps that are kept for views of the past.
pub(crate) const RESOLVED_GAPS_KEPT: usize = 1000;

/// State of a mailbox after a commit, without the tables.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    /// The commit.
    pub sequence: u64,
    /// Its id; zero before the first.
    pub commit_id: [u8; 16],
    /// Folder versions, oldest first.
    pub folders: Vec<FolderVersion>,
    /// Current version of each folder that is there, by position in `folders`.
    pub current_folders: HashMap<FolderId, usize>,
    /// Every folder that ever was.
    pub folder_names: FolderNames,
    /// The number of every folder that ever was.
    pub folder_numbers: Arc<HashMap<FolderId, u32>>,
    /// The ledger's open entries.
    pub gaps: BTreeMap<ItemId, GapVersion>,
    /// The newest resolved entries, in the order in which they were resolved.
    pub resolved_gaps: VecDeque<GapVersion>,
    /// Cursors by folder number.
    pub cursors: BTreeMap<u32, String>,
    /// Cursor of the folder tree.
    pub tree_cursor: Option<String>,
    /// Removals that are not verified yet: the item and the folder that it left.
    pub pending_removals: BTreeMap<ItemId, FolderId>,
    /// Items that a filter left out and that may qualify later.
    pub left_out: BTreeMap<ItemId, LeftOut>,
    /// The mark of the filter that runs went by; `None` when they took everything.
    pub filter_mark: Option<String>,
    /// The number of the next pack.
    pub next_pack: u32,
    /// Commits were rebuilt, and cursors that count on them were not dropped yet.
    pub is_unlisted: bool,
    /// Commits that were lost and rebuilt from what was left, ascending.
    pub rebuilt: Vec<u64>,
    /// Counts.
    pub counts: IndexCounts,
    /// Packs that are out of the index and not known to be deleted.
    pub condemned: BTreeMap<PackId, Condemned>,
    /// Commits that do not show everything any more that they once showed.
    pub thinned: Ranges,
    /// Versions were dropped, and what they let go of was not looked for yet.
    pub is_uncollected: bool,
    /// Segments up to this commit were looked through for data that must move before they go.
    pub collected: u64,
}

impl State {
    /// The number of a folder.
    pub(crate) fn folder_number(&self, id: &FolderId) -> Option<u32> {
        self.folder_numbers.get(id).copied()
    }

    /// The folder's description, if it is there now.
    pub(crate) fn folder(&self, id: &FolderId) -> Option<&FolderVersion> {
        self.folders.get(*self.current_folders.get(id)?)
    }

    /// The number that the next new folder gets.
    pub(crate) fn next_folder(&self) -> u32 {
        self.folder_names
            .last_key_value()
            .map_or(0, |(number, _)| number.saturating_add(1))
    }

    /// Names a folder number.
    pub(crate) fn name_folder(&mut self, number: u32, id: &FolderId) {
        Arc::make_mut(&mut self.folder_names).insert(number, id.clone());
        Arc::make_mut(&mut self.folder_numbers).insert(id.clone(), number);
    }

    /// Adds a folder or replaces its description as of commit `at`.
    pub(crate) fn put_folder(&mut self, number: u32, folder: Folder, at: u64) {
        if let Some(version) = self
            .current_folders
            .get(&folder.id)
            .and_then(|index| self.folders.get_mut(*index))
        {
            if same_but_count(&version.folder, &folder) {
                version.folder.total_items = folder.total_items;
                return;
            }
            version.to = Some(at);
        }
        self.current_folders
            .insert(folder.id.clone(), self.folders.len());
        self.folders.push(FolderVersion {
            number,
            folder,
            from: at,
            to: None,
        });
    }

    /// Marks a folder as removed by commit `at`; its cursor goes too.
    pub(crate) fn remove_folder(&mut self, id: &FolderId, at: u64) {
        let index = self.current_folders.remove(id);
        if let Some(version) = index.and_then(|index| self.folders.get_mut(index)) {
            version.to = Some(at);
        }
        if let Some(number) = self.folder_number(id) {
            self.cursors.remove(&number);
        }
    }

    /// Records a gap, or a further failure of one.
    pub(crate) fn record_gap(&mut self, gap: Gap, at: u64) {
        let from = self.gaps.get(&gap.item).map_or(at, |open| open.from);
        let version = GapVersion {
            gap,
            from,
            to: None,
        };
        self.gaps.insert(version.gap.item.clone(), version);
    }

    /// Closes a gap.
    pub(crate) fn resolve_gap(&mut self, item: &ItemId, at: u64) {
        if let Some(open) = self.gaps.remove(item) {
            self.resolved_gaps.push_back(GapVersion {
                to: Some(at),
                ..open
            });
        }
        while self.resolved_gaps.len() > RESOLVED_GAPS_KEPT {
            self.resolved_gaps.pop_front();
        }
    }

    /// Takes over what retention says besides rows, parts and packs.
    pub(crate) fn release(&mut self, release: &Release) {
        self.thinned.extend(&release.thinned);
        for id in &release.deleted {
            self.condemned.remove(id);
        }
        for pack in &release.condemned {
            self.condemned.insert(pack.id, *pack);
        }
        if let Some(collected) = release.collected {
            self.is_uncollected = false;
            self.collected = collected;
        }
        let counts = &mut self.counts;
        counts.content_bytes = counts.content_bytes.saturating_sub(release.content_bytes);
        for pack in &release.condemned {
            if let (PackId::Pack(_), Some(_)) = (pack.id, pack.number) {
                counts.packs = counts.packs.saturating_sub(1);
                counts.stored_bytes = counts.stored_bytes.saturating_sub(pack.size_bytes);
            }
        }
    }

    /// The gaps that were open right after commit `at`.
    pub(crate) fn gaps_at(&self, at: u64) -> Vec<Gap> {
        self.gaps
            .values()
            .chain(&self.resolved_gaps)
            .filter(|entry| entry.from <= at && entry.to.is_none_or(|to| to > at))
            .map(|entry| entry.gap.clone())
            .collect()
    }
}

/// True when two descriptions differ in the item count at most.
pub(crate) fn same_but_count(a: &Folder, b: &Folder) -> bool {
    a.id == b.id
        && a.parent == b.parent
        && a.name == b.name
        && a.well_known == b.well_known
        && a.is_hidden == b.is_hidden
        && a.class == b.class
}
