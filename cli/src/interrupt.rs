//! Ctrl-C: the first one stops after a last commit, the second one at once.

use mailkeep_engine::StopSignal;
use tokio::task::JoinHandle;

/// The exit code of a process that was interrupted, as shells know it.
const INTERRUPTED: i32 = 130;

/// Listens for interrupts until it is dropped.
#[derive(Debug)]
#[must_use = "listening ends when this is dropped"]
pub struct Watch(JoinHandle<()>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Gives `stop` at the first interrupt (or request to terminate) and ends the process at the second.
/// What is not committed by then is fetched again by the next run.
pub fn watch(stop: StopSignal) -> Watch {
    Watch(tokio::spawn(async move {
        if !interrupted().await {
            return;
        }
        stop.stop();
        eprintln!("\nStopping after a last commit. Ctrl-C again stops at once.");
        if interrupted().await {
            std::process::exit(INTERRUPTED);
        }
    }))
}

#[cfg(unix)]
async fn interrupted() -> bool {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return tokio::signal::ctrl_c().await.is_ok();
    };
    tokio::select! {
        result = tokio::signal::ctrl_c() => result.is_ok(),
        signal = terminate.recv() => signal.is_some(),
    }
}

#[cfg(not(unix))]
async fn interrupted() -> bool {
    tokio::signal::ctrl_c().await.is_ok()
}
