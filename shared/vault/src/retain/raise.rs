//! Raising the floor: two checkpoints that need no other object cover the log, then it is closed up to
//! the older of the two.

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_ports::{ETag, StoreErrorKind};

use std::ops::Bound;

use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::index::block::{BlockReader, Cached};
use crate::index::checkpoint;
use crate::index::floor::{self, Floor, MAX_STEPS};
use crate::index::fold::Index;
use crate::index::open::{self, Purpose};
use crate::index::scan::Scan;
use crate::index::table::Lsm;
use crate::names;
use crate::retain::committer::{Change, Committer, Outcome};
use crate::retain::report::RetainLimits;

/// Reads the floor. One that is damaged is made anew: as high as the newest checkpoint, so that no
/// commit below it can ever count.
pub(crate) async fn read(core: &MailboxCore) -> Result<(Floor, Option<ETag>), VaultError> {
    match floor::read(core).await {
        Ok(Some((floor, etag))) => Ok((floor, Some(etag))),
        Ok(None) => Ok((Floor::default(), None)),
        Err(VaultError::Corrupt { object, what }) => {
            tracing::warn!(mailbox = %core.id, what, "making a damaged floor anew");
            let prefix = names::checkpoint_prefix(&core.id);
            let roots = names::list(&*core.ctx.store, &prefix).await?;
            let newest = roots
                .iter()
                .filter_map(|key| names::sequence_of(key.as_str()));
            let key = names::key(object)?;
            let floor = Floor {
                sequence: newest.max().unwrap_or(0),
                ..Floor::default()
            };
            Ok((floor, Some(core.ctx.store.head(&key).await?.etag)))
        }
        Err(error) => Err(error),
    }
}

/// What the floor is raised from.
pub(crate) struct Raising {
    /// The floor as it was read.
    pub floor: Floor,
    /// Its version in the store.
    pub etag: Option<ETag>,
    /// The grace period.
    pub grace: TimeDelta,
    /// The time.
    pub now: DateTime<Utc>,
}

/// True when so many commits lie behind the next checkpoint that the floor is to be raised; and when it
/// was damaged and has no next one.
pub(crate) fn is_due(floor: &Floor, head: u64, limits: &RetainLimits) -> bool {
    if floor.next < floor.sequence {
        return true;
    }
    head.saturating_sub(floor.next.max(floor.sequence)) >= limits.floor_commits
}

/// Raises the floor if it is due. Returns the floor as it is then.
pub(crate) async fn raise(
    committer: &mut Committer,
    limits: &RetainLimits,
    raising: Raising,
) -> Result<Floor, VaultError> {
    let core = committer.core.clone();
    let Raising {
        mut floor,
        etag,
        grace,
        now,
    } = raising;
    floor.forget_steps(grace, now);
    if !is_due(&floor, committer.head(), limits) || floor.steps.len() >= MAX_STEPS {
        return Ok(floor);
    }
    let Some(next) = whole_checkpoint(committer).await? else {
        return Ok(floor);
    };
    // Both must stand before anything below them may go.
    prove(committer, next).await?;
    if floor.next > floor.sequence {
        match open::read_root(&core, Purpose::Write, floor.next).await {
            Ok((index, root)) => {
                let blocks = BlockReader::new(core.clone(), Some((floor.next, root)));
                read_all(&blocks, &index).await?;
            }
            // The floor stays; the new checkpoint is the next one.
            Err(error @ (VaultError::Corrupt { .. } | VaultError::Missing { .. })) => {
                tracing::warn!(mailbox = %core.id, %error, "a checkpoint cannot carry the floor");
                floor.next = floor.sequence;
            }
            Err(error) => return Err(error),
        }
    }
    floor.raise(next, now);
    if floor::write(&core, &floor, etag).await? {
        return Ok(floor);
    }
    // Somebody else was faster, or the answer to our own write was lost.
    Ok(read(&core).await?.0)
}

