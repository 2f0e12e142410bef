//! Dead letters: their tasks and operations are over, visibly; brought back, they are worked on again.

use std::time::Duration;

use mailkeep_model::state::{Reason, TaskEnd};
use mailkeep_ports::queue::MAX_BATCH;

use super::Planner;
use crate::claim::LeaseRecord;
use crate::ledger::{JobError, JobEvent, Made, Tries, Versioned, keys_lease};
use crate::operation;
use crate::run::{Landing, Place, land};
use crate::work::{Message, TaskMessage};

/// How long a dead letter is hidden from the next look.
const LOOK: Duration = Duration::from_secs(600);

impl Planner {
    /// Looks at some dead letters. A task whose message became one, and that nobody works on, has
    /// failed.
    pub(super) async fn bury_dead_letters(&self) -> Result<(), JobError> {
        for letter in self.queue.dead_letters(MAX_BATCH, LOOK).await? {
            // What is none of ours stays for people to look at.
            let is_buried = match Message::decode(&letter.body) {
                Some(Message::Task(message)) => self.is_buried(&message).await?,
                Some(Message::Operation(message)) => {
                    operation::bury(self.ledger(), &message).await?
                }
                None => false,
            };
            if is_buried {
                self.queue.acknowledge(&letter.receipt).await?;
            }
        }
        Ok(())
    }

    /// Ends the task; `true` when its message is of no use any more.
    async fn is_buried(&self, message: &TaskMessage) -> Result<bool, JobError> {
        let mut tries = Tries::new();
        loop {
            let ledger = self.ledger();
            let Some(mut task) = ledger.task(&message.task).await? else {
                return Ok(true);
            };
            if !task.value.is_out(message.dispatch) {
                return Ok(true);
            }
            let key = keys_lease(&task.value.realm, &task.value.mailbox.id)?;
            let lease: Option<Versioned<LeaseRecord>> = ledger.read(&key).await?;
            let now = ledger.clock().now();
            let holder = lease.as_ref().and_then(|lease| lease.value.holder_at(now));
            if holder.is_some_and(|holder| holder.work == message.task) {
                return Ok(false);
            }
            let Some(run) = ledger.run(&message.task.run).await? else {
                return Ok(true);
            };
            let definition = self
                .definition(&run.value.key.job, run.value.version)
                .await?;
            let end = TaskEnd::Failed(Reason::RetryLimit);
            let message = "its message was received too often without a result";
            message.clone_into(&mut task.value.message);
            let landing = Landing {
                place: Place::Over(end),
                event: Some(JobEvent::MailboxEnded {
                    mailbox: task.value.mailbox.address.clone(),
                    end,
                    message: message.to_owned(),
                }),
                needs_person: None,
            };
            let writes = land(ledger, &run, task, &landing, &definition.name).await?;
            if ledger.transact(writes, &mut tries).await? == Made::Yes {
                return Ok(true);
            }
        }
    }

    /// Brings dead letters back, and has the jobs whose mailboxes failed for good try those again.
    /// Returns how many messages came back.
    ///
    /// # Errors
    /// When the queue fails.
    pub async fn redrive(&self, most: usize) -> Result<usize, JobError> {
        Ok(self.queue.redrive(most).await?)
    }
}
