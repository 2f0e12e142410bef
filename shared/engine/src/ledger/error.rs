//! Why something about jobs could not be done.

use mailkeep_exchange::SourceError;
use mailkeep_model::FieldErrors;
use mailkeep_ports::{QueueError, TableError, TableErrorKind};

use crate::news::NewsError;

/// An error about jobs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// The definition is wrong.
    #[error("the definition is wrong:\n{0}")]
    Invalid(FieldErrors),
    /// Another job has this name.
    #[error(
        "another job has the name `{name}` (case and spaces make no difference); choose another"
    )]
    NameTaken {
        /// The name.
        name: String,
    },
    /// No job by this name or id.
    #[error("there is no job `{wanted}`; `mailkeep job ls` lists those there are")]
    NoSuchJob {
        /// What was asked for.
        wanted: String,
    },
    /// The job has no such cycle.
    #[error("the job has no run {cycle}; `mailkeep job runs` lists those it has")]
    NoSuchRun {
        /// What was asked for.
        cycle: u64,
    },
    /// The job is at work.
    #[error(
        "the job `{name}` is active; stop it first, have it stopped, or choose to wait for the end of its cycle"
    )]
    Active {
        /// Its name.
        name: String,
    },
    /// Somebody else gave the job another definition.
    #[error(
        "the job `{name}` has definition {newest} by now, not {expected}; read it again and decide anew"
    )]
    VersionChanged {
        /// Its name.
        name: String,
        /// The definition that the change was meant for.
        expected: u32,
        /// The newest.
        newest: u32,
    },
    /// The job cannot do this in its state.
    #[error("the job `{name}` {why}")]
    Refused {
        /// Its name.
        name: String,
        /// Why, and what to do.
        why: &'static str,
    },
    /// A record cannot be read.
    #[error(
        "the record {key} of the job database cannot be read: {cause}; it may be from a newer mailkeep"
    )]
    Corrupt {
        /// Its key.
        key: String,
        /// Why.
        cause: String,
    },
    /// The table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The queue failed.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The source failed.
    #[error("{0}. {advice}", advice = .0.class.advice())]
    Source(#[from] SourceError),
    /// Our bug.
    #[error("bug: {0}; please report it")]
    Bug(String),
}

impl JobError {
    /// A stable code, as in JSON output.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_definition",
            Self::NameTaken { .. } => "name_taken",
            Self::NoSuchJob { .. } => "no_such_job",
            Self::NoSuchRun { .. } => "no_such_run",
            Self::Active { .. } => "job_active",
            Self::VersionChanged { .. } => "version_changed",
            Self::Refused { .. } => "refused",
            Self::Corrupt { .. } => "corrupt",
            Self::Table(error) if error.kind == TableErrorKind::Conflict => "changed_meanwhile",
            Self::Table(_) => "table",
            Self::Queue(_) => "queue",
            Self::Source(_) => "source",
            Self::Bug(_) => "bug",
        }
    }
}

impl From<mailkeep_model::state::IllegalStep> for JobError {
    fn from(step: mailkeep_model::state::IllegalStep) -> Self {
        Self::Bug(step.to_string())
    }
}

impl From<NewsError> for JobError {
    fn from(error: NewsError) -> Self {
        match error {
            NewsError::Table(error) => Self::Table(error),
            NewsError::Corrupt { key, cause } => Self::Corrupt { key, cause },
            NewsError::Bug(what) => Self::Bug(what),
        }
    }
}
