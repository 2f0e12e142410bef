//! `mailkeep snapshots`, `ls`, `find`, `cat`, `export` and `diff`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{QueryArgs, QueueArgs, UnlockArgs};

const SNAPSHOT_HELP: &str = "latest, a number or run id from `mailkeep snapshots`, or a time (the last restore point at or before it)";

/// `mailkeep snapshots`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mailkeep snapshots --vault ./vault
  mailkeep snapshots --vault ./vault --mailbox ann@contoso.example")]
pub struct SnapshotsArgs {
    /// The restore points of this mailbox (default: the runs of the whole vault)
    #[arg(long, value_name = "ADDRESS")]
    pub mailbox: Option<String>,
    /// Show at most so many, the newest
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// `mailkeep ls`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mailkeep ls --vault ./vault --mailbox ann@contoso.example
  mailkeep ls --vault ./vault --mailbox ann@contoso.example Inbox
  mailkeep ls --vault ./vault --mailbox ann@contoso.example Inbox --snapshot 2026-03-01")]
pub struct LsArgs {
    /// The mailbox: address or id
    #[arg(long, value_name = "ADDRESS")]
    pub mailbox: String,
    /// The folder whose items to list, for example Inbox or "Projects/2026" (default: the folders)
    pub folder: Option<String>,
    /// As it was at this restore point
    #[arg(long, value_name = "WHEN", default_value = "latest", long_help = SNAPSHOT_HELP)]
    pub snapshot: String,
    /// Also what was deleted at the source
    #[arg(long)]
    pub deleted: bool,
    /// Stop after so many items
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// `mailkeep find`.
#[derive(Debug, Args)]
#[command(after_help = "\
Words are compared without regard to upper and lower case. All conditions must hold.

Examples:
  mailkeep find --vault ./vault --subject invoice --since 30d
  mailkeep find --vault ./vault --mailbox ann@contoso.example --from bob --has-attachment
  mailkeep find --vault ./vault --min-size 10M --folder Inbox --json")]
pub struct FindArgs {
    /// Only in this mailbox: address or id (repeatable; default: all)
    #[arg(long = "mailbox", value_name = "ADDRESS")]
    pub mailboxes: Vec<String>,
    /// Which items.
    #[command(flatten)]
    pub query: QueryArgs,
    /// As it was at this restore point
    #[arg(long, value_name = "WHEN", default_value = "latest", long_help = SNAPSHOT_HELP)]
    pub snapshot: String,
    /// Stop after so many items per mailbox
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// `mailkeep cat`.
#[derive(Debug, Args)]
#[command(after_help = "\
The bytes are those of the original message. On a terminal, control characters are shown as ^X.
With --json an object with the item's metadata and versions is printed instead.

Examples:
  mailkeep cat --vault ./vault --mailbox ann@contoso.example 3k7p2m9qx4w2a > mail.eml
  mailkeep cat --vault ./vault --mailbox ann@contoso.example 3k7p2m9qx4w2a --headers")]
pub struct CatArgs {
    /// The mailbox: address or id
    #[arg(long, value_name = "ADDRESS")]
    pub mailbox: String,
    /// The item's reference, as `ls` and `find` show it
    pub item: String,
    /// Only the headers
    #[arg(long)]
    pub headers: bool,
    /// As it was at this restore point
    #[arg(long, value_name = "WHEN", default_value = "latest", long_help = SNAPSHOT_HELP)]
    pub snapshot: String,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// `mailkeep export`.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is ever overwritten: the folder must be empty or new. EML files hold the original bytes. An
mbox file cannot: lines that begin with \"From \" are quoted (mboxrd).

Examples:
  mailkeep export --vault ./vault --mailbox ann@contoso.example --output ./ann
  mailkeep export --vault ./vault --mailbox ann@contoso.example --folder Inbox \\
      --format mbox --output ./inbox
  mailkeep export --vault ./vault --mailbox ann@contoso.example --item 3k7p2m9qx4w2a --output ./one
  mailkeep export --vault ./vault --mailbox ann@contoso.example --queue --yes")]
pub struct ExportArgs {
    /// The mailbox: address or id
    #[arg(long, value_name = "ADDRESS")]
    pub mailbox: String,
    /// Folder to write to; new or empty
    #[arg(
        long,
        short,
        value_name = "PATH",
        required_unless_present = "queue",
        conflicts_with = "queue"
    )]
    pub output: Option<PathBuf>,
    /// What to write
    #[arg(long, value_enum, default_value_t)]
    pub format: ExportFormat,
    /// With --queue: for how many days the files can be downloaded
    #[arg(
        long,
        value_name = "DAYS",
        default_value_t = 7,
        value_parser = clap::value_parser!(u16).range(1..=30),
        help_heading = "By the service"
    )]
    pub keep_days: u16,
    /// By the service.
    #[command(flatten)]
    pub queue: QueueArgs,
    /// Only this item (repeatable)
    #[arg(long = "item", value_name = "REFERENCE")]
    pub items: Vec<String>,
    /// Which items.
    #[command(flatten)]
    pub query: QueryArgs,
    /// As it was at this restore point
    #[arg(long, value_name = "WHEN", default_value = "latest", long_help = SNAPSHOT_HELP)]
    pub snapshot: String,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// What an export writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// One file per item, in folders like the mailbox's
    #[default]
    Eml,
    /// One mbox file per folder
    Mbox,
}

/// `mailkeep diff`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mailkeep diff --vault ./vault --mailbox ann@contoso.example 3
  mailkeep diff --vault ./vault --mailbox ann@contoso.example 2026-03-01 2026-03-08")]
pub struct DiffArgs {
    /// The mailbox: address or id
    #[arg(long, value_name = "ADDRESS")]
    pub mailbox: String,
    /// From this restore point
    #[arg(value_name = "FROM", long_help = SNAPSHOT_HELP)]
    pub from: String,
    /// To this one
    #[arg(value_name = "TO", default_value = "latest", long_help = SNAPSHOT_HELP)]
    pub to: String,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}
