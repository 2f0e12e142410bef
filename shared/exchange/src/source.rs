//! Where mail comes from.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::Stream;
use mailkeep_model::job::{Attribute, Rule};
use mailkeep_model::{
    Extent, FailureClass, Folder, FolderId, FolderKind, Item, ItemId, MailboxProfile,
    Representation, SourceMailboxId,
};

use crate::SourceError;

/// A stream of bytes from the source. An error ends it; what came before must be thrown away.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, SourceError>> + Send>>;

/// A source's opaque mark of how far changes were followed. Secret-like: only stored encrypted,
/// never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cursor({} bytes)", self.0.len())
    }
}

/// One page of mailboxes.
#[derive(Clone, Debug, Default)]
pub struct MailboxPage {
    /// Mailboxes.
    pub mailboxes: Vec<MailboxProfile>,
    /// Pass to get the next page; `None` at the end.
    pub next: Option<Cursor>,
}

/// One permission that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PermissionCheck {
    /// Name as the administrator knows it, for example `Mail.Read`.
    pub permission: String,
    /// What it is needed for.
    pub purpose: String,
    /// The address of the mailbox that it was tried on, if any.
    pub mailbox: Option<String>,
    /// `None` when it worked.
    pub failure: Option<String>,
    /// Only needed to restore.
    pub restore_only: bool,
}

/// How the folder tree changed.
#[derive(Clone, Debug, Default)]
pub struct FolderChanges {
    /// New and changed folders (all of them when `is_complete`). Search folders are left out.
    pub folders: Vec<Folder>,
    /// Folders that are gone.
    pub removed: Vec<FolderId>,
    /// `folders` is the whole tree: what it does not name is gone.
    pub is_complete: bool,
    /// Numbers of items that the source told on the way, of folders that did not change otherwise.
    pub counted: Vec<(FolderId, u64)>,
    /// Where to go on next time.
    pub cursor: Option<Cursor>,
    /// A tree beside the visible one that could not be read, and why. Its folders are named as they
    /// were known.
    pub unread: Option<Box<SourceError>>,
    /// Folders whose subfolders could not be listed, and why. What was known below them is named
    /// again.
    pub unlisted: Vec<(FolderId, SourceError)>,
}

/// One folder to follow.
#[derive(Clone, Debug)]
pub struct FolderCursor {
    /// The folder.
    pub folder: FolderId,
    /// Where to go on; `None` lists the folder from the start.
    pub cursor: Option<Cursor>,
}

/// What to follow in one mailbox.
#[derive(Clone, Debug, Default)]
pub struct SyncRequest {
    /// Where to go on in the folder tree; `None` lists it whole.
    pub tree_cursor: Option<Cursor>,
    /// Folders known from earlier runs, with their cursors. May be empty at the first run.
    pub folders: Vec<FolderCursor>,
    /// Folders of earlier runs as stored (the connector needs well-known names and hidden folders
    /// that change feeds do not repeat).
    pub known_folders: Vec<Folder>,
    /// Which trees are wanted beside the visible one. Known folders of others stay as they are.
    pub extent: Extent,
    /// Kinds of folders that are not asked about, where a source keeps kinds apart. Known folders of these
    /// kinds stay as they are.
    pub leave_out: Vec<FolderKind>,
}

/// The first answers of a mailbox: its tree and the first page of every requested folder.
#[derive(Debug)]
pub struct SyncRound {
    /// Tree changes.
    pub tree: Result<FolderChanges, SourceError>,
    /// First page of each requested folder, in the order of the request.
    pub pages: Vec<(FolderId, Result<ChangePage, SourceError>)>,
}

/// An item as the source describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceItem {
    /// What the index keeps.
    pub item: Item,
    /// Properties that MIME lacks, as JSON; to be stored with the content. Holds no field that
    /// [`Item`] has, so that a change of a flag does not change it.
    pub properties_json: Vec<u8>,
}

