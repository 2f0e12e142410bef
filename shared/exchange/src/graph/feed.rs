//! The change feed of one folder.
//!
//! Page size adapts: it halves when a page cannot be had (time-out, cut answer, an item that the
//! service cannot describe) and grows back after pages that worked. What real Graph allows when a
//! page of one item still fails: nothing. Its link names the place in the feed and only a good
//! answer names the next, and `$select` is baked into the link. So the folder is then listed anew
//! with a feed of bare ids, which needs no conversion of the damaged item, and each item is
//! described by itself: the damaged one becomes `Unreadable`, its neighbours are all there.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use mailkeep_model::{Action, FailureClass, FolderId, ItemId, SourceMailboxId};
use serde::Deserialize;
use url::Url;

use super::call::Call;
use super::client::GraphClient;
use super::cursor::{FeedMode, ItemCursor};
use super::error_map::{Asked, Operation};
use super::message_json::{self, Object};
use super::organizer::{apart, is_refused, operation, organizer_place};
use crate::retry::is_retryable;
use crate::{ChangePage, FolderCursor, ItemChange, SourceError};

pub(crate) const FOLLOW: Operation =
    Operation::new("follow changes of a folder", Asked::Folder, "Mail.Read");

/// Ids on one page of a feed of bare ids: each costs a call.
const IDS_PAGE: u32 = 100;

/// A page as the service gives it.
#[derive(Deserialize)]
pub(crate) struct RawPage {
    pub(crate) value: Vec<Object>,
    #[serde(rename = "@odata.nextLink")]
    pub(crate) next: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    pub(crate) delta: Option<String>,
}

/// What was learned about feeds since the start.
#[derive(Debug, Default)]
pub(crate) struct FeedHabits {
    /// The service does not expand properties in a feed.
    refuses_expand: AtomicBool,
    /// Folders that hold an item which cannot be described.
    damaged: Mutex<HashSet<(SourceMailboxId, FolderId)>>,
}

impl FeedHabits {
    fn mode(&self, mailbox: &SourceMailboxId, folder: &FolderId) -> FeedMode {
        let damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        if self.refuses_expand.load(Ordering::Relaxed)
            || damaged.contains(&(mailbox.clone(), folder.clone()))
        {
            FeedMode::Ids
        } else {
            FeedMode::Full
        }
    }

    fn mark_damaged(&self, mailbox: &SourceMailboxId, folder: &FolderId) {
        let mut damaged = self.damaged.lock().unwrap_or_else(PoisonError::into_inner);
        damaged.insert((mailbox.clone(), folder.clone()));
    }
}

/// The change feeds of one connection.
pub(crate) struct Feeds<'a> {
    pub(crate) client: &'a GraphClient,
    pub(crate) habits: &'a FeedHabits,
}

