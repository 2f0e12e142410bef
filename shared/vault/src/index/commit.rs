//! The commit protocol: one conditional PUT decides.

use std::sync::Arc;
use std::time::Duration;

use mailkeep_ports::{Condition, StorageClass, StoreErrorKind};

use crate::compress::Compression;
use crate::error::VaultError;
use crate::format::builder::{ObjectBuilder, SealedObject};
use crate::format::frame::{FrameKind, FrameSpec};
use crate::format::header::ObjectKind;
use crate::index::checkpoint;
use crate::index::commit_info::{CommitInfo, Committed};
use crate::index::draft::{Draft, Material, draft};
use crate::index::fold::Commit;
use crate::index::listing;
use crate::index::names::is_checkpoint_error;
use crate::index::open;
use crate::index::rows::RowEntry;
use crate::index::rows::batch;
use crate::index::rows::hash::item_hash;
use crate::index::segment::Segment;
use crate::index::staged::Staged;
use crate::index::table::{BLOCK_ENTRIES, BLOCK_WEIGHT_BYTES, Entry};
use crate::index::tables::lookup::LookupEntry;
use crate::index::writer::{Commits, MailboxWriter, lock};
use crate::names;
use crate::object::put_options;
use crate::pack::{FlushedPack, StagedPack};
use crate::pack_table::PackId;

/// Attempts for one sequence number while the store is busy or in doubt.
const ATTEMPTS: u32 = 8;
/// Races with other writers that are lost before a commit gives up.
const RACES: u32 = 32;
/// The first pause; doubles.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A commit under way. Stays the same until it is known to be durable: the same id, the same changes.
pub(crate) struct Attempt {
    id: [u8; 16],
    info: CommitInfo,
    staged: Arc<Staged>,
    /// The content was taken; a repetition must not take more.
    has_content: bool,
    packs: Vec<FlushedPack>,
    /// Data for the segment, and how many of its frames are data.
    inline: Option<(StagedPack, ObjectBuilder, usize)>,
}

/// How one try to write a segment ended.
enum Tried {
    /// It is durable: this one, or an earlier try of the same commit.
    Done,
    /// Another commit has this number.
    Taken,
}

/// What a commit cost.
#[derive(Default)]
struct Cost {
    bytes: u64,
    requests: u64,
}

impl MailboxWriter {
    /// Makes everything staged durable at once: rows, cursors, folders, gaps, and the content they
    /// refer to. When it fails, everything stays staged and the next call tries again; a commit that
    /// was in doubt is recognised then and not repeated. Without changes and without the end of a run
    /// nothing is written.
    ///
    /// # Errors
    /// When the store fails for longer than a few retries, refuses, or holds damaged commits.
    pub async fn commit(&self, info: CommitInfo) -> Result<Committed, VaultError> {
        let mut commits = self.commits.lock().await;
        let mut cost = Cost::default();
        if commits.attempt.is_some() {
            self.finish(&mut commits, &mut cost).await?;
        }
        let has_changes = !lock(&self.staged).open.is_empty();
        if has_changes || info.end.is_some() {
            self.begin(&mut commits, info);
            self.finish(&mut commits, &mut cost).await?;
        }
        Ok(Committed {
            sequence: self.base_sequence(),
            bytes_stored: cost.bytes,
            requests: cost.requests,
        })
    }

    /// Freezes what is staged. Rows first, then content: a row that is staged has its content in what is
    /// taken, or in an earlier commit.
    fn begin(&self, commits: &mut Commits, info: CommitInfo) {
        let mut id = [0; 16];
        self.core.ctx.rng.fill(&mut id);
        let mut staging = lock(&self.staged);
        let staged = Arc::new(std::mem::take(&mut staging.open));
        staging.in_flight = Some(staged.clone());
        commits.attempt = Some(Attempt {
            id,
            info,
            staged,
            has_content: false,
            packs: vec![],
            inline: None,
        });
    }

    /// Brings the attempt to its end. Wherever this stops, by an error or because the task is dropped,
    /// the attempt stays and the next call goes on with it.
    async fn finish(&self, commits: &mut Commits, cost: &mut Cost) -> Result<(), VaultError> {
        let Some(attempt) = &mut commits.attempt else {
            return Ok(());
        };
        if !attempt.has_content {
            let taken = self.packs.take().await?;
            attempt.packs = taken.packs;
            attempt.inline = taken.inline.map(|(staged, builder)| {
                let frames = builder.frames().len();
                (staged, builder, frames)
            });
            attempt.has_content = true;
            cost.bytes += attempt
                .packs
                .iter()
                .map(|pack| pack.size_bytes)
                .sum::<u64>();
            cost.requests += u64::try_from(attempt.packs.len()).unwrap_or(u64::MAX);
        }
        self.write(commits, cost).await?;
        commits.attempt = None;
        lock(&self.staged).in_flight = None;
        self.checkpoint_if_due(cost).await;
        Ok(())
    }

