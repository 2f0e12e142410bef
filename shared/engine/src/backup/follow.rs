//! Following one folder page by page.

use std::collections::HashSet;

use mailkeep_exchange::{ChangePage, Cursor, FolderCursor, ItemChange, SourceError, SourceItem};
use mailkeep_model::{FailureClass, FolderId, ItemId};
use mailkeep_vault::ItemKey;

use super::cursor::StoredCursor;
use super::halt::{Halt, Verdict, judge};
use super::session::Session;
use crate::Event;

/// How often one folder may be listed anew within a run.
const MAX_RESETS: u32 = 3;
/// Passing failures of folders in a row after which the service is considered down.
const MAX_FAILED_FOLDERS: usize = 3;
/// Items that a listing named and that are described at once.
const DESCRIBED_AT_ONCE: usize = 250;
/// Pages in a row that neither bring anything nor end: a loop.
const MAX_EMPTY_PAGES: u32 = 1000;

/// How one folder's listing stands.
struct Listing {
    folder: FolderId,
    /// Where the next page starts.
    cursor: Option<Cursor>,
    /// While a folder with stored items is listed from its start: those not named yet. Its page
    /// cursors are not stored, so that an interrupted comparison starts over.
    unnamed: Option<HashSet<ItemKey>>,
    resets: u32,
    empty_pages: u32,
    /// The listing spans several pages, perhaps of several runs. What changed behind it meanwhile
    /// shows only when the source is asked once more after the last page.
    is_long: bool,
}

enum Step {
    Next,
    End,
}

impl Session {
    /// Follows a folder to its last page. A failure of the folder is noted; only what concerns the
    /// whole mailbox ends it.
    pub(super) async fn follow(
        &mut self,
        folder: &FolderId,
        first: Option<Result<ChangePage, SourceError>>,
    ) -> Result<(), Halt> {
        self.check_stop()?;
        let start = self.folder_cursor(folder.clone()).cursor;
        let mut listing = Listing {
            folder: folder.clone(),
            unnamed: None,
            resets: 0,
            empty_pages: 0,
            is_long: self
                .cursors
                .get(folder)
                .is_some_and(|stored| !StoredCursor::read(stored).is_finished),
            cursor: start,
        };
        if listing.cursor.is_none() {
            self.compare_from_start(&mut listing).await?;
        }
        let mut answer = match first {
            Some(answer) => answer,
            None => self.ask(&listing).await,
        };
        loop {
            let page = match answer {
                Ok(page) => page,
                Err(error) => match self.folder_failed(&mut listing, error).await? {
                    Step::Next => {
                        answer = self.ask(&listing).await;
                        continue;
                    }
                    Step::End => return Ok(()),
                },
            };
            listing.empty_pages = if page.changes.is_empty() {
                listing.empty_pages + 1
            } else {
                0
            };
            let is_stuck =
                !page.is_last && (page.cursor.is_none() || listing.empty_pages > MAX_EMPTY_PAGES);
            let (is_last, next) = (page.is_last || is_stuck, page.cursor.clone());
            listing.cursor.clone_from(&next);
            // The next page is asked for while this one's items are fetched.
            let source = self.context.source.clone();
            let (mailbox, taker) = (self.mailbox.clone(), self.taker.clone());
            let request = FolderCursor {
                folder: folder.clone(),
                cursor: next,
            };
            let ahead = async {
                if is_last {
                    None
                } else {
                    Some(taker.waiting(source.changes(&mailbox, &request)).await)
                }
            };
            let (done, ahead) = futures::join!(self.take_page(&mut listing, page.changes), ahead);
            if let Some(error) = done? {
                self.note_incomplete(folder, error);
                return Ok(());
            }
            if is_stuck {
                self.note_incomplete(
                    folder,
                    SourceError::new(
                        FailureClass::RequestBug,
                        "follow folder",
                        "endless_pages",
                        "the source's pages do not come to an end",
                    ),
                );
                return Ok(());
            }
            self.pass(&mut listing, is_last).await?;
            self.report_progress();
            self.commit_if_due().await?;
            answer = match ahead {
                Some(next) => {
                    listing.is_long = true;
                    next
                }
                None if std::mem::take(&mut listing.is_long) && listing.cursor.is_some() => {
                    self.check_stop()?;
                    self.ask(&listing).await
                }
                None => return Ok(()),
            };
            self.check_stop()?;
        }
    }

