//! How long records are kept that nothing needs any more. A continuous job makes many cycles a day in
//! which nothing happens; what is worth looking up later stays longer.

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_model::Counters;

/// How long a record is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Nothing happened: some days.
    Quiet,
    /// Something was stored, or went well: a month.
    News,
    /// Something went wrong: more than a year.
    Trouble,
}

impl Keep {
    /// By what a task or cycle counted, and whether it was a plain success.
    pub(crate) fn of(counters: &Counters, is_success: bool) -> Self {
        let changed = counters.items_stored + counters.items_updated + counters.items_deleted;
        match (is_success, changed) {
            (false, _) => Self::Trouble,
            (true, 0) => Self::Quiet,
            (true, _) => Self::News,
        }
    }

    /// Until when, from now on.
    pub(crate) fn until(self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let days = match self {
            Self::Quiet => 3,
            Self::News => 35,
            Self::Trouble => 400,
        };
        now.checked_add_signed(TimeDelta::days(days))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_kept_longer_and_trouble_longest() {
        let (quiet, stored) = (
            Counters::default(),
            Counters {
                items_stored: 1,
                ..Counters::default()
            },
        );
        assert_eq!(Keep::of(&quiet, true), Keep::Quiet);
        assert_eq!(Keep::of(&stored, true), Keep::News);
        assert_eq!(Keep::of(&quiet, false), Keep::Trouble);
        let until = |keep: Keep| keep.until(DateTime::UNIX_EPOCH);
        assert!(until(Keep::Quiet) < until(Keep::News) && until(Keep::News) < until(Keep::Trouble));
    }
}
