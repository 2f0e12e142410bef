//! What can be typed: the verbs, their options and their help texts.

pub mod api;
pub mod browse;
pub mod connection;
pub mod estimate;
pub mod job;
pub mod keys;
pub mod notify;
pub mod operation;
pub mod query;
pub mod restore;
pub mod retention;
pub mod values;
pub mod vault;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use api::ApiKeyCommand;
pub use browse::{CatArgs, DiffArgs, ExportArgs, ExportFormat, FindArgs, LsArgs, SnapshotsArgs};
pub use connection::{
    AddArgs, Cloud, ConnectionCommand, ExchangeAccess, ExchangeArgs, ExchangeLogin, TestArgs,
};
pub use estimate::{EstimateArgs, StorageClassArg};
pub use job::{ApplyArgs, DatabaseArgs, JobCommand, ServeArgs, WhenActiveArgs};
pub use keys::{DrillArgs, EraseArgs, KeyAddArgs, KeyCommand, KeyRotateArgs, RestartArgs};
pub use notify::NotifyCommand;
pub use operation::{ExportsArgs, OperationCommand, QueueArgs};
pub use query::QueryArgs;
pub use restore::{OnConflict, PlacementArg, RestoreArgs};
pub use retention::{HoldCommand, PolicyCommand, RetainArgs};
pub use vault::{
    BackupArgs, InitArgs, MailboxCommand, MailboxLsArgs, RepairArgs, StatsArgs, VerifyArgs,
};

const EXAMPLES: &str = "\
Examples:
  mailkeep init --vault ./vault --recovery-key-file ./recovery.key
  mailkeep connection add contoso --vault ./vault --tenant 1111… --client-id 2222…
  mailkeep connection test contoso --vault ./vault
  mailkeep backup --vault ./vault
  mailkeep find --vault ./vault --mailbox ann@contoso.example --subject invoice --since 30d
  mailkeep restore --vault ./vault --mailbox ann@contoso.example --folder Inbox --dry-run

Keys: the vault is opened with MAILKEEP_PASSPHRASE or a prompt, with --passphrase-file, with
--key-file, with --kms-key (AWS KMS), or with --recovery-key-file. No secret is ever taken from an argument.

Vaults on S3, or on a store that speaks its protocol: credentials, region and endpoint come from the
usual AWS environment (AWS_PROFILE, AWS_REGION, AWS_ENDPOINT_URL_S3, ...) or from the address:
s3://BUCKET/PREFIX?endpoint=URL&region=NAME&profile=NAME&path-style=BOOL&cold-class=CLASS

Exit codes: 0 done · 1 error · 2 wrong usage · 3 done, but with gaps (something is missing and
listed) · 4 authentication failed.";

/// Backs up Exchange Online mailboxes into an encrypted vault, and restores them.
#[derive(Debug, Parser)]
#[command(name = "mailkeep", version, after_help = EXAMPLES, max_term_width = 100)]
#[command(arg_required_else_help = true)]
pub struct Cli {
    /// Options that every verb knows.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The verb.
    #[command(subcommand)]
    pub command: Command,
}

/// Options that every verb knows.
#[derive(Debug, Clone, Default, Args)]
pub struct GlobalArgs {
    /// Where the vault is: a folder, or s3://BUCKET/PREFIX
    #[arg(long, global = true, value_name = "PLACE", env = "MAILKEEP_VAULT")]
    pub vault: Option<PathBuf>,
    /// Open the vault with this key file instead of a passphrase
    #[arg(long, global = true, value_name = "PATH", env = "MAILKEEP_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// Open the vault with this key of AWS KMS: its id, ARN or alias/NAME
    #[arg(long, global = true, value_name = "ID", env = "MAILKEEP_KMS_KEY")]
    pub kms_key: Option<String>,
    /// Read the passphrase from the first line of this file (wins over a key file)
    #[arg(long, global = true, value_name = "PATH")]
    pub passphrase_file: Option<PathBuf>,
    /// Print one JSON object per line instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Show no progress
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// How much to log to stderr (the variable RUST_LOG is finer and wins)
    #[arg(long, global = true, value_enum, default_value_t, value_name = "LEVEL")]
    pub log_level: LogLevel,
}

