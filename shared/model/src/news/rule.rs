//! What is told, and when.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Frequency, Happening, NewsKind, NotificationSettings, Tone};
use crate::state::Reason;

/// What lasts is told again after this time.
const REMINDER: TimeDelta = TimeDelta::hours(24);

/// What is remembered of a job's news, for each [`Track`](super::Track).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobNews {
    /// The last ones, told or not. A recovery counts as a good end.
    last: Option<(NewsKind, Option<Reason>)>,
    /// When that was told.
    told_at: Option<DateTime<Utc>>,
    /// Bad news were told, and no good end came since.
    is_bad: bool,
}

/// When news are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// Now.
    Now,
    /// Together with others, at this time.
    With(DateTime<Utc>),
    /// Not; they are in the list only.
    ListOnly,
}

/// What becomes of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The kind of the news.
    pub kind: NewsKind,
    /// When they are told.
    pub delivery: Delivery,
    /// What to remember instead of what was.
    pub remember: JobNews,
}

/// What becomes of an event at `at`, given what is remembered of the job; `None` when it is no news.
///
/// * A failed attempt after which others follow is told only when the settings say so. What comes of
///   the last one is told in any case.
/// * A kind that the settings leave out is in the list only.
/// * A good end after bad news that were told is a recovery.
#[must_use]
pub fn verdict(
    settings: &NotificationSettings,
    job: &JobNews,
    happening: Happening,
    at: DateTime<Utc>,
) -> Option<Verdict> {
    let kind = NewsKind::of(happening, job.is_bad)?;
    if kind == NewsKind::AttemptFailed && !settings.tell_retries {
        return Some(Verdict {
            kind,
            delivery: Delivery::ListOnly,
            remember: job.clone(),
        });
    }
    let card = settings.card(kind.tone());
    let now = Some((plain(kind), happening.reason()));
    let is_change = job.last != now;
    let was_long_ago = job.told_at.is_none_or(|told| (at - told).abs() >= REMINDER);
    let delivery = match card.frequency {
        _ if !card.tells(kind) => Delivery::ListOnly,
        Frequency::Each => Delivery::Now,
        Frequency::Changes if is_change || was_long_ago => Delivery::Now,
        Frequency::Changes => Delivery::ListOnly,
        Frequency::Hourly => Delivery::With(next(at, TimeDelta::hours(1))),
        Frequency::Daily => Delivery::With(next(at, TimeDelta::hours(24))),
    };
    let is_told = delivery != Delivery::ListOnly;
    let remember = JobNews {
        last: now,
        told_at: match (is_told, is_change) {
            (true, _) => Some(at),
            (false, true) => None,
            (false, false) => job.told_at,
        },
        is_bad: match kind.tone() {
            Tone::Good => false,
            Tone::Bad => job.is_bad || is_told,
        },
    };
    Some(Verdict {
        kind,
        delivery,
        remember,
    })
}

fn plain(kind: NewsKind) -> NewsKind {
    match kind {
        NewsKind::Recovered => NewsKind::Completed,
        other => other,
    }
}

/// The end of the period, counted from 1970, in which `at` is.
fn next(at: DateTime<Utc>, period: TimeDelta) -> DateTime<Utc> {
    let length = period.num_seconds().max(1);
    let end = (at.timestamp().div_euclid(length) + 1).saturating_mul(length);
    DateTime::from_timestamp(end, 0).unwrap_or(at)
}
