//! Repairing mailboxes one after another. Damage to one never keeps another from being repaired.

use std::sync::Arc;

use mailkeep_model::RunId;
use mailkeep_vault::{
    LostItem, MailboxId, MailboxListing, RepairAction, RepairMode, RepairReport, StoredFolder,
    VaultError,
};
use serde::Serialize;

use crate::{Engine, EngineError, Event, Observer, StopSignal};

/// What to repair.
#[derive(Clone, Debug)]
pub struct RepairRequest {
    /// Which mailboxes; empty means all.
    pub mailboxes: Vec<MailboxId>,
    /// Whether to change anything.
    pub mode: RepairMode,
}

/// Something that was done, or would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The object that it is about, if it is about one.
    pub object: Option<String>,
    /// What, for a person.
    pub what: String,
}

/// A version that lost content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The item's reference.
    pub item: String,
    /// The folder's path, if the folder is known.
    pub folder: Option<String>,
    /// The commit that brought the version.
    pub sequence: u64,
    /// Only some of its attachments are lost.
    pub is_partial: bool,
    /// The next backup fetches it again.
    pub is_fetched_again: bool,
}

/// How the repair of one mailbox went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MailboxRepair {
    /// The mailbox in the vault.
    pub mailbox: String,
    /// Its address, when it could be read.
    pub address: Option<String>,
    /// Why it could not be repaired.
    pub failure: Option<String>,
    /// What was done.
    pub steps: Vec<Step>,
    /// The first 10,000 versions that lost content.
    pub losses: Vec<Loss>,
    /// Versions that lost content.
    pub lost_versions: u64,
    /// Items that the next backup fetches again.
    pub gaps: u64,
    /// Commits were lost for good; the next backup lists every folder anew.
    pub lists_anew: bool,
}

/// How a repair went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RepairSummary {
    /// Its id, as the commits name it.
    pub run: String,
    /// Nothing was changed.
    pub is_dry_run: bool,
    /// It was stopped before the end.
    pub is_stopped: bool,
    /// The mailboxes.
    pub mailboxes: Vec<MailboxRepair>,
}

impl RepairSummary {
    /// The process exit code: 0 nothing is lost, 1 a mailbox could not be repaired or the repair was
    /// stopped, 3 something is lost until the next backup, or for good.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let has_failed = |mailbox: &MailboxRepair| mailbox.failure.is_some();
        let has_lost = |mailbox: &MailboxRepair| mailbox.lost_versions > 0 || mailbox.lists_anew;
        if self.is_stopped || self.mailboxes.iter().any(has_failed) {
            1
        } else if self.mailboxes.iter().any(has_lost) {
            3
        } else {
            0
        }
    }
}

/// Repairs. What fails in one mailbox is told and does not stop the others.
///
/// # Errors
/// When the vault cannot be listed at all.
pub async fn repair(
    engine: &Engine,
    request: &RepairRequest,
    observer: Arc<dyn Observer>,
    stop: StopSignal,
) -> Result<RepairSummary, EngineError> {
    let run = engine.new_run_id();
    let mut summary = RepairSummary {
        run: run.0.clone(),
        is_dry_run: request.mode == RepairMode::DryRun,
        is_stopped: false,
        mailboxes: vec![],
    };
    for listing in engine.vault().mailboxes().await? {
        let is_wanted = request.mailboxes.is_empty() || request.mailboxes.contains(&listing.id);
        let is_erased = matches!(
            &listing.details,
            Err(VaultError::Erased {
                is_finished: true,
                ..
            })
        );
        if !is_wanted || is_erased {
            continue;
        }
        if stop.is_stopped() {
            summary.is_stopped = true;
            break;
        }
        observer.event(&Event::VerifyProgress {
            mailbox: listing.id.to_string(),
            checked: 0,
            expected: None,
        });
        let one = one_mailbox(engine, &listing, &run, request.mode).await;
        summary.mailboxes.push(one);
    }
    if request.mailboxes.is_empty() && !summary.is_stopped {
        summary
            .mailboxes
            .extend(whole_vault(engine, request.mode).await);
    }
    Ok(summary)
}

