//! The changes of one folder: by sync state where the server offers it, else by listing.

use std::collections::HashSet;

use mailkeep_model::{FailureClass, FolderId, ItemId, SourceMailboxId};

use super::call::{Call, folder_id};
use super::client::EwsClient;
use super::error_map::{Asked, Operation};
use super::xml::{Element, XmlWriter};
use crate::{ChangePage, Cursor, FolderCursor, ItemChange, SourceError};

static FOLLOW: Operation = Operation::new("follow folder", Asked::Folder);
static LIST: Operation = Operation::new("list folder", Asked::Folder);

/// Changes on one page; the schema allows no more.
const PAGE: &str = "512";
/// Items on one page of a listing.
const LIST_PAGE: &str = "1000";
/// Codes that say that a folder offers no sync.
const NO_SYNC: &[&str] = &[
    "ErrorInvalidOperation",
    "ErrorInvalidFolderTypeForOperation",
    "ErrorOperationNotSupported",
    "ErrorNotSupportedSharingMessage",
    "ErrorSyncFolderTypeNotSupported",
];

/// Where to go on in one folder.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// With this sync state; `None` begins.
    Sync(Option<String>),
    /// With this sync state, at which the folder held nothing.
    Empty(String),
    /// In a listing from this offset, behind this item.
    List(u64, Option<ItemId>),
}

impl Place {
    fn read(cursor: Option<&Cursor>) -> Result<Self, SourceError> {
        let Some(Cursor(text)) = cursor else {
            return Ok(Self::Sync(None));
        };
        let place = text.split_once(':').and_then(|(kind, rest)| match kind {
            "sync" => Some(Self::Sync(Some(rest.to_owned()))),
            "empty" => Some(Self::Empty(rest.to_owned())),
            "list" => match rest.split_once(':') {
                None => rest.parse().ok().map(|offset| Self::List(offset, None)),
                Some((offset, last)) => {
                    let last = Some(ItemId(last.to_owned()));
                    offset.parse().ok().map(|offset| Self::List(offset, last))
                }
            },
            _ => None,
        });
        place.ok_or_else(|| {
            FOLLOW.error(
                FailureClass::SyncReset,
                "unknown_cursor",
                "the cursor was not made by this connector",
            )
        })
    }
}

/// True for a cursor at which the folder held nothing.
pub(crate) fn was_empty(cursor: Option<&Cursor>) -> bool {
    cursor.is_some_and(|cursor| cursor.0.starts_with("empty:"))
}

/// Marks that the folder held nothing at the end of this page.
pub(crate) fn mark_empty(page: &mut ChangePage) {
    let is_bare = !page
        .changes
        .iter()
        .any(|change| !matches!(change, ItemChange::Removed(_)));
    if let Some(Cursor(text)) = &mut page.cursor
        && page.is_last
        && is_bare
        && let Some(state) = text.strip_prefix("sync:")
    {
        *text = format!("empty:{state}");
    }
}

impl EwsClient {
    /// The next page of a folder.
    pub(crate) async fn page(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderCursor,
    ) -> Result<ChangePage, SourceError> {
        let state = match Place::read(folder.cursor.as_ref())? {
            Place::List(offset, last) => {
                return self.listing(mailbox, &folder.folder, offset, last).await;
            }
            Place::Empty(state) => Some(state),
            Place::Sync(state) => state,
        };
        let body = sync_folder_items(&folder.folder, state.as_deref());
        let message = match self.one(&Call::read(&FOLLOW, mailbox, body)).await {
            Ok(message) => message,
            Err(error) if NO_SYNC.contains(&error.code.as_str()) => {
                return match state {
                    None => self.listing(mailbox, &folder.folder, 0, None).await,
                    // It did offer sync once; from here on it is compared as a whole.
                    Some(_) => Err(SourceError {
                        class: FailureClass::SyncReset,
                        ..error
                    }),
                };
            }
            Err(error) => return Err(error),
        };
        let is_last = message
            .text_of("IncludesLastItemInRange")
            .is_none_or(super::item_row::is_true);
        let next = message.text_of("SyncState").map(str::to_owned);
        if next.is_none() || (!is_last && next == state) {
            return Err(FOLLOW.error(
                FailureClass::SyncReset,
                "no_sync_state",
                "the server gave no way to go on",
            ));
        }
        let changes = self.changes_of(mailbox, &folder.folder, &message).await?;
        Ok(ChangePage {
            changes,
            cursor: next.map(|state| Cursor(format!("sync:{state}"))),
            is_last,
        })
    }

