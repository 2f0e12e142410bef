//! Opening: the newest checkpoint that can be read, and the commits behind it.

use std::sync::Arc;

use futures::{StreamExt, stream};

use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::frame::FrameKind;
use crate::format::header::ObjectKind;
use crate::index::block::BlockReader;
use crate::index::floor::{self, Floor};
use crate::index::fold::Index;
use crate::index::listing::{self, Listing};
use crate::index::names::is_checkpoint_error;
use crate::index::root::{decode_root, decode_writer_state};
use crate::index::segment::Segment;
use crate::index::wire::check_reader;
use crate::names;
use crate::object::{ObjectReader, SUFFIX_BYTES};

/// Segments that are fetched at once.
const CONCURRENT_SEGMENTS: usize = 8;

/// What the caller will do with the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Only read: cursors are not needed.
    Read,
    /// Write.
    Write,
}

/// An open index.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The index.
    pub index: Index,
    /// Reads its blocks.
    pub blocks: Arc<BlockReader>,
    /// Checkpoints that were left out.
    pub skipped: Vec<u64>,
    /// Up to where the log is closed.
    pub floor: Floor,
}

/// Opens the index of a mailbox, without the checkpoints in `skip`. Damaged checkpoints are skipped: they
/// hold nothing that the log does not hold. Commits behind `up_to` are left out.
pub(crate) async fn open(
    core: &MailboxCore,
    purpose: Purpose,
    skip: &[u64],
    up_to: u64,
) -> Result<Opened, VaultError> {
    let mut skip = skip.to_vec();
    let mut listing = listing::list(core, &skip).await?;
    let floor = read_floor(core, &listing).await?;
    loop {
        let newest = listing.newest(&skip, up_to);
        if newest < listing.log_from {
            // What was listed begins behind an older checkpoint.
            let more = listing::list_behind(core, newest.saturating_sub(1)).await?;
            (listing.log, listing.log_bytes) = (more.log, more.log_bytes);
            listing.log_from = newest;
        }
        listing.log.retain(|sequence| *sequence <= up_to);
        // The end of the log comes along with the checkpoint: the two do not wait for each other.
        let last = listing.log.last().copied().filter(|last| *last > newest);
        let end = async {
            match last {
                Some(last) => Some(Segment::read(core, last).await),
                None => None,
            }
        };
        let (index, root, end) = if newest == 0 {
            (Index::default(), None, end.await)
        } else {
            let (root, end) = futures::future::join(read_root(core, purpose, newest), end).await;
            match root {
                Ok((index, root)) => (index, Some((newest, root)), end),
                Err(error) if is_checkpoint_error(&core.id, &error) => {
                    tracing::warn!(mailbox = %core.id, checkpoint = newest, %error, "skipping a checkpoint");
                    skip.push(newest);
                    continue;
                }
                Err(error) => return Err(error),
            }
        };
        let mut index = index;
        index.tail.is_kept = purpose == Purpose::Write && core.trusts_copies && core.honours_create;
        if newest < floor.sequence && floor.sequence <= up_to {
            return Err(VaultError::missing(
                names::checkpoint(&core.id, floor.sequence)?.as_str(),
                "the log up to this commit is closed, and no checkpoint that holds it can be read; restore it from a replica or an older version of the bucket",
            ));
        }
        read_tail(core, &mut index, &listing, end).await?;
        return Ok(Opened {
            index,
            blocks: Arc::new(BlockReader::new(core.clone(), root)),
            skipped: skip,
            floor,
        });
    }
}

/// Up to where the log is closed. A damaged floor is passed over: it matters to writers, who look at it
/// again.
async fn read_floor(core: &MailboxCore, listing: &Listing) -> Result<Floor, VaultError> {
    if !listing.has_floor {
        return Ok(Floor::default());
    }
    match floor::read(core).await {
        Ok(floor) => Ok(floor.map(|(floor, _)| floor).unwrap_or_default()),
        Err(error @ VaultError::Corrupt { .. }) => {
            tracing::warn!(mailbox = %core.id, %error, "reading on without the floor");
            Ok(Floor::default())
        }
        Err(error) => Err(error),
    }
}

