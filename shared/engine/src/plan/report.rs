//! The report of a cycle that ends.

use mailkeep_model::job::JobDefinition;
use mailkeep_model::news::{MAX_REPORT_LINES, ReportLine};
use mailkeep_model::state::TaskEnd;

use crate::ledger::{JobError, Ledger, RunKey};
use crate::news::ReportOrder;
use crate::run::TaskRecord;

/// Tasks read at a time.
const PAGE: usize = 500;
/// Pages read at most; what is beyond is in the list of tasks.
const MAX_PAGES: u32 = 40;

/// The report, when the job names somebody who gets it.
pub(super) async fn of_run(
    ledger: &Ledger,
    run: &RunKey,
    definition: &JobDefinition,
) -> Result<Option<ReportOrder>, JobError> {
    if definition.notifications.report_to.addresses().is_empty() {
        return Ok(None);
    }
    let (mut lines, mut more) = (vec![], 0);
    let mut after = None;
    for _ in 0..MAX_PAGES {
        let page = ledger.tasks(run, after, PAGE).await?;
        for line in page.records.into_iter().filter_map(|task| line(task.value)) {
            if lines.len() < MAX_REPORT_LINES {
                lines.push(line);
            } else {
                more += 1;
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(ReportOrder::new(&definition.notifications, lines, more))
}

/// The line of a mailbox; `None` for one that is complete.
fn line(task: TaskRecord) -> Option<ReportLine> {
    let (reason, gaps) = match task.end {
        Some(TaskEnd::Complete) => return None,
        Some(TaskEnd::Warning(reason)) => (Some(reason), task.counters.items_failed),
        Some(TaskEnd::Partial(reason) | TaskEnd::Failed(reason)) => (Some(reason), 0),
        Some(TaskEnd::Stopped) | None => (None, 0),
    };
    Some(ReportLine {
        address: Some(task.mailbox.address),
        vault_mailbox: task.vault_mailbox,
        reason,
        gaps,
    })
}
