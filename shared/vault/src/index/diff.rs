//! What changed between two commits.

use std::ops::Bound;

use crate::error::VaultError;
use crate::index::items::MAX_PAGE;
use crate::index::open::Opened;
use crate::index::rows::{Row, RowEntry};
use crate::index::scan::Scan;
use crate::index::tables::Rows;
use crate::index::version::{ChangeKinds, DiffPage, Difference, ItemVersion, PageToken};
use crate::index::view::{MailboxView, latest, row, with_index};

impl MailboxView {
    /// How the mailbox right after commit `to` differs from right after commit `from`. Both must not lie
    /// behind this view's commit. The order is that of the later (or last) version of each item.
    ///
    /// # Errors
    /// When the index cannot be read, `to` lies behind this view, or retention let go of something that one
    /// of the two showed.
    pub async fn diff(
        &self,
        from: u64,
        to: u64,
        after: Option<&PageToken>,
        limit: usize,
    ) -> Result<DiffPage, VaultError> {
        if from > to || to > self.inner.at {
            return Err(VaultError::invalid(format!(
                "cannot compare commit {from} with {to}: the first must not be later, and the newest is {}",
                self.inner.at
            )));
        }
        self.check_whole(from)?;
        self.check_whole(to)?;
        let limit = limit.clamp(1, MAX_PAGE);
        with_index!(*self.inner, |opened| {
            differences(opened, from, to, after, limit).await
        })
    }
}

async fn differences(
    opened: &Opened,
    from: u64,
    to: u64,
    after: Option<&PageToken>,
    limit: usize,
) -> Result<DiffPage, VaultError> {
    let start = after.map_or(Bound::Unbounded, |PageToken(key)| Bound::Excluded(*key));
    let mut scan: Scan<'_, Rows> = Scan::new(
        &opened.blocks,
        &opened.index.state.folder_names,
        &opened.index.rows,
        start,
        None,
    )
    .await?;
    let mut page = DiffPage::default();
    let mut last = None;
    while let Some(entry) = scan.next().await? {
        let RowEntry::Full(row) = entry else { continue };
        // Each item has exactly one newest version as of `to`: it speaks for the item.
        if !row.life.is_latest(row.from, to) {
            continue;
        }
        let token = PageToken(row.sort_key().to_bytes());
        let Some(difference) = difference(opened, *row, from, to).await? else {
            continue;
        };
        if page.differences.len() == limit {
            page.next = last;
            return Ok(page);
        }
        last = Some(token);
        page.differences.push(difference);
    }
    Ok(page)
}

/// The difference that the newest version of an item makes.
async fn difference(
    opened: &Opened,
    newest: Row,
    from: u64,
    to: u64,
) -> Result<Option<Difference>, VaultError> {
    let is_there = newest.life.is_current(newest.from, to);
    if newest.from <= from {
        let was_there = newest.life.is_current(newest.from, from);
        return Ok(
            (was_there && !is_there).then(|| Difference::Removed(ItemVersion::at(newest, to)))
        );
    }
    let before = version_at(opened, &newest, from).await?;
    let newest = ItemVersion::at(newest, to);
    Ok(match (before, is_there) {
        (None, true) => Some(Difference::Added(newest)),
        (None, false) => None,
        (Some(_), false) => Some(Difference::Removed(newest)),
        (Some(before), true) => {
            let before = ItemVersion::at(before, from);
            let kinds = kinds(&before, &newest);
            (kinds != ChangeKinds::default()).then(|| Difference::Changed {
                before: Box::new(before),
                after: Box::new(newest),
                kinds,
            })
        }
    })
}

/// The version of `newest`'s item that was current right after commit `at`.
async fn version_at(opened: &Opened, newest: &Row, at: u64) -> Result<Option<Row>, VaultError> {
    let Some(place) = latest(opened, newest.key, at).await? else {
        return Ok(None);
    };
    let older = row(opened, place).await?;
    Ok(older.filter(|older| older.life.is_current(older.from, at)))
}

fn kinds(before: &ItemVersion, after: &ItemVersion) -> ChangeKinds {
    let fingerprint = |version: &ItemVersion| {
        version
            .content
            .or(version.lost)
            .map(|content| content.fingerprint)
    };
    // Change key, size and modification time follow from other changes; alone they are none.
    let mut plain = after.item.clone();
    plain.folder.clone_from(&before.item.folder);
    plain.change_key.clone_from(&before.item.change_key);
    plain.modified_at = before.item.modified_at;
    plain.size_bytes = before.item.size_bytes;
    ChangeKinds {
        moved: before.item.folder != after.item.folder,
        content: fingerprint(before) != fingerprint(after),
        metadata: plain != before.item,
    }
}