    /// Writes the segment under the next free number.
    async fn write(&self, commits: &mut Commits, cost: &mut Cost) -> Result<(), VaultError> {
        for _ in 0..RACES {
            let draft = self.draft(commits).await?;
            let Some(attempt) = &mut commits.attempt else {
                return Err(VaultError::bug("a commit without an attempt"));
            };
            let object = self.seal(attempt, &draft)?;
            match self.try_put(draft.record.sequence, &object, cost).await? {
                Tried::Done => {
                    let commit = Commit {
                        record: draft.record,
                        rows: draft.rows,
                        header: object.header,
                        size_bytes: u64::try_from(object.bytes.len()).unwrap_or(u64::MAX),
                    };
                    let name = names::log(&self.core.id, commit.record.sequence)?;
                    return self.settle(commits, name.as_str(), commit).await;
                }
                Tried::Taken => {
                    if self.catch_up(commits, cost).await? {
                        return Ok(());
                    }
                }
            }
        }
        Err(VaultError::AlreadyExists {
            object: names::log_prefix(&self.core.id),
            what: "other writers were faster every time; try again when they are done".into(),
        })
    }

    async fn draft(&self, commits: &Commits) -> Result<Draft, VaultError> {
        let Some(attempt) = &commits.attempt else {
            return Err(VaultError::bug("a commit without an attempt"));
        };
        let opened = self.opened.read().await;
        let inline = attempt
            .inline
            .as_ref()
            .and_then(|(staged, builder, frames)| {
                Some((*staged, builder.frames().get(..*frames)?))
            });
        let material = Material {
            commit_id: attempt.id,
            info: &attempt.info,
            staged: &attempt.staged,
            packs: &attempt.packs,
            inline,
            numbers: &commits.numbers,
            foreign: &commits.foreign,
            now: self.core.ctx.clock.now(),
        };
        draft(&material, &opened.index, &self.known)
    }

    fn seal(&self, attempt: &mut Attempt, draft: &Draft) -> Result<SealedObject, VaultError> {
        let mut own;
        let builder = match &mut attempt.inline {
            Some((_, builder, frames)) => {
                builder.truncate(*frames);
                builder
            }
            None => {
                own = ObjectBuilder::new(ObjectKind::Segment);
                &mut own
            }
        };
        let spec = FrameSpec::new(FrameKind::RowBlock, Compression::Zstd);
        for rows in in_blocks(&draft.rows) {
            builder.push(&spec, &batch::encode(rows))?;
        }
        let spec = FrameSpec::new(FrameKind::Record, Compression::Zstd);
        builder.push(&spec, &draft.record.encode())?;
        let key = names::log(&self.core.id, draft.record.sequence)?;
        builder.seal(self.core.keys.objects(), &key, &*self.core.ctx.rng)
    }

    /// Writes one segment until it is known whether the number is taken, by it or by another commit.
    async fn try_put(
        &self,
        sequence: u64,
        object: &SealedObject,
        cost: &mut Cost,
    ) -> Result<Tried, VaultError> {
        let key = names::log(&self.core.id, sequence)?;
        let store = &self.core.ctx.store;
        let mut pause = PAUSE;
        let mut tried = 0;
        loop {
            let mut options = put_options(object, StorageClass::Hot);
            options.condition = Condition::IfAbsent;
            cost.requests += 1;
            let error = match store.put(&key, object.bytes.clone(), options).await {
                Ok(_) => {
                    cost.bytes += u64::try_from(object.bytes.len()).unwrap_or(u64::MAX);
                    return Ok(Tried::Done);
                }
                Err(error) => error,
            };
            match error.kind {
                StoreErrorKind::AlreadyExists => return Ok(Tried::Taken),
                StoreErrorKind::Conflict | StoreErrorKind::Busy => {}
                StoreErrorKind::Unavailable => {
                    // In doubt: perhaps it did succeed.
                    cost.requests += 1;
                    if store.head(&key).await.is_ok() {
                        return Ok(Tried::Taken);
                    }
                }
                _ => return Err(error.into()),
            }
            tried += 1;
            if tried == ATTEMPTS {
                return Err(error.into());
            }
            let wait = pause.max(error.retry_after.unwrap_or_default());
            self.core.ctx.clock.sleep(wait.min(LONGEST_PAUSE)).await;
            pause = pause.saturating_mul(2);
        }
    }

