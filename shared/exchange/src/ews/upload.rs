//! Restoring an item from Exchange's own lossless form.
//!
//! The form cannot carry our mark, so the item is created and then marked. What happens in between
//! is told apart by what the folder held before: an answer that got lost makes no second item.

use std::sync::Arc;

use mailkeep_model::{FailureClass, FolderId, ItemId, SourceMailboxId};

use super::call::{Call, CallBody};
use super::client::EwsClient;
use super::create::{LONGEST, created_id};
use super::encode::{encoded, encoded_length};
use super::error_map::{Asked, Operation};
use super::xml::XmlWriter;
use crate::retry::is_retryable;
use crate::{ExistingItem, RestoreExport, RestoreItem, SourceError};

static UPLOAD: Operation = Operation::new("upload item", Asked::Folder);

/// What became of an upload.
pub(crate) enum Uploaded {
    /// The item is there.
    Done(ItemId),
    /// The server does not take this form; the code says why.
    Refused(String),
}

impl EwsClient {
    /// Creates an item from its lossless form, and marks it.
    pub(crate) async fn upload(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        item: &RestoreItem,
        export: &RestoreExport,
    ) -> Result<Uploaded, SourceError> {
        if export.content.size_bytes() > LONGEST {
            return Ok(Uploaded::Refused("too_large".into()));
        }
        let id = match self.upload_first(mailbox, folder, item, export).await {
            Ok(id) => id,
            Err(error)
                if matches!(
                    error.class,
                    FailureClass::ItemPermanent | FailureClass::RequestBug | FailureClass::ItemGone
                ) =>
            {
                return Ok(Uploaded::Refused(error.code));
            }
            Err(error) => return Err(error),
        };
        let marked = self.finish(mailbox, &id, item).await;
        self.unmarked(mailbox, |all| all.remove(&id));
        match marked {
            Ok(()) => Ok(Uploaded::Done(id)),
            Err(error) => Err(self.clean_up(mailbox, &id, error).await),
        }
    }

    async fn upload_first(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        item: &RestoreItem,
        export: &RestoreExport,
    ) -> Result<ItemId, SourceError> {
        let mut backoff = None;
        loop {
            let call = Call::write(&UPLOAD, mailbox, upload_items(folder, export));
            let error = match self.one(&call).await {
                Ok(message) => match created_id(&message) {
                    Some(id) => {
                        self.unmarked(mailbox, |all| all.insert(id.clone()));
                        return Ok(id);
                    }
                    None => UPLOAD.error(
                        FailureClass::Transient,
                        "unreadable_answer",
                        "the server did not name the new item",
                    ),
                },
                Err(error) => error,
            };
            if !is_retryable(error.class) {
                return Err(error);
            }
            if error.class != FailureClass::Throttled
                && let Some(id) = self.lost(mailbox, folder, item).await?
            {
                return Ok(id);
            }
            let backoff = backoff.get_or_insert_with(|| self.backoff(&call));
            let again = Call {
                is_replayable: true,
                ..call
            };
            self.again(&again, backoff, error).await?;
        }
    }

    /// The item that an upload made whose answer got lost: it looks like the one that was sent, was
    /// not there before, and is none that another upload of ours made.
    async fn lost(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        item: &RestoreItem,
    ) -> Result<Option<ItemId>, SourceError> {
        let held = self.existing(mailbox, folder).await?;
        let candidates = held.into_iter().filter(|one| {
            one.marker.is_none() && !item.known.contains(&one.id) && is_alike(one, item)
        });
        let mut candidates: Vec<ItemId> = candidates.map(|one| one.id).collect();
        self.unmarked(mailbox, |all| candidates.retain(|id| !all.contains(id)));
        let found = match candidates.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        };
        Ok(found.filter(|id| self.unmarked(mailbox, |all| all.insert(id.clone()))))
    }

    fn unmarked<T>(
        &self,
        mailbox: &SourceMailboxId,
        work: impl FnOnce(&mut std::collections::HashSet<ItemId>) -> T,
    ) -> T {
        let state = self.state(Some(mailbox));
        let mut all = state
            .unmarked
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        work(&mut all)
    }
}

/// True for items that are the same to a person.
fn is_alike(one: &ExistingItem, item: &RestoreItem) -> bool {
    let item = &item.item;
    let (found, wanted) = (
        one.internet_message_id.trim(),
        item.internet_message_id.trim(),
    );
    if wanted.is_empty() {
        return found.is_empty() && one.subject == item.subject;
    }
    found == wanted
}

/// `m:UploadItems` for one new item. It does not send, whatever the item is.
fn upload_items(folder: &FolderId, export: &RestoreExport) -> CallBody {
    let mut writer = XmlWriter::new();
    writer
        .raw("<m:UploadItems><m:Items><t:Item CreateAction=\"CreateNew\">")
        .empty("t:ParentFolderId", &[("Id", folder.as_str())])
        .raw("<t:Data>");
    let content = export.content.clone();
    CallBody::Streamed {
        before: writer.finish(),
        length: encoded_length(content.size_bytes()),
        open: Arc::new(move || encoded(content.open(0))),
        after: "</t:Data></t:Item></m:Items></m:UploadItems>".into(),
    }
}
