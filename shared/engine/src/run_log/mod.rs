//! The log of a run: a CSV table of what was done, with mailboxes, folders, counts, workers, times and
//! failures. It names mailboxes and folders, so it is for administrators; no subject is in it.

mod csv;
mod of_jobs;
mod rotate;
mod rows;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mailkeep_ports::{Clock, LogError, LogName, LogSink};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

pub use csv::row;
pub use of_jobs::RunLogs;
pub use rotate::{LogKeep, log_name, rotate};
use rows::Rows;

use crate::{Event, Observer};

/// Lines that wait to be written take no more memory than this.
const MAX_WAITING: usize = 1 << 20;

/// Writes what it observes to a log. Several may write to the same one.
pub struct RunLog {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<Result<(), LogError>>>>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    wake: Notify,
}

#[derive(Default)]
struct State {
    rows: Rows,
    waiting: Vec<u8>,
    /// Lines for which there was no room.
    lost: u64,
    is_over: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RunLog {
    /// Begins a log, or goes on with it. `worker` names who writes.
    ///
    /// # Errors
    /// When the log cannot be made.
    pub async fn begin(
        sink: Arc<dyn LogSink>,
        clock: Arc<dyn Clock>,
        name: LogName,
        worker: &str,
    ) -> Result<Arc<Self>, LogError> {
        let head = Bytes::from(row(rows::COLUMNS));
        sink.create(&name, head).await?;
        let shared = Arc::new(Shared {
            clock,
            state: Mutex::new(State {
                rows: Rows::new(worker),
                ..State::default()
            }),
            wake: Notify::new(),
        });
        let writer = tokio::spawn(write_all(shared.clone(), sink, name));
        Ok(Arc::new(Self {
            shared,
            writer: Mutex::new(Some(writer)),
        }))
    }

    /// Writes what waits, and ends.
    ///
    /// # Errors
    /// The first failure of the whole log; what came after it is not in the log.
    pub async fn finish(&self) -> Result<(), LogError> {
        self.shared.state().is_over = true;
        self.shared.wake.notify_one();
        let writer = {
            let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            writer.take()
        };
        match writer {
            Some(writer) => writer.await.unwrap_or(Ok(())),
            None => Ok(()),
        }
    }
}

impl Observer for RunLog {
    fn event(&self, event: &Event) {
        let now = self.shared.clock.now();
        let mut state = self.shared.state();
        let Some(cells) = state.rows.of(event, now) else {
            return;
        };
        let line = row(cells.iter().map(String::as_str));
        if state.waiting.len() + line.len() > MAX_WAITING {
            state.lost += 1;
            return;
        }
        state.waiting.extend_from_slice(line.as_bytes());
        drop(state);
        self.shared.wake.notify_one();
    }
}

async fn write_all(
    shared: Arc<Shared>,
    sink: Arc<dyn LogSink>,
    name: LogName,
) -> Result<(), LogError> {
    let mut failure = None;
    loop {
        let (lines, is_over) = {
            let mut state = shared.state();
            let lost = std::mem::take(&mut state.lost);
            if lost > 0 {
                let now = shared.clock.now();
                let cells = state.rows.lost(lost, now);
                let line = row(cells.iter().map(String::as_str));
                state.waiting.extend_from_slice(line.as_bytes());
            }
            (std::mem::take(&mut state.waiting), state.is_over)
        };
        if !lines.is_empty() && failure.is_none() {
            failure = sink.append(&name, Bytes::from(lines)).await.err();
            continue;
        }
        if is_over {
            return failure.map_or(Ok(()), Err);
        }
        shared.wake.notified().await;
    }
}

#[cfg(test)]
mod tests;