/// One change in a folder.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemChange {
    /// The item is in the folder: new, changed or merely named again.
    Present(Box<SourceItem>),
    /// The item is in the folder in the version of this change key. It is described on demand, by
    /// [`Source::describe`]: who has that version need not ask.
    Listed(ItemId, String),
    /// The item is no longer in this folder. Not yet a deletion: it may have moved.
    Removed(ItemId),
    /// The item exists but its metadata cannot be read (a corrupt item inside a page).
    Unreadable(ItemId, mailkeep_model::ItemFailure),
}

/// One page of changes of one folder.
#[derive(Clone, Debug, Default)]
pub struct ChangePage {
    /// Changes; may be empty, may repeat.
    pub changes: Vec<ItemChange>,
    /// Where to go on once these changes are durable.
    pub cursor: Option<Cursor>,
    /// True when there are no further pages now.
    pub is_last: bool,
}

/// An item's content on its way out of the source.
pub struct ItemContent {
    /// How the bytes came to be.
    pub representation: Representation,
    /// Why MIME was rebuilt, as the service's code.
    pub rebuilt_because: Option<String>,
    /// RFC 822 bytes.
    pub mime: ByteStream,
}

/// Exchange's own lossless form of an item.
pub struct ExportStream {
    /// Version of the server that wrote it; empty when it does not say.
    pub server_version: String,
    /// The bytes, which only a server reads.
    pub bytes: ByteStream,
}

/// What a connector counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceMetrics {
    /// Requests sent.
    pub requests: u64,
    /// Answers that asked us to wait.
    pub throttles: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Body bytes received.
    pub bytes_received: u64,
}

fn unsupported(operation: &str) -> SourceError {
    SourceError::new(
        FailureClass::Configuration,
        operation,
        "not_supported",
        "this kind of connection cannot do so; name the mailboxes one by one, or take all",
    )
}

