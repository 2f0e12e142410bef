//! Lost commits without a checkpoint: out of what packs say about the items in them, and of what later
//! commits say about the time before them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::TimeDelta;
use mailkeep_model::FolderId;
use mailkeep_ports::{GetOptions, Key};

use super::hints::{Hints, lost_folder};
use super::log::Log;
use super::rebuild::{Lost, Rebuilt};
use super::{Repair, RepairAction};
use crate::core::MailboxCore;
use crate::crypto::sha256;
use crate::error::VaultError;
use crate::format::frame::{FrameInfo, FrameKind};
use crate::format::header::ObjectKind;
use crate::ids::{ItemKey, PackNumber, Ulid};
use crate::index::block::BlockReader;
use crate::index::fold::Index;
use crate::index::known::KnownMaps;
use crate::index::record::FolderChange;
use crate::index::rows::{Life, Patch, Row, RowEntry, SortKey};
use crate::index::tables::parts::PartEntry;
use crate::names;
use crate::object::ObjectReader;
use crate::pack_rows::{self, PackRow};
use crate::pack_table::{PackEntry, PackId, PartLocation};

/// Clocks of two writers may differ by so much.
const CLOCK_SLACK: TimeDelta = TimeDelta::hours(1);

/// True when not one commit is left of a mailbox that has packs.
pub(super) async fn is_log_gone(core: &MailboxCore, log: &Log) -> Result<bool, VaultError> {
    if log.last > 0 {
        return Ok(false);
    }
    let packs = names::list(&*core.ctx.store, &names::pack_prefix(&core.id)).await?;
    Ok(!packs.is_empty())
}

/// The commits `lost` behind the index `base`.
pub(super) async fn rebuild(
    repair: &mut Repair,
    base: &Index,
    lost: &Lost,
    log: &Log,
) -> Result<Vec<Rebuilt>, VaultError> {
    let core = repair.core.clone();
    let hints = Hints::gather(&core, base, log, lost.last).await?;
    let own = BlockReader::new(core.clone(), None);
    let mut rebuilding = Rebuilding {
        repair,
        known: KnownMaps::load(&own, base).await?,
        numbers: Numbers::new(base, &hints, log.first_pack_behind(lost.last)),
        folders: Folders::new(base, &hints),
        hints,
        last: lost.last,
        commits: BTreeMap::new(),
        seen: BTreeSet::new(),
    };
    let mut parent = base.state.commit_id;
    for (sequence, id) in (lost.first..=lost.last).zip(lost.ids(&core)) {
        let at = lost.time(&core);
        let mut commit = Rebuilt::new(sequence, id, parent, at, &rebuilding.repair.run);
        commit.record.is_rebuilt = true;
        rebuilding.commits.insert(sequence, commit);
        parent = id;
    }
    let mut packs = vec![];
    for key in names::list(&*core.ctx.store, &names::pack_prefix(&core.id)).await? {
        if let Some(ulid) = orphan(&key, lost, log) {
            packs.extend(rebuilding.read(&core, ulid, key).await?);
        }
    }
    // Folders first: a row that a later commit knows tells which folder a number stands for.
    for row in packs.iter().flat_map(|pack| &pack.rows) {
        if let Some((place, _)) = rebuilding.own(row) {
            let id = &row.item.folder;
            rebuilding.folders.learn(id, place.folder);
        }
    }
    for pack in packs {
        rebuilding.adopt(pack);
    }
    rebuilding.ends(lost);
    let Rebuilding {
        mut commits,
        folders,
        ..
    } = rebuilding;
    if let Some(commit) = commits.get_mut(&lost.first) {
        commit.record.folders = folders.changes();
    }
    let mut commits: Vec<Rebuilt> = commits.into_values().collect();
    commits.iter_mut().for_each(Rebuilt::close);
    Ok(commits)
}

/// The id of a pack that a lost commit may have named.
fn orphan(key: &Key, lost: &Lost, log: &Log) -> Option<Ulid> {
    let ulid: Ulid = names::last_segment(key.as_str()).parse().ok()?;
    if log.named.contains(&ulid) {
        return None;
    }
    let millis = i64::try_from(ulid.0 >> 80).ok()?;
    let at = chrono::DateTime::from_timestamp_millis(millis)?;
    let is_late = lost.before.is_none_or(|before| at >= before - CLOCK_SLACK);
    let is_early = lost.next.is_none_or(|next| at <= next.at + CLOCK_SLACK);
    (is_late && is_early).then_some(ulid)
}

