//! What an export would write.

use super::ExportRequest;
use super::name::safe_path;
use crate::restore::{PlannedFolder, RestorePlan};
use crate::select;
use crate::{Engine, EngineError, browse};

/// Says what an export would write: folders, items, bytes. Reads the index only.
///
/// # Errors
/// When the vault cannot be read, or the selection names what is not there.
pub async fn plan(engine: &Engine, request: &ExportRequest) -> Result<RestorePlan, EngineError> {
    let mailbox = engine.vault().mailbox(&request.mailbox).await?;
    let view = browse::open(&mailbox, &request.snapshot).await?;
    let mut plan = RestorePlan {
        sequence: view.sequence(),
        ..RestorePlan::default()
    };
    for selected in select::folders(&view, &request.selection).await? {
        let mut planned = PlannedFolder {
            from: selected.folder().path.to_string(),
            to: safe_path(&selected.folder().path).to_string(),
            is_new: true,
            items: 0,
            bytes: 0,
            already_there: 0,
            unfinished: 0,
            conflicts: 0,
            not_restorable: 0,
        };
        let mut from = None;
        loop {
            let page = select::page(&view, &selected, &request.selection.filter, from).await?;
            for version in &page.items {
                planned.items += 1;
                planned.bytes += version.item.size_bytes;
            }
            match page.next {
                Some(next) => from = Some(next),
                None => break,
            }
        }
        if planned.items > 0 {
            plan.folders.push(planned);
        }
    }
    Ok(plan)
}
