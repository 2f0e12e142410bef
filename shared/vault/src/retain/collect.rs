//! Garbage collection: what nothing refers to any more is condemned, what is mostly dead is copied.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, Utc};

use crate::error::VaultError;
use crate::ids::{PackNumber, Ulid};
use crate::index::draft::MAX_PACK_AGE;
use crate::index::release::{Condemned, Release};
use crate::pack_table::{PackEntry, PackId};
use crate::retain::account::{Account, Inventory, place_of};
use crate::retain::committer::{Change, Committer, Outcome, RowChange};
use crate::retain::copy::Copier;
use crate::retain::report::{RetainLimits, Retained};

/// What the packs of a mailbox deserve.
#[derive(Debug, Default)]
struct Choice {
    /// Nothing refers to them.
    dead: Vec<PackEntry>,
    /// What is needed of them moves elsewhere.
    mixed: Vec<PackEntry>,
    /// All of them are in here.
    is_all: bool,
}

/// What is to be collected.
pub(crate) struct Task {
    /// Segments up to this commit shall lose their data.
    pub bound: u64,
    /// When the grace period of what is condemned begins.
    pub marked_at: DateTime<Utc>,
    /// Condemned packs that need not be remembered any more.
    pub deleted: Vec<PackId>,
}

/// Condemns and copies until nothing is left to do. Returns false when others were faster every time.
pub(crate) async fn collect(
    committer: &mut Committer,
    limits: &RetainLimits,
    task: Task,
    report: &mut Retained,
) -> Result<bool, VaultError> {
    let Task {
        bound,
        marked_at,
        deleted,
    } = task;
    let mut unreadable = BTreeSet::new();
    let mut conflicts = 0;
    while conflicts < limits.conflicts {
        let state = &committer.opened.index.state;
        if !state.is_uncollected && state.collected >= bound {
            return Ok(true);
        }
        let core = committer.core.clone();
        let account = Account::of(&core, &committer.opened).await?;
        let choice = choose(&account, limits, bound, core.ctx.clock.now(), &unreadable);
        if choice.dead.is_empty() && choice.mixed.is_empty() && !choice.is_all {
            return Ok(true);
        }
        let packs = choice.dead.iter().chain(&choice.mixed);
        let numbers: HashSet<PackNumber> = packs.map(|pack| pack.number).collect();
        let inventory = account
            .inventory(&core, &committer.opened, &numbers)
            .await?;
        let folders = committer.opened.index.state.folder_names.clone();
        let mut copier = Copier::new(&core, folders, limits.pack_bytes);
        let mut gone: Vec<PackEntry> = choice.dead.clone();
        for pack in &choice.mixed {
            match copier.copy(pack, &account, &inventory).await {
                Ok(()) => gone.push(*pack),
                Err(error @ (VaultError::Corrupt { .. } | VaultError::Missing { .. })) => {
                    tracing::warn!(mailbox = %core.id, %error, "a pack stays as it is");
                    report.unreadable.push(error.to_string());
                    unreadable.insert(pack.number);
                }
                Err(error) => return Err(error),
            }
        }
        copier.close().await?;
        let copied = copier.bytes;
        let new_packs = copier.packs.len();
        let is_done = choice.is_all && gone.len() == choice.dead.len() + choice.mixed.len();
        if gone.is_empty() && !is_done {
            return Ok(true);
        }
        let mut change = change(&gone, copier, &inventory, marked_at);
        change.release.collected = is_done.then_some(bound);
        change.release.deleted.clone_from(&deleted);
        match committer.commit(&change).await? {
            Outcome::Done => {
                conflicts = 0;
                report.count(&gone, choice.dead.len());
                report.copied_bytes = report.copied_bytes.saturating_add(copied);
                report.new_packs += u64::try_from(new_packs).unwrap_or(u64::MAX);
            }
            Outcome::Conflict => conflicts += 1,
        }
    }
    Ok(false)
}

/// Decides about every pack; takes so many that one commit can hold them.
fn choose(
    account: &Account,
    limits: &RetainLimits,
    bound: u64,
    now: DateTime<Utc>,
    unreadable: &BTreeSet<PackNumber>,
) -> Choice {
    let mut choice = Choice {
        is_all: true,
        ..Choice::default()
    };
    let small = merge_segments(account, limits, bound);
    let mut bytes = 0_u64;
    for (number, (pack, live)) in &account.packs {
        let is_mostly_dead = || {
            let dead = pack.size_bytes.saturating_sub(*live);
            let percent = u64::from(100_u32.saturating_sub(limits.live_percent));
            dead >= limits.overhead_bytes
                && dead.saturating_mul(100) > pack.size_bytes.saturating_mul(percent)
        };
        let is_wanted = match pack.id {
            PackId::Pack(ulid) => {
                let is_candidate = *live == 0 || is_mostly_dead();
                if is_candidate && is_young(ulid, now) {
                    // Rows that refer to it may be on their way.
                    choice.is_all = false;
                }
                is_candidate && !is_young(ulid, now)
            }
            PackId::Segment(sequence) => sequence <= bound && (*live == 0 || small),
        };
        if !is_wanted {
            continue;
        }
        if *live == 0 {
            choice.dead.push(*pack);
        } else if unreadable.contains(number) || bytes >= limits.batch_bytes {
            choice.is_all = false;
        } else {
            bytes = bytes.saturating_add(*live);
            choice.mixed.push(*pack);
        }
    }
    choice
}

/// True when there are so many old segments with data that they are better merged into a pack.
fn merge_segments(account: &Account, limits: &RetainLimits, bound: u64) -> bool {
    let old = account.packs.values().filter(|(pack, live)| {
        *live > 0 && matches!(pack.id, PackId::Segment(sequence) if sequence <= bound)
    });
    let (count, bytes) = old.fold((0_usize, 0_u64), |(count, bytes), (_, live)| {
        (count + 1, bytes.saturating_add(*live))
    });
    count >= limits.merge_segments
        || usize::try_from(bytes).is_ok_and(|bytes| bytes >= limits.pack_bytes)
}

fn is_young(ulid: Ulid, now: DateTime<Utc>) -> bool {
    let made = i64::try_from(ulid.0 >> 80).unwrap_or(0);
    let made = DateTime::from_timestamp_millis(made).unwrap_or_default();
    now.signed_duration_since(made) <= MAX_PACK_AGE
}

fn change(
    gone: &[PackEntry],
    copier: Copier<'_>,
    inventory: &Inventory,
    marked_at: DateTime<Utc>,
) -> Change {
    let numbers: HashSet<PackNumber> = gone.iter().map(|pack| pack.number).collect();
    let rows = inventory.rows.iter().filter_map(|(key, content)| {
        let (pack, frame) = *copier.moved.get(&place_of(content))?;
        let row = RowChange::Move {
            pack,
            frame,
            size_bytes: content.size_bytes,
            fingerprint: content.fingerprint,
        };
        Some((*key, row))
    });
    let contents = inventory.contents.keys();
    let release = Release {
        contents: contents
            .filter(|content| numbers.contains(&content.pack))
            .copied()
            .collect(),
        parts: inventory
            .dead_parts
            .iter()
            .filter(|(_, pack)| numbers.contains(pack))
            .map(|(id, _)| *id)
            .collect(),
        condemned: gone
            .iter()
            .map(|pack| Condemned {
                id: pack.id,
                number: Some(pack.number),
                size_bytes: pack.size_bytes,
                at: marked_at,
            })
            .collect(),
        ..Release::default()
    };
    Change {
        rows: rows.collect(),
        release,
        packs: copier.packs,
    }
}
