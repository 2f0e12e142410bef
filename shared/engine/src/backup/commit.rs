//! When staged work becomes durable.

use chrono::TimeDelta;
use mailkeep_model::FolderId;
use mailkeep_vault::{CommitInfo, EndOfRun};

use super::halt::Halt;
use super::session::Session;
use crate::Event;

impl Session {
    /// True when enough waits, by bytes or by time.
    pub(super) fn is_commit_due(&self) -> bool {
        let request = &self.context.request;
        if self.writer.staged_bytes() >= request.commit_bytes {
            return true;
        }
        let waited = self
            .context
            .engine
            .clock()
            .monotonic()
            .saturating_sub(self.last_commit);
        self.is_substantive && waited >= request.commit_interval && self.writer.has_changes()
    }

    pub(super) async fn commit_if_due(&mut self) -> Result<(), Halt> {
        if self.is_commit_due() {
            self.commit(None).await
        } else {
            Ok(())
        }
    }

    /// Makes everything staged durable, cursors and data in one.
    pub(super) async fn commit(&mut self, end: Option<EndOfRun>) -> Result<(), Halt> {
        let info = CommitInfo {
            run: self.context.run.clone(),
            end,
        };
        self.writer.set_filter_mark(self.filter_mark.as_deref());
        let clock = self.context.engine.clock();
        let start = clock.monotonic();
        let committed = self.writer.commit(info).await?;
        self.last_commit = clock.monotonic();
        self.taker
            .timing
            .committed(self.last_commit.saturating_sub(start));
        self.sequence = committed.sequence;
        self.counters.bytes_stored += committed.bytes_stored;
        self.emit(&Event::Committed {
            mailbox: self.mailbox.clone(),
            sequence: committed.sequence,
            bytes_stored: committed.bytes_stored,
        });
        Ok(())
    }

    /// Commits if this folder holds items that no commit holds: their rows can be read only then.
    pub(super) async fn commit_staged_items(&mut self, folder: &FolderId) -> Result<(), Halt> {
        if self.is_substantive
            && self.writer.has_changes()
            && self.writer.count_known_in(folder) > 0
        {
            return self.commit(None).await;
        }
        Ok(())
    }

    /// Cursors alone are stored once a day: they expire after some days without use, and a quiet
    /// run is to write nothing.
    pub(super) fn are_cursors_old(&self) -> bool {
        let now = self.context.engine.clock().now();
        let committed = self.newest.as_ref().map(|snapshot| snapshot.committed_at);
        committed.is_none_or(|at| (now - at).abs() >= TimeDelta::hours(24))
    }
}
