//! What people decide.

use serde::{Deserialize, Serialize};

/// For how many days one restore point of each period is kept. `None` keeps none for this period's sake.
///
/// These are horizons, not counts: `daily: Some(30)` keeps the first complete run of each day (UTC) of the
/// last 30 days, however many runs there were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PointRule {
    /// One for each hour.
    pub hourly: Option<u32>,
    /// One for each day.
    pub daily: Option<u32>,
    /// One for each week, Monday to Sunday.
    pub weekly: Option<u32>,
    /// One for each month.
    pub monthly: Option<u32>,
    /// One for each year.
    pub yearly: Option<u32>,
}

impl PointRule {
    /// True when it keeps no restore points.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How long versions of items are kept once they are superseded or removed at the source. The default keeps
/// everything for ever. What is current is always kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetentionPolicy {
    /// Days that a version stays after it was superseded or removed; `None` means for ever. Every point
    /// in time within these days can be restored.
    pub keep_days: Option<u32>,
    /// Of an item that is still in the mailbox, at least so many of its newest versions stay, however
    /// old, the current one included.
    pub min_versions: u32,
    /// Restore points that stay whole beyond [`keep_days`](Self::keep_days).
    pub points: PointRule,
}

impl RetentionPolicy {
    /// True when nothing ever goes.
    #[must_use]
    pub fn keeps_everything(&self) -> bool {
        self.keep_days.is_none()
    }
}
