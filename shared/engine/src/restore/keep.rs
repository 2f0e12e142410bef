//! Restoring with a memory: what was done is written down as it goes, and whoever goes on begins there.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mailkeep_exchange::Target;

use super::run::carry_out;
use super::{RestoreRequest, RestoreSummary};
use crate::cursor::Cursor;
use crate::{Engine, EngineError, Observer, StopSignal};

/// How often it is written down.
pub(super) const KEEP_EVERY: Duration = Duration::from_secs(10);

/// Writes down how far a restore has come.
#[async_trait]
pub trait RestoreKeeper: Send + Sync {
    /// Writes it down; `false` when the restore is to end, because somebody else goes on with it.
    async fn keep(&self, summary: &RestoreSummary, cursor: &Cursor) -> bool;
}

/// For restores that nobody goes on with.
pub(super) struct Forgetful;

#[async_trait]
impl RestoreKeeper for Forgetful {
    async fn keep(&self, _summary: &RestoreSummary, _cursor: &Cursor) -> bool {
        true
    }
}

/// What a restore did since it went on, and where the next one does.
#[derive(Clone, Debug)]
pub struct Restored {
    /// What was done. Items that failed while the service was failing as a whole are not among the
    /// failed ones: they are tried again.
    pub summary: RestoreSummary,
    /// Where to go on.
    pub cursor: Cursor,
    /// How long the service asks to wait first.
    pub retry_after: Option<Duration>,
}

/// Restores as [`run`](super::run()) does, from a place on, and tells every now and then how far it is.
/// The request must name one commit and, for a new folder, its name, so that it means the same each time.
///
/// # Errors
/// As [`run`](super::run()).
pub async fn go_on(
    engine: &Engine,
    target: Arc<dyn Target>,
    request: &RestoreRequest,
    from: Cursor,
    keeper: Arc<dyn RestoreKeeper>,
    observer: Arc<dyn Observer>,
    stop: StopSignal,
) -> Result<Restored, EngineError> {
    let mut restore = carry_out(engine, target, request, from, keeper, observer, stop).await?;
    restore.forget_streak();
    Ok(Restored {
        summary: restore.summary,
        cursor: restore.cursor,
        retry_after: restore.retry_after,
    })
}
