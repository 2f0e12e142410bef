//! Commits as restore points, by sequence number.

use chrono::{DateTime, Utc};
use mailkeep_model::{Counters, MailboxOutcome, RunId};
use prost::Message;

use crate::index::rows::codes;
use crate::index::rows::column::Malformed;
use crate::index::table::Entry;

/// What an index counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexCounts {
    /// Items that are in the mailbox now.
    pub items: u64,
    /// Versions of items, removed and superseded ones included.
    pub versions: u64,
    /// Bytes of all stored messages before compression and deduplication.
    pub content_bytes: u64,
    /// Bytes of all packs and segments.
    pub stored_bytes: u64,
    /// Packs of their own.
    pub packs: u64,
    /// Segments: commits.
    pub segments: u64,
}

/// How a run ended in this mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndOfRun {
    /// How it ended.
    pub outcome: MailboxOutcome,
    /// What it counted.
    pub counters: Counters,
}

/// A commit: a point in time that can be looked at and restored from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Number of the commit.
    pub sequence: u64,
    /// The run that made it.
    pub run: RunId,
    /// When, by the writer's clock.
    pub committed_at: DateTime<Utc>,
    /// Set on the last commit of a run.
    pub end: Option<EndOfRun>,
    /// What the index counted after it.
    pub counts: IndexCounts,
    /// Retention let go of some of what it showed: it cannot be looked at any more.
    pub is_thinned: bool,
}

impl Snapshot {
    /// True for the last commit of a run: a whole picture of the mailbox.
    #[must_use]
    pub fn is_end_of_run(&self) -> bool {
        self.end.is_some()
    }
}

impl Entry for Snapshot {
    type Key = [u8; 8];

    fn parse_key(bytes: &[u8]) -> Option<Self::Key> {
        bytes.try_into().ok()
    }

    fn key(&self) -> Self::Key {
        self.sequence.to_be_bytes()
    }

    fn overlay(self, _older: Self) -> Self {
        self
    }

    fn weight_bytes(&self) -> usize {
        size_of::<Self>() + size_of::<Self::Key>() + self.run.0.len()
    }
}

/// A run's end, as records and blocks keep it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct EndMessage {
    /// 0 complete, 1 with gaps, 2 stopped, 3 failed.
    #[prost(uint32, tag = "1")]
    outcome: u32,
    #[prost(uint64, tag = "2")]
    gaps: u64,
    #[prost(string, tag = "3")]
    class: String,
    #[prost(string, tag = "4")]
    code: String,
    #[prost(string, tag = "5")]
    message: String,
    /// In the order of `Counters`: scanned, stored, updated, unchanged, deleted, failed, bytes read,
    /// bytes stored, requests, throttles, resyncs, left out.
    #[prost(uint64, repeated, tag = "6")]
    counters: Vec<u64>,
}

impl EndMessage {
    /// The message for a run's end.
    pub(crate) fn of(end: &EndOfRun) -> Self {
        let it = &end.counters;
        let mut message = Self {
            outcome: codes::outcome_code(&end.outcome),
            counters: vec![
                it.items_scanned,
                it.items_stored,
                it.items_updated,
                it.items_unchanged,
                it.items_deleted,
                it.items_failed,
                it.bytes_read,
                it.bytes_stored,
                it.requests,
                it.throttles,
                it.resyncs,
                it.items_left_out,
            ],
            ..Self::default()
        };
        match &end.outcome {
            MailboxOutcome::WithGaps { gaps } => message.gaps = *gaps,
            MailboxOutcome::Failed {
                class,
                code,
                message: words,
            } => {
                message.class = class.code().into();
                message.code.clone_from(code);
                message.message.clone_from(words);
            }
            MailboxOutcome::Complete | MailboxOutcome::Stopped => {}
        }
        message
    }

