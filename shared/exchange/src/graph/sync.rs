//! The first look at a mailbox in a run: tree and every folder, in one stream of batches.

use std::collections::BTreeSet;

use mailkeep_model::{
    Action, FailureClass, Folder, FolderId, FolderKind, SourceMailboxId, WellKnownFolder,
};
use url::Url;

use super::batch::{Part, PartAnswer, read_part};
use super::cursor::{ItemCursor, TreeCursor};
use super::feed::{FOLLOW, Feeds, RawPage, is_shrinkable, prefer, reset};
use super::folder_row::LIST;
use super::organizer::{Organized, apart, is_refused, operation, organizer_place};
use super::tree::{FOLLOW_TREE, PAGE};
use super::tree_changes::TreeAnswers;
use crate::{ChangePage, FolderChanges, FolderCursor, SourceError, SyncRequest, SyncRound};

/// Largest page inside a batch: twenty of them come in one answer.
const PAGE_IN_BATCH: u32 = 50;
/// Members of one batch.
const BATCH: usize = 20;

/// Folders that every look sees from below, where one batch more does not make a quiet mailbox dear.
const LEAST_LOOKED_AT: usize = 8;
/// Three batches: then a quiet mailbox still costs at most four requests.
const MOST_BEFORE_ONE_MORE: usize = 3 * BATCH;

/// A folder's place in the round.
enum Planned {
    /// Its page is the answer of the next part.
    Asked(ItemCursor),
    /// Its cursor cannot be used.
    Failed(SourceError),
}