    async fn ask(&self, listing: &Listing) -> Result<ChangePage, SourceError> {
        let request = FolderCursor {
            folder: listing.folder.clone(),
            cursor: listing.cursor.clone(),
        };
        let asked = self.context.source.changes(&self.mailbox, &request);
        self.taker.waiting(asked).await
    }

    /// From here on the folder is listed from its start; what it held is compared with that.
    async fn compare_from_start(&mut self, listing: &mut Listing) -> Result<(), Halt> {
        listing.cursor = None;
        // What is compared must be committed: its id is read from the index afterwards.
        self.commit_staged_items(&listing.folder).await?;
        let known: HashSet<ItemKey> = self
            .writer
            .known_keys_in(&listing.folder)
            .into_iter()
            .collect();
        listing.unnamed = (!known.is_empty() || listing.resets > 0).then_some(known);
        Ok(())
    }

    async fn folder_failed(
        &mut self,
        listing: &mut Listing,
        error: SourceError,
    ) -> Result<Step, Halt> {
        let folder = listing.folder.clone();
        match judge(error) {
            Verdict::Halt(halt) => Err(halt),
            Verdict::Resync(error) if self.fails_on(&error) => Err(Halt::Source(error)),
            Verdict::Resync(error) => {
                listing.resets += 1;
                self.is_substantive = true;
                self.put_cursor(&folder, None);
                if error.class == FailureClass::FolderGone && listing.resets > 1 {
                    self.doubt_all_in(&folder).await?;
                    return Ok(Step::End);
                }
                if listing.resets > MAX_RESETS {
                    self.note_incomplete(&folder, error);
                    return Ok(Step::End);
                }
                self.counters.resyncs += 1;
                self.compare_from_start(listing).await?;
                self.emit(&Event::FolderResync {
                    mailbox: self.mailbox.clone(),
                    folder: self.folder_name(&folder),
                });
                Ok(Step::Next)
            }
            Verdict::Passing(error) => {
                self.note_incomplete(&folder, error.clone());
                let passing =
                    |error: &&SourceError| matches!(judge((*error).clone()), Verdict::Passing(_));
                if self.incomplete.values().filter(passing).count() >= MAX_FAILED_FOLDERS {
                    return Err(Halt::Source(error));
                }
                Ok(Step::End)
            }
            Verdict::Permanent(error) => {
                self.note_incomplete(&folder, error);
                Ok(Step::End)
            }
            Verdict::Gone => {
                let code = "item_gone";
                let error = SourceError::new(
                    FailureClass::RequestBug,
                    "follow folder",
                    code,
                    "the source says that an item is gone where a folder was asked for",
                );
                self.note_incomplete(&folder, error);
                Ok(Step::End)
            }
        }
    }

    /// The first failure of a folder counts, and is told.
    pub(super) fn note_incomplete(&mut self, folder: &FolderId, error: SourceError) {
        if self.incomplete.contains_key(folder) {
            return;
        }
        let name = self.folder_name(folder);
        self.warnings
            .push(format!("folder `{name}` is incomplete: {error}"));
        self.incomplete.insert(folder.clone(), error);
    }

    /// Deals with the changes of one page. An error of the folder means that it cannot go on.
    async fn take_page(
        &mut self,
        listing: &mut Listing,
        changes: Vec<ItemChange>,
    ) -> Result<Option<SourceError>, Halt> {
        let is_listed = |change: &ItemChange| matches!(change, ItemChange::Listed(..));
        if !changes.iter().all(is_listed) {
            self.is_substantive = true;
        }
        let mut present = vec![];
        let mut unknown = vec![];
        for change in last_of_each(changes) {
            match change {
                ItemChange::Present(item) => {
                    self.named(listing, &item.item.id)?;
                    self.counters.items_scanned += 1;
                    present.push(*item);
                }
                ItemChange::Listed(id, change_key) => {
                    self.named(listing, &id)?;
                    self.counters.items_scanned += 1;
                    if self.has_version(&id, &change_key, &listing.folder).await? {
                        self.counters.items_unchanged += 1;
                    } else {
                        unknown.push(id);
                    }
                }
                ItemChange::Unreadable(id, failure) => {
                    self.named(listing, &id)?;
                    self.counters.items_scanned += 1;
                    self.record_failure(&id, &listing.folder, failure)?;
                }
                ItemChange::Removed(id) => {
                    if let Some(unnamed) = &mut listing.unnamed {
                        unnamed.remove(&self.writer.key(&id));
                    }
                    self.doubt(&id, &listing.folder)?;
                }
            }
        }
        match self.describe(listing, &unknown).await? {
            Ok(described) => present.extend(described),
            Err(error) => return Ok(Some(error)),
        }
        self.process(present).await?;
        Ok(None)
    }

