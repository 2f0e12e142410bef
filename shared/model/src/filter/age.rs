//! How old an item is, and whether that is what a job wants.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, Days, Months, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{Decision, Facts, Reason};
use crate::ItemKind;

/// The largest number in an [`Age`].
pub const MAX_AGE: u32 = 10_000;

/// Which items a job takes by their age.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AgeFilter {
    /// All items, whatever their age.
    #[default]
    All,
    /// Only items from before now minus this age.
    OlderThan(Age),
    /// Only items from now minus this age or later; also those of the future.
    NotOlderThan(Age),
}

/// By which time mail is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AgeBasis {
    /// When it was changed last; reading or flagging it is a change.
    #[default]
    Modified,
    /// When it was received, else sent.
    Received,
}

/// A span of the calendar, written `6 months`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct Age {
    number: u32,
    unit: AgeUnit,
}

/// A unit of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AgeUnit {
    Days,
    Weeks,
    Months,
    Years,
}

impl Age {
    /// An age of 1 to [`MAX_AGE`] units.
    #[must_use]
    pub fn new(number: u32, unit: AgeUnit) -> Option<Self> {
        (1..=MAX_AGE)
            .contains(&number)
            .then_some(Self { number, unit })
    }

    fn step(self) -> Step {
        match self.unit {
            AgeUnit::Days => Step::Days(u64::from(self.number)),
            AgeUnit::Weeks => Step::Days(u64::from(self.number) * 7),
            AgeUnit::Months => Step::Months(Months::new(self.number)),
            AgeUnit::Years => Step::Months(Months::new(self.number.saturating_mul(12))),
        }
    }

    /// That long before `now`, by the calendar in UTC. A day that the month lacks is its last one.
    #[must_use]
    pub fn before(self, now: DateTime<Utc>) -> DateTime<Utc> {
        let then = match self.step() {
            Step::Days(days) => now.checked_sub_days(Days::new(days)),
            Step::Months(months) => now.checked_sub_months(months),
        };
        then.unwrap_or(DateTime::<Utc>::MIN_UTC)
    }

    /// When something of the moment `of`, which is not older than this at `now`, will be older. Months
    /// are of different lengths, so that the plain sum can be too early; then it is the start of the
    /// following month.
    fn exceeded(self, of: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        // "Older" is meant strictly: the age alone is not enough.
        let moment_later = TimeDelta::seconds(1);
        match self.step() {
            Step::Days(days) => of
                .checked_add_days(Days::new(days))?
                .checked_add_signed(moment_later),
            Step::Months(months) => {
                let sum = of.checked_add_months(months)?;
                let at = sum.checked_add_signed(moment_later)?;
                if sum.day() == of.day() && at > now {
                    return Some(at);
                }
                let first = sum
                    .date_naive()
                    .with_day(1)?
                    .checked_add_months(Months::new(1))?;
                Some(first.and_time(chrono::NaiveTime::MIN).and_utc())
            }
        }
    }
}

enum Step {
    Days(u64),
    Months(Months),
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.unit {
            AgeUnit::Days => "day",
            AgeUnit::Weeks => "week",
            AgeUnit::Months => "month",
            AgeUnit::Years => "year",
        };
        let plural = if self.number == 1 { "" } else { "s" };
        write!(f, "{} {unit}{plural}", self.number)
    }
}

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let problem = || {
            format!(
                "`{text}` is no age; write a number from 1 to {MAX_AGE} and days, weeks, months or years"
            )
        };
        let (number, unit) = text.trim().split_once(' ').ok_or_else(problem)?;
        let unit = match unit.trim().to_ascii_lowercase().as_str() {
            "day" | "days" => AgeUnit::Days,
            "week" | "weeks" => AgeUnit::Weeks,
            "month" | "months" => AgeUnit::Months,
            "year" | "years" => AgeUnit::Years,
            _ => return Err(problem()),
        };
        let number = number.parse().map_err(|_| problem())?;
        Self::new(number, unit).ok_or_else(problem)
    }
}

impl TryFrom<String> for Age {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Age> for String {
    fn from(age: Age) -> Self {
        age.to_string()
    }
}

/// When something takes place: an event, all events of a series, or a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occurrence {
    /// Start of the first one.
    pub start: DateTime<Utc>,
    /// End of the last one; `None` for a series without end.
    pub end: Option<DateTime<Utc>>,
}

impl Occurrence {
    /// Of a task: its due date, else its start date.
    #[must_use]
    pub fn of_task(start: Option<DateTime<Utc>>, due: Option<DateTime<Utc>>) -> Option<Self> {
        let at = due.or(start)?;
        Some(Self {
            start: at,
            end: Some(at),
        })
    }
}

/// The age filter of one cycle.
pub(super) fn decide(
    filter: AgeFilter,
    basis: AgeBasis,
    now: DateTime<Utc>,
    facts: &Facts<'_>,
) -> Decision {
    let Some(occurrence) = occurrence(basis, facts) else {
        // Without any time there is no age, and nothing may be lost for that.
        return Decision::Take;
    };
    let Occurrence { start, end } = occurrence;
    match filter {
        AgeFilter::All => Decision::Take,
        AgeFilter::OlderThan(age) if start < age.before(now) => Decision::Take,
        AgeFilter::OlderThan(age) => Decision::LeaveOut {
            reason: Reason::TooYoung,
            recheck_at: age.exceeded(start, now),
        },
        AgeFilter::NotOlderThan(age) => {
            let cut_off = age.before(now);
            if start >= cut_off || end.is_none_or(|end| end > cut_off) {
                Decision::Take
            } else {
                // It can only grow older; a change of it is reported by the source.
                Decision::LeaveOut {
                    reason: Reason::TooOld,
                    recheck_at: None,
                }
            }
        }
    }
}

/// When an item is from; other items than events and tasks are from one moment.
fn occurrence(basis: AgeBasis, facts: &Facts<'_>) -> Option<Occurrence> {
    if facts.occurrence.is_some() {
        return facts.occurrence;
    }
    let is_mail = matches!(
        facts.kind,
        ItemKind::Message | ItemKind::MeetingMessage | ItemKind::Post
    );
    let at = match basis {
        AgeBasis::Received if is_mail => facts.received_at.or(facts.modified_at),
        _ => facts.modified_at.or(facts.received_at),
    }?;
    Some(Occurrence {
        start: at,
        end: Some(at),
    })
}