    /// The run's end.
    pub(crate) fn end(&self) -> EndOfRun {
        let counter = |index: usize| self.counters.get(index).copied().unwrap_or(0);
        EndOfRun {
            outcome: match self.outcome {
                0 => MailboxOutcome::Complete,
                1 => MailboxOutcome::WithGaps { gaps: self.gaps },
                2 => MailboxOutcome::Stopped,
                _ => MailboxOutcome::Failed {
                    class: codes::failure_class(&self.class),
                    code: self.code.clone(),
                    message: self.message.clone(),
                },
            },
            counters: Counters {
                items_scanned: counter(0),
                items_stored: counter(1),
                items_updated: counter(2),
                items_unchanged: counter(3),
                items_deleted: counter(4),
                items_failed: counter(5),
                bytes_read: counter(6),
                bytes_stored: counter(7),
                requests: counter(8),
                throttles: counter(9),
                resyncs: counter(10),
                items_left_out: counter(11),
            },
        }
    }
}

/// [`IndexCounts`] as checkpoints keep them.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct CountsMessage {
    #[prost(uint64, tag = "1")]
    items: u64,
    #[prost(uint64, tag = "2")]
    versions: u64,
    #[prost(uint64, tag = "3")]
    content_bytes: u64,
    #[prost(uint64, tag = "4")]
    stored_bytes: u64,
    #[prost(uint64, tag = "5")]
    packs: u64,
    #[prost(uint64, tag = "6")]
    segments: u64,
}

impl From<IndexCounts> for CountsMessage {
    fn from(counts: IndexCounts) -> Self {
        Self {
            items: counts.items,
            versions: counts.versions,
            content_bytes: counts.content_bytes,
            stored_bytes: counts.stored_bytes,
            packs: counts.packs,
            segments: counts.segments,
        }
    }
}

impl From<CountsMessage> for IndexCounts {
    fn from(counts: CountsMessage) -> Self {
        Self {
            items: counts.items,
            versions: counts.versions,
            content_bytes: counts.content_bytes,
            stored_bytes: counts.stored_bytes,
            packs: counts.packs,
            segments: counts.segments,
        }
    }
}

#[derive(Clone, PartialEq, prost::Message)]
struct SnapshotMessage {
    #[prost(uint64, tag = "1")]
    sequence: u64,
    #[prost(string, tag = "2")]
    run: String,
    #[prost(sint64, tag = "3")]
    committed_at_ms: i64,
    #[prost(message, optional, tag = "4")]
    end: Option<EndMessage>,
    #[prost(message, required, tag = "5")]
    counts: CountsMessage,
}

#[derive(Clone, PartialEq, prost::Message)]
struct SnapshotBatch {
    #[prost(message, repeated, tag = "1")]
    snapshots: Vec<SnapshotMessage>,
}

/// Encodes entries in their order.
pub(crate) fn encode(entries: &[Snapshot]) -> Vec<u8> {
    let snapshots = entries
        .iter()
        .map(|entry| SnapshotMessage {
            sequence: entry.sequence,
            run: entry.run.0.clone(),
            committed_at_ms: entry.committed_at.timestamp_millis(),
            end: entry.end.as_ref().map(EndMessage::of),
            counts: entry.counts.into(),
        })
        .collect();
    SnapshotBatch { snapshots }.encode_to_vec()
}

/// Decodes entries.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Snapshot>, Malformed> {
    SnapshotBatch::decode(bytes)
        .map_err(|_| Malformed("snapshots are not readable"))?
        .snapshots
        .into_iter()
        .map(|entry| {
            Ok(Snapshot {
                sequence: entry.sequence,
                run: RunId(entry.run),
                committed_at: DateTime::from_timestamp_millis(entry.committed_at_ms)
                    .ok_or(Malformed("a commit's time is out of range"))?,
                end: entry.end.as_ref().map(EndMessage::end),
                counts: entry.counts.into(),
                is_thinned: false,
            })
        })
        .collect()
}
