//! Writing a segment: one conditional PUT decides who has a sequence number.

use std::time::Duration;

use mailkeep_ports::{Condition, StorageClass, StoreErrorKind};

use crate::compress::Compression;
use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::builder::{ObjectBuilder, SealedObject};
use crate::format::frame::{FrameKind, FrameSpec};
use crate::index::record::CommitRecord;
use crate::index::rows::{RowEntry, batch};
use crate::index::segment::Segment;
use crate::index::table::{BLOCK_ENTRIES, BLOCK_WEIGHT_BYTES, Entry};
use crate::names;
use crate::object::put_options;

/// Attempts for one sequence number while the store is busy or in doubt.
const ATTEMPTS: u32 = 8;
/// Races with other writers that are lost before a commit gives up.
pub(crate) const RACES: u32 = 32;
/// The first pause; doubles.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How one try to write a segment ended.
#[derive(Debug)]
pub(crate) enum Tried {
    /// It is durable.
    Done,
    /// A commit has this number: another one, or an earlier try of the same.
    Taken,
}

/// What a commit cost.
#[derive(Debug, Default)]
pub(crate) struct Cost {
    /// Bytes that were written.
    pub bytes: u64,
    /// Requests.
    pub requests: u64,
}

/// Adds what is carried of earlier commits, rows and record to a segment.
pub(crate) fn push(
    builder: &mut ObjectBuilder,
    record: &CommitRecord,
    rows: &[RowEntry],
    earlier: Option<&[u8]>,
) -> Result<(), VaultError> {
    if let Some(earlier) = earlier {
        let spec = FrameSpec::new(FrameKind::EarlierCommits, Compression::Zstd);
        builder.push(&spec, earlier)?;
    }
    let spec = FrameSpec::new(FrameKind::RowBlock, Compression::Zstd);
    for rows in in_blocks(rows) {
        builder.push(&spec, &batch::encode(rows))?;
    }
    let spec = FrameSpec::new(FrameKind::Record, Compression::Zstd);
    builder.push(&spec, &record.encode())?;
    Ok(())
}

/// Where a store lets one writer overwrite the commit of another: makes sure that the commit which the
/// next one is to follow is still the one that this writer knows. A chain is never built on a commit
/// that is not there.
async fn check_parent(
    core: &MailboxCore,
    record: &CommitRecord,
    cost: &mut Cost,
) -> Result<(), VaultError> {
    let before = record.sequence.saturating_sub(1);
    if core.honours_create || before == 0 {
        return Ok(());
    }
    cost.requests += 1;
    let found = match Segment::read(core, before).await {
        Ok(segment) => Some(segment.record.commit_id),
        Err(VaultError::Missing { .. }) => None,
        Err(error) => return Err(error),
    };
    if found == Some(record.parent) {
        return Ok(());
    }
    let what = format!(
        "commit {before}, which the next one was to follow, was overwritten by another program: this store does not prevent that"
    );
    Err(VaultError::stale(&core.id, what))
}

/// Writes one segment until it is known whether the number is taken, by it or by another commit.
pub(crate) async fn put(
    core: &MailboxCore,
    record: &CommitRecord,
    object: &SealedObject,
    cost: &mut Cost,
) -> Result<Tried, VaultError> {
    check_parent(core, record, cost).await?;
    let key = names::log(&core.id, record.sequence)?;
    let store = &core.ctx.store;
    let mut pause = PAUSE;
    let mut tried = 0;
    loop {
        let mut options = put_options(object, StorageClass::Hot);
        options.condition = Condition::IfAbsent;
        cost.requests += 1;
        let error = match store.put(&key, object.bytes.clone(), options).await {
            Ok(_) => {
                cost.bytes += u64::try_from(object.bytes.len()).unwrap_or(u64::MAX);
                return Ok(Tried::Done);
            }
            Err(error) => error,
        };
        match error.kind {
            StoreErrorKind::AlreadyExists => return Ok(Tried::Taken),
            StoreErrorKind::Conflict | StoreErrorKind::Busy => {}
            StoreErrorKind::Unavailable => {
                // In doubt: perhaps it did succeed.
                cost.requests += 1;
                if store.head(&key).await.is_ok() {
                    return Ok(Tried::Taken);
                }
            }
            _ => return Err(error.into()),
        }
        tried += 1;
        if tried == ATTEMPTS {
            return Err(error.into());
        }
        let wait = pause.max(error.retry_after.unwrap_or_default());
        core.ctx.clock.sleep(wait.min(LONGEST_PAUSE)).await;
        pause = pause.saturating_mul(2);
    }
}

/// Cuts rows into batches like the blocks of a checkpoint.
pub(crate) fn in_blocks(rows: &[RowEntry]) -> impl Iterator<Item = &[RowEntry]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut weight = 0;
        let end = rest
            .iter()
            .take(BLOCK_ENTRIES)
            .take_while(|entry| {
                let fits = weight < BLOCK_WEIGHT_BYTES;
                weight += entry.weight_bytes();
                fits
            })
            .count();
        let (block, behind) = rest.split_at(end);
        rest = behind;
        (!block.is_empty()).then_some(block)
    })
}
