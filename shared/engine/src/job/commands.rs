//! What people tell jobs: start, stop, activate, deactivate.

use mailkeep_model::job::JobKind;
use mailkeep_model::state::End;
use mailkeep_ports::Write;

use super::{JobRecord, Jobs, StartRequest};
use crate::ledger::{JobError, JobEvent, JobId, Made, Tries, Versioned, replace};
use crate::run::RunRecord;

impl Jobs {
    /// Starts a job, or has one that waits for a person go on. A job with a schedule begins its next
    /// cycle in its next activity period, unless the request says at once.
    ///
    /// # Errors
    /// `Refused` for a one-time job that is done, and for one that is switched off.
    pub async fn start(&self, id: &JobId, request: StartRequest) -> Result<JobRecord, JobError> {
        let mut tries = Tries::new();
        loop {
            let Versioned {
                value: mut job,
                version,
            } = self.existing(id).await?;
            let refused = |why| JobError::Refused {
                name: job.name.clone(),
                why,
            };
            if !job.is_active {
                return Err(refused("is deactivated; activate it first"));
            }
            if job.is_finished {
                return Err(refused(
                    "is a one-time job and done; edit it, or make another one",
                ));
            }
            let mut writes = vec![];
            let cause = format!("start-{version}");
            writes.push(self.event(&job, JobEvent::StartRequested).write(&cause)?);
            let mut is_resumed = false;
            if job.is_open
                && let Some(run) = self.ledger.run(&job.id.run(job.cycle)).await?
                && let Some(resumed) =
                    run.value
                        .resumed(&request, self.ledger.clock().now(), &job.name)?
            {
                writes.push(replace(
                    job.id.run(job.cycle).run()?,
                    run.version,
                    &resumed.run,
                )?);
                writes.push(resumed.event.write(&resumed.cause)?);
                is_resumed = true;
            }
            let is_waiting = job.is_started && job.request.as_ref() == Some(&request);
            if is_waiting && !is_resumed {
                return Ok(job);
            }
            job.is_started = true;
            if !is_resumed {
                job.request = Some(request.clone());
            }
            writes.push(replace(id.job()?, version, &job)?);
            if self.ledger.transact(writes, &mut tries).await? == Made::Yes {
                return Ok(job);
            }
        }
    }

    /// Stops a job: what is at work is finished and kept, and no cycle begins until it is started.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn stop(&self, id: &JobId) -> Result<JobRecord, JobError> {
        self.halt(id, JobEvent::StopRequested, |job| {
            let is_news = job.is_started || job.request.is_some();
            job.is_started = false;
            job.request = None;
            is_news
        })
        .await
    }

    /// Switches a job off: as stopped, and it cannot be started until it is switched on.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn deactivate(&self, id: &JobId) -> Result<JobRecord, JobError> {
        self.halt(id, JobEvent::Deactivated, |job| {
            job.request = None;
            std::mem::replace(&mut job.is_active, false)
        })
        .await
    }

    /// Switches a job on again. One that began cycles by itself does so again.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn activate(&self, id: &JobId) -> Result<JobRecord, JobError> {
        let mut tries = Tries::new();
        loop {
            let Versioned {
                value: mut job,
                version,
            } = self.existing(id).await?;
            if job.is_active {
                return Ok(job);
            }
            job.is_active = true;
            let event = self.event(&job, JobEvent::Activated);
            let writes = vec![
                replace(id.job()?, version, &job)?,
                event.write(&format!("activate-{version}"))?,
            ];
            if self.ledger.transact(writes, &mut tries).await? == Made::Yes {
                return Ok(job);
            }
        }
    }

    async fn halt(
        &self,
        id: &JobId,
        event: JobEvent,
        change: impl Fn(&mut JobRecord) -> bool,
    ) -> Result<JobRecord, JobError> {
        let mut tries = Tries::new();
        loop {
            let Versioned {
                value: mut job,
                version,
            } = self.existing(id).await?;
            let is_news = change(&mut job);
            let stop = if job.is_open {
                self.stop_of_run(&job).await?
            } else {
                vec![]
            };
            if !is_news && stop.is_empty() {
                return Ok(job);
            }
            let mut writes = vec![
                replace(id.job()?, version, &job)?,
                self.event(&job, event.clone())
                    .write(&format!("stop-{version}"))?,
            ];
            writes.extend(stop);
            if self.ledger.transact(writes, &mut tries).await? == Made::Yes {
                return Ok(job);
            }
        }
    }

    /// What tells the open cycle of a job to stop; nothing when it was told or is over.
    pub(super) async fn stop_of_run(&self, job: &JobRecord) -> Result<Vec<Write>, JobError> {
        let key = job.id.run(job.cycle);
        let Some(run) = self.ledger.run(&key).await? else {
            return Ok(vec![]);
        };
        let now = self.ledger.clock().now();
        match run.value.stopped(now, &job.name)? {
            Some(stopped) => Ok(vec![
                replace(key.run()?, run.version, &stopped.run)?,
                stopped.event.write(&stopped.cause)?,
            ]),
            None => Ok(vec![]),
        }
    }

    /// The job after its cycle is over: the write of the job, and what belongs to it.
    pub(crate) async fn closed(
        &self,
        job: &Versioned<JobRecord>,
        run: &RunRecord,
        kind: JobKind,
        end: Option<End>,
    ) -> Result<Vec<Write>, JobError> {
        let Versioned {
            value: mut job,
            version,
        } = job.clone();
        let ended_at = self.ledger.clock().now();
        job.is_open = false;
        job.last = Some(super::LastCycle {
            cycle: run.key.cycle,
            end,
            ended_at,
        });
        if kind == JobKind::OneTime && end.is_some() {
            job.is_started = false;
            job.is_finished = matches!(end, Some(End::Completed | End::CompletedWithWarnings(_)))
                && job.newest == job.version
                && run.scope == crate::run::RunScope::All;
        }
        job.version = job.newest;
        let mut writes = if job.deletion_requested_at.is_some() {
            self.removal(&mut job).await?
        } else {
            vec![]
        };
        writes.push(replace(job.id.job()?, version, &job)?);
        Ok(writes)
    }
}
