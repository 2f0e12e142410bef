//! The log of changes of a mailbox, and the change feed of one folder that is read from it.

use super::mailbox::{Mailbox, bits};
use crate::numbers::{index, narrow, wide};

/// One change of one item.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) sequence: u64,
    pub(crate) item: u32,
    /// The folder that the item left with this change.
    pub(crate) left: Option<u32>,
    /// When it had come there.
    pub(crate) joined: u64,
}

/// One line of a change feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    /// The item is in the folder.
    Present(u32),
    /// The item left the folder; the number that its ordinary id there carries.
    Removed(u32, u64),
}

/// A place in a change feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The client knows the folder as it was after this change; 0 means it knows nothing.
    pub(crate) since: u64,
    /// This round ends with this change.
    pub(crate) until: u64,
    /// How far this round came: an item number in a first round, else a change number.
    pub(crate) position: u64,
}

impl Mailbox {
    /// Up to `limit` items of a folder as they were when the round began, the newest first, from the
    /// one behind `place` on.
    pub(crate) fn newest_first(
        &self,
        folder: u32,
        place: Place,
        limit: usize,
    ) -> (Vec<Feed>, Option<Place>) {
        let mut lines = Vec::new();
        // The position counts from the end of what there was when the round began, upwards.
        let start = match place.position {
            0 => self.slots.len(),
            position => index(position),
        };
        let older = self.slots.get(..start).unwrap_or_default();
        for (offset, slot) in older.iter().enumerate().rev() {
            if slot.folder != folder || slot.joined > place.until {
                continue;
            }
            if lines.len() == limit {
                let position = wide(offset) + 1;
                return (lines, Some(Place { position, ..place }));
            }
            lines.push(Feed::Present(narrow(offset)));
        }
        (lines, None)
    }

    /// Where a client starts that knows nothing.
    pub(crate) fn first_place(&self) -> Place {
        Place {
            since: 0,
            until: self.sequence,
            position: 0,
        }
    }

    /// Where a client goes on that finished a round.
    pub(crate) fn next_place(&self, since: u64) -> Place {
        Place {
            since,
            until: self.sequence,
            position: since,
        }
    }

    /// Up to `limit` lines from `place` on, and the place behind them; `None` when the round ended.
    pub(crate) fn feed(
        &self,
        folder: u32,
        place: Place,
        limit: usize,
    ) -> (Vec<Feed>, Option<Place>) {
        if place.since == 0 {
            self.first_round(folder, place, limit)
        } else {
            self.later_round(folder, place, limit)
        }
    }

    fn first_round(&self, folder: u32, place: Place, limit: usize) -> (Vec<Feed>, Option<Place>) {
        let mut lines = Vec::new();
        let start = index(place.position);
        for (offset, slot) in self.slots.iter().enumerate().skip(start) {
            if slot.folder != folder || slot.joined > place.until {
                continue;
            }
            if lines.len() == limit {
                let position = wide(offset);
                return (lines, Some(Place { position, ..place }));
            }
            lines.push(Feed::Present(narrow(offset)));
        }
        (lines, None)
    }

    fn later_round(&self, folder: u32, place: Place, limit: usize) -> (Vec<Feed>, Option<Place>) {
        let mut lines = Vec::new();
        let start = self
            .log
            .partition_point(|change| change.sequence <= place.position);
        let mut position = place.position;
        for change in self.log.iter().skip(start) {
            if change.sequence > place.until {
                break;
            }
            let Some(slot) = self.slots.get(index(u64::from(change.item))) else {
                continue;
            };
            let is_hidden = slot.bits & bits::SUPPRESSED != 0;
            let line = if slot.change == change.sequence && slot.folder == folder && !is_hidden {
                Some(Feed::Present(change.item))
            } else if change.left == Some(folder)
                && (slot.folder != folder || is_hidden)
                && change.joined <= place.since
            {
                Some(Feed::Removed(change.item, change.joined))
            } else {
                None
            };
            if let Some(line) = line {
                if lines.len() == limit {
                    return (lines, Some(Place { position, ..place }));
                }
                lines.push(line);
            }
            position = change.sequence;
        }
        (lines, None)
    }
}
