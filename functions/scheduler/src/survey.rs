//! How long ago each mailbox was backed up well: what the alarm on stale backups goes by.

use chrono::{DateTime, Utc};
use mailkeep_engine::job::JobRecord;
use mailkeep_engine::run::RunScope;
use mailkeep_function::{FunctionError, Unit};

use super::SchedulerFunction;

/// Values in one line of metrics.
const CHUNK: usize = 100;
/// Runs that are looked at to find one over the whole scope.
const RUNS: usize = 20;
/// Mailboxes longer without a backup are named in the log, by their digests.
const NAMED_AFTER_SECONDS: u64 = 36 * 3_600;
/// Mailboxes that are named in the log for each job.
const MOST_NAMED: usize = 100;

impl SchedulerFunction {
    /// Measures the lag of every mailbox that a job is to back up again and again. Gives how many there are.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn survey(&self) -> Result<u64, FunctionError> {
        let (mut count, mut longest) = (0, 0);
        let mut after = None;
        loop {
            let page = self.ledger.jobs(after).await?;
            for job in &page.records {
                if is_watched(&job.value) {
                    let (mailboxes, lag) = self.survey_job(&job.value).await?;
                    count += mailboxes;
                    longest = longest.max(lag);
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        self.context
            .metrics()
            .line()
            .metric("MailboxesWatched", Unit::Count, count)
            .metric("LongestLagHours", Unit::Count, longest / 3_600)
            .write();
        Ok(count)
    }

    async fn survey_job(&self, job: &JobRecord) -> Result<(u64, u64), FunctionError> {
        let now = self.context.clock().now();
        let since = |at: DateTime<Utc>| u64::try_from((now - at).num_seconds()).unwrap_or_default();
        let newest = self.last_whole_cycle(job).await?;
        let mut lags = vec![];
        let (mut count, mut longest, mut named) = (0, 0, 0);
        let mut after = None;
        loop {
            let page = self.ledger.mailboxes(&job.id, after, 500).await?;
            for mailbox in page.records.into_iter().map(|record| record.value) {
                // Left the scope: the last run over all of it did not meet it any more.
                if mailbox.cycle < newest {
                    continue;
                }
                let lag = since(mailbox.good_at.unwrap_or(job.created_at));
                if lag > NAMED_AFTER_SECONDS && named < MOST_NAMED {
                    named += 1;
                    let name = job.id.run(mailbox.cycle).task(&mailbox.mailbox).name;
                    tracing::warn!(job = %job.id, mailbox = name, lag, "a backup is old");
                }
                longest = longest.max(lag);
                count += 1;
                lags.push(lag);
                if lags.len() == CHUNK {
                    self.write(job, &std::mem::take(&mut lags));
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if count == 0 {
            // Nothing was ever backed up: the job itself is late.
            lags.push(since(job.created_at));
            longest = since(job.created_at);
        }
        self.write(job, &lags);
        Ok((count, longest))
    }

    fn write(&self, job: &JobRecord, lags: &[u64]) {
        if !lags.is_empty() {
            self.context
                .metrics()
                .line()
                .values("MailboxLag", Unit::Seconds, lags)
                .about("job", job.id.to_string())
                .write();
        }
    }

    /// The newest run that came to the end of the job's whole scope, 0 when there is none among the last ones.
    async fn last_whole_cycle(&self, job: &JobRecord) -> Result<u64, FunctionError> {
        let runs = self.ledger.runs(&job.id, None, RUNS).await?;
        let mut runs = runs.records.into_iter().map(|run| run.value);
        let whole = runs.find(|run| run.scope == RunScope::All && run.is_done());
        Ok(whole.map_or(0, |run| run.key.cycle))
    }
}

/// True for a job that is to back its mailboxes up again and again.
fn is_watched(job: &JobRecord) -> bool {
    let is_deleted = job.deleted_at.is_some() || job.deletion_requested_at.is_some();
    job.is_active && job.is_started && !job.is_finished && !is_deleted
}
