//! Where news are dealt with.

use std::sync::Arc;

use mailkeep_model::news::NotificationSettings;
use mailkeep_ports::{Clock, Item, Notify, Query, Rng, Table, TableErrorKind};

use super::NewsError;
use super::records::{INBOX, OUTBOX};

/// Most items of the inbox that are sorted at a time.
const MAX_SORTED: usize = 500;

/// Deals with news. One value per process; several processes may each have one.
pub struct Desk {
    pub(super) table: Arc<dyn Table>,
    pub(super) clock: Arc<dyn Clock>,
    /// Tells this desk's leases from those of others.
    pub(super) name: String,
    is_busy: tokio::sync::Mutex<()>,
}

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Worked {
    /// Events that were sorted.
    pub sorted: u64,
    /// Deliveries that succeeded.
    pub delivered: u64,
    /// Deliveries that failed and are tried again.
    pub postponed: u64,
    /// Deliveries that failed for good.
    pub failed: u64,
    /// Records that somebody else changed meanwhile, or that the table did not let us change. They are
    /// dealt with the next time.
    pub skipped: u64,
}

impl Desk {
    /// A desk at this table.
    #[must_use]
    pub fn new(table: Arc<dyn Table>, clock: Arc<dyn Clock>, rng: &dyn Rng) -> Self {
        Self {
            table,
            clock,
            name: format!("{:016x}", rng.next_u64()),
            is_busy: tokio::sync::Mutex::default(),
        }
    }

    /// Sorts what has happened and delivers what is due. Called again and again; a failure of one
    /// record or one delivery does not stop the others.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn work(
        &self,
        settings: &NotificationSettings,
        notify: &dyn Notify,
    ) -> Result<Worked, NewsError> {
        let _one_at_a_time = self.is_busy.lock().await;
        let mut worked = Worked::default();
        for item in self.items(INBOX, MAX_SORTED).await? {
            let sorted = self.sort(settings, &item).await;
            if note(sorted, "sorting news", &mut worked).is_some() {
                worked.sorted += 1;
            }
        }
        let mut round = super::send::Round::default();
        for item in self.items(OUTBOX, usize::MAX).await? {
            let sent = self.send(notify, &item, &mut round, &mut worked).await;
            note(sent, "delivering news", &mut worked);
        }
        Ok(worked)
    }

    /// All items of a partition, up to `most`.
    async fn items(&self, partition: &str, most: usize) -> Result<Vec<Item>, NewsError> {
        let mut items = vec![];
        let mut query = Query::prefix(partition, "");
        loop {
            let page = self.table.query(&query).await?;
            items.extend(page.items);
            match page.next {
                Some(next) if items.len() < most => query.after = Some(next),
                _ => break,
            }
        }
        items.truncate(most);
        Ok(items)
    }
}

/// Counts and logs what did not work out. Another one's change is not worth a line.
fn note<T>(result: Result<T, NewsError>, doing: &str, worked: &mut Worked) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            worked.skipped += 1;
            let is_race =
                matches!(&error, NewsError::Table(error) if error.kind == TableErrorKind::Conflict);
            if !is_race {
                tracing::warn!(%error, "{doing} is tried again");
            }
            None
        }
    }
}
