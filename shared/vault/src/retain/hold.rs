//! Legal holds.

use std::str::FromStr;

use chrono::{DateTime, Utc};
use mailkeep_model::Item;
use serde::{Deserialize, Serialize};

use crate::error::VaultError;
use crate::ids::MailboxId;
use crate::index::filter::{ItemFilter, Matcher};
use crate::retain::settings::{decode, encode};
use crate::vault::Vault;

use crate::documents::PutMode;

/// Kind of the documents that hold them.
const KIND: &str = "hold";

/// A legal hold: what it covers stays, whatever a policy says, until somebody removes the hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its name.
    pub name: String,
    /// Why, for people.
    pub reason: String,
    /// When it was placed.
    pub placed_at: DateTime<Utc>,
    /// The mailbox; `None` for all.
    pub mailbox: Option<MailboxId>,
    /// Every version of an item that has a version like this; `None` for everything.
    pub search: Option<ItemFilter>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HoldRecord {
    name: String,
    reason: String,
    placed_at: DateTime<Utc>,
    mailbox: Option<String>,
    search: Option<ItemFilter>,
}

impl Hold {
    /// True when it may cover something in this mailbox.
    #[must_use]
    pub fn concerns(&self, mailbox: &MailboxId) -> bool {
        self.mailbox.as_ref().is_none_or(|it| it == mailbox)
    }
}

impl Vault {
    /// Places a hold.
    ///
    /// # Errors
    /// `AlreadyExists` for a name that is in use, `Invalid` for an empty one, or a store error.
    pub async fn add_hold(&self, hold: &Hold) -> Result<(), VaultError> {
        if hold.name.trim().is_empty() {
            return Err(VaultError::invalid("a hold needs a name"));
        }
        let record = HoldRecord {
            name: hold.name.clone(),
            reason: hold.reason.clone(),
            placed_at: hold.placed_at,
            mailbox: hold.mailbox.as_ref().map(ToString::to_string),
            search: hold.search.clone(),
        };
        self.put_document(KIND, &hold.name, &encode(&record)?, PutMode::Create)
            .await
    }

    /// Every hold, by name. One that cannot be read is an error: whoever deletes must know them all.
    ///
    /// # Errors
    /// `Corrupt` for a damaged hold, or a store error.
    pub async fn holds(&self) -> Result<Vec<Hold>, VaultError> {
        let mut holds = vec![];
        for name in self.documents(KIND).await? {
            // Removed by somebody else in between.
            let Some(bytes) = self.document(KIND, &name).await? else {
                continue;
            };
            let record: HoldRecord = decode(&format!("hold `{name}`"), &bytes)?;
            holds.push(Hold {
                mailbox: record
                    .mailbox
                    .map(|text| MailboxId::from_str(&text))
                    .transpose()?,
                name: record.name,
                reason: record.reason,
                placed_at: record.placed_at,
                search: record.search,
            });
        }
        Ok(holds)
    }

    /// Removes a hold.
    ///
    /// # Errors
    /// `Missing` when there is none by this name, or a store error.
    pub async fn remove_hold(&self, name: &str) -> Result<(), VaultError> {
        if self.document(KIND, name).await?.is_none() {
            return Err(VaultError::missing(
                "the hold",
                "there is none by this name; `mailkeep hold ls` shows those there are",
            ));
        }
        self.delete_document(KIND, name).await
    }
}

/// The holds of one mailbox, made ready for many versions.
pub(crate) struct HoldMatcher {
    /// One of them covers everything.
    pub covers_all: bool,
    searches: Vec<(ItemFilter, Matcher)>,
}

impl HoldMatcher {
    /// Made from holds that concern the mailbox.
    pub(crate) fn new<'a>(holds: impl IntoIterator<Item = &'a Hold>) -> Self {
        let mut covers_all = false;
        let mut searches = vec![];
        for hold in holds {
            match &hold.search {
                None => covers_all = true,
                Some(filter) => searches.push((filter.clone(), Matcher::new(filter))),
            }
        }
        Self {
            covers_all,
            searches,
        }
    }

    /// True when no version needs to be looked at.
    pub(crate) fn is_simple(&self) -> bool {
        self.covers_all || self.searches.is_empty()
    }

    /// True when a search fits this version.
    pub(crate) fn matches(&self, item: &Item) -> bool {
        self.searches.iter().any(|(filter, matcher)| {
            let folders = filter.folders.as_ref();
            folders.is_none_or(|folders| folders.contains(&item.folder)) && matcher.matches(item)
        })
    }
}
