//! The tenant as a `Target`.

use async_trait::async_trait;
use futures::StreamExt;
use mailkeep_exchange::{CreateOutcome, ExistingItem, RestoreItem, SourceError, Target};
use mailkeep_model::{FailureClass, Folder, FolderId, ItemId, SourceMailboxId};

use super::fault::{Fault, Op, error};
use super::source::{End, FakeTenant};

#[async_trait]
impl Target for FakeTenant {
    async fn folders(&self, mailbox: &SourceMailboxId) -> Result<Vec<Folder>, SourceError> {
        self.check(Op::Folders, mailbox.as_str(), "")?;
        Ok(self.with(mailbox.as_str(), |m| {
            m.folders.keys().filter_map(|id| m.folder(id)).collect()
        }))
    }

    async fn create_folder(
        &self,
        mailbox: &SourceMailboxId,
        parent: Option<&FolderId>,
        name: &str,
        class: &str,
    ) -> Result<Folder, SourceError> {
        self.check(Op::CreateFolder, mailbox.as_str(), name)?;
        let end = self.change(Op::CreateFolder)?;
        let root = FolderId("root".into());
        let parent = Some(parent.unwrap_or(&root));
        let folder = self.with(mailbox.as_str(), |m| {
            let existing = m
                .folders
                .values()
                .find(|f| f.parent.as_ref() == parent && f.name.eq_ignore_ascii_case(name));
            let id = match existing {
                Some(folder) => folder.id.0.clone(),
                None => {
                    let id = format!("new{}", m.folders.len());
                    m.add_folder(&id, parent.map(FolderId::as_str), name);
                    if let Some(folder) = m.folders.get_mut(&id) {
                        folder.class = class.into();
                    }
                    id
                }
            };
            m.folder(&id).unwrap()
        });
        match end {
            Some(_) => Err(error(Op::CreateFolder, FailureClass::Connection)),
            None => Ok(folder),
        }
    }

    async fn existing_items(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
    ) -> Result<Vec<ExistingItem>, SourceError> {
        self.check(Op::Existing, mailbox.as_str(), folder.as_str())?;
        Ok(self.with(mailbox.as_str(), |m| {
            m.items
                .values()
                .filter(|item| &item.item.folder == folder)
                .map(|item| ExistingItem {
                    id: item.item.id.clone(),
                    marker: item.marker.clone(),
                    is_finished: item.is_finished,
                    internet_message_id: item.item.internet_message_id.clone(),
                    subject: item.item.subject.clone(),
                    received_at: item.item.received_at,
                })
                .collect()
        }))
    }

    async fn create_item(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        item: &RestoreItem,
    ) -> Result<CreateOutcome, SourceError> {
        tokio::task::yield_now().await;
        let fault = self.call(Op::Create, mailbox.as_str(), item.item.id.as_str());
        if let Some(Fault::Fail(class)) = fault {
            return Err(error(Op::Create, class));
        }
        let end = self.change(Op::Create)?;
        let mut content = item.body.clone().into_bytes();
        for attachment in &item.attachments {
            let mut stream = attachment.content.open(0);
            let mut size = 0;
            while let Some(piece) = stream.next().await {
                let piece = piece?;
                size += piece.len() as u64;
                content.extend_from_slice(&piece);
            }
            assert_eq!(size, attachment.content.size_bytes(), "declared size");
        }
        let dies = matches!(fault, Some(Fault::DieUnfinished)) || end == Some(End::DieUnfinished);
        let id = self.with(mailbox.as_str(), |m| {
            let id = m.add(folder.as_str(), content);
            let new = m.items.get_mut(&id).unwrap();
            let mut metadata = item.item.clone();
            metadata.id = ItemId(id.clone());
            metadata.folder = folder.clone();
            new.item = metadata;
            new.marker = Some(item.marker.clone());
            new.is_finished = !dies;
            id
        });
        if dies || end.is_some() {
            return Err(error(Op::Create, FailureClass::Connection));
        }
        Ok(CreateOutcome {
            id: ItemId(id),
            losses: vec![],
        })
    }

    async fn delete_item(
        &self,
        mailbox: &SourceMailboxId,
        item: &ItemId,
    ) -> Result<(), SourceError> {
        self.check(Op::Delete, mailbox.as_str(), item.as_str())?;
        let end = self.change(Op::Delete)?;
        self.with(mailbox.as_str(), |m| {
            if m.items.contains_key(item.as_str()) {
                m.delete(item.as_str());
            }
        });
        match end {
            Some(_) => Err(error(Op::Delete, FailureClass::Connection)),
            None => Ok(()),
        }
    }
}
