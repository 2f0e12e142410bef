//! Logs of the runs of jobs: one for each run, whoever works on it.

use std::sync::Arc;

use bytes::Bytes;
use mailkeep_model::{Counters, RunId};
use mailkeep_ports::{Clock, LogError, LogName, LogSink};

use super::rows::{COLUMNS, whole_run};
use super::{LogKeep, RunLog, log_name, rotate, row};
use crate::ledger::RunKey;
use crate::run::RunRecord;

/// Where the logs of runs are written. A log that cannot be written never stops a backup.
#[derive(Clone)]
pub struct RunLogs {
    sink: Arc<dyn LogSink>,
    clock: Arc<dyn Clock>,
    keep: LogKeep,
}

impl RunLogs {
    /// Logs in this place, of which so many are kept.
    #[must_use]
    pub fn new(sink: Arc<dyn LogSink>, clock: Arc<dyn Clock>, keep: LogKeep) -> Self {
        Self { sink, clock, keep }
    }

    /// Begins the log of a run, or goes on with it.
    pub(crate) async fn begin(&self, run: &RunKey, worker: &str) -> Option<Arc<RunLog>> {
        let begun = match name_of(run) {
            Ok(name) => RunLog::begin(self.sink.clone(), self.clock.clone(), name, worker).await,
            Err(error) => Err(error),
        };
        match begun {
            Ok(log) => Some(log),
            Err(error) => {
                tracing::warn!(%error, "the log of a run is not written");
                None
            }
        }
    }

    /// Notes that a run was opened.
    pub(crate) async fn opened(&self, run: &RunRecord) {
        self.note(run, "run_started", None, "").await;
    }

    /// Notes how a run ended.
    pub(crate) async fn ended(&self, run: &RunRecord) {
        let code = run.state.code();
        self.note(run, "run_finished", Some(&run.counters), code)
            .await;
    }

    /// Writes a row about a run as a whole.
    async fn note(&self, run: &RunRecord, event: &str, counters: Option<&Counters>, code: &str) {
        let detail = match run.ended_at {
            Some(_) => format!(
                "{} mailboxes, of which {} failed",
                run.tally.tasks(),
                run.tally.failed()
            ),
            None => format!("run {}", run.key),
        };
        let line = whole_run(self.clock.now(), event, counters, code, detail);
        if let Err(error) = self.append(&run.key, line).await {
            tracing::warn!(%error, event, "a line is missing in the log of a run");
        }
    }

    async fn append(&self, run: &RunKey, line: String) -> Result<(), LogError> {
        let name = name_of(run)?;
        let head = Bytes::from(row(COLUMNS));
        self.sink.create(&name, head).await?;
        self.sink.append(&name, Bytes::from(line)).await
    }

    /// Removes logs that are not kept.
    pub(crate) async fn rotate(&self) {
        if let Err(error) = rotate(&*self.sink, self.keep, self.clock.now()).await {
            tracing::warn!(%error, "old logs were not removed");
        }
    }
}

fn name_of(run: &RunKey) -> Result<LogName, LogError> {
    log_name(&run.job.0, &RunId(format!("{:06}", run.cycle)))
}
