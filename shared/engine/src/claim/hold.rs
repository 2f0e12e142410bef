//! Keeping a lease.

use std::time::Duration;

use mailkeep_ports::ItemKey;

use super::LeaseRecord;
use crate::ledger::{JobError, Ledger, Made, Tries, Versioned, replace};
use crate::work::TaskProgress;

/// A lease that somebody took.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) key: ItemKey,
    pub(crate) epoch: u64,
}

impl Held {
    /// The lease, if it is still that one.
    pub(crate) async fn read(
        &self,
        ledger: &Ledger,
    ) -> Result<Option<Versioned<LeaseRecord>>, JobError> {
        let lease: Option<Versioned<LeaseRecord>> = ledger.read(&self.key).await?;
        Ok(lease.filter(|lease| lease.value.epoch == self.epoch && lease.value.holder.is_some()))
    }

    /// Renews it and tells how far the work is; `false` when it is somebody else's.
    pub(crate) async fn renew(
        &self,
        ledger: &Ledger,
        length: Duration,
        progress: Option<TaskProgress>,
    ) -> Result<bool, JobError> {
        let mut tries = Tries::new();
        loop {
            let Some(mut lease) = self.read(ledger).await? else {
                return Ok(false);
            };
            let now = ledger.clock().now();
            if let Some(holder) = &mut lease.value.holder {
                holder.renew(now, length);
                holder.progress.clone_from(&progress);
            }
            let write = replace(self.key.clone(), lease.version, &lease.value)?;
            if ledger.transact(vec![write], &mut tries).await? == Made::Yes {
                return Ok(true);
            }
        }
    }

    /// The record of the lease when it is free.
    pub(crate) fn free(&self) -> LeaseRecord {
        LeaseRecord {
            epoch: self.epoch,
            holder: None,
        }
    }
}
