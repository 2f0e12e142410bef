//! Mailboxes that were just looked into: opening one reads its index, and whoever browses asks again
//! and again. Few, and not for long.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mailkeep_engine::{Engine, browse};
use mailkeep_ports::Clock;
use mailkeep_vault::{Mailbox, MailboxId, MailboxView};

use crate::problem::Problem;

/// An open mailbox as of one restore point.
#[derive(Clone)]
pub(crate) struct OpenMailbox {
    pub(crate) mailbox: Mailbox,
    pub(crate) view: MailboxView,
}

struct Entry {
    mailbox: MailboxId,
    snapshot: String,
    opened_at: Duration,
    open: OpenMailbox,
}

/// Open mailboxes.
pub(crate) struct Views {
    clock: Arc<dyn Clock>,
    max: usize,
    lifetime: Duration,
    /// The one used last is the last one.
    entries: Mutex<VecDeque<Entry>>,
}

impl Views {
    pub(crate) fn new(clock: Arc<dyn Clock>, max: usize, lifetime: Duration) -> Self {
        Self {
            clock,
            max,
            lifetime,
            entries: Mutex::default(),
        }
    }

    /// The mailbox of this id as of a restore point (see [`browse::open`]).
    pub(crate) async fn open(
        &self,
        engine: &Engine,
        mailbox: &str,
        snapshot: &str,
    ) -> Result<OpenMailbox, Problem> {
        let no_such = || Problem::not_found("no_such_mailbox", "the vault has no such mailbox");
        let id: MailboxId = mailbox.parse().map_err(|_| no_such())?;
        if let Some(open) = self.known(&id, snapshot) {
            return Ok(open);
        }
        let mailbox = match engine.vault().mailbox(&id).await {
            Err(mailkeep_vault::VaultError::Missing { .. }) => return Err(no_such()),
            opened => opened?,
        };
        let view = browse::open(&mailbox, snapshot).await?;
        let open = OpenMailbox { mailbox, view };
        self.remember(Entry {
            mailbox: id,
            snapshot: snapshot.to_owned(),
            opened_at: self.clock.monotonic(),
            open: open.clone(),
        });
        Ok(open)
    }

    fn known(&self, mailbox: &MailboxId, snapshot: &str) -> Option<OpenMailbox> {
        let now = self.clock.monotonic();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| now.saturating_sub(entry.opened_at) < self.lifetime);
        let fits = |entry: &Entry| entry.mailbox == *mailbox && entry.snapshot == snapshot;
        let place = entries.iter().position(fits)?;
        let entry = entries.remove(place)?;
        let open = entry.open.clone();
        entries.push_back(entry);
        Some(open)
    }

    fn remember(&self, entry: Entry) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push_back(entry);
        while entries.len() > self.max {
            entries.pop_front();
        }
    }
}
