//! What retention means for one mailbox right now. Reads the index only.

use std::collections::{HashMap, HashSet};
use std::ops::Bound;

use chrono::{DateTime, Utc};
use mailkeep_model::{
    Decision, MailboxOutcome, Moment, RetentionPolicy, RetentionRules, TrustedNow, VersionSpan,
};

use crate::error::VaultError;
use crate::ids::{ItemKey, MailboxId};
use crate::index::open::Opened;
use crate::index::ranges::Ranges;
use crate::index::rows::{ROW_KEY_BYTES, RowEntry, SortKey};
use crate::index::scan::Scan;
use crate::index::tables::lookup::LookupEntry;
use crate::index::tables::{Lookup, Rows, Snapshots};
use crate::index::view::with_index;
use crate::mailbox::Mailbox;
use crate::pack_table::{PackId, PartLocation};
use crate::retain::hold::HoldMatcher;
use crate::retain::settings::RetentionSettings;

/// What retention means for one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailboxPlan {
    /// The commit that was looked at.
    pub sequence: u64,
    /// The policy that counts.
    pub policy: RetentionPolicy,
    /// The time that it counts back from.
    pub now: TrustedNow,
    /// Names of the holds that concern the mailbox.
    pub holds: Vec<String>,
    /// Restore points that stay whole beyond the policy's days.
    pub kept_points: u64,
    /// All versions.
    pub versions: u64,
    /// Versions that nothing promises any more.
    pub dropped_versions: u64,
    /// Removed items of which nothing would be left.
    pub dropped_items: u64,
    /// Bytes of messages that no version would refer to any more. What that frees in the store is less,
    /// because of compression and because attachments are shared.
    pub dropped_bytes: u64,
    /// Versions that only a hold keeps.
    pub held_versions: u64,
    /// Packs that an earlier run let go of and that are not known to be deleted yet.
    pub condemned_packs: u64,
    /// Bytes of these packs.
    pub condemned_bytes: u64,
}

/// The versions that go.
#[derive(Debug, Default)]
pub(crate) struct Dropped {
    /// Their places.
    pub places: HashSet<[u8; ROW_KEY_BYTES]>,
    /// Their items.
    items: HashSet<ItemKey>,
    /// Commits that showed them.
    pub shown_by: Ranges,
    /// How many.
    pub versions: u64,
    /// Items of which nothing is left.
    pub whole_items: u64,
    /// Versions that only a hold keeps.
    pub held_versions: u64,
    /// There may be more: the limit was reached.
    pub is_cut: bool,
}

impl Mailbox {
    /// Finds out what retention means for this mailbox now. Changes nothing. Takes memory for what goes,
    /// not for what stays, and reads the lookup table once; the rows once when something goes, and once
    /// more when a hold has a search.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn plan_retention(
        &self,
        settings: &RetentionSettings,
    ) -> Result<MailboxPlan, VaultError> {
        let view = self.view().await?;
        let (plan, _, _) = with_index!(*view.inner, |opened| {
            plan(self.id(), opened, settings, usize::MAX).await
        })?;
        Ok(plan)
    }
}

/// What retention means for an index, and at least the first `limit` versions that go.
pub(crate) async fn plan(
    mailbox: &MailboxId,
    opened: &Opened,
    settings: &RetentionSettings,
    limit: usize,
) -> Result<(MailboxPlan, Dropped, RetentionRules), VaultError> {
    let history = history(opened).await?;
    let times: Vec<DateTime<Utc>> = history.iter().map(|moment| moment.at).collect();
    let now = settings.now(&times);
    let policy = settings.policy(mailbox);
    let rules = RetentionRules::new(policy, &history, now.at);
    let state = &opened.index.state;
    let condemned = state.condemned.values();
    let condemned: Vec<u64> = condemned
        .filter(|pack| matches!(pack.id, PackId::Pack(_)))
        .map(|pack| pack.size_bytes)
        .collect();
    let mut plan = MailboxPlan {
        sequence: state.sequence,
        policy,
        now,
        holds: settings
            .holds_of(mailbox)
            .map(|hold| hold.name.clone())
            .collect(),
        kept_points: u64::try_from(rules.points().sequences().len()).unwrap_or(u64::MAX),
        versions: state.counts.versions,
        dropped_versions: 0,
        dropped_items: 0,
        dropped_bytes: 0,
        held_versions: 0,
        condemned_packs: u64::try_from(condemned.len()).unwrap_or(u64::MAX),
        condemned_bytes: condemned.into_iter().fold(0, u64::saturating_add),
    };
    if policy.keeps_everything() {
        return Ok((plan, Dropped::default(), rules));
    }
    let holds = HoldMatcher::new(settings.holds_of(mailbox));
    let held = held_items(opened, &holds).await?;
    let dropped = decide(opened, &rules, &holds, &held, limit).await?;
    plan.dropped_versions = dropped.versions;
    plan.dropped_items = dropped.whole_items;
    plan.held_versions = dropped.held_versions;
    plan.dropped_bytes = orphaned_bytes(opened, &dropped).await?;
    Ok((plan, dropped, rules))
}

