//! Which restore points stay whole: grandfather, father, son, by horizons.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};

use crate::retention::policy::PointRule;

/// A commit in a mailbox's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Its number.
    pub sequence: u64,
    /// Its time by the writer's clock.
    pub at: DateTime<Utc>,
    /// True for the end of a run that came through: a whole picture of the mailbox.
    pub is_whole: bool,
}

/// The restore points that a rule keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestorePoints {
    kept: Vec<u64>,
}

#[derive(Clone, Copy)]
enum Period {
    Hour,
    Day,
    Week,
    Month,
    Year,
}

impl Period {
    /// Names the period that holds a time.
    fn of(self, at: DateTime<Utc>) -> (i32, u32, u32) {
        match self {
            Self::Hour => (at.year(), at.ordinal(), at.hour()),
            Self::Day => (at.year(), at.ordinal(), 0),
            Self::Week => (at.iso_week().year(), at.iso_week().week(), 0),
            Self::Month => (at.year(), at.month(), 0),
            Self::Year => (at.year(), 0, 0),
        }
    }
}

impl RestorePoints {
    /// Chooses from a history in the order of its sequence numbers.
    ///
    /// Each period is held by its first whole moment. A later commit cannot take that away, whatever time
    /// it claims. A moment that claims a later time than some commit behind it is out of order: it holds
    /// no period, so that a commit dated into the future does not stand in the way of the real ones, and
    /// stays itself until no horizon reaches it any more.
    #[must_use]
    pub fn choose(rule: &PointRule, history: &[Moment], now: DateTime<Utc>) -> Self {
        let rules = [
            (Period::Hour, rule.hourly),
            (Period::Day, rule.daily),
            (Period::Week, rule.weekly),
            (Period::Month, rule.monthly),
            (Period::Year, rule.yearly),
        ];
        let horizons: Vec<(Period, DateTime<Utc>)> = rules
            .into_iter()
            .filter_map(|(period, days)| Some((period, days_before(now, days?))))
            .collect();
        let Some(farthest) = horizons.iter().map(|(_, horizon)| *horizon).min() else {
            return Self::default();
        };
        let in_order = in_order(history);
        let mut kept = BTreeSet::new();
        let mut newest_so_far = DateTime::<Utc>::MIN_UTC;
        let mut held: [BTreeSet<(i32, u32, u32)>; 5] = Default::default();
        for (moment, in_order) in history.iter().zip(in_order) {
            newest_so_far = newest_so_far.max(moment.at);
            if !moment.is_whole {
                continue;
            }
            if !in_order {
                if newest_so_far >= farthest {
                    kept.insert(moment.sequence);
                }
                continue;
            }
            for ((period, horizon), held) in horizons.iter().zip(&mut held) {
                // A period is held even when its holder is beyond the horizon: otherwise the next one
                // would move up as time goes by.
                if held.insert(period.of(moment.at)) && newest_so_far >= *horizon {
                    kept.insert(moment.sequence);
                }
            }
        }
        Self {
            kept: kept.into_iter().collect(),
        }
    }

    /// Their sequence numbers, ascending.
    #[must_use]
    pub fn sequences(&self) -> &[u64] {
        &self.kept
    }

    /// True when one of them shows a version that was current from commit `from` until before `end`.
    #[must_use]
    pub fn show(&self, from: u64, end: u64) -> bool {
        let next = self.kept.partition_point(|sequence| *sequence < from);
        self.kept.get(next).is_some_and(|sequence| *sequence < end)
    }
}

/// For each moment: no later commit claims an earlier time.
fn in_order(history: &[Moment]) -> Vec<bool> {
    let mut earliest_behind = DateTime::<Utc>::MAX_UTC;
    let mut in_order: Vec<bool> = history
        .iter()
        .rev()
        .map(|moment| {
            let fits = moment.at <= earliest_behind;
            earliest_behind = earliest_behind.min(moment.at);
            fits
        })
        .collect();
    in_order.reverse();
    in_order
}

/// A time so many days before `now`, as far as the calendar goes.
pub(crate) fn days_before(now: DateTime<Utc>, days: u32) -> DateTime<Utc> {
    now.checked_sub_signed(TimeDelta::days(days.into()))
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
}
