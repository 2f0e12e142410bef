//! Which mailbox a call about public folders is meant for, and the headers that say so.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mailkeep_model::{Action, FailureClass, FolderId, SourceMailboxId};
use mailkeep_ports::{Clock, Rng};
use tokio::sync::OnceCell;

use super::discover::{Found, PATH, discover, unusable};
use super::{home_guid, home_id};
use crate::SourceError;
use crate::ews::connection::{Checked, EwsConnection};
use crate::ews::wire::Wire;
use crate::retry::Backoff;

/// Attempts for one address.
const ATTEMPTS: u32 = 4;
/// Mailboxes that hold public folders, at most; Exchange allows a thousand.
const MOST_HOMES: usize = 10_000;

/// The values of the two headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// `X-AnchorMailbox`.
    pub(crate) anchor: String,
    /// `X-PublicFolderMailbox`.
    pub(crate) mailbox: String,
}

/// What is known about the public folders of an organisation.
pub(crate) struct Public {
    /// Address of the mailbox whose owner opens them.
    reader: String,
    autodiscover: Wire,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    hierarchy: OnceCell<Route>,
    /// By GUID.
    homes: Mutex<HashMap<String, Arc<OnceCell<Route>>>>,
    places: Mutex<Places>,
}

/// Where the folders' items are.
#[derive(Default)]
struct Places {
    /// GUIDs of mailboxes.
    by_folder: HashMap<FolderId, Arc<str>>,
    /// Each GUID once.
    guids: BTreeSet<Arc<str>>,
}

impl Public {
    /// `None` when the connection does not say with whose rights. Sends nothing.
    pub(crate) fn new(
        connection: &EwsConnection,
        checked: &Checked,
        clock: &Arc<dyn Clock>,
        rng: &Arc<dyn Rng>,
    ) -> Result<Option<Self>, SourceError> {
        let Some(reader) = &connection.public_folders_as else {
            return Ok(None);
        };
        let mut url = checked.url.clone();
        url.set_path(PATH);
        url.set_query(None);
        let elsewhere = Checked {
            url,
            authorities: checked.authorities.clone(),
        };
        let autodiscover = Wire::new(connection, &elsewhere, 2, clock.clone(), rng.clone())?;
        Ok(Some(Self {
            reader: reader.to_lowercase(),
            autodiscover,
            clock: clock.clone(),
            rng: rng.clone(),
            hierarchy: OnceCell::new(),
            homes: Mutex::default(),
            places: Mutex::default(),
        }))
    }

    /// Address of the mailbox whose owner opens public folders.
    pub(crate) fn reader(&self) -> &str {
        &self.reader
    }

    /// The route to the mailbox with this id.
    pub(crate) async fn route(&self, mailbox: &SourceMailboxId) -> Result<Route, SourceError> {
        let hierarchy = self.hierarchy().await?;
        let Some(guid) = home_guid(mailbox) else {
            return Ok(hierarchy.clone());
        };
        let cell = {
            let mut homes = self.homes.lock().unwrap_or_else(PoisonError::into_inner);
            if homes.len() >= MOST_HOMES && !homes.contains_key(guid) {
                homes.clear();
            }
            homes.entry(guid.to_owned()).or_default().clone()
        };
        let found = cell.get_or_try_init(|| self.home(guid, hierarchy)).await;
        found.cloned()
    }

    async fn hierarchy(&self) -> Result<&Route, SourceError> {
        let find = || async {
            let reader = self.ask(&self.reader).await?;
            let anchor = reader.public_folders.ok_or_else(|| {
                unusable("the organisation has no public folders, or gives none to this mailbox")
            })?;
            let server = self.ask(&anchor).await?.server;
            // Servers before 2013 name themselves there.
            let server = server.filter(|server| server.contains('@'));
            Ok(Route {
                mailbox: server.unwrap_or_else(|| anchor.clone()),
                anchor,
            })
        };
        self.hierarchy.get_or_try_init(find).await
    }

    async fn home(&self, guid: &str, hierarchy: &Route) -> Result<Route, SourceError> {
        let domain = hierarchy.mailbox.split_once('@');
        let is_hierarchy = domain.is_some_and(|(name, _)| name.eq_ignore_ascii_case(guid));
        let address = if is_hierarchy {
            hierarchy.anchor.clone()
        } else {
            let domain = domain.map_or("", |(_, domain)| domain);
            let found = self.ask(&format!("{guid}@{domain}")).await;
            // One mailbox that cannot be found costs its own folders only.
            let found = found.map_err(|error| match error.class.action() {
                Action::StopMailbox => SourceError {
                    class: FailureClass::ItemPermanent,
                    message: "the mailbox that holds the public folder was not found".into(),
                    ..error
                },
                _ => error,
            })?;
            found.address.unwrap_or_else(|| format!("{guid}@{domain}"))
        };
        Ok(Route {
            anchor: address.clone(),
            mailbox: address,
        })
    }

    async fn ask(&self, address: &str) -> Result<Found, SourceError> {
        let mut backoff = Backoff::new(ATTEMPTS);
        loop {
            match discover(&self.autodiscover, address).await {
                Ok(found) => return Ok(found),
                Err(error) => backoff.wait(error, &*self.clock, &*self.rng).await?,
            }
        }
    }

    /// The mailbox that holds a folder's items, if it was heard of.
    pub(crate) fn known_home(&self, folder: &FolderId) -> Option<SourceMailboxId> {
        let places = self.places();
        places.by_folder.get(folder).map(|guid| home_id(guid))
    }

    /// Every mailbox that holds some folder's items, as far as it was heard of.
    pub(crate) fn known_homes(&self) -> Vec<SourceMailboxId> {
        self.places()
            .guids
            .iter()
            .map(|guid| home_id(guid))
            .collect()
    }

    /// Notes which mailbox holds a folder's items; `None` forgets it.
    pub(crate) fn note_home(&self, folder: &FolderId, guid: Option<String>) {
        let mut places = self.places();
        let Some(guid) = guid else {
            places.by_folder.remove(folder);
            return;
        };
        let guid: Arc<str> = Arc::from(guid);
        // Many folders, few mailboxes: the text is shared.
        let guid = places.guids.get(&guid).cloned().unwrap_or(guid);
        places.guids.insert(guid.clone());
        places.by_folder.insert(folder.clone(), guid);
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
