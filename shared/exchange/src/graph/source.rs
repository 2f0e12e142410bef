//! [`Source`] over Graph.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mailkeep_model::job::Rule;
use mailkeep_model::{Extent, FolderId, Item, ItemId, SourceMailboxId};
use mailkeep_ports::{Clock, Rng};

use super::client::GraphClient;
use super::connection::GraphConnection;
use super::feed::{FeedHabits, Feeds};
use super::organizer::{Place, organizer_place};
use crate::{
    ChangePage, Cursor, FolderCursor, ItemContent, MailboxPage, PermissionCheck, Source,
    SourceError, SourceItem, SourceMetrics, SyncRequest, SyncRound,
};

/// Mailboxes of one Exchange Online tenant.
#[derive(Debug)]
pub struct GraphSource {
    client: Arc<GraphClient>,
    habits: FeedHabits,
}

impl GraphSource {
    /// A source with a client of its own. Sends nothing yet.
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

    /// A source that shares its client, and so each mailbox's budget, with others.
    #[must_use]
    pub fn with_client(client: Arc<GraphClient>) -> Self {
        Self {
            client,
            habits: FeedHabits::default(),
        }
    }

    /// The client, to share it.
    #[must_use]
    pub fn client(&self) -> &Arc<GraphClient> {
        &self.client
    }

    fn feeds(&self) -> Feeds<'_> {
        Feeds {
            client: &self.client,
            habits: &self.habits,
        }
    }
}

#[async_trait]
impl Source for GraphSource {
    async fn mailboxes(&self, next: Option<&Cursor>) -> Result<MailboxPage, SourceError> {
        self.client.mailbox_page(next).await
    }

    async fn members(
        &self,
        group: &str,
        next: Option<&Cursor>,
    ) -> Result<MailboxPage, SourceError> {
        self.client.member_page(group, next).await
    }

    async fn matching(
        &self,
        rule: &Rule,
        next: Option<&Cursor>,
    ) -> Result<MailboxPage, SourceError> {
        self.client.matching_page(rule, next).await
    }

    async fn check_permissions(
        &self,
        mailbox: Option<&SourceMailboxId>,
    ) -> Result<Vec<PermissionCheck>, SourceError> {
        self.client.permissions(mailbox).await
    }

    async fn sync(
        &self,
        mailbox: &SourceMailboxId,
        request: SyncRequest,
    ) -> Result<SyncRound, SourceError> {
        self.feeds().round(mailbox, request).await
    }

    async fn count_items(
        &self,
        mailbox: &SourceMailboxId,
        folders: &[FolderId],
    ) -> Result<Vec<(FolderId, u64)>, SourceError> {
        self.client.count_items(mailbox, folders).await
    }

    async fn changes(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderCursor,
    ) -> Result<ChangePage, SourceError> {
        self.feeds().page(mailbox, folder).await
    }

    async fn content(
        &self,
        mailbox: &SourceMailboxId,
        item: &Item,
    ) -> Result<ItemContent, SourceError> {
        match Place::of_item(&item.id) {
            Place::Mail(_) => self.client.item_content(mailbox, item).await,
            _ => self.client.organizer_content(mailbox, item).await,
        }
    }

    fn offers(&self) -> Extent {
        // Of Recoverable Items it shows Deletions.
        Extent {
            recoverable_items: true,
            ..Extent::default()
        }
    }

    async fn locate(
        &self,
        mailbox: &SourceMailboxId,
        items: &[ItemId],
    ) -> Result<Vec<(ItemId, Result<Option<Box<SourceItem>>, SourceError>)>, SourceError> {
        let is_mail = |id: &&ItemId| matches!(Place::of_item(id), Place::Mail(_));
        let (mail, others): (Vec<&ItemId>, Vec<&ItemId>) = items.iter().partition(is_mail);
        let (mail, others): (Vec<ItemId>, Vec<ItemId>) = (
            mail.into_iter().cloned().collect(),
            others.into_iter().cloned().collect(),
        );
        let mut found = HashMap::new();
        if !mail.is_empty() {
            let described = self.client.describe(mailbox, &mail).await?;
            found.extend(mail.into_iter().zip(described));
        }
        if !others.is_empty() {
            let described = self.client.describe_organized(mailbox, None, &others);
            found.extend(others.iter().cloned().zip(described.await?));
        }
        Ok(items
            .iter()
            .filter_map(|id| Some((id.clone(), found.remove(id)?)))
            .collect())
    }

    async fn describe(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        items: &[ItemId],
    ) -> Result<Vec<(ItemId, Result<Option<Box<SourceItem>>, SourceError>)>, SourceError> {
        if organizer_place(folder).is_none() {
            return self.locate(mailbox, items).await;
        }
        let found = self
            .client
            .describe_organized(mailbox, Some(folder), items)
            .await?;
        Ok(items.iter().cloned().zip(found).collect())
    }

    fn keeps_kinds_apart(&self) -> bool {
        true
    }

    fn metrics(&self, mailbox: Option<&SourceMailboxId>) -> SourceMetrics {
        self.client.metrics(mailbox)
    }

    fn throttled_until(&self, mailbox: &SourceMailboxId) -> Option<DateTime<Utc>> {
        self.client.throttled_until(mailbox)
    }
}
