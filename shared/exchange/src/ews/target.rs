//! [`Target`] over EWS.

use std::sync::Arc;

use async_trait::async_trait;
use mailkeep_model::{Extent, FailureClass, Folder, FolderId, ItemId, SourceMailboxId};

use super::call::{Call, distinguished, folder_id};
use super::client::EwsClient;
use super::error_map::{Asked, Operation};
use super::extended::{self, write_field};
use super::item_row::{is_true, parse_time};
use super::public::{ROOT as PUBLIC_ROOT, is_public};
use super::restore_xml::read_mark;
use super::xml::{Element, XmlWriter};
use crate::{CreateOutcome, ExistingItem, RestoreItem, SourceError, Target};

static CREATE_FOLDER: Operation = Operation::new("create folder", Asked::Folder);
static LIST_ITEMS: Operation = Operation::new("list items", Asked::Folder);

/// Items on one page.
const PAGE: &str = "1000";

/// Mailboxes of one Exchange organisation, to restore to.
#[derive(Debug)]
pub struct EwsTarget {
    client: Arc<EwsClient>,
}

impl EwsTarget {
    /// A target that shares its client, and so budgets and connections, with others.
    #[must_use]
    pub fn with_client(client: Arc<EwsClient>) -> Self {
        Self { client }
    }
}

impl EwsClient {
    /// What a folder holds.
    pub(crate) async fn existing(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
    ) -> Result<Vec<ExistingItem>, SourceError> {
        let mut all = vec![];
        let mut offset = 0;
        loop {
            let body = find_items(folder, offset);
            let message = self.one(&Call::read(&LIST_ITEMS, mailbox, body)).await?;
            let none = Element::default();
            let root = message.child("RootFolder").unwrap_or(&none);
            let items = &root.child("Items").unwrap_or(&none).children;
            all.extend(items.iter().filter_map(existing));
            let is_last = root
                .attribute("IncludesLastItemInRange")
                .is_none_or(is_true);
            if is_last {
                return Ok(all);
            }
            let next = root
                .attribute("IndexedPagingOffset")
                .and_then(|text| text.parse().ok())
                .unwrap_or(offset + items.len() as u64);
            if next <= offset {
                return Err(LIST_ITEMS.error(
                    FailureClass::Transient,
                    "no_progress",
                    "a page of items leads to itself",
                ));
            }
            offset = next;
        }
    }
}

#[async_trait]
impl Target for EwsTarget {
    async fn folders(&self, mailbox: &SourceMailboxId) -> Result<Vec<Folder>, SourceError> {
        if is_public(mailbox) {
            return Ok(self.client.public_tree(&[]).await?.folders);
        }
        let extent = Extent {
            archive: true,
            ..Extent::default()
        };
        let trees = self.client.trees(mailbox, &[], extent).await?;
        match trees.unread {
            // Without it, what belongs there would go elsewhere.
            Some(error) => Err(*error),
            None => Ok(trees.folders),
        }
    }

    async fn create_folder(
        &self,
        mailbox: &SourceMailboxId,
        parent: Option<&FolderId>,
        name: &str,
        class: &str,
    ) -> Result<Folder, SourceError> {
        let client = &self.client;
        let parent_id = match parent {
            Some(parent) => folder_id(parent.as_str()),
            None if is_public(mailbox) => PUBLIC_ROOT.to_owned(),
            None => distinguished("msgfolderroot", mailbox, client.access),
        };
        let body = create_folder(&parent_id, name, class);
        // Carried out twice it finds its own folder.
        let created = client.one(&Call::read(&CREATE_FOLDER, mailbox, body)).await;
        let id = match created {
            Ok(message) => message
                .find("FolderId")
                .and_then(|id| id.attribute("Id"))
                .map(|id| FolderId(id.to_owned())),
            Err(error) if error.class == FailureClass::Conflict => {
                let found = client.child_by_name(mailbox, &parent_id, name).await?;
                return found.ok_or(error);
            }
            Err(error) => return Err(error),
        };
        let id = id.ok_or_else(|| {
            CREATE_FOLDER.error(
                FailureClass::Transient,
                "unreadable_answer",
                "the server did not describe the new folder",
            )
        })?;
        Ok(Folder {
            id,
            parent: parent.cloned(),
            name: name.to_owned(),
            well_known: None,
            is_hidden: false,
            class: class.to_owned(),
            total_items: Some(0),
        })
    }

