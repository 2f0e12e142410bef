//! Lists of items: by folder, newest first, page by page.

use std::ops::Bound;

use crate::error::VaultError;
use crate::ids::ItemKey;
use crate::index::filter::{ItemFilter, Matcher};
use crate::index::open::Opened;
use crate::index::rows::{RowEntry, SortKey};
use crate::index::scan::Scan;
use crate::index::tables::Rows;
use crate::index::version::{ItemPage, ItemVersion, PageToken};
use crate::index::view::{MailboxView, with_index};

/// A page never has more items.
pub const MAX_PAGE: usize = 1000;

type RowKey = [u8; crate::index::rows::ROW_KEY_BYTES];

/// Keys from the first to the last, both inclusive.
struct Range {
    first: RowKey,
    last: RowKey,
}

impl MailboxView {
    /// The items that fit the filter: folder after folder in the order of their numbers, newest first in
    /// each. `after` goes on behind an earlier page. Blocks that cannot hold a fitting item (another
    /// folder or time) are not read; of the others, a few are in memory at any time.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn items(
        &self,
        filter: &ItemFilter,
        after: Option<&PageToken>,
        limit: usize,
    ) -> Result<ItemPage, VaultError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let matcher = Matcher::new(filter);
        let ranges = self.ranges(filter);
        with_index!(*self.inner, |opened| {
            self.page(opened, filter, &matcher, &ranges, after, limit)
                .await
        })
    }

    async fn page(
        &self,
        opened: &Opened,
        filter: &ItemFilter,
        matcher: &Matcher,
        ranges: &[Range],
        after: Option<&PageToken>,
        limit: usize,
    ) -> Result<ItemPage, VaultError> {
        let at = self.inner.at;
        let mut page = ItemPage::default();
        let behind = ranges
            .iter()
            .filter(|range| after.is_none_or(|PageToken(after)| range.last > *after));
        for range in behind {
            let start = match after {
                Some(PageToken(after)) if *after >= range.first => Bound::Excluded(*after),
                _ => Bound::Included(range.first),
            };
            let mut scan: Scan<'_, Rows> = Scan::new(
                &opened.blocks,
                &opened.index.state.folder_names,
                &opened.index.rows,
                start,
                Some(range.last),
            )
            .await?;
            while let Some(entry) = scan.next().await? {
                let RowEntry::Full(row) = entry else { continue };
                let is_shown = row.life.is_current(row.from, at)
                    || filter.include_deleted && row.from <= at && row.life.is_removed(at);
                if !is_shown || !matcher.matches(&row.item) {
                    continue;
                }
                if page.items.len() == limit {
                    page.next = page.items.last().map(ItemVersion::page_token);
                    return Ok(page);
                }
                page.items.push(ItemVersion::at(*row, at));
            }
        }
        Ok(page)
    }

    /// The parts of the row table that a filter can find something in.
    fn ranges(&self, filter: &ItemFilter) -> Vec<Range> {
        let mut folders: Vec<u32> = self
            .folder_numbers()
            .filter(|(_, id)| {
                filter
                    .folders
                    .as_ref()
                    .is_none_or(|wanted| wanted.contains(id))
            })
            .map(|(number, _)| number)
            .collect();
        folders.sort_unstable();
        folders
            .into_iter()
            .map(|folder| Range {
                first: SortKey {
                    folder,
                    time: filter.before.map_or(i64::MAX, |it| it.timestamp_micros()),
                    key: ItemKey(0),
                    from: 0,
                }
                .to_bytes(),
                last: SortKey {
                    folder,
                    time: filter.since.map_or(i64::MIN, |it| it.timestamp_micros()),
                    key: ItemKey(u64::MAX),
                    from: u64::MAX,
                }
                .to_bytes(),
            })
            .collect()
    }

    /// Every folder that items may be in, those without a description included.
    fn folder_numbers(&self) -> impl Iterator<Item = (u32, mailkeep_model::FolderId)> {
        let names = self.inner.opened().index.state.folder_names.clone();
        let pairs: Vec<_> = names
            .iter()
            .map(|(number, id)| (*number, id.clone()))
            .collect();
        pairs.into_iter()
    }
}
