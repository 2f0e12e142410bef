//! Tasks that were handed out and that nobody works on: their messages are sent again.

use mailkeep_ports::Query;

use super::Planner;
use super::agenda::{Agenda, later};
use crate::claim::LeaseRecord;
use crate::ledger::{FLIGHT, JobError, Made, TaskKey, Tries, Versioned, keys_lease, replace};
use crate::run::RunRecord;
use crate::work::TaskMessage;

impl Planner {
    /// Sends the messages of abandoned tasks again. A message more does no harm.
    pub(super) async fn mend(&self, run: &RunRecord, agenda: &mut Agenda) -> Result<(), JobError> {
        if run.in_flight == 0 {
            return Ok(());
        }
        let mut after = None;
        let mut messages = vec![];
        loop {
            let query = Query {
                after,
                ..Query::prefix(run.key.partition(), FLIGHT)
            };
            let page = self.ledger().keys(&query).await?;
            for key in page.0 {
                let name = key.sort().strip_prefix(FLIGHT).unwrap_or_default();
                let task = TaskKey {
                    run: run.key.clone(),
                    name: name.to_owned(),
                };
                messages.extend(self.abandoned(&task, agenda).await?);
                if messages.len() == mailkeep_ports::queue::MAX_BATCH {
                    self.send(&mut messages).await?;
                }
            }
            after = page.1;
            if after.is_none() {
                return self.send(&mut messages).await;
            }
        }
    }

    async fn abandoned(
        &self,
        key: &TaskKey,
        agenda: &mut Agenda,
    ) -> Result<Option<TaskMessage>, JobError> {
        let Some(task) = self.ledger().task(key).await? else {
            return Ok(None);
        };
        if !task.value.is_out(task.value.dispatch) {
            return Ok(None);
        }
        let sent_at = task.value.sent_at.unwrap_or(agenda.now);
        let mut quiet_since = sent_at;
        let lease = keys_lease(&task.value.realm, &task.value.mailbox.id)?;
        let lease: Option<Versioned<LeaseRecord>> = self.ledger().read(&lease).await?;
        let holder = lease.as_ref().and_then(|lease| lease.value.holder.as_ref());
        if let Some(holder) = holder.filter(|holder| holder.work == *key) {
            if holder.is_live(agenda.now) {
                agenda.at(later(holder.until, self.settings.resend));
                return Ok(None);
            }
            quiet_since = quiet_since.max(holder.until);
        }
        let due_at = later(quiet_since, self.settings.resend);
        // A clock that jumped back far must not keep a task waiting for as long as it jumped.
        let is_in_future = later(agenda.now, self.settings.resend) < quiet_since;
        if due_at > agenda.now && !is_in_future {
            agenda.at(due_at);
            return Ok(None);
        }
        let mut sent = task.value.clone();
        sent.sent_at = Some(agenda.now);
        let write = replace(key.task()?, task.version, &sent)?;
        let mut tries = Tries::new();
        if self.ledger().transact(vec![write], &mut tries).await? == Made::Unsure {
            // Somebody else moved it; the next tick sees how.
            agenda.at(agenda.now);
            return Ok(None);
        }
        agenda.at(later(agenda.now, self.settings.resend));
        Ok(Some(TaskMessage {
            task: key.clone(),
            dispatch: sent.dispatch,
        }))
    }
}