/// Gives packs the numbers that later commits know them by.
struct Numbers {
    free: std::ops::Range<u32>,
    wanted: BTreeSet<u32>,
    given: BTreeSet<u32>,
}

impl Numbers {
    fn new(base: &Index, hints: &Hints, upper: u32) -> Self {
        Self {
            free: base.state.next_pack..upper,
            wanted: hints.contents.values().map(|number| number.0).collect(),
            given: BTreeSet::new(),
        }
    }

    fn give(&mut self, wanted: Option<PackNumber>) -> Option<PackNumber> {
        let mut free = self.free.clone();
        let number = wanted
            .map(|number| number.0)
            .filter(|number| !self.given.contains(number))
            .or_else(|| {
                free.find(|number| !self.wanted.contains(number) && !self.given.contains(number))
            })?;
        self.given.insert(number);
        Some(PackNumber(number))
    }
}

/// Gives folders the numbers that later commits know them by.
struct Folders {
    numbers: HashMap<FolderId, u32>,
    new: BTreeMap<u32, FolderId>,
    unknown: BTreeSet<u32>,
    next: u32,
}

impl Folders {
    fn new(base: &Index, hints: &Hints) -> Self {
        let highest = hints.folders.last().map_or(0, |number| number + 1);
        Self {
            numbers: (*base.state.folder_numbers).clone(),
            new: BTreeMap::new(),
            unknown: hints.folders.clone(),
            // Far from what a lost commit may have given out.
            next: base.state.next_folder().max(highest) + 1_000_000,
        }
    }

    /// Takes note that a number that no commit introduces stands for this folder.
    fn learn(&mut self, id: &FolderId, number: u32) {
        if !self.numbers.contains_key(id) && self.unknown.remove(&number) {
            self.numbers.insert(id.clone(), number);
            self.new.insert(number, id.clone());
        }
    }

    /// The number of a folder.
    fn number(&mut self, id: &FolderId) -> u32 {
        if let Some(number) = self.numbers.get(id) {
            return *number;
        }
        self.next += 1;
        self.numbers.insert(id.clone(), self.next);
        self.new.insert(self.next, id.clone());
        self.next
    }

    fn changes(self) -> Vec<FolderChange> {
        let named = self.new.into_iter().map(|(number, id)| FolderChange {
            number,
            id,
            folder: None,
            is_removed: false,
        });
        named
            .chain(self.unknown.into_iter().map(lost_folder))
            .collect()
    }
}

/// A pack that no commit names that is left.
struct Orphan {
    /// Its line, without its number.
    entry: PackEntry,
    frames: Vec<FrameInfo>,
    object: String,
    rows: Vec<PackRow>,
}

struct Rebuilding<'a> {
    repair: &'a mut Repair,
    known: KnownMaps,
    numbers: Numbers,
    folders: Folders,
    hints: Hints,
    last: u64,
    commits: BTreeMap<u64, Rebuilt>,
    /// Items that have a row or an end in the lost commits.
    seen: BTreeSet<ItemKey>,
}

