//! `mailkeep job`, `apply` and `serve`.

use std::path::PathBuf;

use clap::{ArgAction, Args, Subcommand, ValueEnum};

use super::api::ListenArgs;
use super::{ExportsArgs, UnlockArgs};

/// Where jobs are kept.
#[derive(Debug, Clone, Default, Args)]
pub struct DatabaseArgs {
    /// The file that jobs and their runs are kept in (default: beside the vault, its name with
    /// `-jobs.db` added)
    #[arg(long = "jobs", value_name = "FILE", env = "MAILKEEP_JOBS")]
    pub jobs: Option<PathBuf>,
}

/// What to do when a job is at work.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct WhenActiveArgs {
    /// If the job is at work: stop it, and let it go on with the new definition
    #[arg(long, conflicts_with = "after_cycle")]
    pub stop_first: bool,
    /// If the job is at work: let its cycle end, and change the next one
    #[arg(long)]
    pub after_cycle: bool,
}

/// What to do with jobs.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Make a job from a definition in a file
    Create(JobCreateArgs),
    /// Give a job a new definition
    Edit(JobEditArgs),
    /// Show a job: definition, state, what happened last
    #[command(after_help = "Example:\n  mailkeep job show Nightly --vault ./vault")]
    Show(JobNameArgs),
    /// List jobs with their states
    #[command(after_help = "Example:\n  mailkeep job ls --vault ./vault")]
    Ls {
        /// Which words to show for states
        #[arg(long, value_enum, default_value_t = WordsArg::List)]
        words: WordsArg,
        /// Where jobs are kept.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Delete a job; its backups are kept
    Rm(JobRmArgs),
    /// Start a job, or have one that waits for a person go on
    Start(JobStartArgs),
    /// Stop a job: what is at work is finished and kept
    #[command(after_help = "Example:\n  mailkeep job stop Nightly --vault ./vault")]
    Stop(JobNameArgs),
    /// Switch a job on again
    #[command(after_help = "Example:\n  mailkeep job activate Nightly --vault ./vault")]
    Activate(JobNameArgs),
    /// Switch a job off: its schedule does not start it, and nobody can
    #[command(after_help = "Example:\n  mailkeep job deactivate Nightly --vault ./vault")]
    Deactivate(JobNameArgs),
    /// List the runs of a job, newest first
    #[command(after_help = "Example:\n  mailkeep job runs Nightly --vault ./vault --limit 5")]
    Runs(JobRunsArgs),
    /// List the mailboxes of a run and how each fared
    #[command(after_help = "Example:\n  mailkeep job tasks Nightly --vault ./vault --run 17")]
    Tasks(JobTasksArgs),
    /// Show what became of the scripts and webhooks of a run
    #[command(after_help = "Example:\n  mailkeep job hooks Nightly --vault ./vault --run 17")]
    Hooks(JobTasksArgs),
    /// Show when a job may work next
    Preview(JobPreviewArgs),
    /// Print the definitions of all jobs, as `apply` takes them
    #[command(after_help = "Example:\n  mailkeep job export --vault ./vault > jobs.toml")]
    Export {
        /// Where jobs are kept.
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Show what `apply` would change
    #[command(
        after_help = "Exit code 3 when something differs.\n\nExample:\n  mailkeep job diff -f jobs.toml --vault ./vault"
    )]
    Diff {
        /// The definitions (`-` reads standard input)
        #[arg(long, short, value_name = "FILE")]
        file: PathBuf,
        /// Where jobs are kept.
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// Words for the states of jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WordsArg {
    /// active, inactive, finished, finished with warnings, not finished (errors)
    List,
    /// active, inactive, finished, error
    Card,
    /// by all mailboxes of the job: Disabled, Enabled, Enabled With Warning, Enabled With Errors, Failed
    Health,
    /// Preparing Backup, Running, Completed, Authentication Error, Connection Error, Deactivated
    Account,
    /// In Progress/Running, Retrying, Connection Error, Partially Completed and more
    Backup,
}

/// The settings that reports of jobs are checked against.
#[derive(Debug, Clone, Default, Args)]
pub struct ReportArgs {
    /// The settings that `mailkeep serve` tells people with. Needed for jobs that name somebody in
    /// `report_to`: without a mail server in them there is no report
    #[arg(long, value_name = "PATH", env = "MAILKEEP_NOTIFICATIONS")]
    pub notifications: Option<PathBuf>,
}

