//! Deleting jobs.

use mailkeep_ports::Write;

use super::{JobRecord, Jobs};
use crate::ledger::{JobError, JobEvent, JobId, Made, Tries, Versioned, keys_name, replace};

impl Jobs {
    /// Deletes a job. Backups are never deleted. One that is at work is stopped first, if
    /// `stops_first`; then it is deleted when its work has ended.
    ///
    /// # Errors
    /// `Active` when it is at work.
    pub async fn delete(&self, id: &JobId, stops_first: bool) -> Result<(), JobError> {
        let mut tries = Tries::new();
        loop {
            let Some(Versioned { value, version }) = self.ledger.job(id).await? else {
                return Err(JobError::NoSuchJob {
                    wanted: id.0.clone(),
                });
            };
            if value.deleted_at.is_some() || value.deletion_requested_at.is_some() {
                return Ok(());
            }
            if value.is_open && !stops_first {
                return Err(JobError::Active { name: value.name });
            }
            let mut job = value;
            job.deletion_requested_at = Some(self.ledger.clock().now());
            job.is_started = false;
            job.request = None;
            let mut writes = vec![
                self.event(&job, JobEvent::DeletionRequested)
                    .write(&format!("delete-{version}"))?,
            ];
            if job.is_open {
                writes.extend(self.stop_of_run(&job).await?);
            } else {
                writes.extend(self.removal(&mut job).await?);
            }
            writes.push(replace(id.job()?, version, &job)?);
            if self.ledger.transact(writes, &mut tries).await? == Made::Yes {
                return Ok(());
            }
        }
    }

    /// What turns a job without open cycle into a deleted one. The caller writes the job.
    pub(crate) async fn removal(&self, job: &mut JobRecord) -> Result<Vec<Write>, JobError> {
        job.deleted_at = Some(self.ledger.clock().now());
        let mut writes = vec![self.event(job, JobEvent::Deleted).write("deleted")?];
        if let Some(claim) = self.claimant(&job.name).await?
            && claim.value.job == job.id
        {
            writes.push(Write::Delete {
                key: keys_name(&job.name)?,
                version: claim.version,
            });
        }
        Ok(writes)
    }
}
