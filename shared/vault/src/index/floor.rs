//! The floor: below it the log is closed, and its objects may be deleted.
//!
//! The names of deleted commits are free again. A writer that slept through it could write such a name
//! and take that for success; so whoever writes a commit reads the floor afterwards: a commit at or
//! below it counts for nothing. The floor only ever grows.

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_ports::{ETag, GetOptions, ListOptions, PutOptions, StoreErrorKind};
use prost::Message;

use crate::compress::Compression;
use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::FORMAT;
use crate::format::builder::ObjectBuilder;
use crate::format::frame::{FrameKind, FrameSpec};
use crate::format::header::ObjectKind;
use crate::index::wire::{check_reader, time};
use crate::names;
use crate::object::ObjectReader;

/// Steps that are remembered; more often than this within a grace period the floor is not raised.
pub(crate) const MAX_STEPS: usize = 16;

/// One raising of the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    /// The floor from then on.
    pub sequence: u64,
    /// When.
    pub at: DateTime<Utc>,
}

/// The floor of a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Floor {
    /// Commits up to this one are closed: no new commit gets such a number. A checkpoint of this
    /// number that needs no other one holds them; 0 while nothing is closed.
    pub sequence: u64,
    /// The next floor: a later checkpoint that needs no other one; 0 without.
    pub next: u64,
    /// How the floor came to be so high, as far as something below it may wait for its grace period.
    pub steps: Vec<Step>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct StepMessage {
    #[prost(uint64, tag = "1")]
    sequence: u64,
    #[prost(sint64, tag = "2")]
    at_ms: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FloorMessage {
    #[prost(uint32, tag = "1")]
    min_reader: u32,
    #[prost(uint64, tag = "2")]
    sequence: u64,
    #[prost(uint64, tag = "3")]
    next: u64,
    #[prost(message, repeated, tag = "4")]
    steps: Vec<StepMessage>,
}

impl Floor {
    /// Raises the floor to the next checkpoint, and notes a new next one.
    pub(crate) fn raise(&mut self, next: u64, now: DateTime<Utc>) {
        if self.next > self.sequence {
            self.sequence = self.next;
            self.steps.push(Step {
                sequence: self.next,
                at: now,
            });
        }
        self.next = next;
    }

    /// What lies at or below this commit, and is not needed otherwise, was closed for the whole grace
    /// period.
    pub(crate) fn deletable(&self, grace: TimeDelta, now: DateTime<Utc>) -> u64 {
        let due = |step: &&Step| {
            step.at
                .checked_add_signed(grace)
                .is_some_and(|it| it <= now)
        };
        let due = self.steps.iter().filter(due);
        due.map(|step| step.sequence).max().unwrap_or(0)
    }

    /// Forgets steps that a later step makes superfluous.
    pub(crate) fn forget_steps(&mut self, grace: TimeDelta, now: DateTime<Utc>) {
        let bound = self.deletable(grace, now);
        self.steps.retain(|step| step.sequence >= bound);
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        FloorMessage {
            min_reader: FORMAT.into(),
            sequence: self.sequence,
            next: self.next,
            steps: self
                .steps
                .iter()
                .map(|step| StepMessage {
                    sequence: step.sequence,
                    at_ms: step.at.timestamp_millis(),
                })
                .collect(),
        }
        .encode_to_vec()
    }

    pub(crate) fn decode(object: &str, bytes: &[u8]) -> Result<Self, VaultError> {
        check_reader(object, bytes)?;
        let bad = |what: &str| VaultError::corrupt(object, what);
        let message = FloorMessage::decode(bytes).map_err(|_| bad("it is not readable"))?;
        let steps = message.steps.iter().map(|step| {
            Ok(Step {
                sequence: step.sequence,
                at: time(step.at_ms).map_err(|error| bad(error.0))?,
            })
        });
        Ok(Self {
            sequence: message.sequence,
            next: message.next,
            steps: steps.collect::<Result<_, VaultError>>()?,
        })
    }
}

/// Reads the floor; `None` when it was never raised.
pub(crate) async fn read(core: &MailboxCore) -> Result<Option<(Floor, ETag)>, VaultError> {
    let key = names::floor(&core.id)?;
    let object = match core.ctx.store.get(&key, GetOptions::default()).await {
        Ok(object) => object,
        Err(error) if error.kind == StoreErrorKind::Missing => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let etag = object.info.etag;
    let keys = core.keys.objects();
    let reader = ObjectReader::from_bytes(keys, ObjectKind::Floor, &key, object.body)?;
    let record = reader.record(&*core.ctx.store).await?;
    Ok(Some((Floor::decode(key.as_str(), &record)?, etag)))
}

/// Writes the floor, unless somebody else changed it since it was read: then `false`.
pub(crate) async fn write(
    core: &MailboxCore,
    floor: &Floor,
    before: Option<ETag>,
) -> Result<bool, VaultError> {
    let key = names::floor(&core.id)?;
    let mut builder = ObjectBuilder::new(ObjectKind::Floor);
    let spec = FrameSpec::new(FrameKind::Record, Compression::Zstd);
    builder.push(&spec, &floor.encode())?;
    let object = builder.finish(core.keys.objects(), &key, &*core.ctx.rng)?;
    let options = PutOptions {
        sha256: Some(object.sha256),
        ..before.map_or_else(PutOptions::if_absent, PutOptions::if_match)
    };
    match core
        .ctx
        .store
        .put(&key, object.bytes.clone(), options)
        .await
    {
        Ok(_) => Ok(true),
        // Perhaps our own write, whose answer was lost: whoever repeats reads it again.
        Err(error)
            if matches!(
                error.kind,
                StoreErrorKind::AlreadyExists | StoreErrorKind::Changed | StoreErrorKind::Missing
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes sure that a commit that was just written counts.
///
/// # Errors
/// `Stale` when the log was closed beyond it: its name was free only because the commit that once had
/// it is deleted.
pub(crate) async fn check_commit(core: &MailboxCore, sequence: u64) -> Result<(), VaultError> {
    let is_closed = match read(core).await {
        Ok(floor) => floor.is_some_and(|(floor, _)| sequence <= floor.sequence),
        // A floor stands on a checkpoint: without one that is as new as the commit there is none.
        Err(VaultError::Corrupt { .. }) => has_checkpoint_from(core, sequence).await?,
        Err(error) => return Err(error),
    };
    if is_closed {
        return Err(VaultError::stale(
            &core.id,
            format!(
                "commit {sequence} was written after the log had been closed beyond it, and counts for nothing"
            ),
        ));
    }
    Ok(())
}

async fn has_checkpoint_from(core: &MailboxCore, sequence: u64) -> Result<bool, VaultError> {
    let from = names::checkpoint(&core.id, sequence.saturating_sub(1))?;
    let options = ListOptions {
        prefix: names::checkpoint_prefix(&core.id),
        // Behind every object of the checkpoint before.
        start_after: Some(format!("{from}.~")),
        limit: 1,
        ..ListOptions::default()
    };
    let page = core.ctx.store.list(options).await?;
    Ok(!page.objects.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_floor_is_deletable_after_its_grace_period_only() {
        let day = |n: i64| DateTime::UNIX_EPOCH + TimeDelta::days(n);
        let grace = TimeDelta::days(7);
        let mut floor = Floor::default();
        floor.raise(10, day(0));
        assert_eq!((floor.sequence, floor.next), (0, 10));
        floor.raise(20, day(1));
        floor.raise(30, day(5));
        assert_eq!((floor.sequence, floor.next), (20, 30));
        assert_eq!(floor.deletable(grace, day(7)), 0);
        assert_eq!(floor.deletable(grace, day(8)), 10);
        assert_eq!(floor.deletable(grace, day(12)), 20);
        floor.forget_steps(grace, day(12));
        assert_eq!(floor.steps.len(), 1);
        assert_eq!(Floor::decode("f", &floor.encode()).unwrap(), floor);
        assert!(Floor::decode("f", &[255]).is_err());
    }
}
