//! `mailkeep notify`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::job::DatabaseArgs;

/// What to do with notifications.
#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Check a file of settings; everything that is wrong is named at once
    #[command(after_help = "Example:\n  mailkeep notify check --settings notifications.toml")]
    Check(SettingsArgs),
    /// Send one test message to everybody whom the settings name, or only to those given
    Test(NotifyTestArgs),
    /// List the news of all jobs, newest first, and who could not be told
    Ls(NewsArgs),
}

/// `mailkeep notify ls`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mailkeep notify ls --vault ./vault --limit 10")]
pub struct NewsArgs {
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// Where jobs are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// The settings.
#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// The file with the settings (TOML)
    #[arg(long, value_name = "PATH")]
    pub settings: PathBuf,
}

/// `mailkeep notify test`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 1 when somebody could not be reached.

Examples:
  mailkeep notify test --settings notifications.toml
  mailkeep notify test --settings notifications.toml --mail ann@contoso.example --webhook ops")]
pub struct NotifyTestArgs {
    /// The settings.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Only this address (repeatable)
    #[arg(long = "mail", value_name = "ADDRESS")]
    pub mail: Vec<String>,
    /// Only this webhook, by its name in the settings (repeatable)
    #[arg(long = "webhook", value_name = "NAME")]
    pub webhooks: Vec<String>,
    /// Only this topic of Amazon SNS, by its name in the settings (repeatable)
    #[arg(long = "topic", value_name = "NAME")]
    pub topics: Vec<String>,
}
