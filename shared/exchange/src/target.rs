//! Where mail is restored to.

use std::sync::Arc;

use async_trait::async_trait;
use mailkeep_model::{
    Address, Folder, FolderId, FolderKind, Item, ItemId, ItemKind, SourceMailboxId,
};

use crate::{ByteStream, SourceError};

/// The bytes of an attachment, readable from any offset, so that an upload can be resumed.
pub trait AttachmentContent: Send + Sync {
    /// Size in bytes.
    fn size_bytes(&self) -> u64;

    /// The bytes from `offset` on.
    fn open(&self, offset: u64) -> ByteStream;
}

/// One attachment to restore.
#[derive(Clone)]
pub struct RestoreAttachment {
    /// File name; never empty.
    pub name: String,
    /// Media type, for example `application/pdf`.
    pub content_type: String,
    /// `Content-ID` without angle brackets.
    pub content_id: Option<String>,
    /// Shown inside the body.
    pub is_inline: bool,
    /// The bytes.
    pub content: Arc<dyn AttachmentContent>,
}

/// Exchange's own lossless form of an item, as it was kept.
#[derive(Clone)]
pub struct RestoreExport {
    /// Version of the server that wrote it; empty when it did not say.
    pub server_version: String,
    /// The bytes.
    pub content: Arc<dyn AttachmentContent>,
}

/// One item to restore.
#[derive(Clone)]
pub struct RestoreItem {
    /// Metadata as stored: dates, flags, categories, recipients and so on.
    pub item: Item,
    /// Reply-To addresses.
    pub reply_to: Vec<Address>,
    /// Body text.
    pub body: String,
    /// True when `body` is HTML.
    pub body_is_html: bool,
    /// Headers of the original (name, value), in order.
    pub headers: Vec<(String, String)>,
    /// Properties that MIME lacks, as stored.
    pub properties_json: Vec<u8>,
    /// Attachments.
    pub attachments: Vec<RestoreAttachment>,
    /// The message as the source gave it, byte for byte; `None` when it was built from properties.
    pub mime: Option<Arc<dyn AttachmentContent>>,
    /// The lossless form, to be used where the target takes it.
    pub export: Option<RestoreExport>,
    /// Items of the target folder that are the same to a person, as they were before this restore.
    pub known: Vec<ItemId>,
    /// Written to the new item, so that a repeated restore recognises its own work.
    pub marker: String,
}

/// An item that the target folder holds already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExistingItem {
    /// Its id at the target.
    pub id: ItemId,
    /// Our marker, when an earlier restore wrote it.
    pub marker: Option<String>,
    /// False when an earlier restore wrote it but died before every attachment was there.
    pub is_finished: bool,
    /// `Message-ID`.
    pub internet_message_id: String,
    /// Subject, sent and received time decide where there is no `Message-ID`.
    pub subject: String,
    /// Received.
    pub received_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateOutcome {
    /// Id at the target.
    pub id: ItemId,
    /// What could not be kept, in words for a person; empty when all was.
    pub losses: Vec<String>,
}

/// How a target keeps folders of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shelf {
    /// In the one tree that holds everything.
    Tree,
    /// In a tree of their own.
    OwnTree,
    /// In a list: there are no folders inside folders.
    List,
}

/// A tenant or server that mail is written to. Nothing that a target does may send mail.
#[async_trait]
pub trait Target: Send + Sync + 'static {
    /// The whole folder tree of a mailbox.
    ///
    /// # Errors
    /// [`SourceError`].
    async fn folders(&self, mailbox: &SourceMailboxId) -> Result<Vec<Folder>, SourceError>;

    /// Creates a folder below `parent` (`None`: the root of the visible tree) and returns it. Returns
    /// the existing one when there is one by that name.
    ///
    /// # Errors
    /// [`SourceError`].
    async fn create_folder(
        &self,
        mailbox: &SourceMailboxId,
        parent: Option<&FolderId>,
        name: &str,
        class: &str,
    ) -> Result<Folder, SourceError>;

    /// What the folder holds, for conflict detection.
    ///
    /// # Errors
    /// [`SourceError`].
    async fn existing_items(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
    ) -> Result<Vec<ExistingItem>, SourceError>;

    /// True when items of this kind can be made in folders of that kind. What cannot is told, never left
    /// out in silence.
    fn takes(&self, _kind: ItemKind, _folder: FolderKind) -> bool {
        true
    }

    /// How folders of this kind are kept.
    fn shelf(&self, _kind: FolderKind) -> Shelf {
        Shelf::Tree
    }

    /// Creates an item that is no draft, with its dates, flags, categories and attachments. Marked
    /// as finished only when every attachment is there. After a failure nothing unfinished is left
    /// behind if the target lets us clean up.
    ///
    /// # Errors
    /// Class `TargetFull`, `ItemPermanent`, …
    async fn create_item(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        item: &RestoreItem,
    ) -> Result<CreateOutcome, SourceError>;

    /// Moves an item to the target's Deleted Items, never further; in a public folder, to what the
    /// folder keeps of deleted items.
    ///
    /// # Errors
    /// [`SourceError`].
    async fn delete_item(
        &self,
        mailbox: &SourceMailboxId,
        item: &ItemId,
    ) -> Result<(), SourceError>;
}
