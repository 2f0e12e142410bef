//! Fetches the frames of an item in order, neighbours with one request.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::frame::FrameKind;
use crate::format::parser::FrameOpener;
use crate::ids::{ContentId, PackNumber};
use crate::object::get_range;
use crate::pack_table::PartLocation;
use crate::reader::PartResolver;

/// One request brings no more than this, unless one frame is bigger.
const WINDOW_BYTES: u64 = 2 << 20;
/// The contents of what one request brings have no more than this, unless one frame has.
const PLAIN_BYTES: u64 = 4 << 20;
/// Rather read so many bytes in vain than make another request.
const GAP_BYTES: u64 = 16 << 10;

/// A stretch of a pack that was read along with the item frame behind it: an item's own parts lie there.
#[derive(Clone)]
pub(crate) struct Aside {
    /// The pack.
    pub pack: PackNumber,
    /// Where in the pack it begins.
    pub start: u64,
    /// The bytes.
    pub bytes: Bytes,
}

impl Aside {
    fn slice(&self, pack: PackNumber, start: u64, end: u64) -> Option<Bytes> {
        let from = usize::try_from(start.checked_sub(self.start)?).ok()?;
        let to = usize::try_from(end.checked_sub(self.start)?).ok()?;
        (pack == self.pack && from <= to && to <= self.bytes.len())
            .then(|| self.bytes.slice(from..to))
    }
}

/// Gives the contents of frames one after the other.
pub(crate) struct FrameFetcher {
    core: MailboxCore,
    resolver: Arc<dyn PartResolver>,
    aside: Option<Aside>,
    ids: Vec<ContentId>,
    /// The next of `ids` that is not in `ready`.
    next: usize,
    ready: VecDeque<Bytes>,
}

impl FrameFetcher {
    pub(crate) fn new(
        core: MailboxCore,
        resolver: Arc<dyn PartResolver>,
        aside: Option<Aside>,
        ids: Vec<ContentId>,
    ) -> Self {
        Self {
            core,
            resolver,
            aside,
            ids,
            next: 0,
            ready: VecDeque::new(),
        }
    }

    /// The next frame's content.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, VaultError> {
        if self.ready.is_empty() {
            self.fill().await?;
        }
        Ok(self.ready.pop_front())
    }

    /// Leaves out frames that lie within the next `bytes` bytes, without reading them. Returns how
    /// many of the bytes remain.
    pub(crate) async fn skip_whole_frames(&mut self, mut bytes: u64) -> Result<u64, VaultError> {
        while bytes > 0
            && self.ready.is_empty()
            && let Some(id) = self.ids.get(self.next).copied()
        {
            let plain = u64::from(self.locate(&id).await?.frame.plain_bytes);
            if plain > bytes {
                break;
            }
            bytes -= plain;
            self.next += 1;
        }
        Ok(bytes)
    }

    async fn fill(&mut self) -> Result<(), VaultError> {
        let Some(first) = self.ids.get(self.next).copied() else {
            return Ok(());
        };
        let first = self.locate(&first).await?;
        let (start, mut end) = (u64::from(first.frame.offset), first.frame.end());
        let mut plain_bytes = u64::from(first.frame.plain_bytes);
        let mut wanted = vec![first];
        while let Some(id) = self.ids.get(self.next + wanted.len()).copied() {
            let location = self.locate(&id).await?;
            let offset = u64::from(location.frame.offset);
            plain_bytes += u64::from(location.frame.plain_bytes);
            let is_near = location.pack == first.pack
                && (end..=end + GAP_BYTES).contains(&offset)
                && location.frame.end() - start <= WINDOW_BYTES
                && plain_bytes <= PLAIN_BYTES;
            if !is_near {
                break;
            }
            end = location.frame.end();
            wanted.push(location);
        }

        let pack = self.resolver.pack(first.pack).await?;
        let key = pack.id.key(&self.core.id)?;
        let aside = self.aside.as_ref();
        let bytes = match aside.and_then(|aside| aside.slice(first.pack, start, end)) {
            Some(bytes) => bytes,
            None => get_range(&*self.core.ctx.store, &key, start, end).await?,
        };
        let opener = FrameOpener::new(self.core.keys.objects(), &pack.header, &key)?;
        for location in wanted {
            let place = location.frame;
            let from = usize::try_from(u64::from(place.offset) - start).unwrap_or(usize::MAX);
            let to = usize::try_from(place.end() - start).unwrap_or(usize::MAX);
            let plain = opener.open(
                FrameKind::Part,
                &place,
                bytes.get(from..to).unwrap_or_default(),
            )?;
            let id = self.ids.get(self.next).copied();
            if id != Some(self.core.keys.content_id(&plain)) {
                return Err(VaultError::corrupt(
                    key.as_str(),
                    format!("frame {} is not the part that the index says", place.number),
                ));
            }
            self.next += 1;
            self.ready.push_back(plain);
        }
        Ok(())
    }

    async fn locate(&self, id: &ContentId) -> Result<PartLocation, VaultError> {
        self.resolver.find_part(id).await?.ok_or_else(|| {
            VaultError::missing(
                format!("part {id:?} of mailbox {}", self.core.id),
                "no pack in the index holds it; run `mailkeep verify`",
            )
        })
    }
}
