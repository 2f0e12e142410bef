//! The run that deletes: see `docs/retention.md` for what it promises, `docs/invariants.md` for its order.
//!
//! One mailbox, in this order, each step healed by the next run when this one dies: let go of versions
//! (commits), condemn and copy packs (commits), close the log (the floor), delete what was marked a whole
//! grace period ago.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::VaultError;
use crate::index::floor::Floor;
use crate::index::names::is_checkpoint_error;
use crate::index::release::{Condemned, Release};
use crate::index::rows::SortKey;
use crate::mailbox::Mailbox;
use crate::pack_table::PackId;
use crate::retain::account;
use crate::retain::collect::{Task, collect};
use crate::retain::committer::{Change, Committer, Outcome, RowChange};
use crate::retain::plan::plan;
use crate::retain::raise;
use crate::retain::report::{RetainLimits, Retained};
use crate::retain::settings::RetentionSettings;
use crate::retain::sweep;

/// Days between letting go of something and deleting its object, unless another number is asked for.
pub const DEFAULT_GRACE_DAYS: u32 = 7;
/// The fewest days of grace.
pub const MIN_GRACE_DAYS: u32 = 2;

/// The clocks that a run goes by.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// The later of the program's and the store's: when grace periods begin.
    mark: DateTime<Utc>,
    /// The earlier of what is believed and the store's: what grace periods are compared with.
    delete: DateTime<Utc>,
}

impl Mailbox {
    /// Lets go of what the policy does not keep, and deletes what was let go of a grace period ago. A legal
    /// hold on everything leaves the mailbox alone; any hold that concerns it keeps every object.
    ///
    /// `refresh` reads the settings again before each step that takes something away, because somebody may
    /// place a hold meanwhile.
    ///
    /// # Errors
    /// When the index or the settings cannot be read, or the store fails. What was done until then counts;
    /// the next run goes on.
    pub async fn retain<F>(
        &self,
        grace_days: u32,
        settings: &RetentionSettings,
        refresh: impl Fn() -> F + Send + Sync,
    ) -> Result<Retained, VaultError>
    where
        F: Future<Output = Result<RetentionSettings, VaultError>> + Send,
    {
        self.retain_with(grace_days, settings, refresh, &RetainLimits::default())
            .await
    }

    pub(crate) async fn retain_with<F>(
        &self,
        grace_days: u32,
        settings: &RetentionSettings,
        refresh: impl Fn() -> F + Send + Sync,
        limits: &RetainLimits,
    ) -> Result<Retained, VaultError>
    where
        F: Future<Output = Result<RetentionSettings, VaultError>> + Send,
    {
        if grace_days < MIN_GRACE_DAYS {
            return Err(VaultError::invalid(format!(
                "the grace period must have at least {MIN_GRACE_DAYS} days: readers and paused backups rely on it"
            )));
        }
        let grace = TimeDelta::days(grace_days.into());
        let mut skip = vec![];
        loop {
            let committer = Committer::open(&self.core, &skip).await?;
            let checkpoint = committer.opened.index.checkpoint;
            let mut run = Run {
                mailbox: self,
                committer,
                limits,
                grace,
                refresh: &refresh,
            };
            match run.all(settings).await {
                Err(error) if checkpoint > 0 && is_checkpoint_error(&self.core.id, &error) => {
                    skip.push(checkpoint);
                }
                result => return result,
            }
        }
    }
}

struct Run<'a, S> {
    mailbox: &'a Mailbox,
    committer: Committer,
    limits: &'a RetainLimits,
    grace: TimeDelta,
    refresh: &'a S,
}

