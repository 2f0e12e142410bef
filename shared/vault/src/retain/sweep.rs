//! Deleting objects whose grace period is over, and finding those that no commit ever named.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_ports::{Condition, Key, ListOptions, ObjectInfo, PutOptions, StoreErrorKind};

use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::ids::Ulid;
use crate::index::checkpoint;
use crate::index::floor::Floor;
use crate::index::open::{self, Purpose};
use crate::index::release::Condemned;
use crate::names;
use crate::pack_table::PackId;
use crate::retain::committer::Committer;
use crate::retain::report::Retained;

/// The time by the store's own clock: that of an object written just now.
pub(crate) async fn store_time(core: &MailboxCore) -> Result<DateTime<Utc>, VaultError> {
    let ctx = &core.ctx;
    let name = format!("{}{}", names::PROBE, Ulid::new(&*ctx.clock, &*ctx.rng));
    let key = names::key(name)?;
    let body = bytes::Bytes::from_static(b"what time is it");
    ctx.store.put(&key, body, PutOptions::default()).await?;
    let info = ctx.store.head(&key).await?;
    if let Err(error) = ctx.store.delete(&key, Condition::None).await {
        tracing::warn!(%error, "a scratch object is left behind; it means nothing");
    }
    Ok(info.modified_at)
}

/// Every object below a prefix.
async fn list(core: &MailboxCore, prefix: String) -> Result<Vec<ObjectInfo>, VaultError> {
    let mut objects = vec![];
    let mut start_after = None;
    loop {
        let options = ListOptions {
            prefix: prefix.clone(),
            start_after,
            ..ListOptions::default()
        };
        let page = core.ctx.store.list(options).await?;
        objects.extend(page.objects);
        match page.next {
            Some(next) => start_after = Some(next),
            None => return Ok(objects),
        }
    }
}

/// What the store holds of packs that are not in the index.
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    /// Condemned packs that are still there.
    pub condemned: Vec<Condemned>,
    /// Condemned packs that are gone.
    pub deleted: Vec<PackId>,
    /// Packs that no commit names, and when they were written.
    pub unnamed: Vec<(PackId, u64, DateTime<Utc>)>,
}

/// Compares the packs in the store with an index. `named` are the packs of the index.
pub(crate) async fn leftovers(
    committer: &Committer,
    named: &BTreeSet<PackId>,
) -> Result<Leftovers, VaultError> {
    let core = &committer.core;
    let mut there = BTreeMap::new();
    for object in list(core, names::pack_prefix(&core.id)).await? {
        let ulid = names::last_segment(object.key.as_str()).parse::<Ulid>();
        if let Ok(ulid) = ulid {
            there.insert(PackId::Pack(ulid), object);
        }
    }
    let mut leftovers = Leftovers::default();
    let state = &committer.opened.index.state;
    for pack in state.condemned.values() {
        let is_there = match pack.id {
            PackId::Pack(_) => there.remove(&pack.id).is_some(),
            // Gone together with its commit; see `closed`.
            PackId::Segment(_) => true,
        };
        if is_there {
            leftovers.condemned.push(*pack);
        } else {
            leftovers.deleted.push(pack.id);
        }
    }
    for (id, object) in there {
        if !named.contains(&id) {
            leftovers
                .unnamed
                .push((id, object.size_bytes, object.modified_at));
        }
    }
    Ok(leftovers)
}

/// Objects of the log and of checkpoints that lie at or below the deletable floor and hold nothing that
/// is needed: commits first, oldest first; of a checkpoint the root first.
pub(crate) async fn closed(
    committer: &Committer,
    floor: &Floor,
    deletable: u64,
    needed: &BTreeSet<PackId>,
) -> Result<Vec<Key>, VaultError> {
    let core = &committer.core;
    if deletable == 0 {
        return Ok(vec![]);
    }
    let mut keys = vec![];
    for object in list(core, names::log_prefix(&core.id)).await? {
        let sequence = names::sequence_of(object.key.as_str()).unwrap_or(u64::MAX);
        if sequence > deletable {
            break;
        }
        if !needed.contains(&PackId::Segment(sequence)) {
            keys.push(object.key);
        }
    }
    let prefix = names::checkpoint_prefix(&core.id);
    let objects = list(core, prefix.clone()).await?;
    let mut used = BTreeSet::new();
    for object in &objects {
        if let Some(sequence) = names::sequence_of(object.key.as_str())
            && sequence >= deletable
        {
            match open::read_root(core, Purpose::Read, sequence).await {
                Ok((index, _)) => used.extend(checkpoint::objects_of(&index)),
                Err(VaultError::Corrupt { .. } | VaultError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
    for object in objects {
        let name = object.key.as_str();
        let Some((sequence, part)) = block_object(name.strip_prefix(&prefix).unwrap_or(name))
        else {
            continue;
        };
        let carries = sequence == floor.sequence || sequence == floor.next;
        if sequence < deletable && !carries && !used.contains(&(sequence, part)) {
            keys.push(object.key);
        }
    }
    Ok(keys)
}

/// `<sequence>` or `<sequence>.<part>`.
fn block_object(name: &str) -> Option<(u64, u32)> {
    match name.split_once('.') {
        None => Some((name.parse().ok()?, 0)),
        Some((sequence, part)) => Some((sequence.parse().ok()?, part.parse().ok()?)),
    }
}

/// How deleting one object ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deleted {
    /// It is gone.
    Gone,
    /// Object Lock holds it.
    Locked,
}

/// Deletes an object; one that is gone already counts as deleted.
pub(crate) async fn delete(core: &MailboxCore, key: &Key) -> Result<Deleted, VaultError> {
    match core.ctx.store.delete(key, Condition::None).await {
        Ok(()) => Ok(Deleted::Gone),
        Err(error) if error.kind == StoreErrorKind::Missing => Ok(Deleted::Gone),
        Err(error) if error.kind == StoreErrorKind::Locked => Ok(Deleted::Locked),
        Err(error) => Err(error.into()),
    }
}

/// True when the grace period of something that was marked at `at` is over.
pub(crate) fn is_over(at: DateTime<Utc>, grace: TimeDelta, now: DateTime<Utc>) -> bool {
    at.checked_add_signed(grace).is_some_and(|end| end <= now)
}

/// Deletes condemned packs whose time has come.
pub(crate) async fn sweep_packs(
    core: &MailboxCore,
    condemned: &[Condemned],
    grace: TimeDelta,
    now: DateTime<Utc>,
    report: &mut Retained,
) -> Result<(), VaultError> {
    for pack in condemned {
        if matches!(pack.id, PackId::Segment(_)) {
            continue;
        }
        if !is_over(pack.at, grace, now) {
            report.waiting_packs += 1;
            report.waiting_bytes = report.waiting_bytes.saturating_add(pack.size_bytes);
            continue;
        }
        match delete(core, &pack.id.key(&core.id)?).await? {
            Deleted::Gone => {
                report.deleted_packs += 1;
                report.deleted_bytes = report.deleted_bytes.saturating_add(pack.size_bytes);
            }
            Deleted::Locked => {
                report.locked_objects += 1;
                report.locked_bytes = report.locked_bytes.saturating_add(pack.size_bytes);
            }
        }
    }
    Ok(())
}
