//! A worker: takes messages and works on their tasks, one at a time.

use std::sync::Arc;
use std::time::Duration;

use mailkeep_ports::{Queue, Received};
use mailkeep_vault::Ulid;

use super::begin::{Beginning, Begun};
use super::{Message, Site};
use crate::StopSignal;
use crate::job::Jobs;
use crate::ledger::{JobError, Ledger};
use crate::operation::{OperationSite, OperationWorker};

/// How workers behave.
#[derive(Clone, Copy, Debug)]
pub struct WorkSettings {
    /// For how long a mailbox is leased and a message hidden. Both are renewed three times as often.
    pub lease: Duration,
    /// The longest time after which others hear how far the work is.
    pub beat: Duration,
    /// After how long a mailbox that another job works on is asked for again.
    pub held_wait: Duration,
    /// How often work on a task may be begun for one time that it was handed out. Workers that are lost
    /// again and again are the task's fault.
    pub most_starts: u32,
}

impl Default for WorkSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(120),
            beat: Duration::from_secs(15),
            held_wait: Duration::from_secs(30),
            most_starts: 5,
        }
    }
}

/// A worker. Cheap to clone; clones share its name.
#[derive(Clone)]
pub struct Worker {
    pub(super) jobs: Jobs,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) site: Arc<dyn Site>,
    pub(super) settings: WorkSettings,
    pub(super) name: String,
    operations: Option<OperationWorker>,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worked {
    /// There was none.
    Nothing,
    /// The task is over, or waits for its next attempt.
    Done,
    /// The message was an old or a doubled one.
    Skipped,
    /// The task could not be begun now and waits again.
    GivenBack,
    /// The lease was lost meanwhile: the result was not taken. What was committed is kept.
    Refused,
    /// The message is none of ours; it is left to become a dead letter.
    Unreadable,
}

impl Worker {
    /// A worker on these jobs.
    #[must_use]
    pub fn new(
        ledger: Ledger,
        queue: Arc<dyn Queue>,
        site: Arc<dyn Site>,
        settings: WorkSettings,
    ) -> Self {
        let name = Ulid::new(&**ledger.clock(), &**ledger.rng()).to_string();
        Self {
            jobs: Jobs::new(ledger),
            queue,
            site,
            settings,
            name,
            operations: None,
        }
    }

    /// The same worker, which carries out operations, too. Without this, their messages are none of its
    /// own.
    #[must_use]
    pub fn with_operations(self, site: Arc<dyn OperationSite>) -> Self {
        let (ledger, queue) = (self.ledger().clone(), self.queue.clone());
        let operations = OperationWorker::new(ledger, queue, site, self.settings, &self.name);
        Self {
            operations: Some(operations),
            ..self
        }
    }

    /// The same; its name, which logs show, begins with a number.
    #[must_use]
    pub fn numbered(
        number: u16,
        ledger: Ledger,
        queue: Arc<dyn Queue>,
        site: Arc<dyn Site>,
        settings: WorkSettings,
    ) -> Self {
        let mut worker = Self::new(ledger, queue, site, settings);
        worker.name = format!("{number}-{}", worker.name);
        worker
    }

    pub(super) fn ledger(&self) -> &Ledger {
        self.jobs.ledger()
    }

    /// Takes one message and works on its task or operation. `stop` ends the work softly.
    ///
    /// # Errors
    /// When the queue or the job database fails for longer than it is worth trying. The message comes
    /// back by itself.
    pub async fn work_once(&self, stop: &StopSignal) -> Result<Worked, JobError> {
        let mut received = self.queue.receive(1, self.settings.lease).await?;
        match received.pop() {
            Some(message) => self.work_on(&message, stop).await,
            None => Ok(Worked::Nothing),
        }
    }

    /// Works on what a message that was received is about, and acknowledges it when there is nothing more
    /// to do about it.
    ///
    /// # Errors
    /// As [`work_once`](Self::work_once).
    pub async fn work_on(
        &self,
        received: &Received,
        stop: &StopSignal,
    ) -> Result<Worked, JobError> {
        let worked = match (Message::decode(&received.body), &self.operations) {
            (Some(Message::Task(message)), _) => match self.begin(&message).await? {
                Beginning::Old => Worked::Skipped,
                Beginning::GivenBack => Worked::GivenBack,
                Beginning::Begun(begun) => self.carry_out(*begun, received, stop).await?,
            },
            (Some(Message::Operation(message)), Some(operations)) => {
                operations
                    .work_on(&message, &received.receipt, stop)
                    .await?
            }
            (Some(Message::Operation(_)), None) | (None, _) => return Ok(Worked::Unreadable),
        };
        self.queue.acknowledge(&received.receipt).await?;
        Ok(worked)
    }

    async fn carry_out(
        &self,
        begun: Begun,
        received: &Received,
        stop: &StopSignal,
    ) -> Result<Worked, JobError> {
        let own = stop.child();
        let report = {
            let work = self.site.back_up(&begun.order, own.clone());
            let watch = self.watch(&begun, &received.receipt, stop, &own);
            futures::pin_mut!(work, watch);
            match futures::future::select(work, watch).await {
                futures::future::Either::Left((report, _)) => report,
                futures::future::Either::Right(((), work)) => work.await,
            }
        };
        self.finish(&begun, report).await
    }
}
