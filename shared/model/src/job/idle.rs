//! The pause between two cycles.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A time from the end of a cycle to the start of the next, written `hh:mm:ss`, from 00:00:00 to
/// 99:59:59. A minute unless given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct IdleTime {
    seconds: u32,
}

impl IdleTime {
    /// The time as a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

impl Default for IdleTime {
    fn default() -> Self {
        Self { seconds: 60 }
    }
}

impl fmt::Display for IdleTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, seconds) = (self.seconds / 60, self.seconds % 60);
        write!(f, "{:02}:{:02}:{seconds:02}", minutes / 60, minutes % 60)
    }
}

impl FromStr for IdleTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str, most: u32| {
            let is_number = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
            let value: u32 = part.parse().ok().filter(|_| is_number)?;
            (value <= most).then_some(value)
        };
        let parts: Vec<_> = text.split(':').collect();
        let seconds = match parts[..] {
            [hours, minutes, seconds] => number(hours, 99)
                .zip(number(minutes, 59))
                .zip(number(seconds, 59))
                .map(|((hours, minutes), seconds)| hours * 3_600 + minutes * 60 + seconds),
            _ => None,
        };
        seconds.map(|seconds| Self { seconds }).ok_or_else(|| {
            format!("`{text}` is no idle time; write hh:mm:ss from 00:00:00 to 99:59:59")
        })
    }
}

impl TryFrom<String> for IdleTime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<IdleTime> for String {
    fn from(time: IdleTime) -> Self {
        time.to_string()
    }
}
