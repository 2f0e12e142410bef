//! When hooks are due, and hooks whose caller was lost.

use std::sync::PoisonError;

use mailkeep_model::job::JobDefinition;
use mailkeep_model::state::{End, Event, Reason, State};
use mailkeep_ports::{HookFault, HookReport, Query, Write};
use mailkeep_vault::Ulid;

use super::Planner;
use super::agenda::Agenda;
use crate::hooks::{HookAtWork, HookOrder, HookStage, Phase, at_work, call_of, end_hook};
use crate::ledger::{HOOKS, JobError, Made, Tries, Versioned, replace};
use crate::run::RunRecord;

/// Whether a cycle may go on.
pub(super) enum Gate {
    /// It may.
    Open,
    /// It waits for a hook.
    Shut,
    /// It was changed: read again.
    Changed,
}

/// What a cycle that ends calls.
pub(super) enum Closing {
    /// Nothing, or it was called.
    Plain,
    /// It waits for a hook.
    Shut,
    /// It was changed: read again.
    Changed,
    /// A hook is called in the transaction that ends the cycle, and that does not wait for it.
    Calling(Box<(HookOrder, Write)>),
}

impl Planner {
    /// The hook before the backup: called before anything else is done.
    pub(super) async fn before(
        &self,
        run: &Versioned<RunRecord>,
        definition: &JobDefinition,
        intended: &mut Option<HookOrder>,
        tries: &mut Tries,
    ) -> Result<Gate, JobError> {
        let Some(hook) = &definition.hooks.before else {
            return Ok(Gate::Open);
        };
        match run.value.hooks.before {
            Some(HookStage::AtWork) if hook.wait => return Ok(Gate::Shut),
            Some(_) => return Ok(Gate::Open),
            None => {}
        }
        let now = self.ledger().clock().now();
        let mut writes = vec![];
        let mut next = run.value.clone();
        if next.state == State::Queued {
            let step = next.step(Event::Start, now, &definition.name)?;
            writes.push(step.event.write(&step.cause)?);
            next = step.run;
        }
        let (order, note) = self.order(&next, definition, Phase::Before, None)?;
        next.hooks.before = Some(HookStage::AtWork);
        writes.push(note);
        writes.push(replace(next.key.run()?, run.version, &next)?);
        self.claim(order, writes, intended, tries).await
    }

    /// The hook after the backup, which is about to end by this event.
    pub(super) async fn after(
        &self,
        run: &Versioned<RunRecord>,
        definition: &JobDefinition,
        event: Event,
        intended: &mut Option<HookOrder>,
        tries: &mut Tries,
    ) -> Result<Closing, JobError> {
        let hooks = &definition.hooks;
        let stages = &run.value.hooks;
        // Whoever waits for the hook before waits with the end, too: it may still fail the job.
        let is_begun = stages.before == Some(HookStage::AtWork);
        if is_begun && hooks.before.as_ref().is_some_and(|hook| hook.wait) {
            return Ok(Closing::Shut);
        }
        let Some(hook) = &hooks.after else {
            return Ok(Closing::Plain);
        };
        let is_wanted = match stages.before {
            Some(HookStage::Failed) => false,
            Some(_) => true,
            // It ended before the first hook was called: there is nothing to follow.
            None => hooks.before.is_none(),
        };
        match stages.after {
            Some(HookStage::AtWork) if hook.wait => return Ok(Closing::Shut),
            None if is_wanted => {}
            _ => return Ok(Closing::Plain),
        }
        let end = match event {
            Event::Finish(end) => Some(end),
            Event::Cancel(_) => Some(End::Partial(Reason::WindowEnded)),
            _ => None,
        };
        let (order, note) = self.order(&run.value, definition, Phase::After, Some(end))?;
        if !hook.wait {
            return Ok(Closing::Calling(Box::new((order, note))));
        }
        let mut next = run.value.clone();
        next.hooks.after = Some(HookStage::AtWork);
        let writes = vec![note, replace(next.key.run()?, run.version, &next)?];
        self.claim(order, writes, intended, tries).await?;
        Ok(Closing::Changed)
    }

    fn order(
        &self,
        run: &RunRecord,
        definition: &JobDefinition,
        phase: Phase,
        end: Option<Option<End>>,
    ) -> Result<(HookOrder, Write), JobError> {
        let hook = phase.of(&definition.hooks);
        let hook = hook.ok_or_else(|| JobError::Bug("there is no such hook".to_owned()))?;
        let ledger = self.ledger();
        let by = Ulid::new(&**ledger.clock(), &**ledger.rng()).to_string();
        let now = ledger.clock().now();
        let note = at_work(&run.key, phase, &by, now, self.settings.hook_lease)?;
        let order = HookOrder {
            run: run.key.clone(),
            phase,
            call: call_of(run, &definition.name, phase, hook, end),
            by,
        };
        Ok((order, note))
    }

    async fn claim(
        &self,
        order: HookOrder,
        writes: Vec<Write>,
        intended: &mut Option<HookOrder>,
        tries: &mut Tries,
    ) -> Result<Gate, JobError> {
        if self.ledger().transact(writes, tries).await? == Made::Yes {
            self.give(order);
        } else {
            *intended = Some(order);
        }
        Ok(Gate::Changed)
    }

    /// An order whose transaction was not answered counts when its note is there.
    pub(super) async fn confirm(&self, intended: &mut Option<HookOrder>) -> Result<(), JobError> {
        let Some(order) = intended.take() else {
            return Ok(());
        };
        let key = order.run.hook_at_work(order.phase)?;
        let note: Option<Versioned<HookAtWork>> = self.ledger().read(&key).await?;
        if note.is_some_and(|note| note.value.by == order.by) {
            self.give(order);
        }
        Ok(())
    }

    pub(super) fn give(&self, order: HookOrder) {
        let orders = self.orders.lock();
        orders.unwrap_or_else(PoisonError::into_inner).push(order);
    }

    pub(super) fn take_orders(&self) -> Vec<HookOrder> {
        let orders = self.orders.lock();
        std::mem::take(&mut *orders.unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes down that nobody knows what came of hooks whose callers were lost.
    pub(super) async fn doubt(&self, agenda: &mut Agenda) -> Result<(), JobError> {
        let mut query = Query::prefix(HOOKS, "");
        loop {
            let page = self.ledger().list::<HookAtWork>(&query).await?;
            for note in page.records {
                let note = note.value;
                if !note.is_lost(agenda.now) {
                    agenda.at(note.until);
                    continue;
                }
                let report = HookReport {
                    fault: Some(HookFault::Unknown),
                    ..HookReport::default()
                };
                end_hook(self.ledger(), &note.run, note.phase, &note.by, &report).await?;
            }
            query.after = page.next;
            if query.after.is_none() {
                return Ok(());
            }
        }
    }
}