    /// True when the vault has the item in this version in this folder and nothing is open about it.
    async fn has_version(
        &self,
        id: &ItemId,
        change_key: &str,
        folder: &FolderId,
    ) -> Result<bool, Halt> {
        let known = self.writer.known(id);
        let is_here = known.is_some_and(|known| known.folder == *folder);
        if !is_here || self.ledger.contains_key(id) || self.reads_everything() {
            return Ok(false);
        }
        let version = self.writer.current(self.writer.key(id)).await?;
        Ok(version.is_some_and(|it| it.item.change_key == change_key && it.content.is_some()))
    }

    /// Asks for what a listing named and the vault does not have.
    async fn describe(
        &mut self,
        listing: &mut Listing,
        ids: &[ItemId],
    ) -> Result<Result<Vec<SourceItem>, SourceError>, Halt> {
        let mut described = vec![];
        for ids in ids.chunks(DESCRIBED_AT_ONCE) {
            self.check_stop()?;
            let asked = self
                .context
                .source
                .describe(&self.mailbox, &listing.folder, ids);
            let answers = match self.taker.waiting(asked).await {
                Ok(answers) => answers,
                Err(error) => match judge(error) {
                    Verdict::Halt(halt) => return Err(halt),
                    Verdict::Resync(e) | Verdict::Passing(e) | Verdict::Permanent(e) => {
                        return Ok(Err(e));
                    }
                    Verdict::Gone => continue,
                },
            };
            for (id, answer) in answers {
                match answer {
                    Ok(Some(item)) => described.push(*item),
                    // Gone between two calls; verified like any other removal.
                    Ok(None) => {
                        self.is_substantive = true;
                        self.doubt(&id, &listing.folder)?;
                    }
                    Err(error) => {
                        let failure = error.item_failure();
                        if let Verdict::Halt(halt) = judge(error) {
                            return Err(halt);
                        }
                        self.record_failure(&id, &listing.folder, failure)?;
                    }
                }
            }
        }
        Ok(Ok(described))
    }

    /// The source named the item: it is there.
    fn named(&mut self, listing: &mut Listing, id: &ItemId) -> Result<(), Halt> {
        if let Some(unnamed) = &mut listing.unnamed {
            unnamed.remove(&self.writer.key(id));
        }
        self.trust(id)
    }

    /// The page is staged: its cursor may be, too.
    async fn pass(&mut self, listing: &mut Listing, is_last: bool) -> Result<(), Halt> {
        if is_last && let Some(unnamed) = listing.unnamed.take() {
            for key in unnamed {
                if let Some(version) = self.writer.current(key).await?
                    && version.item.folder == listing.folder
                {
                    self.doubt(&version.item.id, &listing.folder)?;
                }
            }
        }
        if listing.unnamed.is_none() {
            let difference = self.differences.get(&listing.folder).copied();
            let cursor = listing.cursor.clone().map(|cursor| StoredCursor {
                cursor,
                is_finished: is_last,
                difference,
            });
            self.put_cursor(&listing.folder, cursor);
        }
        Ok(())
    }

    /// Stages a cursor, or that there is none.
    pub(super) fn put_cursor(&mut self, folder: &FolderId, cursor: Option<StoredCursor>) {
        let cursor = cursor.map(|cursor| cursor.write());
        self.writer.set_cursor(folder, cursor.as_deref());
        match cursor {
            Some(cursor) => self.cursors.insert(folder.clone(), cursor),
            None => self.cursors.remove(folder),
        };
    }
}

/// A page may name an item several times; the last word counts, and two tasks must not work on one
/// item at once.
fn last_of_each(changes: Vec<ItemChange>) -> Vec<ItemChange> {
    let mut seen: HashSet<ItemId> = HashSet::new();
    let mut last: Vec<ItemChange> = changes
        .into_iter()
        .rev()
        .filter(|change| {
            let id = match change {
                ItemChange::Present(item) => &item.item.id,
                ItemChange::Removed(id)
                | ItemChange::Unreadable(id, _)
                | ItemChange::Listed(id, _) => id,
            };
            seen.insert(id.clone())
        })
        .collect();
    last.reverse();
    last
}
