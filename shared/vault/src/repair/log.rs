//! The log: which commits are there and follow each other, and which must be written anew.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use mailkeep_ports::{Condition, GetOptions, StoreErrorKind};

use super::checkpoints::Checkpoints;
use super::rebuild::{Lost, Rebuilt};
use super::salvage::{Salvage, frame_table};
use super::{Repair, RepairAction, from_checkpoint, from_packs};
use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::header::ObjectKind;
use crate::ids::{PackNumber, Ulid};
use crate::index::block::BlockReader;
use crate::index::fold::{Commit, Index};
use crate::index::listing;
use crate::index::open::{self, Purpose};
use crate::index::record::CommitRecord;
use crate::index::segment::Segment;
use crate::names;
use crate::pack_table::PackId;

/// Commits read at once.
const CONCURRENT: usize = 4;

/// What is kept of a commit that can be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// Its id.
    pub id: [u8; 16],
    /// That of the commit before.
    pub parent: [u8; 16],
    /// When it was made.
    pub at: DateTime<Utc>,
    /// The first pack number that it gives out.
    pub first_pack: Option<u32>,
}

impl Link {
    fn of(record: &CommitRecord) -> Self {
        let packs = record.packs.iter().map(|pack| pack.number);
        let inline = record.inline.map(|inline| inline.number);
        Self {
            id: record.commit_id,
            parent: record.parent,
            at: record.committed_at,
            first_pack: packs.chain(inline).map(|number| number.0).min(),
        }
    }
}

/// The log of a mailbox as it was found.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Commits that can be read and follow each other.
    pub sound: BTreeMap<u64, Link>,
    /// Packs that they name.
    pub named: BTreeSet<Ulid>,
    /// The newest commit that there was.
    pub last: u64,
    /// Commits that are there and cannot be read.
    unreadable: Vec<u64>,
}

