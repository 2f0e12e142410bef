//! Time zones: from the wall clock to UTC.
//!
//! A zone's wall clock runs evenly, but at a transition it jumps forward (a gap: some times do not
//! exist) or back (an overlap: some times exist twice).

use std::fmt;
use std::str::FromStr;

use chrono::offset::MappedLocalTime;
use chrono::{DateTime, NaiveDateTime, Offset as _, TimeZone as _, Utc};
use chrono_tz::{GapInfo, Tz};
use serde::{Deserialize, Serialize};

/// A time zone of the IANA database, for example `Europe/Warsaw`. UTC unless given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct Zone(Tz);

impl Zone {
    /// Coordinated Universal Time.
    pub const UTC: Self = Self(Tz::UTC);

    /// The IANA name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// What the wall clock shows.
    #[must_use]
    pub fn wall_clock(self, at: DateTime<Utc>) -> NaiveDateTime {
        at.with_timezone(&self.0).naive_local()
    }

    /// What becomes of a time of the wall clock.
    fn resolve(self, local: NaiveDateTime) -> Resolved {
        match self.0.from_local_datetime(&local) {
            MappedLocalTime::Single(at) => Resolved::Once(at.to_utc()),
            MappedLocalTime::Ambiguous(one, other) => {
                let (one, other) = (one.to_utc(), other.to_utc());
                Resolved::Twice(one.min(other), one.max(other))
            }
            MappedLocalTime::None => self.resolve_gap(local),
        }
    }

    fn resolve_gap(self, local: NaiveDateTime) -> Resolved {
        let gap = GapInfo::new(&local, &self.0);
        let known = gap.and_then(|gap| Some((gap.begin?.1, gap.end?)));
        match known {
            Some((offset, end)) => Resolved::Never {
                resumes: end.to_utc(),
                shifted: (local - offset.fix()).and_utc(),
            },
            // A gap without both ends is none.
            None => Resolved::Once(local.and_utc()),
        }
    }

    /// The first moment at which the wall clock shows `local` or more.
    pub(super) fn first(self, local: NaiveDateTime) -> DateTime<Utc> {
        match self.resolve(local) {
            Resolved::Once(at) | Resolved::Twice(at, _) => at,
            Resolved::Never { resumes, .. } => resumes,
        }
    }

    /// The moment from which the wall clock never again shows less than `local`.
    pub(super) fn last(self, local: NaiveDateTime) -> DateTime<Utc> {
        match self.resolve(local) {
            Resolved::Once(at) | Resolved::Twice(_, at) => at,
            Resolved::Never { resumes, .. } => resumes,
        }
    }

    /// The moment that a missing time of the wall clock is moved to: forward by the length of the
    /// gap. `None` for a time that exists.
    pub(super) fn shifted(self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self.resolve(local) {
            Resolved::Never { shifted, .. } => Some(shifted),
            _ => None,
        }
    }
}

enum Resolved {
    Once(DateTime<Utc>),
    Twice(DateTime<Utc>, DateTime<Utc>),
    Never {
        /// When the wall clock jumps over the time.
        resumes: DateTime<Utc>,
        /// The time as if the clock had not jumped.
        shifted: DateTime<Utc>,
    },
}

impl Default for Zone {
    fn default() -> Self {
        Self::UTC
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| {
            format!("`{text}` is no time zone; write an IANA name such as Europe/Warsaw")
        })
    }
}

impl TryFrom<String> for Zone {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> Self {
        zone.name().to_owned()
    }
}
