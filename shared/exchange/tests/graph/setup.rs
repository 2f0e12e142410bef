//! A tenant, a source and small helpers.

use std::collections::BTreeMap;
use std::sync::Arc;

use exchange_sim::{START_UNIX_MILLIS, SimTenant, SimTenantBuilder};
use futures::StreamExt;
use mailkeep_exchange::graph::{Cloud, Credential, GraphConnection, GraphSource};
use mailkeep_exchange::{
    ChangePage, Cursor, FolderCursor, ItemChange, ItemContent, Source, SourceError, SourceItem,
    SyncRequest,
};
use mailkeep_model::{Folder, FolderId, ItemId, SourceMailboxId};
use mailkeep_ports::{SeededRng, TestClock};

/// A running tenant with a source on it.
pub struct World {
    pub sim: SimTenant,
    pub source: Arc<GraphSource>,
    pub clock: Arc<TestClock>,
    /// The first mailbox.
    pub mailbox: SourceMailboxId,
}

pub fn clock() -> Arc<TestClock> {
    let wall = chrono::DateTime::from_timestamp_millis(START_UNIX_MILLIS).unwrap();
    Arc::new(TestClock::new(wall))
}

pub fn connection(sim: &SimTenant) -> GraphConnection {
    let secret = Credential::Secret(sim.client_secret.clone().into());
    GraphConnection {
        login_url: sim.base_url().into(),
        graph_url: sim.base_url().into(),
        ..GraphConnection::new(&sim.tenant_id, &sim.client_id, secret, Cloud::Worldwide)
    }
}

impl World {
    pub async fn start(items: u32) -> Self {
        Self::from(small(items)).await
    }

    pub async fn from(builder: SimTenantBuilder) -> Self {
        let sim = builder.start().await.unwrap();
        let clock = clock();
        let rng = Arc::new(SeededRng::new(7));
        let source = GraphSource::new(&connection(&sim), clock.clone(), rng).unwrap();
        let truth = sim.admin().mailboxes();
        let first = truth.iter().find(|mailbox| mailbox.has_mailbox).unwrap();
        Self {
            mailbox: SourceMailboxId(first.id.clone()),
            source: Arc::new(source),
            clock,
            sim,
        }
    }

    pub fn id(&self) -> &str {
        self.mailbox.as_str()
    }

    /// The id of a well-known folder.
    pub fn folder(&self, name: &str) -> FolderId {
        let folders = self.sim.admin().folders(self.id()).unwrap();
        let found = folders
            .iter()
            .find(|folder| folder.well_known == Some(name));
        FolderId(found.unwrap().id.clone())
    }

    /// Everything in one folder, and the cursor at its end.
    pub async fn read(
        &self,
        folder: &FolderId,
        cursor: Option<Cursor>,
    ) -> Result<(Vec<ItemChange>, Cursor), SourceError> {
        let mut place = FolderCursor {
            folder: folder.clone(),
            cursor,
        };
        let mut all = vec![];
        loop {
            let page: ChangePage = self.source.changes(&self.mailbox, &place).await?;
            all.extend(page.changes);
            place.cursor = page.cursor;
            if page.is_last {
                return Ok((all, place.cursor.unwrap()));
            }
        }
    }

    /// A first run: the folders with a cursor for each, and all items by id.
    pub async fn first_run(&self) -> Known {
        let request = SyncRequest::default();
        let round = self.source.sync(&self.mailbox, request).await.unwrap();
        let tree = round.tree.unwrap();
        assert!(tree.is_complete);
        let mut known = Known {
            folders: tree.folders,
            tree: tree.cursor.unwrap(),
            cursors: vec![],
            items: BTreeMap::new(),
        };
        for folder in &known.folders {
            let (changes, cursor) = self.read(&folder.id, None).await.unwrap();
            known.cursors.push(FolderCursor {
                folder: folder.id.clone(),
                cursor: Some(cursor),
            });
            for item in present(&changes) {
                known.items.insert(item.item.id.clone(), item);
            }
        }
        known
    }
}

/// What an engine would know after a run.
pub struct Known {
    pub folders: Vec<Folder>,
    pub tree: Cursor,
    pub cursors: Vec<FolderCursor>,
    pub items: BTreeMap<ItemId, SourceItem>,
}

impl Known {
    pub fn request(&self) -> SyncRequest {
        SyncRequest {
            tree_cursor: Some(self.tree.clone()),
            folders: self.cursors.clone(),
            known_folders: self.folders.clone(),
            ..SyncRequest::default()
        }
    }
}

pub fn small(items: u32) -> SimTenantBuilder {
    SimTenant::builder()
        .mailboxes(2)
        .items_per_mailbox(items)
        .profile(exchange_sim::MailProfile::Small)
        .unusual_mail(false)
        .rebuild_mime(false)
}

pub fn present(changes: &[ItemChange]) -> Vec<SourceItem> {
    changes
        .iter()
        .filter_map(|change| match change {
            ItemChange::Present(item) => Some((**item).clone()),
            _ => None,
        })
        .collect()
}

pub async fn collect(content: ItemContent) -> Result<Vec<u8>, SourceError> {
    let mut mime = content.mime;
    let mut all = vec![];
    while let Some(bytes) = mime.next().await {
        all.extend_from_slice(&bytes?);
    }
    Ok(all)
}