/// Writes a checkpoint of the newest commit that needs no other one. `None` when others commit too fast.
async fn whole_checkpoint(committer: &mut Committer) -> Result<Option<u64>, VaultError> {
    let core = committer.core.clone();
    for _ in 0..2 {
        let head = committer.head();
        if is_whole(&core, head).await? {
            return Ok(Some(head));
        }
        let opened = &committer.opened;
        match checkpoint::write_whole(&core, &opened.blocks, &opened.index).await {
            Ok(written) => {
                written.install(&mut committer.opened.index);
                return Ok(Some(head));
            }
            // Somebody's checkpoint has this number, or half of one: take a number of our own.
            Err(VaultError::Store(error)) if error.kind == StoreErrorKind::AlreadyExists => {
                if committer.commit(&Change::default()).await? == Outcome::Conflict {
                    return Ok(None);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// True when there is a checkpoint of this commit that needs no other one.
async fn is_whole(core: &MailboxCore, sequence: u64) -> Result<bool, VaultError> {
    match open::read_root(core, Purpose::Write, sequence).await {
        Ok((index, _)) => {
            let mut objects = checkpoint::objects_of(&index).into_iter();
            Ok(objects.all(|(own, _)| own == sequence))
        }
        Err(VaultError::Missing { .. } | VaultError::Corrupt { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Reads a new checkpoint back, alone, and compares it with the index that the log gave.
async fn prove(committer: &Committer, sequence: u64) -> Result<(), VaultError> {
    let core = &committer.core;
    let (index, root) = open::read_root(core, Purpose::Write, sequence).await?;
    let blocks = BlockReader::new(core.clone(), Some((sequence, root)));
    let (own, known) = (&committer.opened.index, &committer.opened.blocks);
    let is_equal = index.state == own.state
        && is_same(&blocks, &index, &index.rows, known, own, &own.rows).await?
        && is_same(&blocks, &index, &index.lookup, known, own, &own.lookup).await?
        && is_same(&blocks, &index, &index.parts, known, own, &own.parts).await?
        && is_same(&blocks, &index, &index.packs, known, own, &own.packs).await?
        && is_same(&blocks, &index, &index.refs, known, own, &own.refs).await?
        && is_same(
            &blocks,
            &index,
            &index.snapshots,
            known,
            own,
            &own.snapshots,
        )
        .await?;
    if is_equal {
        return Ok(());
    }
    Err(VaultError::bug(format!(
        "checkpoint {sequence} of mailbox {} differs from the log it was made from; the log stays",
        core.id
    )))
}

async fn is_same<T: Cached>(
    blocks: &BlockReader,
    index: &Index,
    table: &Lsm<T>,
    other_blocks: &BlockReader,
    other_index: &Index,
    other: &Lsm<T>,
) -> Result<bool, VaultError>
where
    T::Entry: PartialEq,
{
    let names = &index.state.folder_names;
    let other_names = &other_index.state.folder_names;
    let mut scan: Scan<'_, T> = Scan::new(blocks, names, table, Bound::Unbounded, None).await?;
    let mut other: Scan<'_, T> =
        Scan::new(other_blocks, other_names, other, Bound::Unbounded, None).await?;
    loop {
        match (scan.next().await?, other.next().await?) {
            (None, None) => return Ok(true),
            (one, two) if one == two => {}
            _ => return Ok(false),
        }
    }
}

/// Reads every block of an index.
async fn read_all(blocks: &BlockReader, index: &Index) -> Result<(), VaultError> {
    read_table(blocks, index, &index.rows).await?;
    read_table(blocks, index, &index.lookup).await?;
    read_table(blocks, index, &index.parts).await?;
    read_table(blocks, index, &index.packs).await?;
    read_table(blocks, index, &index.refs).await?;
    read_table(blocks, index, &index.snapshots).await
}

async fn read_table<T: Cached>(
    blocks: &BlockReader,
    index: &Index,
    table: &Lsm<T>,
) -> Result<(), VaultError> {
    let names = &index.state.folder_names;
    let mut scan: Scan<'_, T> = Scan::new(blocks, names, table, Bound::Unbounded, None).await?;
    while scan.next().await?.is_some() {}
    Ok(())
}
