//! `mailkeep estimate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mailkeep_engine::estimate::Question;

use super::values::SizeArg;

/// What to estimate.
#[derive(Debug, Args)]
#[command(after_help = "\
What is counted comes from tests of the program itself; how long a request takes is assumed.
docs/scale.md says what, and explains the figures.

Examples:
  mailkeep estimate --mailboxes 10000
  mailkeep estimate --mailboxes 10000 --passes-per-day 24 --changed 1 --workers 100
  mailkeep estimate --mailboxes 500 --mailbox-size 20G --storage-class GLACIER_IR --prices eu.toml")]
pub struct EstimateArgs {
    /// How many mailboxes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub mailboxes: u64,
    /// What one holds on average at the start
    #[arg(long, value_name = "SIZE", default_value = "5G")]
    pub mailbox_size: SizeArg,
    /// The average item
    #[arg(long, value_name = "SIZE", default_value = "75K")]
    pub item_size: SizeArg,
    /// New and changed items of one mailbox each day
    #[arg(long, value_name = "N", default_value_t = 100.0, value_parser = amount)]
    pub items_per_day: f64,
    /// Passes over all mailboxes each day (a continuous job with one minute of rest: up to 1440)
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = some_amount)]
    pub passes_per_day: f64,
    /// In how many of a hundred mailboxes a pass finds something new; follows from the items when not given
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    pub changed: Option<f64>,
    /// Jobs that the mailboxes are divided among
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub jobs: u64,
    /// Mailboxes worked on at once (the stack's parameter `Workers`)
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub workers: u32,
    /// Memory of a worker (the stack's parameter `WorkerMemoryMegabytes`)
    #[arg(long, value_name = "MEGABYTES", default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(128..=10_240))]
    pub worker_memory: u32,
    /// Storage class of the content of mail (the stack's parameter `ColdClass`)
    #[arg(long, value_enum, value_name = "CLASS", default_value_t)]
    pub storage_class: StorageClassArg,
    /// Estimate the month so long after the first backup: what came since is stored, too
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(0..=1_200))]
    pub months: u32,
    /// Mailboxes restored at once, when all are
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub restores: u32,
    /// Prices of another region (TOML; start from cli/data/prices.toml)
    #[arg(long, value_name = "PATH")]
    pub prices: Option<PathBuf>,
}

/// Storage classes that content may have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum StorageClassArg {
    /// Standard
    #[default]
    #[value(name = "STANDARD")]
    Standard,
    /// Infrequent access
    #[value(name = "STANDARD_IA")]
    InfrequentAccess,
    /// Intelligent tiering
    #[value(name = "INTELLIGENT_TIERING")]
    IntelligentTiering,
    /// Glacier, instant retrieval
    #[value(name = "GLACIER_IR")]
    GlacierInstantRetrieval,
}

impl StorageClassArg {
    /// As S3 calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "STANDARD",
            Self::InfrequentAccess => "STANDARD_IA",
            Self::IntelligentTiering => "INTELLIGENT_TIERING",
            Self::GlacierInstantRetrieval => "GLACIER_IR",
        }
    }
}

impl EstimateArgs {
    /// What is to be estimated.
    #[must_use]
    pub fn question(&self) -> Question {
        Question {
            mailboxes: self.mailboxes,
            mailbox_bytes: self.mailbox_size.0,
            item_bytes: self.item_size.0,
            items_per_day: self.items_per_day,
            passes_per_day: self.passes_per_day,
            changed_part: self.changed.map(|percent| percent / 100.0),
            jobs: self.jobs,
            workers: self.workers,
            worker_megabytes: self.worker_memory,
            storage_class: self.storage_class.name().to_owned(),
            months: self.months,
            restores: self.restores,
        }
    }
}

fn amount(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    number
        .filter(|number| (0.0..=1e6).contains(number))
        .ok_or_else(|| "expected a number from 0 to 1000000".to_owned())
}

fn some_amount(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    number
        .filter(|number| (0.01..=1_440.0).contains(number))
        .ok_or_else(|| "expected a number from 0.01 to 1440".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').trim().parse::<f64>().ok();
    number
        .filter(|number| (0.0..=100.0).contains(number))
        .ok_or_else(|| "expected a percentage from 0 to 100, such as 1 or 2.5".to_owned())
}