impl<S, F> Run<'_, S>
where
    S: Fn() -> F + Send + Sync,
    F: Future<Output = Result<RetentionSettings, VaultError>> + Send,
{
    async fn all(&mut self, settings: &RetentionSettings) -> Result<Retained, VaultError> {
        let id = self.mailbox.id();
        let core = &self.mailbox.core;
        let opened = &self.committer.opened;
        let (first, dropped, _) = plan(id, opened, settings, self.limits.versions).await?;
        let now = first.now;
        let mut report = Retained::new(first);
        if settings.holds_of(id).any(|hold| hold.search.is_none()) {
            self.count_held(&mut report);
            return Ok(report);
        }
        if dropped.versions > 0 {
            self.expire(&mut report).await?;
        }
        let leftovers = self.leftovers().await?;
        let (floor, etag) = raise::read(core).await?;
        if self.is_idle(&leftovers, &floor) {
            return Ok(report);
        }
        let store = sweep::store_time(core).await?;
        let clock = core.ctx.clock.now();
        let times = Times {
            mark: clock.max(store),
            delete: now.at.min(clock).min(store),
        };
        self.condemn_orphans(&leftovers, times, &mut report).await?;
        let raising = raise::Raising {
            floor,
            etag,
            grace: self.grace,
            now: times.mark,
        };
        let floor = raise::raise(&mut self.committer, self.limits, raising).await?;
        let task = Task {
            bound: floor.next,
            marked_at: times.mark,
            deleted: self.forgettable(&leftovers, times),
        };
        let is_done = collect(&mut self.committer, self.limits, task, &mut report).await?;
        report.is_postponed |= !is_done;
        self.sweep(&floor, times, &mut report).await?;
        Ok(report)
    }

    /// True when nothing can be marked, closed or deleted now.
    fn is_idle(&self, leftovers: &sweep::Leftovers, floor: &Floor) -> bool {
        let state = &self.committer.opened.index.state;
        let clock = self.mailbox.core.ctx.clock.now();
        let is_old =
            |(_, _, at): &(PackId, u64, DateTime<Utc>)| sweep::is_over(*at, self.grace, clock);
        state.condemned.is_empty()
            && !leftovers.unnamed.iter().any(is_old)
            && !state.is_uncollected
            && state.collected >= floor.next
            && floor.steps.is_empty()
            && !raise::is_due(floor, self.committer.head(), self.limits)
    }

    /// Condemned packs that need not be remembered: their objects are gone, or no longer held back.
    fn forgettable(&self, leftovers: &sweep::Leftovers, times: Times) -> Vec<PackId> {
        let over = leftovers.condemned.iter().filter(|pack| {
            matches!(pack.id, PackId::Segment(_))
                && sweep::is_over(pack.at, self.grace, times.delete)
        });
        let over = over.map(|pack| pack.id);
        leftovers.deleted.iter().copied().chain(over).collect()
    }

    async fn leftovers(&self) -> Result<sweep::Leftovers, VaultError> {
        let named = self.named().await?;
        sweep::leftovers(&self.committer, &named).await
    }

    /// Lets go of versions until the plan is carried out.
    async fn expire(&mut self, report: &mut Retained) -> Result<(), VaultError> {
        let mut conflicts = 0;
        while conflicts < self.limits.conflicts {
            // Somebody may have placed a hold since.
            let settings = (self.refresh)().await?;
            let opened = &self.committer.opened;
            let (now, dropped, _) =
                plan(self.mailbox.id(), opened, &settings, self.limits.versions).await?;
            if dropped.places.is_empty() {
                return Ok(());
            }
            let keys = dropped
                .places
                .iter()
                .filter_map(|key| SortKey::from_bytes(key));
            let change = Change {
                rows: keys.map(|key| (key, RowChange::Drop)).collect(),
                release: Release {
                    thinned: dropped.shown_by.clone(),
                    content_bytes: now.dropped_bytes,
                    ..Release::default()
                },
                packs: vec![],
            };
            match self.committer.commit(&change).await? {
                Outcome::Done => {
                    conflicts = 0;
                    report.dropped_versions += dropped.versions;
                    report.dropped_items += dropped.whole_items;
                    report.dropped_bytes = report.dropped_bytes.saturating_add(now.dropped_bytes);
                }
                Outcome::Conflict => conflicts += 1,
            }
        }
        report.is_postponed = true;
        Ok(())
    }

    /// The packs of the index.
    async fn named(&self) -> Result<BTreeSet<PackId>, VaultError> {
        account::packs(&self.committer.opened)
            .await
            .map(|packs| packs.into_iter().map(|pack| pack.id).collect())
    }

    /// Takes packs that no commit named for a whole grace period for orphans. A commit says so before
    /// they are deleted: a writer that still wants to name one meets that commit.
    async fn condemn_orphans(
        &mut self,
        leftovers: &sweep::Leftovers,
        times: Times,
        report: &mut Retained,
    ) -> Result<(), VaultError> {
        let old = leftovers
            .unnamed
            .iter()
            .filter(|(_, _, at)| sweep::is_over(*at, self.grace, times.delete));
        let condemned: Vec<Condemned> = old
            .map(|(id, size_bytes, at)| Condemned {
                id: *id,
                number: None,
                size_bytes: *size_bytes,
                // It waited already.
                at: *at,
            })
            .collect();
        if condemned.is_empty() {
            return Ok(());
        }
        let (count, bytes) = condemned.iter().fold((0, 0_u64), |(count, bytes), pack| {
            (count + 1, bytes.saturating_add(pack.size_bytes))
        });
        let change = Change {
            release: Release {
                condemned,
                deleted: leftovers.deleted.clone(),
                ..Release::default()
            },
            ..Change::default()
        };
        match self.committer.commit(&change).await? {
            Outcome::Done => {
                report.orphans += count;
                report.condemned_bytes = report.condemned_bytes.saturating_add(bytes);
            }
            // Perhaps one of them was just named: the next run looks again.
            Outcome::Conflict => report.is_postponed = true,
        }
        Ok(())
    }

    /// Deletes what was marked long enough ago.
    async fn sweep(
        &mut self,
        floor: &Floor,
        times: Times,
        report: &mut Retained,
    ) -> Result<(), VaultError> {
        let deletable = floor.deletable(self.grace, times.delete);
        if self.committer.opened.index.state.condemned.is_empty() && deletable == 0 {
            return Ok(());
        }
        let named = self.named().await?;
        let leftovers = sweep::leftovers(&self.committer, &named).await?;
        let core = &self.mailbox.core;
        // What was let go of before somebody placed a hold is still there: it stays.
        let settings = (self.refresh)().await?;
        if settings.holds_of(self.mailbox.id()).next().is_some() {
            self.count_held(report);
            return Ok(());
        }
        let condemned = &leftovers.condemned;
        sweep::sweep_packs(core, condemned, self.grace, times.delete, report).await?;
        let mut needed = named;
        let undue = condemned
            .iter()
            .filter(|pack| !sweep::is_over(pack.at, self.grace, times.delete));
        needed.extend(undue.map(|pack| pack.id));
        for key in sweep::closed(&self.committer, floor, deletable, &needed).await? {
            match sweep::delete(core, &key).await? {
                sweep::Deleted::Gone => report.deleted_commits += 1,
                sweep::Deleted::Locked => report.locked_objects += 1,
            }
        }
        Ok(())
    }

    fn count_held(&self, report: &mut Retained) {
        let state = &self.committer.opened.index.state;
        for pack in state.condemned.values() {
            if matches!(pack.id, PackId::Pack(_)) {
                report.held_packs += 1;
                report.held_bytes = report.held_bytes.saturating_add(pack.size_bytes);
            }
        }
    }
}
