//! From a message to a leased mailbox.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_model::job::JobDefinition;
use mailkeep_model::state::{Reason, State, TaskEnd};
use mailkeep_ports::ItemKey;
use mailkeep_vault::Ulid;

use super::{Gauge, Order, TaskMessage, Worker};
use crate::claim::{CALLS_AT_ONCE, Held, Holder, LeaseRecord, WorkKey};
use crate::ledger::{
    EventRecord, JobError, JobEvent, Made, TaskKey, Tries, Versioned, keys_lease, replace, write,
};
use crate::run::{Landing, Place, RunRecord, TaskRecord, WorkTime, begin_state, land};

/// Work that has begun.
pub(super) struct Begun {
    pub(super) task: TaskKey,
    pub(super) dispatch: u32,
    pub(super) order: Order,
    pub(super) lease: Held,
    /// The work ends then, if not before.
    pub(super) until: Option<DateTime<Utc>>,
}

/// What became of a message at first.
pub(super) enum Beginning {
    /// There is nothing to do about it, or somebody else does it.
    Old,
    /// The task waits again, or is over without work.
    GivenBack,
    /// Work may begin.
    Begun(Box<Begun>),
}

/// What was read to decide.
struct Scene {
    task: Versioned<TaskRecord>,
    run: Versioned<RunRecord>,
    definition: JobDefinition,
    lease: Option<Versioned<LeaseRecord>>,
    now: DateTime<Utc>,
}

impl Worker {
    /// Leases the mailbox and marks the task as begun, in one transaction.
    pub(super) async fn begin(&self, message: &TaskMessage) -> Result<Beginning, JobError> {
        let mut tries = Tries::new();
        let clock = self.ledger().clock();
        let claim = Ulid::new(&**clock, &**self.ledger().rng()).to_string();
        loop {
            let Some(scene) = self.look(message).await? else {
                return Ok(Beginning::Old);
            };
            let task = &scene.task.value;
            let lease_key = keys_lease(&task.realm, &task.mailbox.id)?;
            let holder = scene.lease.as_ref();
            let holder = holder.and_then(|lease| lease.value.holder_at(scene.now));
            if let Some(holder) = holder
                && holder.work == task.key
            {
                if holder.claim == claim {
                    // The answer to our own write was lost.
                    return self.begun(scene, lease_key).map(Beginning::Begun);
                }
                return Ok(Beginning::Old);
            }
            if let Some(landing) = self.obstacle(&scene, holder) {
                if self.give_back(scene, &landing, &mut tries).await? {
                    return Ok(Beginning::GivenBack);
                }
                continue;
            }
            if let Some(begun) = self
                .take(scene, lease_key, message, &claim, &mut tries)
                .await?
            {
                return Ok(Beginning::Begun(begun));
            }
        }
    }

    async fn look(&self, message: &TaskMessage) -> Result<Option<Scene>, JobError> {
        let ledger = self.ledger();
        let Some(task) = ledger.task(&message.task).await? else {
            return Ok(None);
        };
        if !task.value.is_out(message.dispatch) {
            return Ok(None);
        }
        let Some(run) = ledger.run(&message.task.run).await? else {
            return Ok(None);
        };
        let version = ledger.definition(&run.value.key.job, run.value.version);
        let definition = version.await?.ok_or_else(|| JobError::Corrupt {
            key: run.value.key.to_string(),
            cause: "its definition is missing".to_owned(),
        })?;
        let lease = keys_lease(&task.value.realm, &task.value.mailbox.id)?;
        Ok(Some(Scene {
            lease: ledger.read(&lease).await?,
            definition: definition.value.definition,
            task,
            run,
            now: ledger.clock().now(),
        }))
    }

