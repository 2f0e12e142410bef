//! [`Source`] over EWS.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use mailkeep_model::{
    Action, Extent, FailureClass, Folder, FolderId, Item, ItemId, LicenseState, MailboxKind,
    MailboxProfile, SourceMailboxId,
};
use mailkeep_ports::{Clock, Rng};

use super::client::EwsClient;
use super::connection::{EwsConnection, MailboxAccess};
use super::describe::Row;
use super::lookahead::{is_small, is_small_mail};
use super::public::{is_public, not_set_up, profile};
use super::sync::{mark_empty, was_empty};
use crate::{
    ChangePage, Cursor, ExportStream, FolderCursor, ItemContent, MailboxPage, PermissionCheck,
    Source, SourceError, SourceItem, SourceMetrics, SyncRequest, SyncRound,
};

/// Where items are; `None` for those that are gone.
type Located = Vec<(ItemId, Result<Option<Box<SourceItem>>, SourceError>)>;

/// Mailboxes on one page.
const PAGE: usize = 500;

/// Mailboxes of one Exchange organisation.
#[derive(Debug)]
pub struct EwsSource {
    client: Arc<EwsClient>,
}

impl EwsSource {
    /// A source with a client of its own. Sends nothing yet.
    ///
    /// # Errors
    /// Class `Configuration`, as [`EwsClient::new`].
    pub fn new(
        connection: &EwsConnection,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, SourceError> {
        Ok(Self::with_client(EwsClient::new(connection, clock, rng)?))
    }

    /// A source that shares its client, and so budgets and connections, with others.
    #[must_use]
    pub fn with_client(client: Arc<EwsClient>) -> Self {
        Self { client }
    }

    /// The client, to share it.
    #[must_use]
    pub fn client(&self) -> &Arc<EwsClient> {
        &self.client
    }

    /// The first page of a folder. A folder that held nothing and holds nothing needs no call.
    async fn first_page(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderCursor,
        listed: Option<&Folder>,
    ) -> Result<ChangePage, SourceError> {
        let is_empty = listed.is_some_and(|folder| folder.total_items == Some(0));
        if is_empty && was_empty(folder.cursor.as_ref()) {
            return Ok(ChangePage {
                changes: vec![],
                cursor: folder.cursor.clone(),
                is_last: true,
            });
        }
        let mut page = self.client.page(mailbox, folder).await?;
        if is_empty {
            mark_empty(&mut page);
        }
        Ok(page)
    }
}

#[async_trait]
impl Source for EwsSource {
    async fn mailboxes(&self, next: Option<&Cursor>) -> Result<MailboxPage, SourceError> {
        let start = next.and_then(|next| next.0.parse().ok()).unwrap_or(0);
        let all = &self.client.addresses;
        let mut mailboxes: Vec<MailboxProfile> = all
            .iter()
            .skip(start)
            .take(PAGE)
            .map(|address| MailboxProfile {
                id: mailbox_id(address),
                address: address.clone(),
                display_name: address.clone(),
                kind: MailboxKind::Other,
                license: LicenseState::Unknown,
                account_enabled: true,
            })
            .collect();
        let end = start + PAGE;
        if end >= all.len() && self.client.public.is_some() {
            mailboxes.push(profile());
        }
        Ok(MailboxPage {
            mailboxes,
            next: (end < all.len()).then(|| Cursor(end.to_string())),
        })
    }

    async fn members(
        &self,
        group: &str,
        _next: Option<&Cursor>,
    ) -> Result<MailboxPage, SourceError> {
        let members = self.client.members(group).await?;
        let mailboxes = members.into_iter().map(|(address, name)| MailboxProfile {
            id: mailbox_id(&address),
            address,
            display_name: name,
            kind: MailboxKind::Other,
            license: LicenseState::Unknown,
            account_enabled: true,
        });
        Ok(MailboxPage {
            mailboxes: mailboxes.collect(),
            next: None,
        })
    }

    async fn public_folders(&self) -> Result<MailboxProfile, SourceError> {
        match self.client.public {
            Some(_) => Ok(profile()),
            None => Err(not_set_up()),
        }
    }

    async fn check_permissions(
        &self,
        mailbox: Option<&SourceMailboxId>,
    ) -> Result<Vec<PermissionCheck>, SourceError> {
        let first = self.client.addresses.first().map(|first| mailbox_id(first));
        let mut checks = vec![];
        if let Some(public) = &self.client.public {
            let tried = self.client.public_root().await;
            checks.push(PermissionCheck {
                permission: "Public folders".into(),
                purpose: "open the public folders".into(),
                mailbox: Some(public.reader().to_owned()),
                failure: tried.err().map(|error| error.to_string()),
                restore_only: false,
            });
        }
        let mailbox = mailbox.cloned().or(first);
        let Some(mailbox) = mailbox.filter(|mailbox| !is_public(mailbox)) else {
            return Ok(checks);
        };
        let tried = self.client.tree(&mailbox, &[]).await;
        let failure = match tried {
            Ok(_) => None,
            Err(error)
                if matches!(
                    error.class,
                    FailureClass::AuthCredential
                        | FailureClass::AuthToken
                        | FailureClass::Configuration
                        | FailureClass::Connection
                ) =>
            {
                return Err(error);
            }
            Err(error) => Some(error.to_string()),
        };
        let permission = match self.client.access {
            MailboxAccess::Impersonation => "ApplicationImpersonation",
            MailboxAccess::Delegate => "Full Access",
        };
        checks.insert(
            0,
            PermissionCheck {
                permission: permission.into(),
                purpose: "open the mailbox".into(),
                mailbox: Some(mailbox.0),
                failure,
                restore_only: false,
            },
        );
        Ok(checks)
    }