    async fn existing_items(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
    ) -> Result<Vec<ExistingItem>, SourceError> {
        let home = self.client.home_of(mailbox, folder).await?;
        self.client.existing(&home, folder).await
    }

    async fn create_item(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        item: &RestoreItem,
    ) -> Result<CreateOutcome, SourceError> {
        let home = self.client.home_of(mailbox, folder).await?;
        self.client.create(&home, folder, item).await
    }

    async fn delete_item(
        &self,
        mailbox: &SourceMailboxId,
        item: &ItemId,
    ) -> Result<(), SourceError> {
        if is_public(mailbox) {
            // Public folders have no Deleted Items; each keeps for a while what was deleted in it.
            let home = match self.client.home_of_item(item).await {
                Err(error) if error.class == FailureClass::ItemGone => return Ok(()),
                home => home?,
            };
            return self.client.delete(&home, item, "SoftDelete").await;
        }
        self.client
            .delete(mailbox, item, "MoveToDeletedItems")
            .await
    }
}

fn create_folder(parent: &str, name: &str, class: &str) -> String {
    let is = |wanted: &str| class.eq_ignore_ascii_case(wanted);
    let element = if is("IPF.Appointment") {
        "t:CalendarFolder"
    } else if is("IPF.Contact") {
        "t:ContactsFolder"
    } else if is("IPF.Task") {
        "t:TasksFolder"
    } else {
        "t:Folder"
    };
    let mut writer = XmlWriter::new();
    writer
        .start("m:CreateFolder", &[])
        .start("m:ParentFolderId", &[])
        .raw(parent)
        .end()
        .start("m:Folders", &[])
        .start(element, &[]);
    // The other elements stand for their class.
    if element == "t:Folder" && !class.is_empty() {
        writer.text("t:FolderClass", class);
    }
    writer.text("t:DisplayName", name);
    writer.finish()
}

fn find_items(folder: &FolderId, offset: u64) -> String {
    let mut writer = XmlWriter::new();
    writer
        .start("m:FindItem", &[("Traversal", "Shallow")])
        .start("m:ItemShape", &[])
        .text("t:BaseShape", "IdOnly")
        .start("t:AdditionalProperties", &[]);
    for field in [
        "item:Subject",
        "item:DateTimeReceived",
        "message:InternetMessageId",
    ] {
        writer.empty("t:FieldURI", &[("FieldURI", field)]);
    }
    write_field(&mut writer, extended::MARKER);
    writer
        .end()
        .end()
        .empty(
            "m:IndexedPageItemView",
            &[
                ("MaxEntriesReturned", PAGE),
                ("Offset", &offset.to_string()),
                ("BasePoint", "Beginning"),
            ],
        )
        .start("m:ParentFolderIds", &[])
        .raw(&folder_id(folder.as_str()));
    writer.finish()
}

fn existing(item: &Element) -> Option<ExistingItem> {
    let mark = extended::value(item, extended::MARKER).and_then(read_mark);
    Some(ExistingItem {
        id: ItemId(item.id_of("ItemId")?.to_owned()),
        is_finished: mark.as_ref().is_none_or(|(_, is_finished)| *is_finished),
        marker: mark.map(|(marker, _)| marker),
        internet_message_id: item.text_of("InternetMessageId").unwrap_or_default().into(),
        subject: item
            .child("Subject")
            .map(|subject| subject.text.clone())
            .unwrap_or_default(),
        received_at: item.text_of("DateTimeReceived").and_then(parse_time),
    })
}
