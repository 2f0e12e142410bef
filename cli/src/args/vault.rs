//! `mailkeep init`, `mailbox`, `backup`, `verify` and `stats`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use mailkeep_model::Extent;
use mailkeep_ports::LockMode;
use mailkeep_vault::LockPolicy;

use super::UnlockArgs;
use super::keys::RestartArgs;
use super::values::{PartArg, PercentArg};

const INIT_EXAMPLES: &str = "\
A folder must be empty or not exist yet; a bucket must exist, and nothing may lie below the prefix. The
passphrase comes from a prompt (asked twice), from
MAILKEEP_PASSPHRASE or from --passphrase-file. With --new-key-file a random key file is made and
takes the passphrase's place; --key-file uses one that you have, --kms-key a key of AWS KMS.

Examples:
  mailkeep init --vault ./vault --recovery-key-file ./recovery.key
  mailkeep init --vault ./vault --new-key-file ./vault.key --recovery-key-file ./recovery.key
  mailkeep init --vault s3://my-bucket/mail --recovery-key-file ./recovery.key
  mailkeep init --vault s3://my-bucket/mail --recovery-key-file ./recovery.key --lock-days 30
  mailkeep init --vault s3://my-bucket/mail --recovery-key-file ./recovery.key --kms-key alias/mail";

/// `mailkeep init`.
#[derive(Debug, Args)]
#[command(after_help = INIT_EXAMPLES)]
pub struct InitArgs {
    /// Write the recovery key to this new file
    #[arg(long, value_name = "PATH")]
    pub recovery_key_file: PathBuf,
    /// Make a new key file here and open the vault with it, instead of a passphrase
    #[arg(long, value_name = "PATH", conflicts_with = "passphrase_file")]
    pub new_key_file: Option<PathBuf>,
    /// Have the store forbid deleting anything for so many days; for ever part of this vault
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=i64::from(mailkeep_vault::MAX_LOCK_DAYS)))]
    pub lock_days: Option<u32>,
    /// Who may still delete what is locked
    #[arg(
        long,
        value_enum,
        default_value_t,
        requires = "lock_days",
        value_name = "MODE"
    )]
    pub lock_mode: LockModeArg,
}

/// Modes of Object Lock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LockModeArg {
    /// Who has a special permission
    #[default]
    Governance,
    /// Nobody, not even the account's owner
    Compliance,
}

impl InitArgs {
    /// The lock that was asked for.
    #[must_use]
    pub fn lock(&self) -> Option<LockPolicy> {
        let mode = match self.lock_mode {
            LockModeArg::Governance => LockMode::Governance,
            LockModeArg::Compliance => LockMode::Compliance,
        };
        let days = self.lock_days?;
        Some(LockPolicy { mode, days })
    }
}

/// What to do with mailboxes.
#[derive(Debug, Subcommand)]
pub enum MailboxCommand {
    /// List the mailboxes of the vault, or of a tenant with --connection
    Ls(MailboxLsArgs),
    /// Start the backup of a mailbox that was erased afresh
    Restart(RestartArgs),
}

/// `mailkeep mailbox ls`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mailkeep mailbox ls --vault ./vault
  mailkeep mailbox ls --vault ./vault --connection contoso")]
