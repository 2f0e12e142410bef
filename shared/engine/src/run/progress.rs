//! How far a cycle is.

use std::time::Duration;

use chrono::{DateTime, Utc};
use mailkeep_model::Counters;
use mailkeep_model::progress::run_time_left;
use mailkeep_ports::Query;

use super::RunRecord;
use crate::claim::LeaseRecord;
use crate::ledger::{FLIGHT, JobError, Ledger, TaskKey, Versioned, keys_lease};
use crate::run::TaskRecord;
use crate::work::TaskProgress;

/// How far a cycle is.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct RunProgress {
    /// Mailboxes that are over, at work, and waiting (as far as they were listed).
    pub mailboxes: (u64, u64, u64),
    /// What was counted, mailboxes at work included.
    pub counters: Counters,
    /// Bytes per second since the cycle began, without the time at rest.
    pub bytes_per_second: u64,
    /// Items per minute since the cycle began, without the time at rest.
    pub items_per_minute: u64,
    /// Bytes per second now, over all mailboxes at work.
    pub recent_bytes_per_second: u64,
    /// Items per minute now.
    pub recent_items_per_minute: u64,
    /// How long it will take, the limits of the source included; `None` when that cannot be told.
    pub seconds_left: Option<u64>,
}

impl Ledger {
    /// How far the work on a mailbox is; `None` when nobody works on it or nothing is known yet.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn task_progress(&self, task: &TaskRecord) -> Result<Option<TaskProgress>, JobError> {
        if !task.is_out(task.dispatch) {
            return Ok(None);
        }
        let key = keys_lease(&task.realm, &task.mailbox.id)?;
        let lease: Option<Versioned<LeaseRecord>> = self.read(&key).await?;
        let holder = lease.and_then(|lease| lease.value.holder);
        let own = holder.filter(|holder| holder.work == task.key);
        Ok(own.and_then(|holder| holder.progress))
    }

    /// The tasks of a cycle that were handed out.
    async fn at_work(&self, run: &RunRecord) -> Result<Vec<TaskRecord>, JobError> {
        let mut found = vec![];
        if run.in_flight == 0 {
            return Ok(found);
        }
        let mut query = Query::prefix(run.key.partition(), FLIGHT);
        loop {
            let (keys, next) = self.keys(&query).await?;
            for key in keys {
                let name = key.sort().strip_prefix(FLIGHT).unwrap_or_default();
                let task = TaskKey {
                    run: run.key.clone(),
                    name: name.to_owned(),
                };
                found.extend(self.task(&task).await?.map(|task| task.value));
            }
            query.after = next;
            if query.after.is_none() {
                return Ok(found);
            }
        }
    }

    /// How far a cycle is.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn run_progress(&self, run: &RunRecord) -> Result<RunProgress, JobError> {
        let mut progress = RunProgress {
            mailboxes: (run.tally.tasks(), u64::from(run.in_flight), run.waiting),
            counters: run.counters.clone(),
            ..RunProgress::default()
        };
        let mut times = Some(vec![]);
        for task in self.at_work(run).await? {
            match self.task_progress(&task).await? {
                Some(task) => progress.add(&task, &mut times),
                None => times = None,
            }
        }
        let now = self.clock().now();
        let worked = run.worked(now);
        let seconds = worked.as_secs().max(1);
        let items = progress.counters.items_scanned;
        progress.bytes_per_second = progress.counters.bytes_read / seconds;
        progress.items_per_minute = items.saturating_mul(60) / seconds;
        let tasks = u32::try_from(run.tally.tasks()).unwrap_or(u32::MAX);
        let each = (tasks > 0).then(|| worked * run.in_flight.max(1) / tasks);
        let waiting = run.listing.is_done.then_some(run.waiting);
        let left = match (times, waiting) {
            (Some(times), Some(waiting)) if run.in_flight > 0 => {
                run_time_left(&times, waiting, each, run.in_flight)
            }
            _ => None,
        };
        progress.seconds_left = left.map(|left| left.as_secs());
        Ok(progress)
    }
}

impl RunProgress {
    fn add(&mut self, task: &TaskProgress, times: &mut Option<Vec<Duration>>) {
        self.counters.add(&task.counters);
        self.recent_bytes_per_second += task.recent_bytes_per_second;
        self.recent_items_per_minute += task.recent_items_per_minute;
        match (task.seconds_left, times.as_mut()) {
            (Some(left), Some(times)) => times.push(Duration::from_secs(left)),
            _ => *times = None,
        }
    }
}

impl RunRecord {
    /// How long it was at work up to `now`.
    #[must_use]
    pub fn worked(&self, now: DateTime<Utc>) -> Duration {
        let open = self.running_since.map(|since| now - since);
        let open = open.and_then(|open| open.to_std().ok()).unwrap_or_default();
        Duration::from_millis(self.worked_ms).saturating_add(open)
    }
}
