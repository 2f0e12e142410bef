//! Checkpoints: damaged ones are deleted, once a sound one is there.

use std::collections::{BTreeMap, BTreeSet};

use mailkeep_ports::{Condition, GetOptions, Key, StoreErrorKind};

use super::{Repair, RepairAction};
use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::header::ObjectKind;
use crate::index::block::BlockPlace;
use crate::index::checkpoint;
use crate::index::fold::Index;
use crate::index::open::{self, Purpose};
use crate::index::table::{Lsm, Table};
use crate::names;
use crate::object::ObjectReader;

/// What a mailbox's checkpoints are worth.
#[derive(Default)]
pub(crate) struct Checkpoints {
    /// Those that can be read, with all their blocks.
    pub sound: BTreeSet<u64>,
    /// Damaged objects, and roots that refer to damaged or missing ones.
    pub bad: BTreeSet<Key>,
    /// Errors of objects that a newer mailkeep wrote.
    pub newer: Vec<VaultError>,
    /// Those that nobody can say anything about but a newer mailkeep: it wrote them, or what they stand on.
    pub unknown: BTreeSet<u64>,
}

impl Checkpoints {
    /// Those that nobody may read.
    pub(super) fn unusable(&self, core: &MailboxCore) -> Vec<u64> {
        let prefix = names::checkpoint_prefix(&core.id);
        let names = self.bad.iter().filter_map(|key| object_name(key, &prefix));
        names
            .filter(|(_, part)| *part == 0)
            .map(|(sequence, _)| sequence)
            .collect()
    }

    /// Reads every object of every checkpoint once.
    pub(crate) async fn examine(core: &MailboxCore) -> Result<Self, VaultError> {
        let prefix = names::checkpoint_prefix(&core.id);
        let mut found = Self::default();
        let mut sound: BTreeMap<(u64, u32), Key> = BTreeMap::new();
        let mut there: BTreeSet<(u64, u32)> = BTreeSet::new();
        for key in names::list(&*core.ctx.store, &prefix).await? {
            let Some(name) = object_name(&key, &prefix) else {
                continue;
            };
            match read_whole(core, &key).await {
                Ok(()) => {
                    sound.insert(name, key);
                }
                Err(VaultError::Corrupt { .. } | VaultError::Missing { .. }) => {
                    found.bad.insert(key);
                }
                Err(error @ VaultError::NewerThanMe { .. }) => {
                    there.insert(name);
                    found.unknown.extend((name.1 == 0).then_some(name.0));
                    found.newer.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        let names: BTreeSet<(u64, u32)> = sound.keys().copied().collect();
        there.extend(&names);
        for ((sequence, part), key) in sound {
            if part != 0 {
                continue;
            }
            match open::read_root(core, Purpose::Write, sequence).await {
                Ok((index, _)) if is_whole(&index, &names) => {
                    found.sound.insert(sequence);
                }
                Ok((index, _)) if is_whole(&index, &there) => {
                    found.unknown.insert(sequence);
                }
                Ok(_) | Err(VaultError::Corrupt { .. }) => {
                    found.bad.insert(key);
                }
                Err(error @ VaultError::NewerThanMe { .. }) => {
                    found.unknown.insert(sequence);
                    found.newer.push(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }
}

impl Repair {
    /// Deletes damaged checkpoints. Without a sound one that is new enough, one is written first, if its name
    /// is free. Returns those that are not damaged.
    pub(super) async fn checkpoints(&mut self) -> Result<BTreeSet<u64>, VaultError> {
        let found = Checkpoints::examine(&self.core).await?;
        let skip = found.unusable(&self.core);
        let mut there = found.sound;
        there.extend(found.unknown);
        for error in found.newer {
            self.leave(error)?;
        }
        if found.bad.is_empty() {
            return Ok(there);
        }
        let opened = open::open(&self.core, Purpose::Write, &skip, u64::MAX).await?;
        let sequence = opened.index.state.sequence;
        let name = names::checkpoint(&self.core.id, sequence)?;
        let is_due = sequence > 0
            && checkpoint::is_due(&opened.index, self.limits.checkpoint)
            && !found.bad.contains(&name);
        if is_due {
            match checkpoint::write(&self.core, &opened.blocks, &opened.index).await {
                Ok(_) => {}
                // Half of one, left by a repair that died here. A checkpoint is a cache: the commits behind
                // an older one are read instead, until a later commit writes the next.
                Err(VaultError::Store(error)) if error.kind == StoreErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        for key in found.bad {
            let object = key.to_string();
            let deleted = self.core.ctx.store.delete(&key, Condition::None).await;
            let action = match deleted.map_err(VaultError::from) {
                Ok(()) => RepairAction::DroppedCheckpoint { object },
                Err(VaultError::Denied { cause, .. }) => RepairAction::LeftAlone {
                    object,
                    why: format!("it is damaged, passed over, and cannot be deleted yet: {cause}"),
                },
                Err(error) => return Err(error),
            };
            self.report.actions.push(action);
        }
        Ok(there)
    }
}

/// Sequence and part of a checkpoint's object.
fn object_name(key: &Key, prefix: &str) -> Option<(u64, u32)> {
    let name = key.as_str().strip_prefix(prefix)?;
    match name.split_once('.') {
        None => Some((name.parse().ok()?, 0)),
        Some((sequence, part)) => Some((sequence.parse().ok()?, part.parse().ok()?)),
    }
}

async fn read_whole(core: &MailboxCore, key: &Key) -> Result<(), VaultError> {
    let store = &*core.ctx.store;
    let object = store.get(key, GetOptions::default()).await?;
    let (keys, kind) = (core.keys.objects(), ObjectKind::Checkpoint);
    let reader = ObjectReader::from_bytes(keys, kind, key, object.body)?;
    for frame in reader.frames() {
        reader.frame(store, frame).await?;
    }
    Ok(())
}

/// True when every block of the index lies in one of these objects.
fn is_whole(index: &Index, objects: &BTreeSet<(u64, u32)>) -> bool {
    fn is_there<T: Table>(table: &Lsm<T>, objects: &BTreeSet<(u64, u32)>) -> bool {
        let mut blocks = table.runs.iter().flat_map(|run| &run.blocks);
        blocks.all(|block| match &block.place {
            BlockPlace::Stored { object, .. } => objects.contains(&(object.sequence, object.part)),
            BlockPlace::Memory(_) => true,
        })
    }
    is_there(&index.rows, objects)
        && is_there(&index.lookup, objects)
        && is_there(&index.parts, objects)
        && is_there(&index.packs, objects)
        && is_there(&index.refs, objects)
        && is_there(&index.snapshots, objects)
}