/// What belongs to no mailbox; `None` when nothing was to do.
async fn whole_vault(engine: &Engine, mode: RepairMode) -> Option<MailboxRepair> {
    let mut one = MailboxRepair {
        address: Some("the vault as a whole".into()),
        ..MailboxRepair::default()
    };
    let is_dry_run = mode == RepairMode::DryRun;
    match engine.vault().restore_dictionary(is_dry_run).await {
        Ok(false) => return None,
        Ok(true) => one.steps.push(Step {
            object: Some("dict/1".into()),
            what: "the dictionary put back; mailkeep has a copy of its own, other readers have not"
                .into(),
        }),
        Err(error) => one.failure = Some(error.to_string()),
    }
    Some(one)
}

async fn one_mailbox(
    engine: &Engine,
    listing: &MailboxListing,
    run: &RunId,
    mode: RepairMode,
) -> MailboxRepair {
    let details = listing.details.as_ref().ok();
    let mut one = MailboxRepair {
        mailbox: listing.id.to_string(),
        address: details.map(|details| details.profile.address.clone()),
        ..MailboxRepair::default()
    };
    if let Err(error) = work(engine, listing, run, mode, &mut one).await {
        one.failure = Some(error.to_string());
    }
    one
}

async fn work(
    engine: &Engine,
    listing: &MailboxListing,
    run: &RunId,
    mode: RepairMode,
    one: &mut MailboxRepair,
) -> Result<(), VaultError> {
    let mailbox = engine.vault().mailbox(&listing.id).await?;
    let report = mailbox.repair(run, mode).await?;
    // After a dry run the mailbox may still not open; paths are a help, not more.
    let folders = match mailbox.view().await {
        Ok(view) => view.folders().to_vec(),
        Err(_) => vec![],
    };
    fill(one, report, &folders);
    Ok(())
}

fn fill(one: &mut MailboxRepair, report: RepairReport, folders: &[StoredFolder]) {
    one.steps = report.actions.iter().map(step).collect();
    one.lost_versions = report.lost_versions;
    one.gaps = report.gaps;
    one.lists_anew = report.lists_anew;
    one.losses = report.lost.iter().map(|lost| loss(lost, folders)).collect();
}

fn loss(lost: &LostItem, folders: &[StoredFolder]) -> Loss {
    let id = &lost.version.item.folder;
    let folder = folders.iter().find(|folder| folder.folder.id == *id);
    Loss {
        item: lost.version.key.to_string(),
        folder: folder.map(|folder| folder.path.to_string()),
        sequence: lost.version.from_sequence,
        is_partial: lost.is_partial,
        is_fetched_again: lost.is_current,
    }
}

/// An action in words.
fn step(action: &RepairAction) -> Step {
    let (object, what) = match action {
        RepairAction::RebuiltCommit { object, is_whole } => (
            Some(object),
            if *is_whole {
                "rebuilt; nothing that it said is lost".to_owned()
            } else {
                "rebuilt from what packs and other commits tell; what only it said is lost"
                    .to_owned()
            },
        ),
        RepairAction::CopiedPack {
            object,
            to,
            lost_frames,
        } => (
            Some(object),
            format!("readable contents copied to {to}; {lost_frames} unreadable"),
        ),
        RepairAction::LostPack { object } => (
            Some(object),
            "nothing in it can be read; its contents are recorded as lost".to_owned(),
        ),
        RepairAction::AdoptedPack { object, items } => (
            Some(object),
            format!("named by no commit that is left; brings {items} items back"),
        ),
        RepairAction::RewrittenCommit { object } => (
            Some(object),
            "written anew without the contents in it, which are elsewhere now or lost".to_owned(),
        ),
        RepairAction::FoundParts { parts } => (
            None,
            format!("{parts} lost attachments found in other packs"),
        ),
        RepairAction::DroppedCheckpoint { object } => {
            (Some(object), "damaged copy of the index deleted".to_owned())
        }
        RepairAction::MovedFloor {
            object,
            floor,
            next,
        } => (
            Some(object),
            format!(
                "the log is closed up to commit {floor}; checkpoints {floor} and {next} hold what is before"
            ),
        ),
        RepairAction::LeftAlone { object, why } => (Some(object), format!("left alone: {why}")),
        _ => (None, "repaired".to_owned()),
    };
    let object = object.cloned();
    Step { object, what }
}
