//! Exchange's own lossless form of items, taken beside their content where the extent asks for it.

use std::sync::{Mutex, PoisonError};

use mailkeep_exchange::{ByteStream, Source, SourceError};
use mailkeep_model::{Extent, Item, SourceMailboxId};
use mailkeep_vault::ExportSource;

use super::halt::{Verdict, judge};

/// Whether lossless forms are taken, and which were refused.
#[derive(Debug, Default)]
pub(super) struct Exports {
    is_wanted: bool,
    refused: Mutex<Refused>,
}

#[derive(Debug, Default)]
struct Refused {
    items: u64,
    /// The first one's code.
    code: String,
}

impl Exports {
    pub(super) fn new(extent: Extent, source: &dyn Source) -> Self {
        Self {
            is_wanted: extent.export_streams && source.offers().export_streams,
            refused: Mutex::default(),
        }
    }

    /// The lossless form of an item. One that is refused is noted, and the item kept without it;
    /// `is_last` says that what may pass has been waited for long enough.
    pub(super) async fn of(
        &self,
        source: &dyn Source,
        mailbox: &SourceMailboxId,
        item: &Item,
        is_last: bool,
    ) -> Result<Option<ExportSource<ByteStream>>, SourceError> {
        if !self.is_wanted {
            return Ok(None);
        }
        match source.export(mailbox, item).await {
            Ok(found) => Ok(found.map(|export| ExportSource {
                server_version: export.server_version,
                bytes: export.bytes,
            })),
            Err(error) => match judge(error.clone()) {
                Verdict::Halt(_) => Err(error),
                Verdict::Passing(_) if !is_last => Err(error),
                _ => {
                    self.note(error.code);
                    Ok(None)
                }
            },
        }
    }

    fn note(&self, code: String) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.items == 0 {
            refused.code = code;
        }
        refused.items += 1;
    }

    /// What to tell at the end of a mailbox.
    pub(super) fn remark(&self) -> Option<String> {
        let refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        (refused.items > 0).then(|| {
            format!(
                "{} items are kept without their export stream, which the source refused ({}); \
                 their message and properties are there",
                refused.items, refused.code
            )
        })
    }
}