    /// Folds the commits that this writer does not know. True when the attempt was among them: an
    /// earlier try succeeded although its answer was lost.
    async fn catch_up(&self, commits: &mut Commits, cost: &mut Cost) -> Result<bool, VaultError> {
        let from = self.base_sequence();
        let log = listing::list_log(&self.core, from).await?;
        cost.requests += 1;
        let own = commits.attempt.as_ref().map(|attempt| attempt.id);
        let mut is_done = false;
        for (expected, sequence) in (from.saturating_add(1)..).zip(log) {
            if sequence != expected {
                return Err(open::hole(&self.core, expected)?);
            }
            cost.requests += 1;
            let segment = Segment::read(&self.core, sequence).await?;
            let name = segment.object.clone();
            let is_own = Some(segment.record.commit_id) == own;
            let commit = {
                let opened = self.opened.read().await;
                segment.decode(&opened.index.state)?
            };
            if is_own {
                is_done = true;
            } else {
                tracing::debug!(mailbox = %self.core.id, sequence, "another writer committed");
                commits.foreign.insert(sequence);
            }
            self.settle(commits, &name, commit).await?;
        }
        Ok(is_done)
    }

    /// Takes a durable commit over into the index.
    async fn settle(
        &self,
        commits: &mut Commits,
        name: &str,
        commit: Commit,
    ) -> Result<(), VaultError> {
        let mut opened = self.opened.write().await;
        let record = &commit.record;
        opened.index.check_follows(name, record)?;
        if let Some(attempt) = &commits.attempt
            && attempt.id == record.commit_id
        {
            let numbered = record.packs.iter().filter_map(|entry| {
                let is_it = |pack: &&FlushedPack| PackId::Pack(pack.ulid) == entry.id;
                Some((attempt.packs.iter().find(is_it)?.staged, entry.number))
            });
            commits.numbers.extend(numbered);
            if let (Some((staged, ..)), Some(inline)) = (&attempt.inline, record.inline) {
                commits.numbers.insert(*staged, inline.number);
            }
        }
        // The maps first: a part is known before the packs forget that they hold it.
        for entry in &commit.rows {
            self.known
                .add(&LookupEntry::of(entry, |row| item_hash(&row.item)));
        }
        for part in &commit.record.parts {
            self.known.add_part(part);
        }
        self.packs
            .settle(commit.record.parts.iter().map(|part| part.id));
        opened.index.apply(name, commit)?;
        opened.index.compact_memory()?;
        self.set_state(opened.index.state.clone());
        Ok(())
    }

    /// Writes a checkpoint when one is due. Its failure is no failure of the commit, which is durable.
    async fn checkpoint_if_due(&self, cost: &mut Cost) {
        let written = {
            let opened = self.opened.read().await;
            if !checkpoint::is_due(&opened.index, self.limits.checkpoint) {
                return;
            }
            checkpoint::write(&self.core, &opened.blocks, &opened.index).await
        };
        match written {
            Ok(written) => {
                cost.bytes += written.bytes;
                cost.requests += written.requests;
                written.install(&mut self.opened.write().await.index);
            }
            Err(error) => {
                tracing::warn!(mailbox = %self.core.id, %error, "the checkpoint was not written");
                if is_checkpoint_error(&self.core.id, &error)
                    && let Err(error) = self.recover().await
                {
                    tracing::warn!(mailbox = %self.core.id, %error, "the log could not replace the checkpoint");
                }
            }
        }
    }
}

/// Cuts rows into batches like the blocks of a checkpoint.
fn in_blocks(rows: &[RowEntry]) -> impl Iterator<Item = &[RowEntry]> {
    let mut rest = rows;
    std::iter::from_fn(move || {
        let mut weight = 0;
        let end = rest
            .iter()
            .take(BLOCK_ENTRIES)
            .take_while(|entry| {
                let fits = weight < BLOCK_WEIGHT_BYTES;
                weight += entry.weight_bytes();
                fits
            })
            .count();
        let (block, behind) = rest.split_at(end);
        rest = behind;
        (!block.is_empty()).then_some(block)
    })
}