impl Rebuilding<'_> {
    /// Reads what a pack says.
    async fn read(
        &mut self,
        core: &MailboxCore,
        ulid: Ulid,
        key: Key,
    ) -> Result<Option<Orphan>, VaultError> {
        let store = &*core.ctx.store;
        let bytes = store.get(&key, GetOptions::default()).await?.body;
        let (size_bytes, checksum) = (bytes.len(), sha256(&bytes));
        let keys = core.keys.objects();
        let reader = match ObjectReader::from_bytes(keys, ObjectKind::Pack, &key, bytes) {
            Ok(reader) => reader,
            // Nothing refers to it, so that nothing is lost with it.
            Err(VaultError::Corrupt { .. }) => return Ok(None),
            Err(error) => return self.repair.leave(error).map(|()| None),
        };
        let mut rows = vec![];
        for frame in reader
            .frames()
            .iter()
            .filter(|it| it.kind == FrameKind::PackRows)
        {
            if let Ok(plain) = reader.frame(store, frame).await
                && let Ok(decoded) = pack_rows::decode(&plain)
            {
                rows.extend(decoded);
            }
        }
        // In the copy of a damaged pack, fillers are where lost contents were.
        rows.retain(|row: &PackRow| {
            let number = usize::try_from(row.frame.number).unwrap_or(usize::MAX);
            let frame = reader.frames().get(number);
            frame.is_some_and(|it| it.kind == FrameKind::Item && it.place == row.frame)
        });
        Ok(Some(Orphan {
            entry: PackEntry {
                number: PackNumber(0),
                id: PackId::Pack(ulid),
                size_bytes: u64::try_from(size_bytes).unwrap_or(u64::MAX),
                sha256: checksum,
                header: *reader.header(),
                frames: u32::try_from(reader.frames().len()).unwrap_or(u32::MAX),
            },
            frames: reader.frames().to_vec(),
            object: key.to_string(),
            rows,
        }))
    }

    /// Takes a pack over with all that it says.
    fn adopt(&mut self, pack: Orphan) {
        let wanted = pack.rows.iter().find_map(|row| {
            let content = (row.key, row.fingerprint);
            self.hints.contents.get(&content).copied()
        });
        let Some(number) = self.numbers.give(wanted) else {
            return;
        };
        let Some(mut first) = self.commits.first_entry() else {
            return;
        };
        let record = &mut first.get_mut().record;
        record.packs.push(PackEntry {
            number,
            ..pack.entry
        });
        record.parts.extend(pack.frames.iter().filter_map(|frame| {
            Some(PartEntry {
                id: frame.content_id?,
                place: Some(PartLocation {
                    pack: number,
                    frame: frame.place,
                }),
            })
        }));
        let mut items = 0;
        // Of several versions in one pack the last one counts.
        for row in pack.rows.into_iter().rev() {
            items += u64::from(self.row(row, number));
        }
        let object = pack.object;
        let action = RepairAction::AdoptedPack { object, items };
        self.repair.report.actions.push(action);
    }

    /// The place that a later commit knows the row's version by, if a lost commit brought that.
    fn own(&self, row: &PackRow) -> Option<(SortKey, bool)> {
        let first = self
            .commits
            .first_key_value()
            .map_or(0, |(first, _)| *first);
        let hint = self.hints.newest.get(&row.key).copied();
        hint.filter(|(place, _)| (first..=self.last).contains(&place.from))
    }

    /// Adds an item's version, unless what is known of the item says otherwise.
    fn row(&mut self, row: PackRow, pack: PackNumber) -> bool {
        let latest = self.known.latest(row.key);
        let own = self.own(&row).map(|(place, _)| place);
        let time = row.item.sort_time().timestamp_micros();
        let is_known = self.hints.newest.contains_key(&row.key);
        // A later commit says that the item's newest version was another one.
        if self.seen.contains(&row.key) || (is_known && own.is_none_or(|place| place.time != time))
        {
            return false;
        }
        let folder = match own {
            Some(place) => place.folder,
            None => self.folders.number(&row.item.folder),
        };
        let from = own.map_or(self.last, |place| place.from);
        self.seen.insert(row.key);
        let content = Some(row.content(pack));
        if let Some(latest) = latest {
            let life = Life {
                end: (!latest.is_removed).then_some(from),
                next: Some(from),
            };
            self.push(
                from,
                RowEntry::Patch(latest.place(row.key), Patch::of_life(life)),
            );
        }
        let new = Row {
            key: row.key,
            folder,
            from,
            life: Life::default(),
            content,
            item: row.item,
        };
        self.push(from, RowEntry::Full(Box::new(new)));
        true
    }

    /// Ends versions that later commits do not know as the newest ones any more.
    fn ends(&mut self, lost: &Lost) {
        let hints = std::mem::take(&mut self.hints.newest);
        for (key, (place, was_there)) in hints {
            let Some(latest) = self.known.latest(key).filter(|it| !it.is_removed) else {
                continue;
            };
            if self.seen.contains(&key) {
                continue;
            }
            let old = latest.place(key);
            if (lost.first..=lost.last).contains(&place.from) {
                let life = Life {
                    end: Some(place.from),
                    next: Some(place.from),
                };
                self.push(place.from, RowEntry::Patch(old, Patch::of_life(life)));
            } else if place == old && !was_there {
                let life = Life {
                    end: Some(lost.last),
                    next: None,
                };
                self.push(lost.last, RowEntry::Patch(old, Patch::of_life(life)));
            }
        }
    }

    fn push(&mut self, sequence: u64, entry: RowEntry) {
        if let Some(commit) = self.commits.get_mut(&sequence) {
            commit.rows.push(entry);
        }
    }
}
