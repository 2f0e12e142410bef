//! `mailkeep retain`, `policy` and `hold`.

use clap::{Args, Subcommand};

use super::UnlockArgs;
use super::values::{DaysArg, KeepArg, TimeArg};

/// `mailkeep retain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Lets go of the versions that nothing promises any more: no policy, no restore point that is kept, no
legal hold. They can no longer be restored from then on. What they alone needed in the store is
deleted by a run that comes at least the grace period later; so run it regularly. Safe beside
backups. With --dry-run it shows what would go and changes nothing.

Exit code 3 when a mailbox could not be read or finished, or when the clock is not believed.

Examples:
  mailkeep retain --vault ./vault --dry-run
  mailkeep retain --vault ./vault --yes
  mailkeep retain --vault ./vault --dry-run --mailbox ann@contoso.example --json")]
pub struct RetainArgs {
    /// Show what would go and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(long, conflicts_with = "dry_run")]
    pub yes: bool,
    /// Delete an object so long after nothing needs it any more (default: 7d, at least 2d)
    #[arg(long, value_name = "TIME", conflicts_with = "dry_run")]
    pub grace: Option<DaysArg>,
    /// Only this mailbox: address or id (repeatable; default: all)
    #[arg(long = "mailbox", value_name = "ADDRESS")]
    pub mailboxes: Vec<String>,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// What to do with policies.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Show the vault's policy and those of single mailboxes
    #[command(after_help = "Example:\n  mailkeep policy show --vault ./vault")]
    Show {
        /// Opening the vault.
        #[command(flatten)]
        unlock: UnlockArgs,
    },
    /// Set how long superseded and deleted versions are kept
    Set(PolicySetArgs),
    /// Remove a mailbox's own policy, or the vault's (then everything is kept)
    #[command(
        after_help = "Example:\n  mailkeep policy reset --vault ./vault --mailbox ann@contoso.example"
    )]
    Reset {
        /// The mailbox: address or id (default: the vault)
        #[arg(long, value_name = "ADDRESS")]
        mailbox: Option<String>,
        /// Opening the vault.
        #[command(flatten)]
        unlock: UnlockArgs,
    },
    /// Confirm that this machine's clock is right, after `retain` said that it does not believe it
    #[command(after_help = "Example:\n  mailkeep policy confirm-clock --vault ./vault")]
    ConfirmClock {
        /// Opening the vault.
        #[command(flatten)]
        unlock: UnlockArgs,
    },
}

/// `mailkeep policy set`.
#[derive(Debug, Args)]
#[command(after_help = "\
The whole policy is replaced. Every point in time within --keep can be restored. Beyond that, the
first complete run of each hour, day, week, month or year (UTC) stays whole for as long as the
options below say. These are horizons, not counts: `--daily 90d` keeps one run of each of the last
90 days, however many runs there were. What is current in the mailbox is always kept.

Examples:
  mailkeep policy set --vault ./vault --keep 90d --daily 1y --monthly 10y
  mailkeep policy set --vault ./vault --keep forever --mailbox ann@contoso.example")]
pub struct PolicySetArgs {
    /// Keep versions so long after they were superseded or deleted at the source (90d, 12w, 3y,
    /// forever)
    #[arg(long, value_name = "TIME")]
    pub keep: KeepArg,
    /// Of items that are still there, keep at least so many newest versions, however old
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub min_versions: u32,
    /// Keep one restore point of each hour for so long
    #[arg(long, value_name = "TIME")]
    pub hourly: Option<DaysArg>,
    /// Keep one restore point of each day for so long
    #[arg(long, value_name = "TIME")]
    pub daily: Option<DaysArg>,
    /// Keep one restore point of each week for so long
    #[arg(long, value_name = "TIME")]
    pub weekly: Option<DaysArg>,
    /// Keep one restore point of each month for so long
    #[arg(long, value_name = "TIME")]
    pub monthly: Option<DaysArg>,
    /// Keep one restore point of each year for so long
    #[arg(long, value_name = "TIME")]
    pub yearly: Option<DaysArg>,
    /// For this mailbox alone: address or id (default: for the vault)
    #[arg(long, value_name = "ADDRESS")]
    pub mailbox: Option<String>,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// What to do with legal holds.
#[derive(Debug, Subcommand)]
pub enum HoldCommand {
    /// Keep a mailbox, or what a search finds, whatever a policy says
    Add(HoldAddArgs),
    /// List the holds
    #[command(after_help = "Example:\n  mailkeep hold ls --vault ./vault")]
    Ls {
        /// Opening the vault.
        #[command(flatten)]
        unlock: UnlockArgs,
    },
    /// Remove a hold
    #[command(after_help = "Example:\n  mailkeep hold rm \"case 7\" --vault ./vault")]
    Rm {
        /// Name of the hold
        name: String,
        /// Opening the vault.
        #[command(flatten)]
        unlock: UnlockArgs,
    },
}

/// `mailkeep hold add`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without a search everything is held. A search holds every version of each item that has a version
which fits, also of items that come later. Ages such as 30d count from now and are fixed then.

Examples:
  mailkeep hold add \"case 7\" --vault ./vault --mailbox ann@contoso.example --reason \"Smith v. Doe\"
  mailkeep hold add merger --vault ./vault --all-mailboxes --subject \"Project Falcon\"")]
pub struct HoldAddArgs {
    /// A name of your choice
    pub name: String,
    /// In this mailbox: address or id
    #[arg(
        long,
        value_name = "ADDRESS",
        required_unless_present = "all_mailboxes"
    )]
    pub mailbox: Option<String>,
    /// In every mailbox, also those that come later
    #[arg(long, conflicts_with = "mailbox")]
    pub all_mailboxes: bool,
    /// Why, for those who read the list later
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
    /// Sender's name or address contains this
    #[arg(long, value_name = "TEXT", help_heading = "What is held")]
    pub from: Option<String>,
    /// A recipient's name or address contains this
    #[arg(long, value_name = "TEXT", help_heading = "What is held")]
    pub recipient: Option<String>,
    /// Subject contains this
    #[arg(long, value_name = "TEXT", help_heading = "What is held")]
    pub subject: Option<String>,
    /// Subject, a name, an address, a category or the message id contains this
    #[arg(long, value_name = "TEXT", help_heading = "What is held")]
    pub text: Option<String>,
    /// Received on or after this day, time or age
    #[arg(long, value_name = "TIME", help_heading = "What is held")]
    pub since: Option<TimeArg>,
    /// Received before this time or age, or on this day at the latest
    #[arg(long, value_name = "TIME", help_heading = "What is held")]
    pub until: Option<TimeArg>,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}