    async fn sync(
        &self,
        mailbox: &SourceMailboxId,
        request: SyncRequest,
    ) -> Result<SyncRound, SourceError> {
        if is_public(mailbox) {
            // Pages are asked for one by one: there may be a great many folders.
            return Ok(SyncRound {
                tree: Ok(self.client.public_tree(&request.known_folders).await?),
                pages: vec![],
            });
        }
        let trees = self
            .client
            .trees(mailbox, &request.known_folders, request.extent);
        let tree = match trees.await {
            Err(error)
                if matches!(
                    error.class.action(),
                    Action::StopConnection | Action::StopMailbox
                ) =>
            {
                return Err(error);
            }
            tree => tree,
        };
        let listed: &[Folder] = tree.as_ref().map_or(&[], |tree| tree.folders.as_slice());
        let at_once = self.client.options.calls_per_mailbox.max(1) as usize;
        let asked: Vec<_> = request
            .folders
            .iter()
            .map(|folder| async move {
                let found = listed.iter().find(|one| one.id == folder.folder);
                let page = self.first_page(mailbox, folder, found).await;
                (folder.folder.clone(), page)
            })
            .collect();
        let pages: Vec<(FolderId, Result<ChangePage, SourceError>)> =
            stream::iter(asked).buffered(at_once).collect().await;
        Ok(SyncRound { tree, pages })
    }

    async fn changes(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderCursor,
    ) -> Result<ChangePage, SourceError> {
        match is_public(mailbox) {
            true => self.client.public_page(folder).await,
            false => self.client.page(mailbox, folder).await,
        }
    }

    fn expect_content(&self, mailbox: &SourceMailboxId, items: &[&Item]) {
        if is_public(mailbox) {
            return self.client.expect_public(items);
        }
        let state = self.client.state(Some(mailbox));
        state.lookahead.expect(items, is_small_mail);
        state.exports.expect(items, is_small);
    }

    fn offers(&self) -> Extent {
        Extent {
            archive: true,
            recoverable_items: true,
            export_streams: true,
        }
    }

    async fn export(
        &self,
        mailbox: &SourceMailboxId,
        item: &Item,
    ) -> Result<Option<ExportStream>, SourceError> {
        if is_public(mailbox) {
            // Exchange exports nothing from public folders.
            return Ok(None);
        }
        self.client.export_item(mailbox, &item.id).await.map(Some)
    }

    async fn content(
        &self,
        mailbox: &SourceMailboxId,
        item: &Item,
    ) -> Result<ItemContent, SourceError> {
        let home = self.client.home_of(mailbox, &item.folder).await?;
        self.client.item_content(&home, item).await
    }

    async fn locate(
        &self,
        mailbox: &SourceMailboxId,
        items: &[ItemId],
    ) -> Result<Vec<(ItemId, Result<Option<Box<SourceItem>>, SourceError>)>, SourceError> {
        let rows = match is_public(mailbox) {
            true => self.client.public_rows(items).await?,
            false => self.client.rows(mailbox, None, &unnamed(items)).await?,
        };
        Ok(located(items, rows))
    }

    async fn describe(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
        items: &[ItemId],
    ) -> Result<Vec<(ItemId, Result<Option<Box<SourceItem>>, SourceError>)>, SourceError> {
        let home = self.client.home_of(mailbox, folder).await?;
        let rows = self
            .client
            .rows(&home, Some(folder), &unnamed(items))
            .await?;
        Ok(located(items, rows))
    }

    fn metrics(&self, mailbox: Option<&SourceMailboxId>) -> SourceMetrics {
        self.client.metrics(mailbox)
    }

    fn throttled_until(&self, mailbox: &SourceMailboxId) -> Option<DateTime<Utc>> {
        self.client.throttled_until(mailbox)
    }
}

/// Ids of which no element is known.
fn unnamed(items: &[ItemId]) -> Vec<(ItemId, Option<&str>)> {
    items.iter().map(|id| (id.clone(), None)).collect()
}

fn located(items: &[ItemId], rows: Vec<Row>) -> Located {
    let rows = rows.into_iter().map(|row| match row {
        Ok(item) => Ok(Some(item)),
        Err(error) if error.class == FailureClass::ItemGone => Ok(None),
        Err(error) => Err(error),
    });
    items.iter().cloned().zip(rows).collect()
}

/// A mailbox's id is its address, which the server does not tell apart by case.
fn mailbox_id(address: &str) -> SourceMailboxId {
    SourceMailboxId(address.to_lowercase())
}
