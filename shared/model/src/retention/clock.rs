//! Whether the clock can be believed.

use chrono::{DateTime, TimeDelta, Utc};

/// Days without any sign of life after which the clock is not believed until a person confirms it.
pub const MAX_SILENCE_DAYS: u32 = 31;

/// The time that retention counts back from.
///
/// A clock that jumps forward by a year would make everything look a year older. So the time is only
/// believed as far as the mailbox's history leads to it without a long silence: from the anchor (the last
/// confirmed time) over the times of commits up to the clock. Behind a silence of more than
/// [`MAX_SILENCE_DAYS`] days nothing is believed, whether the clock jumped or nobody used the vault, and
/// retention stands still at the time before until a person confirms the clock. A clock that jumps back
/// only keeps more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedNow {
    /// The time to use.
    pub at: DateTime<Utc>,
    /// Where the clock jumped, or the vault was not used: the last believed time, and the next sign of
    /// life after it.
    pub silence: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl TrustedNow {
    /// Follows `signs` (the times of commits, in any order) from `anchor` to `clock`.
    #[must_use]
    pub fn follow(
        anchor: DateTime<Utc>,
        signs: impl IntoIterator<Item = DateTime<Utc>>,
        clock: DateTime<Utc>,
    ) -> Self {
        let mut signs: Vec<DateTime<Utc>> = signs
            .into_iter()
            .filter(|sign| *sign > anchor && *sign < clock)
            .collect();
        signs.sort_unstable();
        signs.push(clock);
        let longest = TimeDelta::days(MAX_SILENCE_DAYS.into());
        let mut at = anchor.min(clock);
        for sign in signs {
            if sign - at > longest {
                return Self {
                    at,
                    silence: Some((at, sign)),
                };
            }
            at = sign.max(at);
        }
        Self { at, silence: None }
    }
}
