//! Repair: what damage destroyed is rebuilt where copies are left, and recorded as lost where none are, so
//! that the next backup fetches it again.
//!
//! Order of writes, each safe to die behind: commits that are gone are written anew under their names; good
//! frames of damaged packs are copied into new packs; commits at the end of the log say what moved and what
//! is lost; then a checkpoint is written and the damaged ones are deleted; then the floor is moved if a checkpoint that
//! it named is gone. Nothing else is ever deleted.
//! Repeating a repair that died finishes it. `docs/invariants.md` has the whole order.

mod carriers;
pub(crate) mod checkpoints;
mod copies;
mod from_checkpoint;
mod from_packs;
mod hints;
mod index_refs;
mod log;
mod packs;
mod rebuild;
mod refind;
mod report;
mod salvage;
mod staging;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use mailkeep_model::RunId;
use mailkeep_ports::OverlayStore;

pub use report::{LostItem, RepairAction, RepairReport};

use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::index::{WriterLimits, floor, listing};
use crate::mailbox::Mailbox;

/// Whether to change anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepairMode {
    /// Find out what would be done, on a copy of the mailbox in memory.
    DryRun,
    /// Do it.
    Apply,
}

impl Mailbox {
    /// Repairs this mailbox. Reads every object of it whole. An object of a newer mailkeep is left alone.
    ///
    /// # Errors
    /// `NewerThanMe` when the log needs a newer mailkeep; a store error. What was done until then stays, and
    /// repeating goes on from there.
    pub async fn repair(&self, run: &RunId, mode: RepairMode) -> Result<RepairReport, VaultError> {
        self.repair_with(run, mode, WriterLimits::default()).await
    }

    pub(crate) async fn repair_with(
        &self,
        run: &RunId,
        mode: RepairMode,
        limits: WriterLimits,
    ) -> Result<RepairReport, VaultError> {
        let mut core = self.core.clone();
        core.trusts_copies = false;
        if mode == RepairMode::DryRun {
            let ctx = &mut core.ctx;
            let overlay = OverlayStore::new(ctx.store.clone(), ctx.clock.clone());
            ctx.store = Arc::new(overlay);
        }
        let mut repair = Repair {
            core,
            limits,
            run: run.clone(),
            first_commit: 1 + floor(&self.core).await?,
            skip: vec![],
            report: RepairReport::default(),
        };
        repair.log().await?;
        repair.packs().await?;
        repair.copies().await?;
        let sound = repair.checkpoints().await?;
        repair.floor(sound).await?;
        Ok(repair.report)
    }
}

/// The commit up to which the log is closed. Without a floor that can be read nothing says that it is.
async fn floor(core: &MailboxCore) -> Result<u64, VaultError> {
    match floor::read(core).await {
        Ok(floor) => Ok(floor.map_or(0, |(floor, _)| floor.sequence)),
        Err(VaultError::Corrupt { .. }) => oldest_base(core).await,
        Err(error) => Err(error),
    }
}

/// The commit before the oldest one that is left, if a checkpoint stands in for what is before.
async fn oldest_base(core: &MailboxCore) -> Result<u64, VaultError> {
    let listed = listing::list(core, &[]).await?;
    let log = listing::list_log(core, 0).await?;
    let before = log.first().map_or(0, |first| first.saturating_sub(1));
    let is_held = listed.checkpoints.iter().any(|it| *it >= before);
    Ok(if is_held { before } else { 0 })
}

/// A repair under way.
struct Repair {
    core: MailboxCore,
    limits: WriterLimits,
    run: RunId,
    /// Commits before this one are closed and need not be there.
    first_commit: u64,
    /// Damaged checkpoints.
    skip: Vec<u64>,
    report: RepairReport,
}

impl Repair {
    /// Notes an object of a newer mailkeep; any other error ends the repair.
    fn leave(&mut self, error: VaultError) -> Result<(), VaultError> {
        let VaultError::NewerThanMe { object, .. } = &error else {
            return Err(error);
        };
        self.report.actions.push(RepairAction::LeftAlone {
            object: object.clone(),
            why: error.to_string(),
        });
        Ok(())
    }
}
