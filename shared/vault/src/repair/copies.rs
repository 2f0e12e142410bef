//! What the newest commit carries of earlier ones, when those were written anew: a commit that carries nothing
//! follows it, so that readers read them themselves.

use super::Repair;
use crate::error::VaultError;
use crate::index::listing;
use crate::index::segment::Segment;
use crate::retain::committer::{Change, Committer};

impl Repair {
    /// Ends the log with a commit without copies, if the newest one carries an outdated one.
    pub(super) async fn copies(&mut self) -> Result<(), VaultError> {
        let mut trusting = self.core.clone();
        trusting.trusts_copies = true;
        let before = self.first_commit.saturating_sub(1);
        let Some(newest) = listing::list_log(&self.core, before).await?.last().copied() else {
            return Ok(());
        };
        let carried = match Segment::read(&trusting, newest).await {
            Ok(segment) => segment.earlier,
            Err(error) => return self.leave(error),
        };
        for copy in carried {
            let sequence = copy.record.sequence;
            if sequence < self.first_commit {
                continue;
            }
            match Segment::read(&self.core, sequence).await {
                Ok(commit) if copy.is_copy_of(&commit) => {}
                Ok(_) => {
                    let mut committer = Committer::open(&self.core, &self.skip).await?;
                    // Whoever came first instead read the commits themselves, or the next repair looks again.
                    committer.commit(&Change::default()).await?;
                    self.report.sequence = committer.head();
                    return Ok(());
                }
                Err(error) => return self.leave(error),
            }
        }
        Ok(())
    }
}
