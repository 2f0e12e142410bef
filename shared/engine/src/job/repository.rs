//! Making, editing, finding and deleting jobs.

use mailkeep_model::job::JobDefinition;
use mailkeep_ports::Write;
use mailkeep_vault::Ulid;
use serde::{Deserialize, Serialize};

use super::{JobRecord, VersionRecord};
use crate::ledger::{
    EventRecord, JobError, JobEvent, JobId, Ledger, Made, Tries, Versioned, create, keys_name,
    replace,
};

/// Largest definition, as JSON.
const MAX_DEFINITION_BYTES: usize = 350_000;

/// The jobs of one job database. Cheap to clone.
#[derive(Clone)]
pub struct Jobs {
    pub(super) ledger: Ledger,
}

/// What to do when the job to be edited is at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EditWhen {
    /// Refuse.
    #[default]
    NotActive,
    /// Stop it, and have it go on with the new definition.
    StopFirst,
    /// Let the cycle end; the next has the new definition.
    AfterCycle,
}

/// Whose name it is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NameClaim {
    pub(super) job: JobId,
}

impl Jobs {
    /// The jobs in this database.
    #[must_use]
    pub fn new(ledger: Ledger) -> Self {
        Self { ledger }
    }

    /// The job database.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Makes a job.
    ///
    /// # Errors
    /// `Invalid` with everything that is wrong, `NameTaken`.
    pub async fn create(&self, definition: &JobDefinition) -> Result<JobRecord, JobError> {
        check(definition)?;
        let ledger = &self.ledger;
        let now = ledger.clock().now();
        let id = JobId(Ulid::new(&**ledger.clock(), &**ledger.rng()).to_string());
        let job = JobRecord {
            id: id.clone(),
            name: definition.name.clone(),
            version: 1,
            newest: 1,
            is_active: true,
            is_started: definition.starts_on_create(),
            is_finished: false,
            cycle: 0,
            is_open: false,
            last: None,
            request: None,
            deletion_requested_at: None,
            deleted_at: None,
            created_at: now,
        };
        let version = VersionRecord {
            made_at: now,
            definition: definition.clone(),
        };
        let writes = vec![
            create(keys_name(&definition.name)?, &NameClaim { job: id.clone() })?,
            create(id.job()?, &job)?,
            create(id.version(1)?, &version)?,
            self.event(&job, JobEvent::Created).write("1")?,
        ];
        let mut tries = Tries::new();
        loop {
            if ledger.transact(writes.clone(), &mut tries).await? == Made::Yes {
                return Ok(job);
            }
            match self.claimant(&definition.name).await? {
                // The answer was lost, the job is made.
                Some(claim) if claim.value.job == id => return Ok(job),
                Some(_) => {
                    return Err(JobError::NameTaken {
                        name: definition.name.clone(),
                    });
                }
                None => {}
            }
        }
    }

    /// Gives a job a new definition, and tells the number of that definition.
    ///
    /// # Errors
    /// `Invalid`, `NameTaken`, and `Active` when the job is at work and `when` does not say what then.
    pub async fn edit(
        &self,
        id: &JobId,
        definition: &JobDefinition,
        when: EditWhen,
    ) -> Result<JobRecord, JobError> {
        self.edit_version(id, definition, when, None).await
    }

