//! [`Target`] over Graph. No endpoint that sends mail is called anywhere in this connector.

use std::sync::Arc;

use async_trait::async_trait;
use mailkeep_model::{
    FailureClass, Folder, FolderId, FolderKind, ItemId, ItemKind, SourceMailboxId,
};
use mailkeep_ports::{Clock, Rng};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::call::Call;
use super::client::GraphClient;
use super::connection::GraphConnection;
use super::error_map::{Asked, Operation};
use super::folder_row::FolderRow;
use super::message_json::{self, Object, text};
use super::organizer::Place;
use super::properties::{self, Extended};
use super::restore_json::read_mark;
use crate::retry::is_retryable;
use crate::{CreateOutcome, ExistingItem, RestoreItem, Shelf, SourceError, SourceMetrics, Target};

const CREATE_FOLDER: Operation = Operation::new("create folder", Asked::Folder, "Mail.ReadWrite");
const LIST_ITEMS: Operation = Operation::new("list items", Asked::Folder, "Mail.Read");
const DELETE: Operation =
    Operation::new("move item to deleted items", Asked::Item, "Mail.ReadWrite");

/// Items on one page.
const TOP: &str = "500";

#[derive(Deserialize)]
struct ItemPage {
    value: Vec<Object>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// Mailboxes of one Exchange Online tenant to restore to.
#[derive(Debug)]
pub struct GraphTarget {
    client: Arc<GraphClient>,
}

impl GraphTarget {
    /// A target with a client of its own. Sends nothing yet. Where the same tenant is also read
    /// from, share the client by [`GraphTarget::with_client`] instead.
    ///
    /// # Errors
    /// Class `Configuration`, as [`GraphClient::new`].
    pub fn new(
        connection: &GraphConnection,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, SourceError> {
        Ok(Self::with_client(GraphClient::new(connection, clock, rng)?))
    }

    /// A target that shares its client, and so each mailbox's budget, with others.
    #[must_use]
    pub fn with_client(client: Arc<GraphClient>) -> Self {
        Self { client }
    }

    /// What was counted for one mailbox (or for all calls that belong to none).
    #[must_use]
    pub fn metrics(&self, mailbox: Option<&SourceMailboxId>) -> SourceMetrics {
        self.client.metrics(mailbox)
    }

    /// The folder by this name directly below `parent`; exact spelling first.
    async fn child(
        &self,
        mailbox: &SourceMailboxId,
        parent: Option<&FolderId>,
        name: &str,
    ) -> Result<Option<FolderRow>, SourceError> {
        let url = self
            .client
            .children_url(mailbox, parent.map(FolderId::as_str));
        let page = self
            .client
            .json(&Call::get(&CREATE_FOLDER, Some(mailbox), url))
            .await?;
        let (rows, _) = self
            .client
            .rest_of_folders(&CREATE_FOLDER, mailbox, page)
            .await?;
        let rows: Vec<FolderRow> = rows.iter().filter_map(FolderRow::read).collect();
        let exact = rows.iter().find(|row| row.name == name);
        let lower = name.to_lowercase();
        let similar = || rows.iter().find(|row| row.name.to_lowercase() == lower);
        Ok(exact.or_else(similar).cloned())
    }
}

#[async_trait]
impl Target for GraphTarget {
    async fn folders(&self, mailbox: &SourceMailboxId) -> Result<Vec<Folder>, SourceError> {
        let mut folders = self.client.whole_tree(mailbox).await?.folders;
        // What the application may not see is missed when it is needed, and told then.
        let others = self.client.organizer_folders(mailbox, &[]).await?;
        folders.extend(others.folders);
        Ok(folders)
    }

    /// A contact, an event or a task would become a mail among mail, which is none to the person who looks for
    /// it. The service creates no distribution lists.
    fn takes(&self, kind: ItemKind, folder: FolderKind) -> bool {
        match kind {
            ItemKind::DistributionList => false,
            ItemKind::Contact => folder == FolderKind::Contacts,
            ItemKind::Event => folder == FolderKind::Calendar,
            ItemKind::Task => folder == FolderKind::Tasks,
            _ => folder == FolderKind::Mail,
        }
    }

    fn shelf(&self, kind: FolderKind) -> Shelf {
        match kind {
            FolderKind::Mail => Shelf::Tree,
            FolderKind::Contacts => Shelf::OwnTree,
            FolderKind::Calendar | FolderKind::Tasks => Shelf::List,
        }
    }

