//! The floor: moved onto checkpoints that are there, when one that it names is lost, and made anew when it
//! cannot be read itself.

use std::collections::BTreeSet;

use chrono::TimeDelta;

use super::{Repair, RepairAction};
use crate::error::VaultError;
use crate::index::floor::{self, Floor};
use crate::names;
use crate::retain::committer::{Change, Committer, Outcome};
use crate::retain::raise::{self, Raising};
use crate::retain::report::RetainLimits;
use crate::retain::sweep::store_time;

/// Raises that are tried. Two are enough while nobody else works on the mailbox.
const ROUNDS: usize = 4;

impl Repair {
    /// Puts the floor on two checkpoints that are there. `sound` are those that are, and not damaged.
    ///
    /// The log that is closed stays closed: the floor only grows.
    pub(super) async fn floor(&mut self, mut sound: BTreeSet<u64>) -> Result<(), VaultError> {
        let is_readable = match floor::read(&self.core).await {
            Ok(None) => return Ok(()),
            Ok(Some((floor, _))) if stands_on(&floor, &sound) => return Ok(()),
            Ok(Some(_)) => true,
            Err(VaultError::Corrupt { .. }) => false,
            Err(error) => return self.leave(error),
        };
        let limits = RetainLimits {
            floor_commits: 0,
            ..RetainLimits::default()
        };
        let core = self.core.clone();
        let mut committer = Committer::open(&core, &self.skip).await?;
        // One that was made up from what checkpoints there are is raised twice, so that it stands on two that
        // need no other one.
        let mut least = if is_readable { 1 } else { 2 };
        for _ in 0..ROUNDS {
            let (floor, etag) = raise::read(&core).await?;
            if least == 0 && stands_on(&floor, &sound) {
                let object = names::floor(&core.id)?.to_string();
                let action = RepairAction::MovedFloor {
                    object,
                    floor: floor.sequence,
                    next: floor.next,
                };
                self.report.actions.push(action);
                self.report.sequence = committer.head();
                return Ok(());
            }
            // The next checkpoint needs a number of its own.
            if floor.next >= committer.head()
                && committer.commit(&Change::default()).await? == Outcome::Conflict
            {
                continue;
            }
            let raising = Raising {
                floor,
                etag,
                // What waits for its grace period goes on waiting: only retention knows how long that is.
                grace: TimeDelta::MAX,
                now: core.ctx.clock.now().max(store_time(&core).await?),
            };
            let floor = raise::raise(&mut committer, &limits, raising).await?;
            sound.insert(floor.next);
            least = usize::saturating_sub(least, 1);
        }
        Ok(())
    }
}

/// True when both checkpoints that a floor names can be read.
fn stands_on(floor: &Floor, sound: &BTreeSet<u64>) -> bool {
    [floor.sequence, floor.next]
        .iter()
        .all(|it| *it == 0 || sound.contains(it))
}