impl Feeds<'_> {
    /// The tree's changes and the first page of every requested folder.
    pub(crate) async fn round(
        &self,
        mailbox: &SourceMailboxId,
        request: SyncRequest,
    ) -> Result<SyncRound, SourceError> {
        let tree_place = match &request.tree_cursor {
            Some(cursor) => self.tree_place(cursor).ok(),
            None => None,
        };
        let Some((cursor, url)) = tree_place else {
            let mut tree = keep_inside(self.client.whole_tree(mailbox).await)?;
            if let Ok(tree) = &mut tree {
                let kinds = self
                    .client
                    .organizer_folders(mailbox, &request.leave_out)
                    .await;
                join(tree, kinds, &request);
            }
            let pages = self.first_pages(mailbox, &request.folders).await?;
            return Ok(SyncRound { tree, pages });
        };
        let feed = Part {
            prefer: Some(PAGE.into()),
            ..Part::new(&FOLLOW_TREE, url)
        };
        let top = Part::new(&LIST, self.client.children_url(mailbox, None));
        let mut parts = vec![feed, top];
        let plan = self.plan(mailbox, &request.folders, &mut parts);
        let listings = self.client.organizer_parts(mailbox, &request.leave_out);
        let children = self.client.organizer_children(mailbox, &request);
        let number = listings.len();
        parts.extend(listings);
        parts.extend(children.iter().map(|(_, part)| part.clone()));
        // Places that are free in the last batch look for hidden folders, and at the counts, further down.
        let mut free = parts.len().next_multiple_of(BATCH) - parts.len();
        if free < LEAST_LOOKED_AT && parts.len() <= MOST_BEFORE_ONE_MORE {
            free += BATCH;
        }
        let looked_at = self.next_parents(&request, &cursor.looked_at, free);
        parts.extend(looked_at.iter().map(|parent| {
            let url = self.client.children_url(mailbox, Some(parent.as_str()));
            Part::new(&super::folder_row::LIST_CHILDREN, url)
        }));
        let mut answers = self.client.batch(Some(mailbox), &parts).await?.into_iter();
        let mut next = || {
            let missing = || Err(FOLLOW.error(FailureClass::Transient, "no_answer", "no answer"));
            answers.next().unwrap_or_else(missing)
        };
        let feed = read_part(&FOLLOW_TREE, next());
        let top = read_part(&LIST, next());
        let mut pages = vec![];
        for (folder, planned) in request.folders.iter().zip(plan) {
            let page = match planned {
                Planned::Failed(error) => Err(error),
                Planned::Asked(place) => self.first_page(mailbox, folder, &place, next()).await,
            };
            pages.push((folder.folder.clone(), page));
        }
        let listings: Vec<PartAnswer> = (0..number).map(|_| next()).collect();
        let children = children.into_iter().map(|(id, _)| (id, next())).collect();
        let below = looked_at
            .into_iter()
            .filter_map(|parent| {
                let page = read_part(&super::folder_row::LIST_CHILDREN, next()).ok()?;
                Some((parent, page))
            })
            .collect();
        let known: Vec<Folder> = request
            .known_folders
            .iter()
            .filter(|folder| organizer_place(&folder.id).is_none())
            .cloned()
            .collect();
        let answers = TreeAnswers {
            cursor,
            feed,
            top,
            below,
        };
        let tree = self.client.tree_changes(mailbox, &known, answers);
        let tree: Result<FolderChanges, SourceError> = match tree.await {
            Err(error) if error.class == FailureClass::SyncReset => {
                self.client.whole_tree(mailbox).await
            }
            other => other,
        };
        let mut tree = keep_inside(tree)?;
        if let Ok(tree) = &mut tree {
            let kinds = self
                .client
                .organized(mailbox, listings, children, &request.leave_out)
                .await;
            join(tree, kinds, &request);
        }
        Ok(SyncRound { tree, pages })
    }

    fn tree_place(&self, cursor: &crate::Cursor) -> Result<(TreeCursor, Url), SourceError> {
        let place = TreeCursor::read(&FOLLOW_TREE, cursor)?;
        let url = self.client.links.check(&FOLLOW_TREE, &place.link)?;
        Ok((place, url))
    }

    /// Adds one part per folder.
    fn plan(
        &self,
        mailbox: &SourceMailboxId,
        folders: &[FolderCursor],
        parts: &mut Vec<Part>,
    ) -> Vec<Planned> {
        let mut plan = vec![];
        for folder in folders {
            plan.push(match self.place(mailbox, folder) {
                Ok((place, url)) => {
                    let own = organizer_place(&folder.folder);
                    let size = match own {
                        // Ids only.
                        Some(_) => self.size(&place),
                        None => self.size(&place).min(PAGE_IN_BATCH),
                    };
                    parts.push(Part {
                        prefer: Some(prefer(size)),
                        ..Part::new(own.map_or(&FOLLOW, operation), url)
                    });
                    Planned::Asked(place)
                }
                Err(error) => Planned::Failed(error),
            });
        }
        plan
    }

    async fn first_pages(
        &self,
        mailbox: &SourceMailboxId,
        folders: &[FolderCursor],
    ) -> Result<Vec<(FolderId, Result<ChangePage, SourceError>)>, SourceError> {
        let mut parts = vec![];
        let plan = self.plan(mailbox, folders, &mut parts);
        let mut answers = self.client.batch(Some(mailbox), &parts).await?.into_iter();
        let mut pages = vec![];
        for (folder, planned) in folders.iter().zip(plan) {
            let page = match planned {
                Planned::Failed(error) => Err(error),
                Planned::Asked(place) => {
                    let missing = FOLLOW.error(FailureClass::Transient, "no_answer", "no answer");
                    let answer = answers.next().unwrap_or(Err(missing));
                    self.first_page(mailbox, folder, &place, answer).await
                }
            };
            pages.push((folder.folder.clone(), page));
        }
        Ok(pages)
    }

    async fn first_page(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderCursor,
        place: &ItemCursor,
        answer: PartAnswer,
    ) -> Result<ChangePage, SourceError> {
        let own = organizer_place(&folder.folder);
        let answer = read_part::<RawPage>(own.map_or(&FOLLOW, operation), answer);
        match answer {
            Err(error) if own.is_some() && is_refused(&error) => Err(apart(error)),
            Ok(page) => self.accept(mailbox, &folder.folder, place, page).await,
            Err(error) if error.class == FailureClass::RequestBug && folder.cursor.is_some() => {
                Err(reset(error))
            }
            // Alone it may work, with smaller pages or another kind of feed.
            Err(error) if is_shrinkable(&error) || error.class == FailureClass::RequestBug => {
                self.page(mailbox, folder).await
            }
            Err(error) => Err(error),
        }
    }

    /// The folders to look below this time: first those that hold others, whose counts show nowhere else, then
    /// the next ones in the order of their ids.
    fn next_parents(&self, request: &SyncRequest, after: &str, count: usize) -> Vec<String> {
        let known: Vec<&Folder> = request
            .known_folders
            .iter()
            .filter(|folder| organizer_place(&folder.id).is_none())
            .collect();
        // What lies at the top is listed anyway.
        let is_root = |id: &FolderId| {
            let is_it = |one: &&&Folder| one.well_known == Some(WellKnownFolder::Root);
            known.iter().find(is_it).is_some_and(|root| root.id == *id)
        };
        let parents: BTreeSet<&str> = known
            .iter()
            .filter_map(|folder| folder.parent.as_ref())
            .filter(|parent| !is_root(parent))
            .map(FolderId::as_str)
            .collect();
        let mut ids: Vec<&str> = known.iter().map(|folder| folder.id.as_str()).collect();
        ids.sort_unstable();
        let (holders, others): (Vec<&str>, Vec<&str>) =
            ids.into_iter().partition(|id| parents.contains(id));
        // One place is left for the others, so that everyone has a turn.
        let mut chosen = in_turn(&holders, after, count.saturating_sub(1));
        let rest = count.saturating_sub(chosen.len());
        chosen.extend(in_turn(&others, after, rest));
        chosen
    }
}

