//! Restoring one item: clear away what an earlier attempt left, create, then replace.

use std::sync::Arc;

use mailkeep_exchange::{SourceError, Target};
use mailkeep_model::{FailureClass, FolderId};
use mailkeep_vault::{ItemVersion, MailboxView, VaultError};

use super::conflict::Meeting;
use super::item::restore_item;
use super::{ConflictPolicy, RestoreRequest};

/// What became of one item.
pub(super) enum Done {
    Created {
        losses: Vec<String>,
        replaced: u64,
    },
    AlreadyThere {
        replaced: u64,
    },
    Skipped,
    /// The target cannot have items of this kind.
    NotRestorable,
    /// Created, but an old one could not be moved away.
    NotReplaced {
        losses: Vec<String>,
        error: SourceError,
    },
    Failed(SourceError),
    Damaged(VaultError),
}

pub(super) struct OneItem {
    pub(super) target: Arc<dyn Target>,
    pub(super) view: MailboxView,
    pub(super) request: RestoreRequest,
    pub(super) folder: FolderId,
}

impl OneItem {
    pub(super) async fn restore(
        &self,
        version: &ItemVersion,
        marker: String,
        met: Meeting,
    ) -> Done {
        let is_replacing = self.request.on_conflict == ConflictPolicy::Replace;
        if met.is_already_there {
            // An earlier run may have died between the new item and the old one's removal.
            return match self.delete_old(is_replacing, &met).await {
                Ok(replaced) => Done::AlreadyThere { replaced },
                Err(error) => Done::Failed(error),
            };
        }
        if !met.conflicts.is_empty() && self.request.on_conflict == ConflictPolicy::Skip {
            return Done::Skipped;
        }
        let known = met.conflicts.clone();
        let with_export = self.request.use_export_streams;
        let item = restore_item(&self.view, version, marker, known, with_export).await;
        let item = match item {
            Ok(item) => item,
            Err(error) => return Done::Damaged(error),
        };
        let mailbox = &self.request.target;
        for id in &met.unfinished {
            if let Err(error) = self.target.delete_item(mailbox, id).await {
                return Done::Failed(error);
            }
        }
        let outcome = match self.target.create_item(mailbox, &self.folder, &item).await {
            Ok(outcome) => outcome,
            Err(error) => return Done::Failed(error),
        };
        match self.delete_old(is_replacing, &met).await {
            Ok(replaced) => Done::Created {
                losses: outcome.losses,
                replaced,
            },
            Err(error) => Done::NotReplaced {
                losses: outcome.losses,
                error,
            },
        }
    }

    /// Only after the new item is complete.
    async fn delete_old(&self, is_replacing: bool, met: &Meeting) -> Result<u64, SourceError> {
        let mut deleted = 0;
        if is_replacing {
            for id in &met.conflicts {
                match self.target.delete_item(&self.request.target, id).await {
                    Ok(()) => deleted += 1,
                    Err(error) if error.class == FailureClass::ItemGone => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(deleted)
    }
}