/// A job by its name.
#[derive(Debug, Args)]
pub struct JobNameArgs {
    /// The job's name or id
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Where jobs are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// `mailkeep job create`.
#[derive(Debug, Args)]
#[command(after_help = "\
The smallest definition:
  name = \"Nightly\"
  connection = \"contoso\"
  storage = \"main\"
docs/operations.md lists what else can be said. A job with a schedule starts by itself.

Example:
  mailkeep job create --file nightly.toml --vault ./vault")]
pub struct JobCreateArgs {
    /// The definition (`-` reads standard input)
    #[arg(long, short, value_name = "FILE")]
    pub file: PathBuf,
    /// Reports.
    #[command(flatten)]
    pub reports: ReportArgs,
    /// Where jobs are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// `mailkeep job edit`.
#[derive(Debug, Args)]
#[command(after_help = "\
The whole definition is replaced. A job that is at work is not edited unless an option says how.

Example:
  mailkeep job edit Nightly --file nightly.toml --after-cycle --vault ./vault")]
pub struct JobEditArgs {
    /// The job's name or id
    #[arg(value_name = "JOB")]
    pub job: String,
    /// The definition (`-` reads standard input)
    #[arg(long, short, value_name = "FILE")]
    pub file: PathBuf,
    /// When it is at work.
    #[command(flatten)]
    pub when: WhenActiveArgs,
    /// Reports.
    #[command(flatten)]
    pub reports: ReportArgs,
    /// Where jobs are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// `mailkeep job rm`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  mailkeep job rm Nightly --stop-first --vault ./vault")]
pub struct JobRmArgs {
    /// The job's name or id
    #[arg(value_name = "JOB")]
    pub job: String,
    /// If the job is at work: stop it, and delete it then
    #[arg(long)]
    pub stop_first: bool,
    /// Where jobs are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// `mailkeep job start`.
#[derive(Debug, Args)]
#[command(after_help = "\
A job with a schedule begins its next cycle in its next activity period, or at once with --now. The
work is done by `mailkeep serve`.

Examples:
  mailkeep job start Nightly --vault ./vault
  mailkeep job start Nightly --now --failed --vault ./vault")]
pub struct JobStartArgs {
    /// The job's name or id
    #[arg(value_name = "JOB")]
    pub job: String,
    /// At once, whatever the schedule says (never in a blackout)
    #[arg(long)]
    pub now: bool,
    /// Only mailboxes that failed the last time
    #[arg(long, conflicts_with = "mailboxes")]
    pub failed: bool,
    /// Only this mailbox: address or id (repeatable)
    #[arg(long = "mailbox", value_name = "ADDRESS")]
    pub mailboxes: Vec<String>,
    /// Where jobs are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// `mailkeep job runs`.
#[derive(Debug, Args)]
pub struct JobRunsArgs {
    /// The job's name or id
    #[arg(value_name = "JOB")]
    pub job: String,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub limit: usize,
    /// Where jobs are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// `mailkeep job tasks`.
#[derive(Debug, Args)]
pub struct JobTasksArgs {
    /// The job's name or id
    #[arg(value_name = "JOB")]
    pub job: String,
    /// The run's number (default: the newest)
    #[arg(long, value_name = "N")]
    pub run: Option<u64>,
    /// Where jobs are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// `mailkeep job preview`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mailkeep job preview Nightly --vault ./vault
  mailkeep job preview --file nightly.toml --count 30")]
pub struct JobPreviewArgs {
    /// The job's name or id
    #[arg(value_name = "JOB", required_unless_present = "file")]
    pub job: Option<String>,
    /// A definition that is not stored (`-` reads standard input)
    #[arg(long, short, value_name = "FILE", conflicts_with = "job")]
    pub file: Option<PathBuf>,
    /// So many periods
    #[arg(long, default_value_t = 10, value_name = "N")]
    pub count: usize,
    /// Where jobs are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// `mailkeep apply`.
#[derive(Debug, Args)]
#[command(after_help = "\
The file holds one [[job]] per job. Jobs are known by their names: those that are not there yet are
made, those that differ are edited. Jobs that the file does not name are left alone, unless --prune is
given.

Examples:
  mailkeep apply -f jobs.toml --vault ./vault
  mailkeep apply -f jobs.toml --after-cycle --prune --vault ./vault")]
pub struct ApplyArgs {
    /// The definitions (`-` reads standard input)
    #[arg(long, short, value_name = "FILE")]
    pub file: PathBuf,
    /// Delete jobs that the file does not name; their backups are kept
    #[arg(long, action = ArgAction::SetTrue)]
    pub prune: bool,
    /// When a job is at work.
    #[command(flatten)]
    pub when: WhenActiveArgs,
    /// Reports.
    #[command(flatten)]
    pub reports: ReportArgs,
    /// Where jobs are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// `mailkeep serve`.
#[derive(Debug, Args)]
#[command(after_help = "\
Runs jobs, and the restores and exports that were asked for, until it is told to stop (Ctrl-C,
SIGTERM): what is at work is committed first. Killed at any moment, it goes on where it was. Jobs are
made and controlled from another terminal with `mailkeep job`, restores and exports with
`mailkeep restore --queue`, `mailkeep export --queue` and `mailkeep operation`.

Examples:
  mailkeep serve --vault ./vault --key-file ./vault.key --workers 8
  mailkeep serve --vault ./vault --key-file ./vault.key --listen 127.0.0.1:8025")]
pub struct ServeArgs {
    /// Mailboxes worked on at once, over all jobs
    #[arg(long, default_value_t = 6, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// Seconds after which a mailbox is taken over from a process that was killed
    #[arg(long, default_value_t = 120, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(2..=3600))]
    pub lease: u16,
    /// The name by which jobs call this vault in `storage`
    #[arg(long, default_value = "main", value_name = "NAME")]
    pub storage: String,
    /// Write a CSV table of each run into this folder: mailboxes, folders, counts, workers, failures. It
    /// names mailboxes and folders. The newest 1,000 of each job are kept, for 90 days
    #[arg(long, value_name = "FOLDER")]
    pub log: Option<PathBuf>,
    /// Tell people and programs what became of jobs, as the settings in this file say
    #[arg(long, value_name = "PATH", env = "MAILKEEP_NOTIFICATIONS")]
    pub notifications: Option<std::path::PathBuf>,
    /// The HTTP API.
    #[command(flatten)]
    pub http: ListenArgs,
    /// Where exports are.
    #[command(flatten)]
    pub exports: ExportsArgs,
    /// Where jobs are kept.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}
