//! A policy applied to one mailbox's history.

use chrono::{DateTime, Utc};

use crate::retention::points::{Moment, RestorePoints, days_before};
use crate::retention::policy::RetentionPolicy;

/// What the rules need to know of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionSpan {
    /// The commit that brought it.
    pub from: u64,
    /// The commit that superseded or removed it; `None` while it is current.
    pub end: Option<u64>,
    /// Versions of the same item that are newer.
    pub newer_versions: u32,
    /// The item is still in the mailbox.
    pub item_is_present: bool,
    /// A legal hold covers it.
    pub is_held: bool,
}

/// Why a version stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is current.
    Current,
    /// A legal hold.
    Held,
    /// The policy keeps everything.
    Forever,
    /// It was superseded or removed within the days of the policy.
    Recent,
    /// It is among the newest versions of an item that is still there.
    MinVersions,
    /// A restore point that is kept shows it.
    RestorePoint,
    /// Nobody knows when it ended.
    Unknown,
}

/// Whether a version stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stays.
    Keep(Reason),
    /// Nothing promises it any more.
    Drop,
}

/// A policy, made ready for one mailbox at one time.
#[derive(Clone, Debug)]
pub struct RetentionRules {
    policy: RetentionPolicy,
    /// Versions that ended before this are old; `None` when everything is kept.
    horizon: Option<DateTime<Utc>>,
    points: RestorePoints,
    /// Every commit with the latest time that it or a commit before it claims.
    times: Vec<(u64, DateTime<Utc>)>,
}

impl RetentionRules {
    /// Applies a policy to a history, which must be sorted by sequence number.
    #[must_use]
    pub fn new(policy: RetentionPolicy, history: &[Moment], now: DateTime<Utc>) -> Self {
        let mut newest = DateTime::<Utc>::MIN_UTC;
        let times = history
            .iter()
            .map(|moment| {
                newest = newest.max(moment.at);
                (moment.sequence, newest)
            })
            .collect();
        Self {
            horizon: policy.keep_days.map(|days| days_before(now, days)),
            points: RestorePoints::choose(&policy.points, history, now),
            policy,
            times,
        }
    }

    /// The restore points that stay whole beyond the policy's days.
    #[must_use]
    pub fn points(&self) -> &RestorePoints {
        &self.points
    }

    /// True when the mailbox right after commit `sequence` can be restored completely for as long as these
    /// rules hold: each commit within the policy's days, the last one before them, and the restore points
    /// that are kept.
    #[must_use]
    pub fn promises(&self, sequence: u64) -> bool {
        let Some(horizon) = self.horizon else {
            return true;
        };
        // What this commit shows and a later one does not ended with that later commit, or after it.
        let next = self.times.partition_point(|(other, _)| *other <= sequence);
        let is_recent = self.times.get(next).is_none_or(|(_, at)| *at >= horizon);
        is_recent || self.points.sequences().binary_search(&sequence).is_ok()
    }

    /// Decides about one version.
    #[must_use]
    pub fn decide(&self, version: &VersionSpan) -> Decision {
        let Some(end) = version.end else {
            return Decision::Keep(Reason::Current);
        };
        if version.is_held {
            return Decision::Keep(Reason::Held);
        }
        let Some(horizon) = self.horizon else {
            return Decision::Keep(Reason::Forever);
        };
        if version.item_is_present && version.newer_versions < self.policy.min_versions {
            return Decision::Keep(Reason::MinVersions);
        }
        if self.points.show(version.from, end) {
            return Decision::Keep(Reason::RestorePoint);
        }
        let ended = self
            .times
            .binary_search_by_key(&end, |(sequence, _)| *sequence)
            .ok()
            .and_then(|index| self.times.get(index));
        match ended {
            None => Decision::Keep(Reason::Unknown),
            Some((_, at)) if *at >= horizon => Decision::Keep(Reason::Recent),
            Some(_) => Decision::Drop,
        }
    }
}
