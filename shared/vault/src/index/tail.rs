//! What a commit carries of the commits right before it, so that opening a mailbox takes one read of its
//! log and not one for each commit since the newest checkpoint.
//!
//! A copy: the commits stay the truth, and whoever finds no copy, or one that is damaged, reads them.

use std::collections::VecDeque;

use bytes::Bytes;
use prost::Message;

use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::header::ObjectHeader;
use crate::index::fold::Commit;
use crate::index::publish::in_blocks;
use crate::index::record::CommitRecord;
use crate::index::rows::batch;
use crate::index::rows::column::Malformed;
use crate::index::segment::Segment;
use crate::index::wire::check_reader;
use crate::names;

/// So much of earlier commits is carried, before compression.
const TAIL_BYTES: usize = 48 << 10;
/// A commit with more than this is read by itself.
const COMMIT_BYTES: usize = 16 << 10;
/// A commit with more rows is not even looked at.
const COMMIT_ROWS: usize = 256;

/// One commit.
#[derive(Clone, PartialEq, prost::Message)]
struct CarriedMessage {
    #[prost(uint64, tag = "1")]
    sequence: u64,
    #[prost(bytes = "vec", tag = "2")]
    header: Vec<u8>,
    #[prost(uint64, tag = "3")]
    size_bytes: u64,
    #[prost(bytes = "vec", tag = "4")]
    record: Vec<u8>,
    #[prost(bytes = "vec", repeated, tag = "5")]
    rows: Vec<Vec<u8>>,
}

/// The content of a frame of this kind. Each is a [`CarriedMessage`].
#[derive(Clone, PartialEq, prost::Message)]
struct TailMessage {
    #[prost(bytes = "vec", repeated, tag = "1")]
    commits: Vec<Vec<u8>>,
}

/// The commits since the newest checkpoint, as the next commit will carry them.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    /// False for who only reads.
    pub is_kept: bool,
    commits: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Tail {
    /// Takes a commit over. What is before one that is too big is not carried any more.
    pub(crate) fn push(&mut self, commit: &Commit) {
        if !self.is_kept {
            return;
        }
        if commit.rows.len() > COMMIT_ROWS {
            self.clear();
            return;
        }
        let carried = CarriedMessage {
            sequence: commit.record.sequence,
            header: commit.header.to_bytes().to_vec(),
            size_bytes: commit.size_bytes,
            record: commit.record.encode(),
            rows: in_blocks(&commit.rows).map(batch::encode).collect(),
        };
        if carried.encoded_len() > COMMIT_BYTES {
            self.clear();
            return;
        }
        let bytes = carried.encode_to_vec();
        self.bytes += bytes.len();
        self.commits.push_back(bytes);
        while self.bytes > TAIL_BYTES
            && let Some(oldest) = self.commits.pop_front()
        {
            self.bytes -= oldest.len();
        }
    }

    /// Forgets them: a checkpoint has them now.
    pub(crate) fn clear(&mut self) {
        self.commits.clear();
        self.bytes = 0;
    }

    /// What the next commit carries; `None` for nothing.
    pub(crate) fn frame(&self) -> Option<Vec<u8>> {
        let commits: Vec<Vec<u8>> = self.commits.iter().cloned().collect();
        (!commits.is_empty()).then(|| TailMessage { commits }.encode_to_vec())
    }
}

/// The commits that a frame carries: each follows the one before, and the last is the one before
/// `next`.
pub(crate) fn decode(
    core: &MailboxCore,
    bytes: &[u8],
    next: &CommitRecord,
) -> Result<Vec<Segment>, VaultError> {
    let bad = |what: &'static str| VaultError::corrupt(names::log_prefix(&core.id), what);
    let mut segments: Vec<Segment> = vec![];
    for (header, size_bytes, record, rows) in carried(bytes).map_err(|error| bad(error.0))? {
        let key = names::log(&core.id, record.sequence)?;
        let segment = Segment::carried(&key, record, rows, header, size_bytes);
        if segments
            .last()
            .is_some_and(|last| !last.is_before(&segment.record))
        {
            return Err(bad(
                "earlier commits that are carried do not follow each other",
            ));
        }
        segments.push(segment);
    }
    if segments.last().is_some_and(|last| !last.is_before(next)) {
        return Err(bad("a commit carries others than those before it"));
    }
    Ok(segments)
}

/// Header, size, record and rows of a commit.
type Carried = (ObjectHeader, u64, CommitRecord, Vec<Bytes>);

fn carried(bytes: &[u8]) -> Result<Vec<Carried>, Malformed> {
    let unreadable = Malformed("earlier commits that are carried are not readable");
    let tail = TailMessage::decode(bytes).map_err(|_| Malformed(unreadable.0))?;
    let commits = tail.commits.iter().map(|bytes| {
        let commit =
            CarriedMessage::decode(bytes.as_slice()).map_err(|_| Malformed(unreadable.0))?;
        check_reader("log", &commit.record).map_err(|_| Malformed(unreadable.0))?;
        let record = CommitRecord::decode(&commit.record)?;
        if record.sequence != commit.sequence {
            return Err(Malformed("a commit that is carried has another number"));
        }
        let header =
            ObjectHeader::parse("log", &commit.header).map_err(|_| Malformed(unreadable.0))?;
        let rows = commit.rows.into_iter().map(Bytes::from).collect();
        Ok((header, commit.size_bytes, record, rows))
    });
    commits.collect()
}

/// Decodes and encodes, for tests with arbitrary bytes.
#[cfg(feature = "fuzzing")]
pub(crate) fn again(bytes: &[u8]) -> Result<Vec<u8>, Malformed> {
    let commits = carried(bytes)?
        .into_iter()
        .map(|(header, size_bytes, record, rows)| {
            CarriedMessage {
                sequence: record.sequence,
                header: header.to_bytes().to_vec(),
                size_bytes,
                record: record.encode(),
                rows: rows.iter().map(|it| it.to_vec()).collect(),
            }
            .encode_to_vec()
        })
        .collect();
    Ok(TailMessage { commits }.encode_to_vec())
}