    async fn changes_of(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        message: &Element,
    ) -> Result<Vec<ItemChange>, SourceError> {
        let none = Element::default();
        let mut present: Vec<(ItemId, Option<&str>)> = vec![];
        let mut removed = vec![];
        let mut seen = HashSet::new();
        let changes = &message.child("Changes").unwrap_or(&none).children;
        // The last word about an item counts.
        for change in changes.iter().rev() {
            let (id, element) = match change.name.as_str() {
                "Delete" | "ReadFlagChange" => (change.id_of("ItemId"), None),
                _ => {
                    let item = change.children.first();
                    let element = item.map(|item| item.name.as_str());
                    (item.and_then(|item| item.id_of("ItemId")), element)
                }
            };
            let Some(id) = id.map(|id| ItemId(id.to_owned())) else {
                continue;
            };
            if !seen.insert(id.clone()) {
                continue;
            }
            match change.name.as_str() {
                "Delete" => removed.push(id),
                _ => present.push((id, element)),
            }
        }
        present.reverse();
        let mut out = self.present(mailbox, folder, &present).await?;
        out.extend(removed.into_iter().rev().map(ItemChange::Removed));
        Ok(out)
    }

    /// Describes items that the folder holds.
    async fn present(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        ids: &[(ItemId, Option<&str>)],
    ) -> Result<Vec<ItemChange>, SourceError> {
        let rows = self.rows(mailbox, Some(folder), ids).await?;
        let mut out = vec![];
        for ((id, _), row) in ids.iter().zip(rows) {
            out.push(match row {
                Ok(item) => ItemChange::Present(item),
                // Gone between two calls: that is told as a removal, which is verified.
                Err(error) if error.class == FailureClass::ItemGone => {
                    ItemChange::Removed(id.clone())
                }
                Err(error) => ItemChange::Unreadable(id.clone(), error.item_failure()),
            });
        }
        Ok(out)
    }

    /// A page of a folder that is listed.
    pub(crate) async fn listed_page(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderCursor,
    ) -> Result<ChangePage, SourceError> {
        let (offset, last) = match Place::read(folder.cursor.as_ref())? {
            Place::List(offset, last) => (offset, last),
            // Whatever was there before: it is compared as a whole now.
            Place::Sync(_) | Place::Empty(_) => (0, None),
        };
        self.listing(mailbox, &folder.folder, offset, last).await
    }

    /// A page of a folder that offers no sync. The listing begins anew each time and names every
    /// item, so that what it does not name is gone. A page begins with the `last` item of the one
    /// before: if it is not there any more, items have moved up past the place between the pages.
    async fn listing(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        offset: u64,
        last: Option<ItemId>,
    ) -> Result<ChangePage, SourceError> {
        let shift = |code: &str, words: &str| LIST.error(FailureClass::SyncReset, code, words);
        let from = offset.saturating_sub(u64::from(last.is_some()));
        let body = find_item(folder, from);
        let message = self.one(&Call::read(&LIST, mailbox, body)).await?;
        let none = Element::default();
        // Some servers leave the root folder out when there is nothing in it.
        let root = message.child("RootFolder").unwrap_or(&none);
        let items = root.child("Items").unwrap_or(&none);
        let mut changes = vec![];
        for item in &items.children {
            let Some(id) = item.child("ItemId") else {
                continue;
            };
            if let Some(name) = id.attribute("Id") {
                let change_key = id.attribute("ChangeKey").unwrap_or_default();
                changes.push((ItemId(name.to_owned()), change_key.to_owned()));
            }
        }
        let count = items.children.len() as u64;
        if let Some(last) = &last {
            if changes.first().map(|(id, _)| id) != Some(last) {
                let words = "the folder changed while it was listed";
                return Err(shift("listing_shifted", words));
            }
            changes.remove(0);
        }
        let is_last = root
            .attribute("IncludesLastItemInRange")
            .is_none_or(super::item_row::is_true);
        let next = root
            .attribute("IndexedPagingOffset")
            .and_then(|text| text.parse().ok())
            .unwrap_or(from + count);
        let behind = changes.last().map(|(id, _)| id.as_str());
        let cursor = match (is_last, behind) {
            (true, _) => None,
            (false, Some(behind)) if next > offset => Some(Cursor(format!("list:{next}:{behind}"))),
            (false, _) => {
                let words = "the server gave no way to go on";
                return Err(shift("listing_stuck", words));
            }
        };
        let listed = changes
            .into_iter()
            .map(|(id, change_key)| ItemChange::Listed(id, change_key));
        Ok(ChangePage {
            changes: listed.collect(),
            cursor,
            is_last,
        })
    }
}