/// So many of the sorted `ids`, from the first one after `after` on, around the end.
fn in_turn(ids: &[&str], after: &str, count: usize) -> Vec<String> {
    let start = ids.partition_point(|id| *id <= after);
    let turn = ids.iter().cycle().skip(start);
    turn.take(count.min(ids.len()))
        .map(|id| (*id).to_owned())
        .collect()
}

/// What stops the mailbox or the connection fails the round; the rest is told inside.
fn keep_inside(
    tree: Result<FolderChanges, SourceError>,
) -> Result<Result<FolderChanges, SourceError>, SourceError> {
    match tree {
        Err(error)
            if matches!(
                error.class.action(),
                Action::StopConnection | Action::StopMailbox
            ) =>
        {
            Err(error)
        }
        other => Ok(other),
    }
}

/// Adds what was found of contacts, calendars and tasks. What could not be read, or is not wanted, stays as it
/// was known.
fn join(tree: &mut FolderChanges, found: Result<Organized, SourceError>, request: &SyncRequest) {
    let all = [
        FolderKind::Contacts,
        FolderKind::Calendar,
        FolderKind::Tasks,
    ];
    let (found, unread) = match found {
        Ok(found) => (found.folders, found.unread),
        Err(error) => (vec![], all.map(|kind| (kind, error.clone())).to_vec()),
    };
    let is_unread = |kind: FolderKind| {
        request.leave_out.contains(&kind) || unread.iter().any(|(one, _)| *one == kind)
    };
    let known = request.known_folders.iter();
    let known: Vec<&Folder> = known
        .filter(|folder| organizer_place(&folder.id).is_some())
        .collect();
    for folder in &known {
        let is_named = found.iter().any(|one| one.id == folder.id);
        match is_unread(FolderKind::from_class(&folder.class)) {
            true if tree.is_complete => tree.folders.push((*folder).clone()),
            false if !is_named && !tree.is_complete => tree.removed.push(folder.id.clone()),
            _ => {}
        }
    }
    tree.folders.extend(
        found
            .into_iter()
            .filter(|folder| tree.is_complete || !known.contains(&folder)),
    );
    let mut told: Option<SourceError> = None;
    for (_, error) in unread
        .into_iter()
        .filter(|(kind, _)| !request.leave_out.contains(kind))
    {
        match &mut told {
            None => told = Some(error),
            // Each permission that misses is named at once, not the next one after the first was given.
            Some(first) if !first.message.contains(&error.message) => {
                first.message =
                    format!("{}; {}: {}", first.message, error.operation, error.message);
            }
            Some(_) => {}
        }
    }
    if let Some(error) = told {
        tree.unread.get_or_insert_with(|| Box::new(error));
    }
}