    /// Why the work cannot begin now, if it cannot.
    fn obstacle(&self, scene: &Scene, holder: Option<&Holder>) -> Option<Landing> {
        let task = &scene.task.value;
        let address = || task.mailbox.address.clone();
        let waiting = |due_at| Landing {
            place: Place::Waiting(due_at),
            event: None,
            needs_person: None,
        };
        let is_open = WorkTime::of(&scene.run.value, &scene.definition, scene.now).is_open();
        if !scene.run.value.may_work() || !is_open {
            return Some(waiting(scene.now));
        }
        if holder.is_some() {
            let wait = TimeDelta::from_std(self.settings.held_wait).unwrap_or_default();
            let event = JobEvent::MailboxHeld { mailbox: address() };
            return Some(Landing {
                event: (!task.was_held).then_some(event),
                ..waiting(scene.now + wait)
            });
        }
        if task.starts >= self.settings.most_starts {
            let end = TaskEnd::Failed(Reason::RetryLimit);
            return Some(Landing {
                place: Place::Over(end),
                event: Some(JobEvent::MailboxEnded {
                    mailbox: address(),
                    end,
                    message: "workers were lost again and again while they worked on it".to_owned(),
                }),
                needs_person: None,
            });
        }
        None
    }

    async fn give_back(
        &self,
        scene: Scene,
        landing: &Landing,
        tries: &mut Tries,
    ) -> Result<bool, JobError> {
        let mut task = scene.task;
        match landing.event {
            Some(JobEvent::MailboxHeld { .. }) => task.value.was_held = true,
            Some(JobEvent::MailboxEnded { ref message, .. }) => {
                task.value.message.clone_from(message);
            }
            _ => {}
        }
        let name = &scene.definition.name;
        let writes = land(self.ledger(), &scene.run, task, landing, name).await?;
        Ok(self.ledger().transact(writes, tries).await? == Made::Yes)
    }

    async fn take(
        &self,
        mut scene: Scene,
        key: ItemKey,
        message: &TaskMessage,
        claim: &str,
        tries: &mut Tries,
    ) -> Result<Option<Box<Begun>>, JobError> {
        let now = scene.now;
        let mut holder = Holder {
            work: WorkKey::Task(message.task.clone()),
            dispatch: message.dispatch,
            worker: self.name.clone(),
            claim: claim.to_owned(),
            renewed_at: now,
            until: now,
            calls_at_once: CALLS_AT_ONCE,
            progress: None,
        };
        holder.renew(now, self.settings.lease);
        let old = scene.lease.take();
        let lease = LeaseRecord {
            epoch: old.as_ref().map_or(1, |old| old.value.epoch + 1),
            holder: Some(holder),
        };
        let task = &mut scene.task.value;
        let mut writes = vec![write(key.clone(), old.map(|old| old.version), &lease)?];
        if task.starts > 0 {
            let event = EventRecord {
                at: now,
                job: task.key.run.job.clone(),
                name: scene.definition.name.clone(),
                cycle: Some(task.key.run.cycle),
                event: JobEvent::WorkerLost {
                    mailbox: task.mailbox.address.clone(),
                },
            };
            let cause = format!("lost-{}-{}", task.key.name, scene.task.version);
            writes.push(event.write(&cause)?);
        }
        task.state = begin_state(task.state)?;
        task.starts += 1;
        task.started_at = task.started_at.or(Some(now));
        writes.push(replace(task.key.task()?, scene.task.version, task)?);
        scene.lease = Some(Versioned {
            value: lease,
            version: 0,
        });
        if self.ledger().transact(writes, tries).await? == Made::Yes {
            return self.begun(scene, key).map(Some);
        }
        Ok(None)
    }

    fn begun(&self, scene: Scene, lease: ItemKey) -> Result<Box<Begun>, JobError> {
        let until = match WorkTime::of(&scene.run.value, &scene.definition, scene.now) {
            WorkTime::Open { until } => until,
            WorkTime::Closed { .. } => Some(scene.now),
        };
        let task = scene.task.value;
        debug_assert!(matches!(task.state, State::Running | State::Retrying(_)));
        Ok(Box::new(Begun {
            task: task.key.clone(),
            dispatch: task.dispatch,
            order: Order {
                task: task.key,
                definition: scene.definition,
                mailbox: task.mailbox,
                cycle_at: scene.run.value.opened_at,
                worker: self.name.clone(),
                gauge: Arc::new(Gauge::new(self.ledger().clock().clone())),
            },
            lease: Held {
                key: lease,
                epoch: scene.lease.map_or(0, |lease| lease.value.epoch),
            },
            until,
        }))
    }
}
