//! Runs: what one backup did, in figures and words.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{FailureClass, SourceMailboxId};

/// A run's id: 26 characters, ordered by start time (ULID).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

/// What one mailbox's backup counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Counters {
    /// Items that the source named as new or changed.
    pub items_scanned: u64,
    /// Items whose content was stored.
    pub items_stored: u64,
    /// Items whose metadata alone was stored (flag, read state, move).
    pub items_updated: u64,
    /// Items found unchanged.
    pub items_unchanged: u64,
    /// Items recorded as deleted at the source.
    pub items_deleted: u64,
    /// Items that failed in this run and are gaps now.
    pub items_failed: u64,
    /// Bytes of content read from the source.
    pub bytes_read: u64,
    /// Bytes written to the vault.
    pub bytes_stored: u64,
    /// Requests sent to the source.
    pub requests: u64,
    /// Answers that asked us to wait.
    pub throttles: u64,
    /// Folders listed anew because their cursor was lost.
    pub resyncs: u64,
    /// Items that a job's filter left out.
    #[serde(default)]
    pub items_left_out: u64,
}

impl Counters {
    /// What was counted since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let less = |of: fn(&Self) -> u64| of(self).saturating_sub(of(earlier));
        Self {
            items_scanned: less(|it| it.items_scanned),
            items_stored: less(|it| it.items_stored),
            items_updated: less(|it| it.items_updated),
            items_unchanged: less(|it| it.items_unchanged),
            items_deleted: less(|it| it.items_deleted),
            items_failed: less(|it| it.items_failed),
            bytes_read: less(|it| it.bytes_read),
            bytes_stored: less(|it| it.bytes_stored),
            requests: less(|it| it.requests),
            throttles: less(|it| it.throttles),
            resyncs: less(|it| it.resyncs),
            items_left_out: less(|it| it.items_left_out),
        }
    }

    /// Adds another set of counters to this one.
    pub fn add(&mut self, other: &Self) {
        self.items_scanned += other.items_scanned;
        self.items_stored += other.items_stored;
        self.items_updated += other.items_updated;
        self.items_unchanged += other.items_unchanged;
        self.items_deleted += other.items_deleted;
        self.items_failed += other.items_failed;
        self.bytes_read += other.bytes_read;
        self.bytes_stored += other.bytes_stored;
        self.requests += other.requests;
        self.throttles += other.throttles;
        self.resyncs += other.resyncs;
        self.items_left_out += other.items_left_out;
    }
}

/// How a mailbox's backup ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum MailboxOutcome {
    /// Everything in scope is in the vault.
    Complete,
    /// The backup is usable, but `gaps` items are missing and listed, or folders are incomplete
    /// ([`MailboxSummary::incomplete_folders`]).
    WithGaps {
        /// Open gaps of this mailbox after the run.
        gaps: u64,
    },
    /// Stopped before the end by request; what was committed is kept and the next run goes on.
    Stopped,
    /// The mailbox could not be backed up.
    Failed {
        /// Why.
        class: FailureClass,
        /// The service's code.
        code: String,
        /// Words for a person, without addresses or subjects.
        message: String,
    },
}

/// One mailbox in a run's summary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxSummary {
    /// The mailbox at the source.
    pub mailbox: SourceMailboxId,
    /// Its address, for people; stored only encrypted.
    pub address: String,
    /// Its id in the vault; empty when the mailbox was never opened there.
    pub vault_mailbox: String,
    /// The commit that this run left as the newest, 0 when there is none.
    pub sequence: u64,
    /// How it ended.
    pub outcome: MailboxOutcome,
    /// What it counted.
    pub counters: Counters,
    /// Folders in scope whose last page was not reached; the next run goes on with them.
    #[serde(default)]
    pub incomplete_folders: u64,
    /// What a person should know beside the outcome, for example a count that differs from the
    /// source's. May name folders, so it is stored only encrypted.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// Every mailbox complete.
    Complete,
    /// Every mailbox usable, some with gaps.
    WithGaps,
    /// Stopped by request.
    Stopped,
    /// At least one mailbox failed, at least one did not.
    Partial,
    /// Every mailbox failed.
    Failed,
}

/// The record of one run: a restore point when at least one mailbox did not fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSummary {
    /// Id, ordered by start.
    pub run: RunId,
    /// Name of the connection.
    pub connection: String,
    /// Start.
    pub started_at: DateTime<Utc>,
    /// End.
    pub finished_at: DateTime<Utc>,
    /// One entry per mailbox in scope.
    pub mailboxes: Vec<MailboxSummary>,
}

impl RunSummary {
    /// Rolls the mailboxes up. A run without mailboxes is complete.
    #[must_use]
    pub fn outcome(&self) -> RunOutcome {
        let mut failed = 0;
        let (mut gaps, mut stopped) = (false, false);
        for mailbox in &self.mailboxes {
            match mailbox.outcome {
                MailboxOutcome::Complete => {}
                MailboxOutcome::WithGaps { .. } => gaps = true,
                MailboxOutcome::Stopped => stopped = true,
                MailboxOutcome::Failed { .. } => failed += 1,
            }
        }
        if failed > 0 && failed == self.mailboxes.len() {
            RunOutcome::Failed
        } else if failed > 0 {
            RunOutcome::Partial
        } else if stopped {
            RunOutcome::Stopped
        } else if gaps {
            RunOutcome::WithGaps
        } else {
            RunOutcome::Complete
        }
    }

    /// The sum over all mailboxes.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for mailbox in &self.mailboxes {
            sum.add(&mailbox.counters);
        }
        sum
    }

    /// The process exit code: 0 complete, 1 failed or stopped, 3 with gaps, 4 authentication.
    /// Authentication wins; a failed mailbox beside finished ones counts as a gap.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let authentication = self.mailboxes.iter().any(|mailbox| {
            matches!(&mailbox.outcome, MailboxOutcome::Failed { class, .. } if class.is_authentication())
        });
        if authentication {
            return 4;
        }
        match self.outcome() {
            RunOutcome::Complete => 0,
            RunOutcome::WithGaps | RunOutcome::Partial => 3,
            RunOutcome::Failed | RunOutcome::Stopped => 1,
        }
    }
}
