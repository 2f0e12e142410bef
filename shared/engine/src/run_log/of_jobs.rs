//! Logs of the runs of jobs: one for each run, whoever works on it.

use std::sync::Arc;

use mailkeep_model::RunId;
use mailkeep_ports::{Clock, LogSink};

use super::{LogKeep, RunLog, log_name, rotate};
use crate::ledger::RunKey;

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
        let name = log_name(&run.job.0, &RunId(format!("{:06}", run.cycle)));
        let begun = match name {
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

    /// Removes logs that are not kept.
    pub(crate) async fn rotate(&self) {
        if let Err(error) = rotate(&*self.sink, self.keep, self.clock.now()).await {
            tracing::warn!(%error, "old logs were not removed");
        }
    }
}