fn sync_folder_items(folder: &FolderId, state: Option<&str>) -> String {
    let mut writer = XmlWriter::new();
    writer
        .start("m:SyncFolderItems", &[])
        .start("m:ItemShape", &[])
        .text("t:BaseShape", "IdOnly")
        .end()
        .start("m:SyncFolderId", &[])
        .raw(&folder_id(folder.as_str()))
        .end();
    if let Some(state) = state {
        writer.text("m:SyncState", state);
    }
    writer
        .text("m:MaxChangesReturned", PAGE)
        .text("m:SyncScope", "NormalItems");
    writer.finish()
}

fn find_item(folder: &FolderId, offset: u64) -> String {
    let mut writer = XmlWriter::new();
    writer
        .start("m:FindItem", &[("Traversal", "Shallow")])
        .start("m:ItemShape", &[])
        .text("t:BaseShape", "IdOnly")
        .end()
        .empty(
            "m:IndexedPageItemView",
            &[
                ("MaxEntriesReturned", LIST_PAGE),
                ("Offset", &offset.to_string()),
                ("BasePoint", "Beginning"),
            ],
        )
        // A stable order, so that what comes in meanwhile is behind what was listed.
        .raw("<m:SortOrder><t:FieldOrder Order=\"Ascending\">")
        .raw("<t:FieldURI FieldURI=\"item:DateTimeCreated\"/></t:FieldOrder></m:SortOrder>")
        .start("m:ParentFolderIds", &[])
        .raw(&folder_id(folder.as_str()));
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_back() {
        let read = |text: &str| Place::read(Some(&Cursor(text.into())));
        assert_eq!(read("sync:a:b=").unwrap(), Place::Sync(Some("a:b=".into())));
        assert_eq!(read("empty:x").unwrap(), Place::Empty("x".into()));
        assert_eq!(read("list:1000").unwrap(), Place::List(1000, None));
        let behind = Some(ItemId("a:b=".into()));
        assert_eq!(read("list:7:a:b=").unwrap(), Place::List(7, behind));
        assert_eq!(Place::read(None).unwrap(), Place::Sync(None));
        for bad in ["", "x", "list:a", "other:1"] {
            assert_eq!(read(bad).unwrap_err().class, FailureClass::SyncReset);
        }
    }

    #[test]
    fn only_a_page_without_items_marks_a_folder_as_empty() {
        let page = |changes| {
            let mut page = ChangePage {
                changes,
                cursor: Some(Cursor("sync:s".into())),
                is_last: true,
            };
            mark_empty(&mut page);
            was_empty(page.cursor.as_ref())
        };
        assert!(page(vec![]));
        assert!(page(vec![ItemChange::Removed(ItemId("x".into()))]));
        let failure = FOLLOW
            .error(FailureClass::ItemPermanent, "x", "y")
            .item_failure();
        assert!(!page(vec![ItemChange::Unreadable(
            ItemId("x".into()),
            failure
        )]));
    }

    #[test]
    fn requests_in_schema_order() {
        let text = sync_folder_items(&FolderId("F&".into()), Some("s"));
        let order = [
            "ItemShape",
            "SyncFolderId",
            "SyncState",
            "MaxChangesReturned",
            "SyncScope",
        ];
        let places: Vec<usize> = order.map(|name| text.find(name).unwrap()).to_vec();
        assert!(places.is_sorted() && text.contains("F&amp;"));
    }
}
