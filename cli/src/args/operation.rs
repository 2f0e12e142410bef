//! `mailkeep operation`, and having a restore or an export carried out by `serve`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::DatabaseArgs;

/// What to do with operations.
#[derive(Debug, Subcommand)]
pub enum OperationCommand {
    /// List restores and exports that were asked for, newest first
    #[command(after_help = "Example:\n  mailkeep operation ls --vault ./vault --limit 5")]
    Ls {
        /// At most so many
        #[arg(long, default_value_t = 20, value_name = "N")]
        limit: usize,
        /// Where operations are kept.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Show an operation: its plan, how far it is, what happened
    #[command(
        after_help = "Example:\n  mailkeep operation show 01JDOP0000000000000000000A --vault ./vault"
    )]
    Show(OperationNameArgs),
    /// Confirm the plan of an operation: it is carried out
    #[command(
        after_help = "Example:\n  mailkeep operation confirm 01JDOP0000000000000000000A --vault ./vault"
    )]
    Confirm(OperationNameArgs),
    /// Cancel an operation; what it did stays done, files of an export are deleted
    #[command(
        after_help = "Example:\n  mailkeep operation cancel 01JDOP0000000000000000000A --vault ./vault"
    )]
    Cancel(OperationNameArgs),
    /// Have an operation go on that waited for somebody
    #[command(
        after_help = "Example:\n  mailkeep operation resume 01JDOP0000000000000000000A --vault ./vault"
    )]
    Resume(OperationNameArgs),
    /// Copy the files of an export that is complete into a folder
    #[command(
        after_help = "Example:\n  mailkeep operation download 01JDOP0000000000000000000A --output ./ann --vault ./vault"
    )]
    Download(OperationDownloadArgs),
}

/// One operation.
#[derive(Debug, Args)]
pub struct OperationNameArgs {
    /// The operation's id
    #[arg(value_name = "OPERATION")]
    pub operation: String,
    /// Where operations are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// `mailkeep operation download`.
#[derive(Debug, Args)]
pub struct OperationDownloadArgs {
    /// Which.
    #[command(flatten)]
    pub name: OperationNameArgs,
    /// Folder to write to; new or empty
    #[arg(long, short, value_name = "PATH")]
    pub output: PathBuf,
    /// Where exports are.
    #[command(flatten)]
    pub exports: ExportsArgs,
}

/// Where exports are.
#[derive(Debug, Clone, Default, Args)]
pub struct ExportsArgs {
    /// Where exports are until they are downloaded: a folder, or s3://BUCKET/PREFIX (default: beside
    /// the job database, its name with `-exports` added)
    #[arg(long = "exports", value_name = "PLACE", env = "MAILKEEP_EXPORTS")]
    pub exports: Option<PathBuf>,
}

/// Having it done by `serve`.
#[derive(Debug, Clone, Args)]
pub struct QueueArgs {
    /// Leave it to `mailkeep serve`: it plans first, and goes on after `mailkeep operation confirm`
    #[arg(long, help_heading = "By the service")]
    pub queue: bool,
    /// With --queue: nobody needs to confirm the plan
    #[arg(long, requires = "queue", help_heading = "By the service")]
    pub yes: bool,
    /// With --queue: why, for the record
    #[arg(
        long,
        value_name = "TEXT",
        default_value = "",
        requires = "queue",
        help_heading = "By the service"
    )]
    pub reason: String,
    /// With --queue: the name by which `serve` knows this vault
    #[arg(
        long,
        value_name = "NAME",
        default_value = "main",
        help_heading = "By the service"
    )]
    pub storage: String,
    /// Where operations are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
}
