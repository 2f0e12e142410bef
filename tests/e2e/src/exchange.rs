//! The Exchange side of a rig: the EWS connector, and the comparison with what Exchange holds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use exchange_sim::admin::FolderTruth;
use exchange_sim::{ExchangeOptions, SimTenantBuilder};
use futures::TryStreamExt;
use mailkeep_engine::backup::{BackupRequest, FolderScope, MailboxScope, backup};
use mailkeep_engine::{Quiet, StopSignal};
use mailkeep_exchange::ews::{
    EwsClient, EwsConnection, EwsLogin, EwsSource, EwsTarget, MailboxAccess,
};
use mailkeep_model::{Extent, FlagStatus, ItemKind, MailboxOutcome, PUBLIC_FOLDERS, RunSummary};
use mailkeep_vault::{ItemFilter, MailboxView};

use crate::{Rig, digest};

const REALM: &str = "exchange";

/// One item, as far as both sides know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExchangeFacts {
    /// The folder's id.
    pub folder: String,
    /// The message class.
    pub class: String,
    /// The subject.
    pub subject: String,
    /// Received, for mail.
    pub received: String,
    /// Read, for mail.
    pub is_read: bool,
    /// Flagged.
    pub is_flagged: bool,
    /// A draft.
    pub is_draft: bool,
    /// Categories.
    pub categories: Vec<String>,
    /// Digest of what it says, for mail.
    pub canonical: Option<[u8; 32]>,
}

/// An Exchange organisation to back up.
pub struct Exchange {
    /// The rig.
    pub rig: Rig,
    /// What backups take beside visible folders.
    pub extent: Extent,
}

fn is_mail(class: &str) -> bool {
    !matches!(
        ItemKind::from_class(class),
        ItemKind::Event | ItemKind::Contact | ItemKind::DistributionList | ItemKind::Task
    )
}

impl Exchange {
    /// Starts an organisation.
    pub async fn start(builder: SimTenantBuilder, options: ExchangeOptions) -> Self {
        let builder = builder.other_accounts(false).exchange(options);
        Self {
            rig: Rig::start(builder).await,
            extent: Extent::default(),
        }
    }