    /// The same, but only when `expected` is the number of the newest definition.
    ///
    /// # Errors
    /// As [`edit`](Self::edit), and `VersionChanged`.
    pub async fn edit_version(
        &self,
        id: &JobId,
        definition: &JobDefinition,
        when: EditWhen,
        expected: Option<u32>,
    ) -> Result<JobRecord, JobError> {
        check(definition)?;
        let mut tries = Tries::new();
        let mut intended = None;
        loop {
            let Versioned {
                value: old,
                version,
            } = self.existing(id).await?;
            let current = self.definition_of(&old, old.newest).await?;
            if current == *definition {
                return Ok(old);
            }
            // A number that was ours and holds another definition: somebody edited after us.
            if intended.is_some_and(|number| old.newest > number) {
                return Ok(old);
            }
            if let Some(expected) = expected.filter(|it| *it != old.newest) {
                return Err(JobError::VersionChanged {
                    name: old.name,
                    expected,
                    newest: old.newest,
                });
            }
            if old.is_open && when == EditWhen::NotActive {
                return Err(JobError::Active { name: old.name });
            }
            let mut job = old.clone();
            job.newest += 1;
            intended = Some(job.newest);
            job.name.clone_from(&definition.name);
            if !job.is_open {
                job.version = job.newest;
            }
            // Another type of job, or a one-time job with another scope, has not done its work yet.
            job.is_finished = false;
            let record = VersionRecord {
                made_at: self.ledger.clock().now(),
                definition: definition.clone(),
            };
            let event = JobEvent::Edited {
                version: job.newest,
                is_deferred: job.is_open,
            };
            let mut writes = vec![
                replace(id.job()?, version, &job)?,
                create(id.version(job.newest)?, &record)?,
                self.event(&job, event)
                    .write(&format!("edit-{}", job.newest))?,
            ];
            let (old_claim, new_claim) = (keys_name(&old.name)?, keys_name(&job.name)?);
            if old_claim != new_claim {
                if let Some(claim) = self.claimant(&job.name).await?
                    && claim.value.job != *id
                {
                    return Err(JobError::NameTaken { name: job.name });
                }
                writes.push(create(new_claim, &NameClaim { job: id.clone() })?);
                if let Some(claim) = self.claimant(&old.name).await? {
                    writes.push(Write::Delete {
                        key: old_claim,
                        version: claim.version,
                    });
                }
            }
            if job.is_open && when == EditWhen::StopFirst {
                writes.extend(self.stop_of_run(&job).await?);
            }
            if self.ledger.transact(writes, &mut tries).await? == Made::Yes {
                return Ok(job);
            }
        }
    }

    /// The job of this name or id.
    ///
    /// # Errors
    /// `NoSuchJob`.
    pub async fn find(&self, wanted: &str) -> Result<JobRecord, JobError> {
        let claim = self.claimant(wanted).await?;
        let id = claim.map_or_else(|| JobId(wanted.to_owned()), |claim| claim.value.job);
        let none = || JobError::NoSuchJob {
            wanted: wanted.to_owned(),
        };
        if id.job().is_err() {
            return Err(none());
        }
        let job = self.ledger.job(&id).await?.map(|job| job.value);
        job.filter(|job| job.deleted_at.is_none()).ok_or_else(none)
    }

    /// Every job that is not deleted.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn all(&self) -> Result<Vec<JobRecord>, JobError> {
        let (mut jobs, mut after) = (vec![], None);
        loop {
            let page = self.ledger.jobs(after).await?;
            let alive = page.records.into_iter().map(|job| job.value);
            jobs.extend(alive.filter(|job| job.deleted_at.is_none()));
            after = page.next;
            if after.is_none() {
                return Ok(jobs);
            }
        }
    }

    /// A definition of a job by its number.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn definition_of(
        &self,
        job: &JobRecord,
        number: u32,
    ) -> Result<JobDefinition, JobError> {
        let version = self.ledger.definition(&job.id, number).await?;
        let version = version.ok_or_else(|| JobError::Corrupt {
            key: job.id.partition(),
            cause: format!("definition {number} is missing"),
        })?;
        Ok(version.value.definition)
    }

    pub(super) async fn existing(&self, id: &JobId) -> Result<Versioned<JobRecord>, JobError> {
        let job = self.ledger.job(id).await?;
        let is_there = |job: &Versioned<JobRecord>| {
            job.value.deleted_at.is_none() && job.value.deletion_requested_at.is_none()
        };
        job.filter(is_there).ok_or_else(|| JobError::NoSuchJob {
            wanted: id.0.clone(),
        })
    }

    pub(super) async fn claimant(
        &self,
        name: &str,
    ) -> Result<Option<Versioned<NameClaim>>, JobError> {
        self.ledger.read(&keys_name(name)?).await
    }

    pub(super) fn event(&self, job: &JobRecord, event: JobEvent) -> EventRecord {
        EventRecord {
            at: self.ledger.clock().now(),
            job: job.id.clone(),
            name: job.name.clone(),
            cycle: None,
            event,
        }
    }
}

fn check(definition: &JobDefinition) -> Result<(), JobError> {
    let mut problems = definition.problems();
    let size = crate::ledger::encode(definition)?.len();
    problems.require(
        size <= MAX_DEFINITION_BYTES,
        "scope",
        "names too much to be kept; use a group",
    );
    problems.into_result().map_err(JobError::Invalid)
}
