//! What holds work up.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// With less time than this nothing is said.
const LEAST: Duration = Duration::from_secs(2);

/// What holds work up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bottleneck {
    /// The source asks to wait.
    SourceThrottling,
    /// The source's answers.
    Source,
    /// This machine: compressing, encrypting.
    Cpu,
    /// Writing to the storage.
    Target,
    /// It waits for its activity period.
    Schedule,
}

impl Bottleneck {
    /// Every one, the first wins a tie.
    pub const ALL: [Self; 5] = [
        Self::SourceThrottling,
        Self::Source,
        Self::Cpu,
        Self::Target,
        Self::Schedule,
    ];

    /// The words for it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::SourceThrottling => "source throttling",
            Self::Source => "source",
            Self::Cpu => "CPU",
            Self::Target => "target",
            Self::Schedule => "schedule",
        }
    }
}

/// What time went by with. Work that goes on side by side counts each by itself, so this may be more
/// than the time on the clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Leaving the source alone because it asked for that.
    pub throttled: Duration,
    /// Waiting for the source's answers.
    pub source: Duration,
    /// Splitting, compressing, encrypting.
    pub cpu: Duration,
    /// Waiting for the storage.
    pub target: Duration,
    /// Waiting for the activity period.
    pub schedule: Duration,
}

impl Spent {
    /// The time that went by with one of them.
    #[must_use]
    pub fn on(&self, what: Bottleneck) -> Duration {
        match what {
            Bottleneck::SourceThrottling => self.throttled,
            Bottleneck::Source => self.source,
            Bottleneck::Cpu => self.cpu,
            Bottleneck::Target => self.target,
            Bottleneck::Schedule => self.schedule,
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.each(other, Duration::saturating_add)
    }

    /// What came since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        self.each(earlier, Duration::saturating_sub)
    }

    fn each(self, other: Self, join: fn(Duration, Duration) -> Duration) -> Self {
        Self {
            throttled: join(self.throttled, other.throttled),
            source: join(self.source, other.source),
            cpu: join(self.cpu, other.cpu),
            target: join(self.target, other.target),
            schedule: join(self.schedule, other.schedule),
        }
    }

    /// Where most of the time went; `None` while there is too little of it to tell.
    #[must_use]
    pub fn bottleneck(&self) -> Option<Bottleneck> {
        let times = Bottleneck::ALL.map(|what| self.on(what));
        let all = times
            .into_iter()
            .fold(Duration::ZERO, Duration::saturating_add);
        if all < LEAST {
            return None;
        }
        let most = times.into_iter().max()?;
        Bottleneck::ALL
            .into_iter()
            .find(|what| self.on(*what) == most)
    }
}
