//! What a run of retention goes by, and what it tells.

use crate::pack_table::{PackEntry, PackId};
use crate::retain::plan::MailboxPlan;

/// Sizes and numbers; tests use small ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetainLimits {
    /// Packs with less than this of them needed are copied.
    pub live_percent: u32,
    /// But only if so many bytes are dead: a small pack is mostly frame table and dictionary.
    pub overhead_bytes: u64,
    /// New packs are closed at this size.
    pub pack_bytes: usize,
    /// One commit copies so much, and one more pack.
    pub batch_bytes: u64,
    /// Versions that one commit lets go of, and those of one more item.
    pub versions: usize,
    /// Old segments with data are merged into a pack when there are so many.
    pub merge_segments: usize,
    /// The floor is raised when so many commits lie behind its next checkpoint.
    pub floor_commits: u64,
    /// How often a step is worked out again because a backup changed something in between.
    pub conflicts: u32,
}

impl Default for RetainLimits {
    fn default() -> Self {
        Self {
            live_percent: 60,
            overhead_bytes: 128 << 10,
            pack_bytes: 16 << 20,
            batch_bytes: 64 << 20,
            versions: 100_000,
            merge_segments: 32,
            floor_commits: 256,
            conflicts: 8,
        }
    }
}

/// What a run of retention did in one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retained {
    /// What was to be done, as of the start.
    pub plan: MailboxPlan,
    /// Versions that were let go of.
    pub dropped_versions: u64,
    /// Items of which nothing is left.
    pub dropped_items: u64,
    /// Bytes of their messages, before compression.
    pub dropped_bytes: u64,
    /// Packs that nothing referred to: condemned, to be deleted after the grace period.
    pub condemned_packs: u64,
    /// Packs that were mostly dead: what is needed was copied, then they were condemned.
    pub repacked_packs: u64,
    /// Packs that no commit ever named, left behind by runs that died.
    pub orphans: u64,
    /// Old commits whose data was copied into packs, or was dead: they can be deleted once closed.
    pub emptied_commits: u64,
    /// Bytes of all of these.
    pub condemned_bytes: u64,
    /// Packs that were written with what is needed.
    pub new_packs: u64,
    /// Bytes that were copied into them.
    pub copied_bytes: u64,
    /// Packs whose objects were deleted.
    pub deleted_packs: u64,
    /// Bytes of these packs.
    pub deleted_bytes: u64,
    /// Objects of the log and of checkpoints that were deleted.
    pub deleted_commits: u64,
    /// Condemned packs whose grace period is not over.
    pub waiting_packs: u64,
    /// Bytes of these.
    pub waiting_bytes: u64,
    /// Objects that should go and that Object Lock still holds.
    pub locked_objects: u64,
    /// Bytes of those that are packs.
    pub locked_bytes: u64,
    /// Condemned packs that stay because a legal hold concerns the mailbox.
    pub held_packs: u64,
    /// Bytes of these.
    pub held_bytes: u64,
    /// Packs that should be copied and cannot be read, in words. They stay as they are.
    pub unreadable: Vec<String>,
    /// A backup changed the mailbox too often; the rest waits for the next run.
    pub is_postponed: bool,
}

impl Retained {
    /// Nothing done yet.
    pub(crate) fn new(plan: MailboxPlan) -> Self {
        Self {
            plan,
            dropped_versions: 0,
            dropped_items: 0,
            dropped_bytes: 0,
            condemned_packs: 0,
            repacked_packs: 0,
            orphans: 0,
            emptied_commits: 0,
            condemned_bytes: 0,
            new_packs: 0,
            copied_bytes: 0,
            deleted_packs: 0,
            deleted_bytes: 0,
            deleted_commits: 0,
            waiting_packs: 0,
            waiting_bytes: 0,
            locked_objects: 0,
            locked_bytes: 0,
            held_packs: 0,
            held_bytes: 0,
            unreadable: vec![],
            is_postponed: false,
        }
    }

    /// Counts packs that were condemned; the first `dead` of them without copying anything.
    pub(crate) fn count(&mut self, packs: &[PackEntry], dead: usize) {
        for (index, pack) in packs.iter().enumerate() {
            if matches!(pack.id, PackId::Segment(_)) {
                self.emptied_commits += 1;
                continue;
            }
            if index < dead {
                self.condemned_packs += 1;
            } else {
                self.repacked_packs += 1;
            }
            self.condemned_bytes = self.condemned_bytes.saturating_add(pack.size_bytes);
        }
    }
}
