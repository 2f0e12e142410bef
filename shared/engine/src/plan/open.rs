//! Opening a cycle.

use super::agenda::{Agenda, later};
use super::{OpenRun, Planner};
use crate::job::JobRecord;
use crate::ledger::{JobError, Made, Tries, Versioned, create, replace};
use crate::run::{RunRecord, WorkTime};

impl Planner {
    /// Plans one job; gives its cycle if tasks of it may be handed out.
    pub(super) async fn job(
        &self,
        job: Versioned<JobRecord>,
        agenda: &mut Agenda,
    ) -> Result<Option<OpenRun>, JobError> {
        let mut job = job;
        if !job.value.is_open {
            if !self.is_due(&job.value, agenda).await? {
                return Ok(None);
            }
            let id = job.value.id.clone();
            if !self.open(job, agenda).await? {
                return Ok(None);
            }
            match self.ledger().job(&id).await? {
                Some(opened) if opened.value.is_open => job = opened,
                _ => return Ok(None),
            }
        }
        self.advance(job, agenda).await
    }

    /// True when a cycle is to be opened now.
    async fn is_due(&self, job: &JobRecord, agenda: &mut Agenda) -> Result<bool, JobError> {
        let is_wanted = job.request.is_some() || (job.is_started && !job.is_finished);
        if !job.is_active || !is_wanted || job.deletion_requested_at.is_some() {
            return Ok(false);
        }
        let definition = self.definition(&job.id, job.version).await?;
        let ignores = job.request.as_ref().is_some_and(|it| it.ignores_schedule);
        match WorkTime::to_open(&definition, ignores, agenda.now) {
            WorkTime::Closed { opens_at } => {
                agenda.at_some(opens_at);
                return Ok(false);
            }
            WorkTime::Open { .. } => {}
        }
        if job.request.is_some() {
            return Ok(true);
        }
        let pause = definition.pause().unwrap_or_default().duration();
        let Some(last) = job.last else {
            return Ok(true);
        };
        let due_at = later(last.ended_at, pause);
        // A clock that jumped back must not hold a job up for longer than its idle time.
        let is_due = due_at <= agenda.now || last.ended_at > agenda.now;
        if !is_due {
            agenda.at(due_at);
        }
        Ok(is_due)
    }

    /// Opens the next cycle. The number of the cycle is part of its key, and the job counts its cycles
    /// in the same transaction: of two planners one opens it.
    async fn open(&self, job: Versioned<JobRecord>, agenda: &mut Agenda) -> Result<bool, JobError> {
        let mut tries = Tries::new();
        let cycle = job.value.cycle + 1;
        let mut job = job;
        loop {
            let Versioned { value, version } = &job;
            let key = value.id.run(cycle);
            let mut run = RunRecord::new(key.clone(), value.version, agenda.now);
            if let Some(request) = &value.request {
                run.scope.clone_from(&request.scope);
                run.ignores_schedule = request.ignores_schedule;
            }
            let (event, cause) = run.opening(&value.name);
            let mut opened = value.clone();
            opened.cycle = cycle;
            opened.is_open = true;
            opened.request = None;
            let writes = vec![
                replace(value.id.job()?, *version, &opened)?,
                create(key.run()?, &run)?,
                event.write(&cause)?,
            ];
            if self.ledger().transact(writes, &mut tries).await? == Made::Yes {
                self.site.opened(&run).await;
                return Ok(true);
            }
            let Some(now) = self.ledger().job(&value.id).await? else {
                return Ok(false);
            };
            if now.value.cycle >= cycle {
                return Ok(now.value.is_open);
            }
            if !self.is_due(&now.value, agenda).await? || now.value.is_open {
                return Ok(now.value.is_open);
            }
            job = now;
        }
    }
}
