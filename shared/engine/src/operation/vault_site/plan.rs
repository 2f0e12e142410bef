//! Planning: what the names of a request mean, and what carrying it out would do.

use mailkeep_exchange::{Cursor, Source};
use mailkeep_model::state::Reason;
use mailkeep_model::{MailboxProfile, SourceMailboxId};

use super::super::{
    Failure, OperationAction, OperationPlan, OperationRequest, Pinned, PinnedTarget, Places,
    PlanDetails, PlanOrder, Planned, RestoreAction,
};
use crate::export::{self, ExportRequest};
use crate::restore::{self, ConflictPolicy, RestorePlan, RestoreRequest};
use crate::{Engine, browse};

/// More pages than any tenant has: a service that never ends a list is not followed for ever.
const MOST_PAGES: usize = 100_000;
/// Bytes of names of folders that are kept of a plan.
const MOST_NAMES_BYTES: usize = 200_000;

pub(super) async fn plan(places: &dyn Places, order: &PlanOrder) -> Result<Planned, Failure> {
    let request = &order.request;
    let engine = places.vault(&request.storage).await?;
    let mailbox = browse::find_mailbox(&engine, &request.mailbox).await?;
    let view = browse::open(&mailbox, &request.snapshot).await?;
    let mut pinned = Pinned {
        vault_mailbox: mailbox.id().to_string(),
        sequence: view.sequence(),
        target: None,
    };
    let selection = request.selection.selection()?;
    let snapshot = pinned.sequence.to_string();
    let (plan, policy) = match &request.action {
        OperationAction::Export(action) => {
            let export = ExportRequest {
                mailbox: mailbox.id().clone(),
                snapshot,
                selection,
                format: action.format,
            };
            let plan = export::plan(&engine, &export).await?;
            (plan, ConflictPolicy::Skip)
        }
        OperationAction::Restore(action) => {
            let tenant = places.tenant(&action.connection, &request.storage).await?;
            let is_same_realm = tenant.realm == mailbox.realm();
            let own = is_same_realm.then(|| mailbox.profile().id.clone());
            let target = target(&*tenant.source, action, own).await?;
            let restore = RestoreRequest {
                snapshot,
                selection,
                placement: action.placement.clone(),
                below: action.below.clone(),
                on_conflict: action.on_conflict,
                use_export_streams: action.use_export_streams,
                ..RestoreRequest::new(mailbox.id().clone(), target.clone())
            };
            let plan = restore::plan(&engine, &*tenant.target, &restore).await?;
            pinned.target = Some(PinnedTarget {
                realm: tenant.realm,
                mailbox: target.0,
                new_folder: plan.new_folder.clone(),
            });
            (plan, action.on_conflict)
        }
    };
    Ok(Planned {
        pinned,
        plan: figures(&engine, request, &plan, policy),
        details: details(plan),
    })
}

/// The mailbox that is written to.
async fn target(
    source: &dyn Source,
    action: &RestoreAction,
    own: Option<SourceMailboxId>,
) -> Result<SourceMailboxId, Failure> {
    match (&action.mailbox, own) {
        (Some(wanted), _) => named(source, wanted).await,
        (None, Some(own)) => Ok(own),
        (None, None) => Err(Failure::last(
            Reason::NotFound,
            "the connection leads to another tenant than the mailbox comes from; name the mailbox there",
        )),
    }
}

async fn named(source: &dyn Source, wanted: &str) -> Result<SourceMailboxId, Failure> {
    let lower = wanted.trim().to_lowercase();
    let is_meant = |profile: &MailboxProfile| {
        profile.id.as_str() == wanted || profile.address.to_lowercase() == lower
    };
    let mut next: Option<Cursor> = None;
    for _ in 0..MOST_PAGES {
        let page = source.mailboxes(next.as_ref()).await?;
        if let Some(found) = page.mailboxes.into_iter().find(is_meant) {
            return Ok(found.id);
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    Err(Failure::last(
        Reason::NotFound,
        "the tenant lists no mailbox by the address or id that is to be written to",
    ))
}

fn figures(
    engine: &Engine,
    request: &OperationRequest,
    plan: &RestorePlan,
    policy: ConflictPolicy,
) -> OperationPlan {
    let is_restore = matches!(request.action, OperationAction::Restore(_));
    let already_there = plan.folders.iter().map(|folder| folder.already_there).sum();
    let (items, conflicts) = (plan.items(), plan.conflicts());
    let is = |wanted| if policy == wanted { conflicts } else { 0 };
    let not_restorable = plan.not_restorable();
    let left = is(ConflictPolicy::Skip) + is(ConflictPolicy::Replace);
    let apart = left + already_there + not_restorable;
    let new_folders = plan.folders.iter().filter(|folder| folder.is_new).count();
    let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    OperationPlan {
        made_at: engine.clock().now(),
        folders: count(plan.folders.len()),
        new_folders: if is_restore { count(new_folders) } else { 0 },
        items,
        bytes: plan.bytes(),
        to_create: items.saturating_sub(apart),
        to_skip: is(ConflictPolicy::Skip),
        to_replace: is(ConflictPolicy::Replace),
        already_there,
        not_restorable,
    }
}

/// The folders, as far as there is room for them.
fn details(plan: RestorePlan) -> PlanDetails {
    let mut details = PlanDetails::default();
    let mut bytes = 0;
    for folder in plan.folders {
        bytes += folder.from.len() + folder.to.len() + 150;
        if bytes > MOST_NAMES_BYTES {
            details.more += 1;
        } else {
            details.folders.push(folder);
        }
    }
    details
}