impl Feeds<'_> {
    /// Where to read on: the stored place, or the start of the feed.
    pub(crate) fn place(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderCursor,
    ) -> Result<(ItemCursor, Url), SourceError> {
        if let Some(cursor) = &folder.cursor {
            let place = ItemCursor::read(&FOLLOW, cursor)?;
            let url = self.client.links.check(&FOLLOW, &place.link)?;
            return Ok((place, url));
        }
        if let Some(place) = organizer_place(&folder.folder) {
            let start = self.client.organizer_start(mailbox, place);
            let url = self.client.links.check(&FOLLOW, &start.link)?;
            return Ok((start, url));
        }
        let mode = self.habits.mode(mailbox, &folder.folder);
        let expand = message_json::expand();
        let query: &[(&str, &str)] = match mode {
            FeedMode::Full => &[("$select", message_json::SELECT), ("$expand", &expand)],
            FeedMode::Ids => &[("$select", "id")],
        };
        let path = ["mailFolders", folder.folder.as_str(), "messages", "delta"];
        let url = self.client.links.user(mailbox.as_str(), &path, query);
        let place = ItemCursor::new(url.to_string(), mode, self.client.options.page_size);
        Ok((place, url))
    }

    /// The next page, of whatever size can be had.
    pub(crate) async fn page(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderCursor,
    ) -> Result<ChangePage, SourceError> {
        let (mut place, mut url) = self.place(mailbox, folder)?;
        let own = organizer_place(&folder.folder);
        let follow = own.map_or(&FOLLOW, operation);
        loop {
            let size = self.size(&place);
            let mut call = Call::get(follow, Some(mailbox), url.clone()).prefer(prefer(size));
            if size > 1 {
                call = call.attempts(2);
            }
            let error = match self.client.json::<RawPage>(&call).await {
                Ok(page) => return self.accept(mailbox, &folder.folder, &place, page).await,
                Err(error) if own.is_some() && is_refused(&error) => return Err(apart(error)),
                Err(error) => error,
            };
            if error.class == FailureClass::RequestBug {
                if folder.cursor.is_some() {
                    return Err(reset(error));
                }
                if place.mode == FeedMode::Ids {
                    return Err(error);
                }
                self.habits.refuses_expand.store(true, Ordering::Relaxed);
                (place, url) = self.place(mailbox, folder)?;
            } else if size > 1 && is_shrinkable(&error) {
                place.page = size / 2;
            } else if size == 1 && place.mode == FeedMode::Full && is_damage(&error) {
                self.habits.mark_damaged(mailbox, &folder.folder);
                return Err(reset(error));
            } else {
                return Err(error);
            }
        }
    }

    /// The page size to ask for.
    pub(crate) fn size(&self, place: &ItemCursor) -> u32 {
        place.page.clamp(1, self.largest(place.mode))
    }

    fn largest(&self, mode: FeedMode) -> u32 {
        match mode {
            FeedMode::Full => self.client.options.page_size.max(1),
            FeedMode::Ids => self.client.options.page_size.clamp(1, IDS_PAGE),
        }
    }

    /// Turns a raw page into changes, describing by id what the page does not describe.
    pub(crate) async fn accept(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        place: &ItemCursor,
        page: RawPage,
    ) -> Result<ChangePage, SourceError> {
        if let Some(own) = organizer_place(folder) {
            return self.client.organizer_page(own, place, page);
        }
        let transient = |code, words| FOLLOW.error(FailureClass::Transient, code, words);
        let is_last = page.delta.is_some();
        let Some(link) = page.delta.or(page.next) else {
            return Err(transient("no_link", "a page of changes names no next one"));
        };
        self.client.links.check(&FOLLOW, &link)?;
        if page.value.is_empty() && !is_last && link == place.link {
            return Err(transient(
                "no_progress",
                "a page of changes leads to itself",
            ));
        }
        let mut changes = Vec::with_capacity(page.value.len());
        let mut unknown: Vec<ItemId> = vec![];
        for message in &page.value {
            let Some(id) = message_json::id(message) else {
                continue;
            };
            if message.contains_key("@removed") {
                changes.push(ItemChange::Removed(id));
                continue;
            }
            let found = match place.mode {
                FeedMode::Full if message_json::is_complete(message) => {
                    message_json::source_item(message, Some(folder))
                }
                _ => None,
            };
            match found {
                Some(item) => changes.push(ItemChange::Present(Box::new(item))),
                None => unknown.push(id),
            }
        }
        drop(page.value);
        self.add_described(mailbox, folder, unknown, &mut changes)
            .await?;
        let grown = self
            .size(place)
            .saturating_mul(2)
            .min(self.largest(place.mode));
        Ok(ChangePage {
            changes,
            cursor: Some(ItemCursor::new(link, place.mode, grown).write()),
            is_last,
        })
    }

    async fn add_described(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        mut items: Vec<ItemId>,
        changes: &mut Vec<ItemChange>,
    ) -> Result<(), SourceError> {
        items.sort_unstable();
        items.dedup();
        let found = self.client.describe(mailbox, &items).await?;
        for (id, found) in items.into_iter().zip(found) {
            changes.push(match found {
                Ok(Some(item)) if item.item.folder == *folder => ItemChange::Present(item),
                // It moved or went since the page was made; its other folder tells the rest.
                Ok(_) => ItemChange::Removed(id),
                Err(error) if concerns_one_item(&error) => {
                    ItemChange::Unreadable(id, error.item_failure())
                }
                Err(error) => return Err(error),
            });
        }
        Ok(())
    }
}

/// The preference for a page size; `$top` would cut the feed short.
pub(crate) fn prefer(size: u32) -> String {
    format!("odata.maxpagesize={size}")
}

/// The cursor is of no use any more; list anew.
pub(crate) fn reset(error: SourceError) -> SourceError {
    SourceError {
        class: FailureClass::SyncReset,
        ..error
    }
}

/// True when a smaller page may do.
pub(crate) fn is_shrinkable(error: &SourceError) -> bool {
    match error.class {
        FailureClass::ItemPermanent => true,
        FailureClass::Throttled => false,
        FailureClass::Connection => error.code != "connect",
        class => is_retryable(class),
    }
}

/// True when a page of one item fails because of that item.
fn is_damage(error: &SourceError) -> bool {
    error.class == FailureClass::ItemPermanent
        || [
            "http_500",
            "InternalServerError",
            "ErrorInternalServerError",
        ]
        .iter()
        .any(|code| error.code.eq_ignore_ascii_case(code))
}

fn concerns_one_item(error: &SourceError) -> bool {
    error.class.action() == Action::RecordGap || error.class == FailureClass::Transient
}
