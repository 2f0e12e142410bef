//! Sync states: sealed, so that nobody relies on what is in them, and bound to what they belong to.

use serde::{Deserialize, Serialize};

use super::error::EwsError;
use crate::graph::cursor::{open, seal};
use crate::store::changes::Place;
use crate::tenant::Tenant;

/// What a state carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SyncState {
    /// `items` or `tree`.
    kind: String,
    pub(crate) account: u32,
    pub(crate) folder: u32,
    since: u64,
    until: u64,
    position: u64,
    /// The round ended; the next call begins another one.
    pub(crate) is_end: bool,
    /// The mailbox's and the folder's epochs.
    epochs: (u32, u32),
}

/// What a state must belong to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) kind: &'a str,
    pub(crate) account: u32,
    pub(crate) folder: u32,
    pub(crate) epochs: (u32, u32),
}

impl SyncState {
    /// The place in the feed.
    pub(crate) fn place(&self) -> Place {
        Place {
            since: self.since,
            until: self.until,
            position: self.position,
        }
    }

    /// Writes a state.
    pub(crate) fn write(tenant: &Tenant, owner: Owner<'_>, place: Place, is_end: bool) -> String {
        let state = Self {
            kind: owner.kind.to_owned(),
            account: owner.account,
            folder: owner.folder,
            since: place.since,
            until: place.until,
            position: place.position,
            is_end,
            epochs: owner.epochs,
        };
        let text = seal(&tenant.key, &state)
            .replace('-', "+")
            .replace('_', "/");
        let missing = (4 - text.len() % 4) % 4;
        text + &"=".repeat(missing)
    }

    /// Reads a state, which must belong to the same folder and still be good.
    pub(crate) fn read(tenant: &Tenant, owner: Owner<'_>, text: &str) -> Result<Self, EwsError> {
        let inner = text
            .trim_end_matches('=')
            .replace('+', "-")
            .replace('/', "_");
        let state: Option<Self> = open(&tenant.key, &inner);
        state
            .filter(|state| {
                state.kind == owner.kind
                    && state.account == owner.account
                    && state.folder == owner.folder
                    && state.epochs == owner.epochs
            })
            .ok_or_else(|| {
                EwsError::new(
                    "ErrorInvalidSyncStateData",
                    "Synchronization state data is corrupt or otherwise invalid.",
                )
            })
    }
}
