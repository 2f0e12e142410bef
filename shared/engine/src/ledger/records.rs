//! Reading records by what they are.

use mailkeep_ports::Query;

use super::{EventRecord, JobError, JobId, Ledger, RecordPage, RunKey, TaskKey, Versioned, keys};
use crate::hooks::{HookRecord, Phase};
use crate::job::{JobRecord, MailboxRecord, VersionRecord};
use crate::run::{RunRecord, TaskRecord};

impl Ledger {
    /// A job, also a deleted one.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn job(&self, id: &JobId) -> Result<Option<Versioned<JobRecord>>, JobError> {
        self.read(&id.job()?).await
    }

    /// A definition of a job.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn definition(
        &self,
        id: &JobId,
        number: u32,
    ) -> Result<Option<Versioned<VersionRecord>>, JobError> {
        self.read(&id.version(number)?).await
    }

    /// A cycle of a job.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn run(&self, run: &RunKey) -> Result<Option<Versioned<RunRecord>>, JobError> {
        self.read(&run.run()?).await
    }

    /// The task of one mailbox.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn task(&self, task: &TaskKey) -> Result<Option<Versioned<TaskRecord>>, JobError> {
        self.read(&task.task()?).await
    }

    /// Jobs, deleted ones included, in the order in which they were made.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn jobs(
        &self,
        after: Option<String>,
    ) -> Result<RecordPage<Versioned<JobRecord>>, JobError> {
        self.job_page(after, 100).await
    }

    /// The same, at most `limit` at a time.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn job_page(
        &self,
        after: Option<String>,
        limit: usize,
    ) -> Result<RecordPage<Versioned<JobRecord>>, JobError> {
        let query = Query {
            after,
            ..Query::prefix(keys::JOBS, "").limited(limit)
        };
        self.list(&query).await
    }

    /// The cycles of a job, newest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn runs(
        &self,
        job: &JobId,
        after: Option<String>,
        limit: usize,
    ) -> Result<RecordPage<Versioned<RunRecord>>, JobError> {
        let query = Query {
            after,
            ..Query::prefix(job.partition(), keys::RUN)
                .limited(limit)
                .descending()
        };
        self.list(&query).await
    }

    /// What came of the hooks of a cycle, in order.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn hooks(&self, run: &RunKey) -> Result<Vec<HookRecord>, JobError> {
        let mut found = vec![];
        for phase in Phase::ALL {
            let record: Option<Versioned<HookRecord>> = self.read(&run.hook(phase)?).await?;
            found.extend(record.map(|record| record.value));
        }
        Ok(found)
    }

    /// The tasks of a cycle.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn tasks(
        &self,
        run: &RunKey,
        after: Option<String>,
        limit: usize,
    ) -> Result<RecordPage<Versioned<TaskRecord>>, JobError> {
        let query = Query {
            after,
            ..Query::prefix(run.partition(), keys::TASK).limited(limit)
        };
        self.list(&query).await
    }

    /// How each mailbox of a job fared the last time.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn mailboxes(
        &self,
        job: &JobId,
        after: Option<String>,
        limit: usize,
    ) -> Result<RecordPage<Versioned<MailboxRecord>>, JobError> {
        let query = Query {
            after,
            ..Query::prefix(job.partition(), keys::MAILBOX).limited(limit)
        };
        self.list(&query).await
    }

    /// What happened to a job, newest first.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn events(
        &self,
        job: &JobId,
        after: Option<String>,
        limit: usize,
    ) -> Result<RecordPage<Versioned<EventRecord>>, JobError> {
        let query = Query {
            after,
            ..Query::prefix(job.partition(), keys::EVENT)
                .limited(limit)
                .descending()
        };
        self.list(&query).await
    }
}
