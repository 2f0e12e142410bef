//! Which logs are kept.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_model::RunId;
use mailkeep_ports::{LogError, LogInfo, LogName, LogSink};

/// How many logs are kept, and how long. The newest of each job always is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogKeep {
    /// Most logs of one job.
    pub runs: usize,
    /// Older ones are removed.
    pub days: u32,
}

impl Default for LogKeep {
    fn default() -> Self {
        Self {
            runs: 100,
            days: 90,
        }
    }
}

/// The log of a run.
///
/// # Errors
/// When the job's id cannot be part of a name.
pub fn log_name(job: &str, run: &RunId) -> Result<LogName, LogError> {
    LogName::new(format!("{job}.{}.csv", run.0))
}

/// The job of a log.
fn job_of(name: &LogName) -> &str {
    let rest = name.as_str().strip_suffix(".csv");
    let parts = rest.and_then(|rest| rest.rsplit_once('.'));
    parts.map_or("", |(job, _)| job)
}

/// Logs that are not kept.
fn beyond(logs: Vec<LogInfo>, keep: LogKeep, now: DateTime<Utc>) -> Vec<LogName> {
    let mut of_jobs: HashMap<String, Vec<LogInfo>> = HashMap::new();
    for log in logs {
        let job = job_of(&log.name);
        if !job.is_empty() {
            of_jobs.entry(job.to_owned()).or_default().push(log);
        }
    }
    let oldest = TimeDelta::days(i64::from(keep.days));
    let mut found = vec![];
    for mut logs in of_jobs.into_values() {
        logs.sort_by(|a, b| (b.modified_at, &b.name).cmp(&(a.modified_at, &a.name)));
        let others = logs.into_iter().enumerate().skip(1);
        let gone = others.filter(|(place, log)| {
            *place >= keep.runs || now.signed_duration_since(log.modified_at) > oldest
        });
        found.extend(gone.map(|(_, log)| log.name));
    }
    found.sort();
    found
}

/// Removes the logs that are not kept, and returns their names.
///
/// # Errors
/// When the logs cannot be listed or one cannot be removed; the others are removed first.
pub async fn rotate(
    sink: &dyn LogSink,
    keep: LogKeep,
    now: DateTime<Utc>,
) -> Result<Vec<LogName>, LogError> {
    let mut removed = vec![];
    let mut failure = None;
    for name in beyond(sink.list().await?, keep, now) {
        match sink.remove(&name).await {
            Ok(()) => removed.push(name),
            Err(error) => failure = Some(error),
        }
    }
    failure.map_or(Ok(removed), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(name: &str, day: i64) -> LogInfo {
        LogInfo {
            name: LogName::new(name).unwrap(),
            bytes: 1,
            modified_at: DateTime::UNIX_EPOCH + TimeDelta::days(day),
        }
    }

    fn names(logs: Vec<LogInfo>, keep: LogKeep, day: i64) -> Vec<String> {
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(day);
        let found = beyond(logs, keep, now);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn logs_go_by_number_and_by_age_but_the_newest_stays() {
        let keep = LogKeep { runs: 2, days: 10 };
        let logs = vec![
            log("a.1.csv", 96),
            log("a.2.csv", 97),
            log("a.3.csv", 98),
            log("b.1.csv", 80),
            log("b.2.csv", 85),
            log("b.x.1.csv", 1),
            log("other.txt", 1),
        ];
        assert_eq!(names(logs.clone(), keep, 100), ["a.1.csv", "b.1.csv"]);
        // However far the clock jumps.
        let left = names(logs, keep, 100_000);
        assert_eq!(left, ["a.1.csv", "a.2.csv", "b.1.csv"]);
    }
}