    async fn create_folder(
        &self,
        mailbox: &SourceMailboxId,
        parent: Option<&FolderId>,
        name: &str,
        class: &str,
    ) -> Result<Folder, SourceError> {
        let kind = FolderKind::from_class(class);
        if kind != FolderKind::Mail {
            let client = &self.client;
            return client
                .create_organizer_folder(mailbox, kind, parent, name)
                .await;
        }
        let path: Vec<&str> = match parent {
            None => vec!["mailFolders"],
            Some(parent) => vec!["mailFolders", parent.as_str(), "childFolders"],
        };
        let url = self.client.links.user(mailbox.as_str(), &path, &[]);
        let plain = json!({ "displayName": name });
        let mut body = plain.clone();
        let mut has_class = !class.is_empty() && !class.eq_ignore_ascii_case("IPF.Note");
        if has_class && let Some(fields) = body.as_object_mut() {
            let class = properties::property(properties::FOLDER_CLASS, class);
            fields.insert("singleValueExtendedProperties".into(), json!([class]));
        }
        let mut backoff = self.client.backoff(None);
        let row = loop {
            let body = if has_class { &body } else { &plain };
            let call = Call::write(&CREATE_FOLDER, mailbox, Method::POST, url.clone(), body);
            let error = match self.client.json::<Object>(&call).await {
                Ok(object) => break FolderRow::read(&object),
                Err(error) => error,
            };
            // A folder of mail is better than none.
            if error.class == FailureClass::RequestBug && has_class {
                has_class = false;
                continue;
            }
            let is_in_doubt = is_retryable(error.class);
            if !is_in_doubt && error.class != FailureClass::Conflict {
                return Err(error);
            }
            if let Some(row) = self.child(mailbox, parent, name).await? {
                break Some(row);
            }
            if !is_in_doubt {
                return Err(error);
            }
            backoff
                .wait(error, &*self.client.clock, &*self.client.rng)
                .await?;
        };
        let row = row.ok_or_else(|| {
            CREATE_FOLDER.error(
                FailureClass::Transient,
                "unreadable_answer",
                "the service did not describe the new folder",
            )
        })?;
        let mut folder = row.folder(None, row.is_hidden);
        folder.class = class.to_owned();
        Ok(folder)
    }

    async fn existing_items(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
    ) -> Result<Vec<ExistingItem>, SourceError> {
        let place = Place::of_folder(folder);
        if !matches!(place, Place::Mail(_)) {
            return self.client.organizer_existing(mailbox, place).await;
        }
        let expand = properties::expand(&[properties::MARKER]);
        let query = [
            ("$select", "id,internetMessageId,subject,receivedDateTime"),
            ("$expand", expand.as_str()),
            ("$top", TOP),
        ];
        let path = ["mailFolders", folder.as_str(), "messages"];
        let mut url = self.client.links.user(mailbox.as_str(), &path, &query);
        let mut all = vec![];
        loop {
            let call = Call::get(&LIST_ITEMS, Some(mailbox), url.clone());
            let page: ItemPage = self.client.json(&call).await?;
            all.extend(page.value.iter().filter_map(existing));
            let Some(next) = page.next else {
                return Ok(all);
            };
            let next = self.client.links.check(&LIST_ITEMS, &next)?;
            if next == url {
                return Err(LIST_ITEMS.error(
                    FailureClass::Transient,
                    "no_progress",
                    "a page of items leads to itself",
                ));
            }
            url = next;
        }
    }

    async fn create_item(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        item: &RestoreItem,
    ) -> Result<CreateOutcome, SourceError> {
        match Place::of_folder(folder) {
            Place::Mail(_) => self.client.create(mailbox, folder, item).await,
            _ => self.client.create_in(mailbox, folder, item).await,
        }
    }

    async fn delete_item(
        &self,
        mailbox: &SourceMailboxId,
        item: &ItemId,
    ) -> Result<(), SourceError> {
        let place = Place::of_item(item);
        if !matches!(place, Place::Mail(_)) {
            return self.client.delete_in(mailbox, place).await;
        }
        let path = ["messages", item.as_str(), "move"];
        let url = self.client.links.user(mailbox.as_str(), &path, &[]);
        let body = json!({ "destinationId": "deleteditems" });
        let call = Call::write(&DELETE, mailbox, Method::POST, url, &body).replayable();
        match self.client.send(&call).await {
            Ok(_) => Ok(()),
            Err(error) if error.class == FailureClass::ItemGone => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn existing(message: &Object) -> Option<ExistingItem> {
    let extended = Extended::from_json(message.get("singleValueExtendedProperties"));
    let mark = extended.get(properties::MARKER).and_then(read_mark);
    Some(ExistingItem {
        id: message_json::id(message)?,
        is_finished: mark.as_ref().is_none_or(|(_, is_finished)| *is_finished),
        marker: mark.map(|(marker, _)| marker),
        internet_message_id: text(message, "internetMessageId"),
        subject: text(message, "subject"),
        received_at: message_json::time(message.get("receivedDateTime")),
    })
}