/// How much is logged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Nothing
    Off,
    /// What failed
    Error,
    /// What needs attention
    #[default]
    Warn,
    /// What happens
    Info,
    /// How it happens
    Debug,
    /// Everything
    Trace,
}

impl LogLevel {
    /// The filter directive for it.
    #[must_use]
    pub fn directive(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// Opening a vault in an emergency.
#[derive(Debug, Clone, Default, Args)]
pub struct UnlockArgs {
    /// Open the vault with the recovery key in this file
    #[arg(long, value_name = "PATH")]
    pub recovery_key_file: Option<PathBuf>,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a vault in an empty folder or bucket, with its keys
    Init(InitArgs),
    /// Connections to tenants: add, test, list, remove
    #[command(subcommand)]
    Connection(ConnectionCommand),
    /// Mailboxes of a tenant or of the vault
    #[command(subcommand)]
    Mailbox(MailboxCommand),
    /// Back up mailboxes; only what is new or changed is fetched
    Backup(BackupArgs),
    /// Jobs: backups that run by themselves
    #[command(subcommand)]
    Job(JobCommand),
    /// Restores and exports that the service carries out: list, confirm, cancel
    #[command(subcommand)]
    Operation(OperationCommand),
    /// Make jobs as a file says
    Apply(ApplyArgs),
    /// Run jobs: schedules and workers in one process
    Serve(ServeArgs),
    /// List restore points
    Snapshots(SnapshotsArgs),
    /// List folders of a mailbox, or the items of a folder
    Ls(LsArgs),
    /// Find items by sender, subject, date, folder, size or attachment
    Find(FindArgs),
    /// Write one item to standard output as EML
    Cat(CatArgs),
    /// Write items to EML files or an mbox file
    Export(ExportArgs),
    /// Show what changed between two restore points of a mailbox
    Diff(DiffArgs),
    /// Restore items into a mailbox
    Restore(RestoreArgs),
    /// Check that what the vault holds can be read back
    Verify(VerifyArgs),
    /// Rebuild what damage destroyed, and record what is lost
    Repair(RepairArgs),
    /// Let go of what the retention policies do not keep
    Retain(RetainArgs),
    /// How long versions and restore points are kept
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Legal holds: what is kept whatever a policy says
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Keys to the HTTP API of `serve`: add, list, remove
    #[command(subcommand)]
    ApiKey(ApiKeyCommand),
    /// Mail and webhooks that tell of jobs: check their settings, send a test message
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Estimate what a deployment in an AWS account asks for, costs and takes; needs no vault
    Estimate(EstimateArgs),
    /// Show how much the vault holds
    Stats(StatsArgs),
    /// Who can open the vault: list, add, remove, rotate
    #[command(subcommand)]
    Key(KeyCommand),
    /// Erase a person: destroy every key of one mailbox
    Erase(EraseArgs),
    /// Prove that the recovery key opens the vault
    Drill(DrillArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_option_takes_a_secret_as_its_value() {
        fn walk(command: &clap::Command) {
            for arg in command.get_arguments() {
                let id = arg.get_id().as_str();
                let secret = [
                    "secret",
                    "passphrase",
                    "password",
                    "private_key",
                    "recovery_key",
                ]
                .iter()
                .any(|word| id.contains(word));
                let takes_value = arg.get_action().takes_values();
                assert!(
                    !secret || !takes_value || id.ends_with("_file"),
                    "{} {id} would take a secret from the command line",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(walk);
        }
        let mut command = Cli::command();
        command.build();
        walk(&command);
    }

    #[test]
    fn every_verb_but_completions_shows_an_example() {
        let command = Cli::command();
        for verb in command.get_subcommands() {
            let leaves: Vec<_> = verb.get_subcommands().collect();
            let group = [verb];
            let shown = if leaves.is_empty() {
                &group[..]
            } else {
                &leaves[..]
            };
            for leaf in shown {
                let help = leaf
                    .get_after_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(
                    help.contains("mailkeep ") || leaf.get_name() == "completions",
                    "{} has no example",
                    leaf.get_name()
                );
            }
        }
    }
}
