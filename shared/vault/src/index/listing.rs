//! What commits and checkpoints a mailbox has, in as few requests as possible.

use std::collections::HashMap;

use mailkeep_ports::{ListOptions, ListPage};

use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::names;

/// Entries asked for with one request.
const PAGE: usize = 1000;

/// Sequence numbers of checkpoints and commits, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    /// Checkpoints that have a root.
    pub checkpoints: Vec<u64>,
    /// Commits, from [`log_from`](Self::log_from) on.
    pub log: Vec<u64>,
    /// The sizes of their objects.
    pub log_bytes: HashMap<u64, u64>,
    /// Commits before this one were not listed.
    pub log_from: u64,
    /// The log was closed up to some commit: there is a floor.
    pub has_floor: bool,
}

/// Lists checkpoints, and the commits from the newest checkpoint's on.
///
/// One request while a mailbox has fewer than 1,000 objects before its packs, because `ckpt/`, `floor`,
/// `key/` and `log/` come before `pack/`. Otherwise one per 1,000 checkpoint objects, and one for the log behind
/// the newest checkpoint.
pub(crate) async fn list(core: &MailboxCore, skip: &[u64]) -> Result<Listing, VaultError> {
    let mut listing = Listing::default();
    let log = names::log_prefix(&core.id);
    let mut after: Option<String> = None;
    loop {
        let page = request(core, names::mailbox_prefix(&core.id), after.take()).await?;
        collect(core, &page, &mut listing);
        match page.next {
            None => return Ok(listing),
            Some(next) if next < log => after = Some(next),
            Some(next) if next.starts_with(&log) => {
                let newest = listing.newest(skip, u64::MAX);
                let from = names::log(&core.id, newest.saturating_sub(1))?;
                if from.as_str() <= next.as_str() {
                    rest_of_log(core, Some(next), &mut listing).await?;
                } else {
                    listing.log.retain(|sequence| *sequence >= newest);
                    listing.log_from = newest;
                    rest_of_log(core, Some(from.to_string()), &mut listing).await?;
                }
                return Ok(listing);
            }
            Some(_) => return Ok(listing),
        }
    }
}

/// Lists the commits behind `sequence`.
pub(crate) async fn list_log(core: &MailboxCore, sequence: u64) -> Result<Vec<u64>, VaultError> {
    Ok(list_behind(core, sequence).await?.log)
}

/// Lists the commits behind `sequence`, with their sizes.
pub(crate) async fn list_behind(core: &MailboxCore, sequence: u64) -> Result<Listing, VaultError> {
    let mut listing = Listing::default();
    let from = names::log(&core.id, sequence)?;
    rest_of_log(core, Some(from.to_string()), &mut listing).await?;
    Ok(listing)
}

impl Listing {
    /// The newest checkpoint up to `up_to` that is not among `skip`; 0 without one.
    pub(crate) fn newest(&self, skip: &[u64], up_to: u64) -> u64 {
        self.checkpoints
            .iter()
            .rev()
            .find(|sequence| **sequence <= up_to && !skip.contains(sequence))
            .copied()
            .unwrap_or(0)
    }
}

async fn rest_of_log(
    core: &MailboxCore,
    mut after: Option<String>,
    listing: &mut Listing,
) -> Result<(), VaultError> {
    loop {
        let page = request(core, names::log_prefix(&core.id), after.take()).await?;
        collect(core, &page, listing);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
}

async fn request(
    core: &MailboxCore,
    prefix: String,
    start_after: Option<String>,
) -> Result<ListPage, VaultError> {
    let options = ListOptions {
        prefix,
        start_after,
        delimited: false,
        limit: PAGE,
    };
    Ok(core.ctx.store.list(options).await?)
}

fn collect(core: &MailboxCore, page: &ListPage, listing: &mut Listing) {
    let (checkpoints, log) = (
        names::checkpoint_prefix(&core.id),
        names::log_prefix(&core.id),
    );
    for object in &page.objects {
        let name = object.key.as_str();
        let Some(sequence) = names::sequence_of(name) else {
            listing.has_floor |= name.ends_with(names::FLOOR);
            continue;
        };
        if name.starts_with(&checkpoints) {
            listing.checkpoints.push(sequence);
        } else if name.starts_with(&log) {
            listing.log.push(sequence);
            listing.log_bytes.insert(sequence, object.size_bytes);
        }
    }
}