/// The index of one checkpoint, without the commits behind it.
pub(crate) async fn read_root(
    core: &MailboxCore,
    purpose: Purpose,
    sequence: u64,
) -> Result<(Index, ObjectReader), VaultError> {
    let key = names::checkpoint(&core.id, sequence)?;
    let store = &*core.ctx.store;
    let keys = core.keys.objects();
    let reader =
        ObjectReader::open(store, keys, ObjectKind::Checkpoint, &key, SUFFIX_BYTES).await?;
    let bad = |what: &str| VaultError::corrupt(key.as_str(), what);
    let frame = |kind| reader.last(kind).copied();
    let root = frame(FrameKind::CheckpointRoot).ok_or_else(|| bad("it has no root"))?;
    let bytes = reader.frame(store, &root).await?;
    check_reader(key.as_str(), &bytes)?;
    let mut index =
        decode_root(&bytes, reader.header(), reader.size_bytes()).map_err(|error| bad(error.0))?;
    if index.state.sequence != sequence {
        return Err(bad("its root has another sequence number"));
    }
    if purpose == Purpose::Write {
        let state = frame(FrameKind::WriterState).ok_or_else(|| bad("it has no cursors"))?;
        let bytes = reader.frame(store, &state).await?;
        decode_writer_state(&bytes, &mut index.state).map_err(|error| bad(error.0))?;
    }
    Ok((index, reader))
}

/// Applies the listed commits that follow the index. A commit that is missing in between is an error
/// that names it: nothing behind it may be shown as if it were whole. `end` is the newest one, which often
/// carries the others.
async fn read_tail(
    core: &MailboxCore,
    index: &mut Index,
    listing: &Listing,
    end: Option<Result<Segment, VaultError>>,
) -> Result<(), VaultError> {
    let first = index.state.sequence.saturating_add(1);
    let mut log: Vec<u64> = listing.log.clone();
    log.retain(|sequence| *sequence >= first);
    for (expected, found) in (first..).zip(&log) {
        if *found != expected {
            return Err(hole(core, expected)?);
        }
    }
    // Whether it can be read, or is newer, is said when it is its turn.
    let Some(Ok(mut end)) = end else {
        return apply_commits(core, index, &log).await;
    };
    let mut earlier = std::mem::take(&mut end.earlier);
    earlier.retain(|segment| segment.record.sequence >= first);
    // A commit that is not the one that was copied: let the chain tell.
    let is_there = |segment: &Segment| {
        let listed = listing.log_bytes.get(&segment.record.sequence);
        listed == Some(&segment.size_bytes())
    };
    if !earlier.iter().all(is_there) {
        earlier.clear();
    }
    let carried_from = earlier.first().unwrap_or(&end).record.sequence;
    log.retain(|sequence| *sequence < carried_from);
    apply_commits(core, index, &log).await?;
    for segment in earlier.into_iter().chain([end]) {
        segment.apply_to(index)?;
        index.compact_memory()?;
    }
    Ok(())
}

/// Reads commits and applies them.
async fn apply_commits(
    core: &MailboxCore,
    index: &mut Index,
    log: &[u64],
) -> Result<(), VaultError> {
    let mut segments = stream::iter(log.to_vec())
        .map(|sequence| {
            let core = core.clone();
            async move { Segment::read(&core, sequence).await }
        })
        .buffered(CONCURRENT_SEGMENTS);
    while let Some(segment) = segments.next().await {
        segment?.apply_to(index)?;
        index.compact_memory()?;
    }
    Ok(())
}

/// The error for a commit that is gone although later ones exist.
pub(crate) fn hole(core: &MailboxCore, sequence: u64) -> Result<VaultError, VaultError> {
    Ok(VaultError::missing(
        names::log(&core.id, sequence)?.as_str(),
        "a commit of this mailbox is gone, later ones exist; restore it from a replica or an older version of the bucket",
    ))
}
