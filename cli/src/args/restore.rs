//! `mailkeep restore`.

use clap::{Args, ValueEnum};

use super::{QueryArgs, QueueArgs, UnlockArgs};

const EXAMPLES: &str = "\
By default everything goes into a new folder named after the time of the restore, below the root of
the mailbox, so nothing that is there is touched. No mail is ever sent. A restore that was interrupted
is repeated with the same command and the same --folder-name: what arrived is not written again.

Examples:
  mailkeep restore --vault ./vault --mailbox ann@contoso.example --folder Inbox --dry-run
  mailkeep restore --vault ./vault --mailbox ann@contoso.example --item 3k7p2m9qx4w2a
  mailkeep restore --vault ./vault --mailbox ann@contoso.example --subject invoice --since 30d \\
      --placement original
  mailkeep restore --vault ./vault --mailbox ann@contoso.example --to bob@contoso.example
  mailkeep restore --vault ./vault --mailbox public-folders --folder Company/Sales --placement original
  mailkeep restore --vault ./vault --mailbox ann@contoso.example --to public-folders --below Company/Former
  mailkeep restore --vault ./vault --mailbox ann@contoso.example --folder Inbox --queue";

/// `mailkeep restore`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RestoreArgs {
    /// The mailbox in the vault: address or id
    #[arg(long, value_name = "ADDRESS")]
    pub mailbox: String,
    /// Only this item (repeatable)
    #[arg(long = "item", value_name = "REFERENCE")]
    pub items: Vec<String>,
    /// Which items.
    #[command(flatten)]
    pub query: QueryArgs,
    /// As it was at this restore point
    #[arg(long, value_name = "WHEN", default_value = "latest")]
    pub snapshot: String,
    /// Restore into this mailbox (default: the one that the items come from)
    #[arg(long, value_name = "ADDRESS", help_heading = "Where to")]
    pub to: Option<String>,
    /// Restore over this connection (default: the one that the mailbox was backed up over)
    #[arg(long, value_name = "NAME", help_heading = "Where to")]
    pub to_connection: Option<String>,
    /// Which folders to restore into
    #[arg(long, value_enum, default_value_t, help_heading = "Where to")]
    pub placement: PlacementArg,
    /// Name of the new folder (default: "Restored" with date and time)
    #[arg(long, value_name = "NAME", help_heading = "Where to")]
    pub folder_name: Option<String>,
    /// Put the new folder below this folder, a public folder for example, not at the top
    #[arg(long, value_name = "PATH", help_heading = "Where to")]
    pub below: Option<String>,
    /// What to do about an item that is there already
    #[arg(long, value_enum, default_value_t, help_heading = "Where to")]
    pub on_conflict: OnConflict,
    /// Make items from their messages and properties, even where Exchange's own lossless form was kept
    #[arg(long)]
    pub without_export_streams: bool,
    /// Show what would be done, and do nothing
    #[arg(long, conflicts_with = "queue")]
    pub dry_run: bool,
    /// By the service.
    #[command(flatten)]
    pub queue: QueueArgs,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// Which folders a restore writes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum PlacementArg {
    /// A new folder, with the original folders below it
    #[default]
    NewFolder,
    /// The original folders; created where they are missing
    Original,
}

/// What to do about an item that is there already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OnConflict {
    /// Leave the existing item alone
    #[default]
    Skip,
    /// Write a second copy beside it
    Copy,
    /// Move the existing item to Deleted Items, then write
    Replace,
}