    /// Addresses of the mailboxes.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let all = self.rig.admin.mailboxes();
        all.into_iter().filter_map(|one| one.address).collect()
    }

    /// The first mailbox's address.
    #[must_use]
    pub fn first(&self) -> String {
        self.addresses().remove(0)
    }

    /// The connection.
    #[must_use]
    pub fn connection(&self) -> EwsConnection {
        let access = self.rig.sim.exchange().unwrap();
        EwsConnection {
            url: access.url,
            login: EwsLogin::Ntlm {
                user: access.service_user,
                password: access.service_password.into(),
            },
            access: MailboxAccess::Impersonation,
            mailboxes: self.addresses(),
            public_folders_as: None,
            authority_pem: access.authority_pem,
        }
    }

    /// A client as a new process has it.
    #[must_use]
    pub fn client(&self) -> Arc<EwsClient> {
        self.client_of(&self.connection())
    }

    /// A client of this connection.
    #[must_use]
    pub fn client_of(&self, connection: &EwsConnection) -> Arc<EwsClient> {
        let (clock, rng) = (self.rig.clock.clone(), self.rig.rng.clone());
        EwsClient::new(connection, clock, rng).unwrap()
    }

    /// A client that reaches public folders, too, with the rights of the first mailbox's owner.
    #[must_use]
    pub fn public_client(&self) -> Arc<EwsClient> {
        self.client_of(&EwsConnection {
            public_folders_as: Some(self.first()),
            ..self.connection()
        })
    }

    /// A target as a new process has it.
    #[must_use]
    pub fn target(&self) -> Arc<EwsTarget> {
        Arc::new(EwsTarget::with_client(self.client()))
    }

    /// Backs up every mailbox.
    pub async fn back_up(&self) -> RunSummary {
        let source = Arc::new(EwsSource::with_client(self.client()));
        let request = BackupRequest {
            extent: self.extent,
            ..BackupRequest::new(REALM, "simulated")
        };
        let (engine, stop) = (self.rig.engine(), StopSignal::new());
        let run = backup(&engine, source, request, Arc::new(Quiet), stop).await;
        run.unwrap()
    }

    /// Backs up public folders.
    pub async fn back_up_public(&self, folders: FolderScope) -> RunSummary {
        let source = Arc::new(EwsSource::with_client(self.public_client()));
        let request = BackupRequest {
            mailboxes: MailboxScope::Only(vec![PUBLIC_FOLDERS.into()]),
            public_folders: folders,
            ..BackupRequest::new(REALM, "simulated")
        };
        let (engine, stop) = (self.rig.engine(), StopSignal::new());
        let run = backup(&engine, source, request, Arc::new(Quiet), stop).await;
        run.unwrap()
    }

    /// What the vault has of the public folders: items by id, and the folders' paths.
    pub async fn held_public(&self) -> (BTreeMap<String, ExchangeFacts>, BTreeSet<String>) {
        let view = self.rig.view(PUBLIC_FOLDERS).await;
        let paths = view.folders().iter().filter(|folder| !folder.deleted);
        let paths = paths.map(|folder| folder.path.to_string()).collect();
        (stored(&view).await, paths)
    }

    /// Backs up every mailbox, expects that all is well, and compares.
    pub async fn back_up_complete(&self) -> RunSummary {
        let summary = self.back_up().await;
        for mailbox in &summary.mailboxes {
            assert_eq!(mailbox.outcome, MailboxOutcome::Complete, "{mailbox:?}");
            assert!(mailbox.warnings.is_empty(), "{mailbox:?}");
        }
        assert_eq!(summary.exit_code(), 0);
        self.check().await;
        summary
    }

    /// The vault holds exactly what Exchange holds.
    pub async fn check(&self) {
        for mailbox in self.addresses() {
            let view = self.rig.view(&mailbox.to_lowercase()).await;
            assert!(view.gaps().is_empty(), "{:?}", view.gaps());
            let (truth, held) = (self.truth(&mailbox), stored(&view).await);
            for (id, wanted) in &truth {
                let found = held.get(id);
                assert_eq!(found, Some(wanted), "{mailbox}: item {id}");
            }
            assert_eq!(held.len(), truth.len(), "{mailbox}: items that are gone");
        }
    }

    /// The well-known name of the root of each folder's tree.
    fn roots(&self, mailbox: &str) -> BTreeMap<String, &'static str> {
        let all = self.rig.admin.folders(mailbox).unwrap();
        let by_id: BTreeMap<_, _> = all.iter().map(|one| (one.id.clone(), one)).collect();
        let root = |folder: &FolderTruth| {
            let parent = |one: &&FolderTruth| by_id.get(one.parent.as_ref()?).copied();
            let top = std::iter::successors(Some(folder), parent).last();
            top.and_then(|top| top.well_known).unwrap_or_default()
        };
        all.iter().map(|one| (one.id.clone(), root(one))).collect()
    }

    /// What Exchange holds in folders that are backed up.
    #[must_use]
    pub fn truth(&self, mailbox: &str) -> BTreeMap<String, ExchangeFacts> {
        let admin = &self.rig.admin;
        let (roots, extent) = (self.roots(mailbox), self.extent);
        let is_taken = |folder: &FolderTruth| match roots.get(&folder.id).copied() {
            Some("archivemsgfolderroot") => extent.archive,
            Some("recoverableitemsroot") => extent.recoverable_items,
            Some("archiverecoverableitemsroot") => extent.archive && extent.recoverable_items,
            _ => !folder.is_hidden,
        };
        let folders: BTreeMap<String, String> = admin
            .folders(mailbox)
            .unwrap()
            .into_iter()
            .filter(|folder| mailbox == PUBLIC_FOLDERS || is_taken(folder))
            .filter(|folder| !folder.is_search)
            .map(|folder| (folder.id, folder.exchange_id))
            .collect();
        let mut all = BTreeMap::new();
        for item in admin.items(mailbox).unwrap() {
            let Some(folder) = folders.get(&item.folder) else {
                continue;
            };
            let is_mail = is_mail(&item.class);
            let raw = || admin.raw(mailbox, &item.id).unwrap();
            let facts = ExchangeFacts {
                folder: folder.clone(),
                canonical: is_mail.then(|| digest(&raw()).1),
                class: item.class,
                subject: item.subject,
                received: if is_mail {
                    item.received
                } else {
                    String::new()
                },
                is_read: is_mail && item.is_read,
                is_flagged: item.is_flagged,
                is_draft: item.is_draft,
                categories: item.categories,
            };
            all.insert(item.exchange_id, facts);
        }
        all
    }

    /// EWS calls that were answered, without those of logins.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, u64> {
        let mut counters = self.rig.admin.counters();
        counters.retain(|name, _| name.starts_with("POST /EWS/"));
        counters
    }

    /// How many they were.
    #[must_use]
    pub fn number_of_calls(&self) -> u64 {
        self.calls().values().sum()
    }
}

/// What the vault holds.
async fn stored(view: &MailboxView) -> BTreeMap<String, ExchangeFacts> {
    let mut found = BTreeMap::new();
    let mut after = None;
    loop {
        let filter = ItemFilter::default();
        let page = view.items(&filter, after.as_ref(), 200).await.unwrap();
        for version in page.items {
            let reader = view.content(&version).await.unwrap();
            let pieces: Vec<_> = reader.mime().try_collect().await.unwrap();
            let item = version.item.clone();
            let is_mail = is_mail(&item.class);
            let received = item.received_at.filter(|_| is_mail);
            let facts = ExchangeFacts {
                folder: item.folder.0,
                canonical: is_mail.then(|| digest(&pieces.concat()).1),
                class: item.class,
                subject: item.subject,
                received: received.map_or_else(String::new, |at| {
                    at.format("%Y-%m-%dT%H:%M:%SZ").to_string()
                }),
                is_read: is_mail && item.is_read,
                is_flagged: item.flag.status == FlagStatus::Flagged,
                is_draft: item.is_draft,
                categories: item.categories,
            };
            found.insert(item.id.0.clone(), facts);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
}
