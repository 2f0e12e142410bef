//! Writing down what came of a hook.

use mailkeep_model::job::HookFailure;
use mailkeep_model::news::Happening;
use mailkeep_model::state::{End, State};
use mailkeep_ports::{HookFault, HookReport, Write};

use super::{HookAtWork, HookRecord, HookStage, Phase, stage_after};
use crate::ledger::{
    EventRecord, JobError, JobEvent, Keep, Ledger, Made, RunKey, Tries, Versioned, create, replace,
    until,
};
use crate::news::{NewsEvent, announce};
use crate::run::RunRecord;

/// Writes down what came of this call of a hook; nothing when that is written already.
pub(crate) async fn end_hook(
    ledger: &Ledger,
    key: &RunKey,
    phase: Phase,
    by: &str,
    report: &HookReport,
) -> Result<(), JobError> {
    let mut tries = Tries::new();
    loop {
        let note: Option<Versioned<HookAtWork>> = ledger.read(&key.hook_at_work(phase)?).await?;
        let Some(note) = note.filter(|note| note.value.by == by) else {
            return Ok(());
        };
        let writes = writes(ledger, note, report).await?;
        if ledger.transact(writes, &mut tries).await? == Made::Yes {
            return Ok(());
        }
    }
}

async fn writes(
    ledger: &Ledger,
    note: Versioned<HookAtWork>,
    report: &HookReport,
) -> Result<Vec<Write>, JobError> {
    let (version, note) = (note.version, note.value);
    let (key, phase) = (&note.run, note.phase);
    let mut writes = vec![Write::Delete {
        key: key.hook_at_work(phase)?,
        version,
    }];
    let Some(run) = ledger.run(key).await? else {
        return Ok(writes);
    };
    let definition = ledger.definition(&key.job, run.value.version).await?;
    let definition = definition.map(|read| read.value.definition);
    let hook = definition.as_ref().and_then(|it| phase.of(&it.hooks));
    let (Some(definition), Some(hook)) = (&definition, hook) else {
        return Err(JobError::Corrupt {
            key: key.to_string(),
            cause: "a hook is at work that its definition lacks".to_owned(),
        });
    };
    let now = ledger.clock().now();
    let fault = report.fault.as_ref();
    let stage = stage_after(fault, hook.on_failure);
    let record = HookRecord {
        phase,
        on_failure: hook.on_failure,
        began_at: note.began_at,
        ended_at: now,
        fault: fault.map(ToString::to_string),
        is_in_doubt: fault == Some(&HookFault::Unknown),
        output: report.output.clone(),
        dropped_bytes: report.dropped_bytes,
    };
    let keep = match fault {
        Some(_) => Keep::Trouble,
        None => Keep::News,
    };
    writes.push(until(create(key.hook(phase)?, &record)?, keep.until(now)));
    let event = EventRecord {
        at: now,
        job: key.job.clone(),
        name: definition.name.clone(),
        cycle: Some(key.cycle),
        event: JobEvent::HookEnded {
            phase,
            fault: record.fault.clone(),
            fails_job: stage == HookStage::Failed,
        },
    };
    let cause = format!("hook-{}-{}", key.cycle, phase.code());
    writes.push(event.write(&cause)?);
    let mut next = run.value.clone();
    next.hooks.set(phase, stage);
    if stage == HookStage::Ignored {
        debug_assert_eq!(hook.on_failure, HookFailure::Continue);
        let news = ignored(&next, &event, phase, &cause);
        writes.push(announce(&news)?);
    }
    let changed = match stage {
        HookStage::Failed => next.failed_late(phase.reason(), now, &definition.name),
        _ => None,
    };
    if let Some(step) = changed {
        writes.push(step.event.write(&step.cause)?);
        writes.extend(step.news(None)?);
        writes.extend(job(ledger, &step.run).await?);
        next = step.run;
    }
    let written = replace(key.run()?, run.version, &next)?;
    writes.push(if next.state.is_terminal() {
        let is_success = next.state == State::Ended(End::Completed);
        let keep = Keep::of(&next.counters, is_success);
        until(written, keep.until(now))
    } else {
        written
    });
    Ok(writes)
}

fn ignored(run: &RunRecord, event: &EventRecord, phase: Phase, cause: &str) -> NewsEvent {
    NewsEvent {
        id: format!("{}-{cause}", event.job),
        job: event.job.to_string(),
        job_name: event.name.clone(),
        run: Some(mailkeep_model::RunId(run.key.to_string())),
        at: event.at,
        happening: Happening::HookFailed(phase.reason()),
        figures: None,
        report: None,
    }
}

/// The job whose last cycle ended in another way, after all.
async fn job(ledger: &Ledger, run: &RunRecord) -> Result<Option<Write>, JobError> {
    let Some(job) = ledger.job(&run.key.job).await? else {
        return Ok(None);
    };
    let (version, mut job) = (job.version, job.value);
    let Some(last) = job.last.as_mut().filter(|last| last.cycle == run.key.cycle) else {
        return Ok(None);
    };
    if let State::Ended(end) = run.state {
        last.end = Some(end);
    }
    // A one-time job that failed after all may be started again.
    job.is_finished = false;
    Ok(Some(replace(run.key.job.job()?, version, &job)?))
}
