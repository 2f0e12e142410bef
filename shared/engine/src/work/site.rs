//! Where the work is done: what planner and workers need beside the job database.

use std::sync::Arc;

use async_trait::async_trait;
use mailkeep_exchange::{Source, SourceError};
use mailkeep_model::MailboxProfile;
use mailkeep_model::job::JobDefinition;

use super::{Order, Report};
use crate::run::RunRecord;
use crate::{Engine, StopSignal};

/// One page of the mailboxes that a scope chooses from.
#[derive(Clone, Debug, Default)]
pub struct ScopePage {
    /// The tenant or server that ids of mailboxes are unique in.
    pub realm: String,
    /// The mailboxes.
    pub mailboxes: Vec<MailboxProfile>,
    /// Pass to get the next page; `None` at the end.
    pub next: Option<String>,
}

/// Lists mailboxes and backs them up. [`VaultSite`](super::VaultSite) does so; simulations have others.
#[async_trait]
pub trait Site: Send + Sync + 'static {
    /// One page of the mailboxes that the job's scope chooses from (all, the members of a group, those
    /// that a rule fits); exclusions are not regarded here.
    ///
    /// # Errors
    /// When the connection cannot be used or the page not be read.
    async fn page(
        &self,
        definition: &JobDefinition,
        next: Option<&str>,
    ) -> Result<ScopePage, SourceError>;

    /// Backs up one mailbox until it is done or told to stop.
    async fn back_up(&self, order: &Order, stop: StopSignal) -> Report;

    /// A cycle was opened. Told once, by whoever opened it.
    async fn opened(&self, _run: &RunRecord) {}

    /// A cycle has ended. Told once, by whoever ended it, before [`close`](Self::close).
    async fn ended(&self, _run: &RunRecord) {}

    /// A cycle of this job is over.
    async fn close(&self, definition: &JobDefinition);
}

/// A connection that is open, and the vault that it is backed up to.
#[derive(Clone)]
pub struct Workplace {
    /// The vault.
    pub engine: Engine,
    /// The source.
    pub source: Arc<dyn Source>,
    /// The tenant or server that ids of mailboxes are unique in.
    pub realm: String,
}

/// Opens connections and storages by the names that jobs have for them.
#[async_trait]
pub trait Connections: Send + Sync + 'static {
    /// Opens a connection and a storage, or gives the open ones.
    ///
    /// # Errors
    /// When there is none by that name, or it cannot be opened.
    async fn open(&self, connection: &str, storage: &str) -> Result<Workplace, SourceError>;
}
