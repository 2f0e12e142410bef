//! [`Source`] over Graph.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mailkeep_model::job::Rule;
use mailkeep_model::{Extent, FolderId, Item, ItemId, SourceMailboxId};
use mailkeep_ports::{Clock, Rng};

use super::client::GraphClient;
use super::connection::GraphConnection;
use super::feed::{FeedHabits, Feeds};
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
        self.client.item_content(mailbox, item).await
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
        let found = self.client.describe(mailbox, items).await?;
        Ok(items.iter().cloned().zip(found).collect())
    }

    fn metrics(&self, mailbox: Option<&SourceMailboxId>) -> SourceMetrics {
        self.client.metrics(mailbox)
    }

    fn throttled_until(&self, mailbox: &SourceMailboxId) -> Option<DateTime<Utc>> {
        self.client.throttled_until(mailbox)
    }
}
