//! The upper half of the vault: what is in a mailbox, since when, and where.
//!
//! A mailbox is a chain of commits. Each is one object of the log that says what changed; the index is
//! what all of them, applied in order (`fold`), leave behind. Checkpoints keep the fold as sorted
//! blocks so that nobody reads the whole log; they are a cache. `docs/format-index.md` describes the
//! bytes, `docs/invariants.md` the order of writes.
//!
//! Code map: `rows` and `tables` (entries and their bytes), `table`, `block` and `scan` (sorted tables in
//! general), `record`, `segment` and `fold` (the log), `root` and `checkpoint`, `open`; then `view`,
//! `items` and `diff` for readers, `writer`, `staged`, `draft` and `commit` for writers.

pub(crate) mod block;
pub(crate) mod checkpoint;
mod commit;
pub(crate) mod commit_info;
mod compact_map;
mod diff;
pub(crate) mod draft;
pub(crate) mod filter;
pub(crate) mod floor;
pub(crate) mod fold;
mod folders;
mod items;
pub(crate) mod known;
mod left_out;
pub(crate) mod listing;
mod lost;
mod mailbox;
pub(crate) mod names;
mod newest;
pub(crate) mod open;
pub(crate) mod publish;
pub(crate) mod ranges;
pub(crate) mod record;
pub(crate) mod release;
pub(crate) mod root;
pub(crate) mod rows;
pub(crate) mod scan;
pub(crate) mod segment;
mod staged;
pub(crate) mod state;
pub(crate) mod table;
pub(crate) mod tables;
pub(crate) mod tail;
#[cfg(test)]
pub(crate) mod tests;
mod upkeep;
mod verify;
pub(crate) mod version;
pub(crate) mod view;
pub(crate) mod wire;
pub(crate) mod writer;

pub use commit_info::{CommitInfo, Committed, EndOfRun, IndexCounts, Known, Snapshot};
pub use filter::ItemFilter;
pub use folders::StoredFolder;
pub use items::MAX_PAGE;
pub use left_out::LeftOut;
pub use staged::RowContent;
pub use verify::{CommitId, Defect, Finding, ObjectCounts};
pub use version::{ChangeKinds, DiffPage, Difference, ItemPage, ItemVersion, PageToken};
pub use view::MailboxView;
pub use writer::MailboxWriter;
pub(crate) use writer::WriterLimits;