impl Log {
    async fn scan(core: &MailboxCore, first: u64) -> Result<Self, VaultError> {
        let listed = listing::list_log(core, first.saturating_sub(1)).await?;
        let mut log = Self {
            last: listed.last().copied().unwrap_or(0),
            ..Self::default()
        };
        let mut read = stream::iter(listed)
            .map(|sequence| async move { (sequence, Segment::read(core, sequence).await) })
            .buffered(CONCURRENT);
        while let Some((sequence, segment)) = read.next().await {
            match segment {
                Ok(segment) => log.add(&segment),
                Err(VaultError::Corrupt { .. }) => log.unreadable.push(sequence),
                Err(VaultError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(log)
    }

    fn add(&mut self, segment: &Segment) {
        let record = &segment.record;
        self.sound.insert(record.sequence, Link::of(record));
        let packs = record.packs.iter().chain(&record.replaced_packs);
        self.named.extend(packs.filter_map(|pack| match pack.id {
            PackId::Pack(ulid) => Some(ulid),
            PackId::Segment(_) => None,
        }));
    }

    /// Of two neighbours that do not fit, the one that its other neighbour does not know is the stranger.
    fn drop_strangers(&mut self) {
        let fits = |sound: &BTreeMap<u64, Link>, first: u64| match (
            sound.get(&first),
            sound.get(&first.saturating_add(1)),
        ) {
            (Some(one), Some(two)) => one.id == two.parent,
            _ => true,
        };
        let sequences: Vec<u64> = self.sound.keys().copied().collect();
        for sequence in sequences {
            if fits(&self.sound, sequence) {
                continue;
            }
            let next = sequence.saturating_add(1);
            let next_is_known =
                self.sound.contains_key(&next.saturating_add(1)) && fits(&self.sound, next);
            self.sound
                .remove(if next_is_known { &sequence } else { &next });
        }
    }

    /// The first pack number that a commit behind `sequence` gives out.
    pub(super) fn first_pack_behind(&self, sequence: u64) -> u32 {
        let behind = self.sound.range(sequence.saturating_add(1)..);
        let numbers = behind.filter_map(|(_, link)| link.first_pack);
        numbers.min().unwrap_or(PackNumber::LOST.0)
    }

    /// The next commit behind `sequence` that is sound.
    pub(super) fn next_sound(&self, sequence: u64) -> Option<(u64, &Link)> {
        let mut behind = self.sound.range(sequence.saturating_add(1)..);
        behind.next().map(|(sequence, link)| (*sequence, link))
    }
}

impl Repair {
    /// Makes the log whole: every commit that is missing or damaged is written anew, with the ids that its
    /// neighbours expect.
    pub(super) async fn log(&mut self) -> Result<(), VaultError> {
        let mut log = Log::scan(&self.core, self.first_commit).await?;
        for sequence in std::mem::take(&mut log.unreadable) {
            self.reseal(sequence, &mut log).await?;
        }
        log.drop_strangers();
        let checkpoints = Checkpoints::examine(&self.core).await?;
        self.skip = checkpoints.unusable(&self.core);
        log.last = log.last.max(checkpoints.sound.last().copied().unwrap_or(0));
        let orphans = from_packs::is_log_gone(&self.core, &log).await?;
        if orphans {
            // Not one commit is left, but packs are.
            log.last = 1;
        }
        let count = u64::try_from(log.sound.len()).unwrap_or(u64::MAX);
        if log.last.saturating_sub(self.first_commit.saturating_sub(1)) == count {
            return Ok(());
        }
        let mut index = self.base().await?;
        while index.state.sequence < log.last {
            let next = index.state.sequence.saturating_add(1);
            if log.sound.contains_key(&next) {
                let segment = Segment::read(&self.core, next).await?;
                segment.apply_to(&mut index)?;
            } else {
                self.rebuild(&mut index, &log, &checkpoints).await?;
            }
            index.compact_memory()?;
        }
        Ok(())
    }

    /// A commit of which every frame can still be read (its start is damaged, say) is sealed anew as it is.
    async fn reseal(&mut self, sequence: u64, log: &mut Log) -> Result<(), VaultError> {
        let key = names::log(&self.core.id, sequence)?;
        let Some(bytes) = self.remains(sequence).await? else {
            return Ok(());
        };
        let Some((header, frames)) = frame_table(&self.core, KIND, &key, &bytes) else {
            return Ok(());
        };
        let salvage = Salvage::read(&self.core, &key, &header, &frames, &bytes)?;
        if !frames.iter().all(|frame| salvage.has(frame.place.number)) {
            return Ok(());
        }
        let etag = self.core.ctx.store.head(&key).await?.etag;
        let builder = salvage.builder(KIND)?;
        self.put_commit(sequence, builder, Condition::IfMatch(etag))
            .await?;
        let segment = Segment::read(&self.core, sequence).await?;
        log.add(&segment);
        let object = key.to_string();
        self.report.actions.push(RepairAction::RebuiltCommit {
            object,
            is_whole: true,
        });
        Ok(())
    }

    /// The index before the first commit that must be there.
    async fn base(&self) -> Result<Index, VaultError> {
        let floor = self.first_commit.saturating_sub(1);
        if floor == 0 {
            return Ok(Index::default());
        }
        let opened = open::open(&self.core, Purpose::Write, &self.skip, floor).await?;
        if opened.index.state.sequence == floor {
            return Ok(opened.index);
        }
        Err(VaultError::missing(
            names::checkpoint(&self.core.id, floor)?.as_str(),
            "the log up to this commit is closed, and no checkpoint that holds it can be read; restore it from a replica or an older version of the bucket",
        ))
    }

    /// Writes the first commits that are lost behind `index` anew, and applies them.
    async fn rebuild(
        &mut self,
        index: &mut Index,
        log: &Log,
        checkpoints: &Checkpoints,
    ) -> Result<(), VaultError> {
        let first = index.state.sequence.saturating_add(1);
        let behind = log.next_sound(first);
        let last = behind.map_or(log.last, |(sequence, _)| sequence.saturating_sub(1));
        let mut lost = Lost {
            first,
            last,
            next: behind.map(|(_, link)| *link),
            before: log.sound.get(&first.saturating_sub(1)).map(|link| link.at),
        };
        // The checkpoint nearest behind, else the newest one in between.
        let covering = checkpoints.sound.range(last..).next();
        let within = checkpoints.sound.range(first..last).next_back();
        let rebuilt = match covering.or(within) {
            Some(sequence) => {
                let (after, root) = open::read_root(&self.core, Purpose::Write, *sequence).await?;
                let blocks = BlockReader::new(self.core.clone(), Some((*sequence, root)));
                if *sequence < last {
                    lost.last = *sequence;
                    lost.next = None;
                }
                from_checkpoint::rebuild(self, index, &mut lost, &after, &blocks, log).await?
            }
            None => from_packs::rebuild(self, index, &lost, log).await?,
        };
        for commit in rebuilt {
            self.put_rebuilt(index, commit).await?;
        }
        Ok(())
    }

    async fn put_rebuilt(&mut self, index: &mut Index, rebuilt: Rebuilt) -> Result<(), VaultError> {
        let sequence = rebuilt.record.sequence;
        let key = names::log(&self.core.id, sequence)?;
        let condition = match self.core.ctx.store.head(&key).await {
            Ok(info) => Condition::IfMatch(info.etag),
            Err(error) if error.kind == StoreErrorKind::Missing => Condition::IfAbsent,
            Err(error) => return Err(error.into()),
        };
        let is_whole = !rebuilt.record.is_rebuilt;
        let (record, rows) = (rebuilt.record.clone(), rebuilt.rows.clone());
        let sealed = self
            .put_commit(sequence, rebuilt.builder()?, condition)
            .await?;
        let object = key.to_string();
        let commit = Commit {
            record,
            rows,
            header: sealed.header,
            size_bytes: u64::try_from(sealed.bytes.len()).unwrap_or(u64::MAX),
        };
        index.apply(&object, commit)?;
        self.report
            .actions
            .push(RepairAction::RebuiltCommit { object, is_whole });
        Ok(())
    }

    /// The bytes of a commit that cannot be read as a whole; `None` when it is gone.
    pub(super) async fn remains(&self, sequence: u64) -> Result<Option<bytes::Bytes>, VaultError> {
        let key = names::log(&self.core.id, sequence)?;
        match self.core.ctx.store.get(&key, GetOptions::default()).await {
            Ok(object) => Ok(Some(object.body)),
            Err(error) if error.kind == StoreErrorKind::Missing => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// A commit is a segment.
pub(super) const KIND: ObjectKind = ObjectKind::Segment;
