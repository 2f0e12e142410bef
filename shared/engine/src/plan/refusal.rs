//! A page of mailboxes that could not be read.

use mailkeep_exchange::SourceError;
use mailkeep_model::job::JobDefinition;
use mailkeep_model::state::{Event, Reason, Retry, TaskEnd};

use super::Planner;
use super::agenda::later;
use crate::ledger::{EventRecord, JobError, JobEvent, Made, Tries, Versioned, replace};
use crate::run::RunRecord;

impl Planner {
    /// A page could not be read: tried again later, or up to a person, or given up.
    pub(super) async fn listing_failed(
        &self,
        run: &Versioned<RunRecord>,
        definition: &JobDefinition,
        error: &SourceError,
    ) -> Result<(), JobError> {
        let now = self.ledger().clock().now();
        let mut next = run.value.clone();
        next.listing.failures += 1;
        let jitter = u16::try_from(self.ledger().rng().next_u64() >> 48).unwrap_or_default();
        let retry = definition.retry.after(
            next.listing.failures,
            error.class,
            error.retry_after,
            jitter,
        );
        let whole = "(the list of mailboxes)".to_owned();
        let mut writes = vec![];
        let (event, cause) = match retry {
            Retry::After(wait) => {
                let not_before = later(now, wait);
                next.listing.not_before = Some(not_before);
                let event = JobEvent::AttemptFailed {
                    mailbox: whole,
                    reason: Reason::Failure(error.class),
                    next: not_before,
                };
                (
                    event,
                    format!("list-{}-{}", run.value.key.cycle, run.version),
                )
            }
            Retry::WaitForPerson(reason) => {
                let step = next.step(Event::NeedPerson(reason), now, &definition.name)?;
                writes.push(replace(run.value.key.run()?, run.version, &step.run)?);
                writes.push(step.event.write(&step.cause)?);
                writes.extend(step.news(None)?);
                let mut tries = Tries::new();
                let _: Made = self.ledger().transact(writes, &mut tries).await?;
                return Ok(());
            }
            Retry::GiveUp(_) | Retry::End(_) => {
                // What was listed is backed up; the rest counts as one that failed.
                next.listing.is_done = true;
                let end = TaskEnd::Failed(Reason::Failure(error.class));
                next.tally.add(end);
                let event = JobEvent::MailboxEnded {
                    mailbox: whole,
                    end,
                    message: error.to_string(),
                };
                (
                    event,
                    format!("list-{}-{}", run.value.key.cycle, run.version),
                )
            }
        };
        let event = EventRecord {
            at: now,
            job: next.key.job.clone(),
            name: definition.name.clone(),
            cycle: Some(next.key.cycle),
            event,
        };
        writes.push(event.write(&cause)?);
        writes.push(replace(run.value.key.run()?, run.version, &next)?);
        let mut tries = Tries::new();
        let _: Made = self.ledger().transact(writes, &mut tries).await?;
        Ok(())
    }
}
