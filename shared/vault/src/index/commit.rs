//! The commit protocol: one conditional PUT decides.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::error::VaultError;
use crate::format::builder::{ObjectBuilder, SealedObject};
use crate::format::header::ObjectKind;
use crate::ids::ContentId;
use crate::index::checkpoint;
use crate::index::commit_info::{CommitInfo, Committed};
use crate::index::draft::{Draft, InlineMaterial, Material, draft};
use crate::index::floor;
use crate::index::fold::Commit;
use crate::index::listing;
use crate::index::lost::Rescued;
use crate::index::names::is_checkpoint_error;
use crate::index::open;
use crate::index::publish::{self, Cost, RACES, Tried};
use crate::index::rows::hash::item_hash;
use crate::index::segment::Segment;
use crate::index::staged::Staged;
use crate::index::tables::lookup::LookupEntry;
use crate::index::tables::parts::PartEntry;
use crate::index::writer::{Commits, MailboxWriter, lock};
use crate::names;
use crate::pack::{FlushedPack, OpenPack, PartLookup};
use crate::pack_table::PackId;

/// A commit under way. Stays the same until it is known to be durable: the same id, the same changes.
pub(crate) struct Attempt {
    id: [u8; 16],
    info: CommitInfo,
    staged: Arc<Staged>,
    /// The content was taken; a repetition must not take more.
    has_content: bool,
    packs: Vec<FlushedPack>,
    /// Data for the segment, and how many of its frames are data.
    inline: Option<(OpenPack, usize)>,
}

impl Attempt {
    /// Parts that its contents refer to and it does not bring itself.
    fn foreign_parts(&self) -> BTreeSet<ContentId> {
        let inline = self.inline.as_ref();
        let own = self
            .packs
            .iter()
            .flat_map(|pack| &pack.frames)
            .chain(inline.iter().flat_map(|(open, _)| open.builder.frames()));
        let own: HashSet<ContentId> = own.filter_map(|frame| frame.content_id).collect();
        let refs = self.packs.iter().flat_map(|pack| &pack.refs);
        refs.chain(inline.iter().flat_map(|(open, _)| &open.refs))
            .flat_map(|content| &content.parts)
            .filter(|id| !own.contains(*id))
            .copied()
            .collect()
    }
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
            attempt.inline = taken.inline.map(|open| {
                let frames = open.builder.frames().len();
                (open, frames)
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
            self.rescue(commits, cost).await?;
            let draft = self.draft(commits).await?;
            let Some(attempt) = &mut commits.attempt else {
                return Err(VaultError::bug("a commit without an attempt"));
            };
            let object = self.seal(attempt, &draft)?;
            match publish::put(&self.core, &draft.record, &object, cost).await? {
                Tried::Done => {
                    let commit = Commit {
                        record: draft.record,
                        rows: draft.rows,
                        header: object.header,
                        size_bytes: u64::try_from(object.bytes.len()).unwrap_or(u64::MAX),
                    };
                    let sequence = commit.record.sequence;
                    self.check_floor(sequence, cost).await?;
                    let name = names::log(&self.core.id, sequence)?;
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

    async fn check_floor(&self, sequence: u64, cost: &mut Cost) -> Result<(), VaultError> {
        cost.requests += 1;
        floor::check_commit(&self.core, sequence).await
    }

    /// Stores parts again that the attempt counts on and retention took away meanwhile.
    async fn rescue(&self, commits: &mut Commits, cost: &mut Cost) -> Result<(), VaultError> {
        let Some(attempt) = &mut commits.attempt else {
            return Ok(());
        };
        let mut gone = attempt.foreign_parts();
        gone.retain(|id| self.known.find(id).is_none());
        if gone.is_empty() {
            return Ok(());
        }
        let uploaded_at = self.core.ctx.clock.now();
        let Rescued { ulid, object } = commits.lost.rescue(&self.core, &gone).await?;
        let size_bytes = u64::try_from(object.bytes.len()).unwrap_or(u64::MAX);
        cost.bytes += size_bytes;
        cost.requests += 1;
        attempt.packs.push(FlushedPack {
            staged: self.packs.reserve(),
            ulid,
            size_bytes,
            sha256: object.sha256,
            header: object.header,
            frames: object.frames.clone(),
            refs: vec![],
            uploaded_at,
        });
        Ok(())
    }

    async fn draft(&self, commits: &Commits) -> Result<Draft, VaultError> {
        let Some(attempt) = &commits.attempt else {
            return Err(VaultError::bug("a commit without an attempt"));
        };
        let opened = self.opened.read().await;
        let inline = attempt.inline.as_ref().and_then(|(open, frames)| {
            Some(InlineMaterial {
                staged: open.staged,
                frames: open.builder.frames().get(..*frames)?,
                refs: &open.refs,
            })
        });
        let material = Material {
            commit_id: attempt.id,
            info: &attempt.info,
            staged: &attempt.staged,
            packs: &attempt.packs,
            inline,
            numbers: &commits.numbers,
            foreign: &commits.foreign,
            lost: &commits.lost,
            mailbox: &self.core.id,
            now: self.core.ctx.clock.now(),
        };
        draft(&material, &opened.index, &self.known)
    }

    fn seal(&self, attempt: &mut Attempt, draft: &Draft) -> Result<SealedObject, VaultError> {
        let mut own;
        let builder = match &mut attempt.inline {
            Some((open, frames)) => {
                open.builder.truncate(*frames);
                &mut open.builder
            }
            None => {
                own = ObjectBuilder::new(ObjectKind::Segment);
                &mut own
            }
        };
        publish::push(
            builder,
            &draft.record,
            &draft.rows,
            draft.earlier.as_deref(),
        )?;
        let key = names::log(&self.core.id, draft.record.sequence)?;
        builder.seal(self.core.keys.objects(), &key, &*self.core.ctx.rng)
    }

    /// Folds the commits that this writer does not know, up to the attempt if that is among them: an
    /// earlier try succeeded although its answer was lost. True then.
    async fn catch_up(&self, commits: &mut Commits, cost: &mut Cost) -> Result<bool, VaultError> {
        let from = self.base_sequence();
        // What follows may be closed and deleted already, and be no hole. Read after the write that was
        // refused or in doubt.
        self.check_floor(from.saturating_add(1), cost).await?;
        let log = listing::list_log(&self.core, from).await?;
        cost.requests += 1;
        let own = commits.attempt.as_ref().map(|attempt| attempt.id);
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
                // Nothing that may fail comes between taking it over and saying so: it would be repeated.
                self.settle(commits, &name, commit).await?;
                return Ok(true);
            }
            tracing::debug!(mailbox = %self.core.id, sequence, "another writer committed");
            commits.foreign.insert(sequence);
            self.settle(commits, &name, commit).await?;
        }
        Ok(false)
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
            if let (Some((open, _)), Some(inline)) = (&attempt.inline, record.inline) {
                commits.numbers.insert(open.staged, inline.number);
            }
        }
        // The maps first: a part is known before the packs forget that they hold it.
        commits.lost.note(record, &commit.rows, &self.known);
        for entry in &commit.rows {
            if let Some(entry) = LookupEntry::of(entry, |row| item_hash(&row.item)) {
                self.known.add(&entry);
            }
        }
        for id in record.release.iter().flat_map(|release| &release.parts) {
            let place = None;
            self.known.add_part(&PartEntry { id: *id, place });
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