/// A tenant or server that mail is read from. Calls retry by themselves within bounds; what they
/// return is final for now. One value may be used for many mailboxes at once.
#[async_trait]
pub trait Source: Send + Sync + 'static {
    /// One page of mailboxes, with kind and licence state.
    ///
    /// # Errors
    /// [`SourceError`].
    async fn mailboxes(&self, next: Option<&Cursor>) -> Result<MailboxPage, SourceError>;

    /// One page of the mailboxes of a group, by its address or id, those of groups inside it included.
    ///
    /// # Errors
    /// [`SourceError`]; of class `Configuration` where the source knows no groups.
    async fn members(
        &self,
        _group: &str,
        _next: Option<&Cursor>,
    ) -> Result<MailboxPage, SourceError> {
        Err(unsupported("list the members of a group"))
    }

    /// One page of the mailboxes whose account a rule fits. Unless the source knows more, rules about
    /// addresses and names.
    ///
    /// # Errors
    /// [`SourceError`]; of class `Configuration` where the source does not know these attributes.
    async fn matching(
        &self,
        rule: &Rule,
        next: Option<&Cursor>,
    ) -> Result<MailboxPage, SourceError> {
        if !rule.attributes().into_iter().all(Attribute::is_of_profile) {
            return Err(SourceError::new(
                FailureClass::Configuration,
                "list mailboxes by an attribute",
                "not_supported",
                "this kind of connection knows addresses and display names only; choose by these, name \
                 the mailboxes one by one, or take all",
            ));
        }
        let mut page = self.mailboxes(next).await?;
        page.mailboxes.retain(|mailbox| {
            rule.fits(&|attribute| match attribute {
                Attribute::DisplayName => mailbox.display_name.clone(),
                _ => mailbox.address.clone(),
            })
        });
        Ok(page)
    }

    /// The public folders of the organisation, which are kept like one mailbox: what
    /// [`mailboxes`](Self::mailboxes) lists last where there are any.
    ///
    /// # Errors
    /// [`SourceError`]; of class `Configuration` where the source reaches none.
    async fn public_folders(&self) -> Result<MailboxProfile, SourceError> {
        Err(SourceError::new(
            FailureClass::Configuration,
            "open public folders",
            "no_public_folders",
            "this kind of connection reaches no public folders; back them up over a connection to an \
             Exchange server",
        ))
    }

    /// Tries every permission, on `mailbox` where it needs one.
    ///
    /// # Errors
    /// Only when nothing could be tried at all (no token, no connection).
    async fn check_permissions(
        &self,
        mailbox: Option<&SourceMailboxId>,
    ) -> Result<Vec<PermissionCheck>, SourceError>;

    /// The tree's changes and the first page of every requested folder, in as few requests as the
    /// protocol allows (a quiet mailbox of 60 folders: 4).
    ///
    /// # Errors
    /// When the mailbox as a whole cannot be read. Single folders fail inside the answer.
    async fn sync(
        &self,
        mailbox: &SourceMailboxId,
        request: SyncRequest,
    ) -> Result<SyncRound, SourceError>;

    /// How many items these folders hold now. Folders that the source does not count, or that are gone, are
    /// left out.
    ///
    /// # Errors
    /// When nothing could be asked.
    async fn count_items(
        &self,
        mailbox: &SourceMailboxId,
        folders: &[FolderId],
    ) -> Result<Vec<(FolderId, u64)>, SourceError> {
        let tree = self.sync(mailbox, SyncRequest::default()).await?.tree?;
        let wanted = tree
            .folders
            .into_iter()
            .filter(|it| folders.contains(&it.id));
        Ok(wanted
            .filter_map(|folder| Some((folder.id, folder.total_items?)))
            .collect())
    }

    /// The next page of one folder.
    ///
    /// # Errors
    /// Class `SyncReset` when the cursor is lost, `FolderGone` when the folder is.
    async fn changes(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderCursor,
    ) -> Result<ChangePage, SourceError>;

    /// Says which items' content will be asked for soon, in this order, so that a connector may
    /// fetch small ones together. A hint: it replaces the one before, and nothing must follow it.
    fn expect_content(&self, _mailbox: &SourceMailboxId, _items: &[&Item]) {}

    /// The content of one item.
    ///
    /// # Errors
    /// Class `ItemGone` when it disappeared, `ItemPermanent` when no representation can be read.
    async fn content(
        &self,
        mailbox: &SourceMailboxId,
        item: &Item,
    ) -> Result<ItemContent, SourceError>;

    /// What of an [`Extent`] this source has.
    fn offers(&self) -> Extent {
        Extent::default()
    }

    /// True when folders of one kind hold nothing else, so that a kind which is not wanted need not be asked
    /// about.
    fn keeps_kinds_apart(&self) -> bool {
        false
    }

    /// The lossless form of one item, where the source has one.
    ///
    /// # Errors
    /// Class `ItemPermanent` when this item cannot be exported; its content may be readable.
    async fn export(
        &self,
        _mailbox: &SourceMailboxId,
        _item: &Item,
    ) -> Result<Option<ExportStream>, SourceError> {
        Ok(None)
    }

    /// Where these items are now; `Ok(None)` for an item that does not exist any more. Answers in
    /// the order of `items`. Used before a removal counts as a deletion and to retry gaps.
    ///
    /// # Errors
    /// When nothing could be asked. Single items fail inside the answer.
    async fn locate(
        &self,
        mailbox: &SourceMailboxId,
        items: &[ItemId],
    ) -> Result<Vec<(ItemId, Result<Option<Box<SourceItem>>, SourceError>)>, SourceError>;

    /// Describes items that a listing of this folder named. As [`locate`](Self::locate) else.
    ///
    /// # Errors
    /// As [`locate`](Self::locate).
    async fn describe(
        &self,
        mailbox: &SourceMailboxId,
        _folder: &FolderId,
        items: &[ItemId],
    ) -> Result<Vec<(ItemId, Result<Option<Box<SourceItem>>, SourceError>)>, SourceError> {
        self.locate(mailbox, items).await
    }

    /// What was counted for one mailbox (or for all calls that belong to none).
    fn metrics(&self, mailbox: Option<&SourceMailboxId>) -> SourceMetrics;

    /// Until when the source asked to leave this mailbox alone, if it did.
    fn throttled_until(&self, mailbox: &SourceMailboxId) -> Option<DateTime<Utc>>;
}