pub struct MailboxLsArgs {
    /// List the mailboxes of this connection's tenant instead of the vault's
    #[arg(long, value_name = "NAME")]
    pub connection: Option<String>,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

const BACKUP_EXAMPLES: &str = "\
Ctrl-C stops after a last commit, and the next run goes on from there; a second Ctrl-C stops at
once, which costs only what was not committed yet.

Examples:
  mailkeep backup --vault ./vault
  mailkeep backup --vault ./vault --mailbox ann@contoso.example --mailbox bob@contoso.example
  mailkeep backup --vault ./vault --folder Inbox --folder \"Projects/2026\"
  mailkeep backup --vault ./vault --mailbox public-folders
  mailkeep backup --vault ./vault --public-folder Company/Sales --public-folder-alone Company";

/// `mailkeep backup`.
#[derive(Debug, Args)]
#[command(after_help = BACKUP_EXAMPLES)]
pub struct BackupArgs {
    /// Name of the connection (not needed when there is only one)
    #[arg(long, value_name = "NAME")]
    pub connection: Option<String>,
    /// Only this mailbox: address or id (repeatable; default: all)
    #[arg(long = "mailbox", value_name = "ADDRESS")]
    pub mailboxes: Vec<String>,
    /// Only this folder and those below it (repeatable; default: all)
    #[arg(long = "folder", value_name = "PATH")]
    pub folders: Vec<String>,
    /// This public folder with all below it, those that will be made included (repeatable); without
    /// --mailbox, only public folders
    #[arg(long = "public-folder", value_name = "PATH")]
    pub public_folders: Vec<String>,
    /// This public folder without those below it (repeatable)
    #[arg(long = "public-folder-alone", value_name = "PATH")]
    pub public_folders_alone: Vec<String>,
    /// Also folders that mail clients hide
    #[arg(long)]
    pub include_hidden: bool,
    /// What is taken beside visible folders.
    #[command(flatten)]
    pub extent: ExtentArgs,
    /// How many mailboxes to back up at the same time
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub concurrent_mailboxes: u8,
    /// Write a CSV table of this run into this folder: mailboxes, folders, counts, failures. The
    /// newest 100 of at most 90 days are kept
    #[arg(long, value_name = "FOLDER")]
    pub log: Option<std::path::PathBuf>,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// What a backup takes beside visible folders and messages with their properties.
#[derive(Debug, Clone, Copy, Default, Args)]
#[command(next_help_heading = "Beyond the visible mailbox")]
pub struct ExtentArgs {
    /// Also the archive mailbox, as a folder tree of its own (Exchange on premises)
    #[arg(long)]
    pub archive: bool,
    /// Also Recoverable Items, as a folder tree of its own; with --archive those of the archive, too
    #[arg(long)]
    pub recoverable_items: bool,
    /// Keep Exchange's own lossless form of each item, too; restores to Exchange use it (Exchange on
    /// premises)
    #[arg(long)]
    pub export_streams: bool,
}

impl From<ExtentArgs> for Extent {
    fn from(args: ExtentArgs) -> Self {
        Self {
            archive: args.archive,
            recoverable_items: args.recoverable_items,
            export_streams: args.export_streams,
        }
    }
}

const VERIFY_EXAMPLES: &str = "\
Without an option every object is listed with its size, and index and log are read. Each finding
names the mailbox and the items concerned. Exit code 1 when something in the vault is damaged or
missing; 3 when the vault is sound but lacks items that could not be read at the source, or when the
counts differ from the source's.

Examples:
  mailkeep verify --vault ./vault
  mailkeep verify --vault ./vault --full
  mailkeep verify --vault ./vault --part 3/30
  mailkeep verify --vault ./vault --restore-test 100
  mailkeep verify --vault ./vault --sample 5% --mailbox ann@contoso.example
  mailkeep verify --vault ./vault --source --connection contoso";

/// `mailkeep verify`.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_EXAMPLES)]
pub struct VerifyArgs {
    /// Check that every object is there with its size, and read index and log (the default)
    #[arg(long, conflicts_with_all = ["full", "sample"])]
    pub quick: bool,
    /// Read every version of every item back and compare its hash
    #[arg(long, conflicts_with = "sample")]
    pub full: bool,
    /// Read this share of the data back: packs that were not read for longest, and items by chance
    #[arg(long, value_name = "PERCENT")]
    pub sample: Option<PercentArg>,
    /// Read the K-th of N equal shares of the packs, such as 3/30: all N runs read everything
    #[arg(long, value_name = "K/N", conflicts_with_all = ["full", "sample", "quick"])]
    pub part: Option<PartArg>,
    /// Only compare the list of objects with the index
    #[arg(long, conflicts_with_all = ["full", "sample", "quick", "part"])]
    pub listing: bool,
    /// Put this many items together, chosen by chance, and compare each with its hash
    #[arg(long, value_name = "N", conflicts_with_all = ["full", "sample", "quick", "part", "listing"])]
    pub restore_test: Option<u32>,
    /// Check what could be put together again from packs alone, with every commit gone
    #[arg(long, conflicts_with_all = ["full", "sample", "quick", "part", "listing", "restore_test"])]
    pub rebuild: bool,
    /// Also compare the number of items per folder with the source
    #[arg(long)]
    pub source: bool,
    /// Name of the connection for --source (not needed when there is only one)
    #[arg(long, value_name = "NAME", requires = "source")]
    pub connection: Option<String>,
    /// Only this mailbox: address or id (repeatable; default: all)
    #[arg(long = "mailbox", value_name = "ADDRESS")]
    pub mailboxes: Vec<String>,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

const REPAIR_EXAMPLES: &str = "\
Reads every object of the mailboxes whole. What damage destroyed is rebuilt where copies are left;
what is lost is recorded, and the next backup fetches it again if the source still has it. Nothing but
damaged copies of the index is deleted. First restore damaged objects from a replica or an older
version of the bucket if you can: that brings everything back.

Exit code 0 when nothing is lost, 3 when something is, 1 when a mailbox could not be repaired.

Examples:
  mailkeep repair --vault ./vault --dry-run
  mailkeep repair --vault ./vault --mailbox ann@contoso.example";

/// `mailkeep repair`.
#[derive(Debug, Args)]
#[command(after_help = REPAIR_EXAMPLES)]
pub struct RepairArgs {
    /// Show what would be done, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Only this mailbox: address or id (repeatable; default: all)
    #[arg(long = "mailbox", value_name = "ADDRESS")]
    pub mailboxes: Vec<String>,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// `mailkeep stats`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mailkeep stats --vault ./vault
  mailkeep stats --vault ./vault --mailbox ann@contoso.example --json")]
pub struct StatsArgs {
    /// Only this mailbox: address or id (repeatable; default: all)
    #[arg(long = "mailbox", value_name = "ADDRESS")]
    pub mailboxes: Vec<String>,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}