/// Every commit, in order. One that retention took something from is no whole picture any more.
async fn history(opened: &Opened) -> Result<Vec<Moment>, VaultError> {
    let Opened { index, blocks, .. } = opened;
    let folders = &index.state.folder_names;
    let mut scan: Scan<'_, Snapshots> =
        Scan::new(blocks, folders, &index.snapshots, Bound::Unbounded, None).await?;
    let mut history = vec![];
    while let Some(snapshot) = scan.next().await? {
        let is_thinned = index.state.thinned.find(snapshot.sequence).is_some();
        let came_through = snapshot.end.is_some_and(|end| {
            matches!(
                end.outcome,
                MailboxOutcome::Complete | MailboxOutcome::WithGaps { .. }
            )
        });
        history.push(Moment {
            sequence: snapshot.sequence,
            at: snapshot.committed_at,
            is_whole: came_through && !is_thinned,
        });
    }
    Ok(history)
}

/// Items of which some version fits a hold's search.
async fn held_items(opened: &Opened, holds: &HoldMatcher) -> Result<HashSet<ItemKey>, VaultError> {
    let mut held = HashSet::new();
    if holds.is_simple() {
        return Ok(held);
    }
    let Opened { index, blocks, .. } = opened;
    let folders = &index.state.folder_names;
    let mut scan: Scan<'_, Rows> =
        Scan::new(blocks, folders, &index.rows, Bound::Unbounded, None).await?;
    while let Some(entry) = scan.next().await? {
        if let RowEntry::Full(row) = entry
            && holds.matches(&row.item)
        {
            held.insert(row.key);
        }
    }
    Ok(held)
}

/// Decides about every version, item by item.
async fn decide(
    opened: &Opened,
    rules: &RetentionRules,
    holds: &HoldMatcher,
    held: &HashSet<ItemKey>,
    limit: usize,
) -> Result<Dropped, VaultError> {
    let Opened { index, blocks, .. } = opened;
    let folders = &index.state.folder_names;
    let mut scan: Scan<'_, Lookup> =
        Scan::new(blocks, folders, &index.lookup, Bound::Unbounded, None).await?;
    let mut dropped = Dropped::default();
    let mut item: Vec<LookupEntry> = vec![];
    loop {
        let entry = scan.next().await?;
        let is_same = |entry: &LookupEntry| {
            item.last()
                .is_none_or(|last| last.place.key == entry.place.key)
        };
        if !entry.as_ref().is_some_and(is_same) {
            if let Some(last) = item.last() {
                let is_held = holds.covers_all || held.contains(&last.place.key);
                decide_item(rules, &item, is_held, &mut dropped);
            }
            item.clear();
            if dropped.places.len() >= limit {
                dropped.is_cut = entry.is_some();
                return Ok(dropped);
            }
        }
        match entry {
            Some(entry) => item.push(entry),
            None => return Ok(dropped),
        }
    }
}

/// Decides about the versions of one item, oldest first.
fn decide_item(rules: &RetentionRules, item: &[LookupEntry], is_held: bool, dropped: &mut Dropped) {
    let item_is_present = item.last().is_some_and(|last| last.life.end.is_none());
    let mut kept = false;
    for (newer, version) in (0..).zip(item.iter().rev()) {
        let span = VersionSpan {
            from: version.place.from,
            end: version.life.end,
            newer_versions: newer,
            item_is_present,
            is_held: false,
        };
        match rules.decide(&span) {
            Decision::Keep(_) => kept = true,
            Decision::Drop if is_held => {
                dropped.held_versions += 1;
                kept = true;
            }
            Decision::Drop => {
                dropped.versions += 1;
                dropped.items.insert(version.place.key);
                dropped.places.insert(SortKey::to_bytes(version.place));
                let end = version.life.end.unwrap_or(version.place.from);
                dropped.shown_by.add(version.place.from, end);
            }
        }
    }
    if !kept {
        dropped.whole_items += 1;
    }
}

/// Bytes of messages that only dropped versions refer to. Versions of one item share a message when only
/// its metadata changed; versions of different items never do.
async fn orphaned_bytes(opened: &Opened, dropped: &Dropped) -> Result<u64, VaultError> {
    if dropped.places.is_empty() {
        return Ok(0);
    }
    let Opened { index, blocks, .. } = opened;
    let folders = &index.state.folder_names;
    let mut scan: Scan<'_, Rows> =
        Scan::new(blocks, folders, &index.rows, Bound::Unbounded, None).await?;
    // `None`: a version that stays refers to it.
    let mut messages: HashMap<PartLocation, Option<u64>> = HashMap::new();
    while let Some(entry) = scan.next().await? {
        let RowEntry::Full(row) = entry else { continue };
        let Some(content) = row.content.filter(|_| dropped.items.contains(&row.key)) else {
            continue;
        };
        if dropped.places.contains(&row.sort_key().to_bytes()) {
            messages
                .entry(content.place)
                .or_insert(Some(content.size_bytes));
        } else {
            messages.insert(content.place, None);
        }
    }
    Ok(messages.values().flatten().sum())
}
