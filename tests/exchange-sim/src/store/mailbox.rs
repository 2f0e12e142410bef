//! One mailbox: compact item states, overlays for what is not generated, and every way to change it.

use std::collections::HashMap;

use super::changes::Change;
use super::folders::{Folder, ROOT, initial, new_folder};
use super::overlay::{Origin, Overlay};
use crate::content::plan::{Placement, World};
use crate::numbers::{index, mix, narrow};

/// States of an item.
pub(crate) mod bits {
    /// Read.
    pub(crate) const READ: u32 = 1;
    /// Flagged for follow-up.
    pub(crate) const FLAGGED: u32 = 2;
    /// A draft.
    pub(crate) const DRAFT: u32 = 4;
    /// Change feeds do not show that it came here (a fault of the service).
    pub(crate) const SUPPRESSED: u32 = 8;
}

/// The folder number of items that are gone.
pub(crate) const GONE: u32 = u32::MAX;

/// The state of one item: 40 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    pub(crate) folder: u32,
    /// Rises with every edit of the content.
    pub(crate) version: u32,
    pub(crate) bits: u32,
    /// Seconds after the tenant's start at which it changed; 0 if never.
    pub(crate) modified: u32,
    /// Number of its last change.
    pub(crate) change: u64,
    /// Number of the change that brought it into its folder.
    pub(crate) joined: u64,
    /// Number of the last change of more than the read state.
    pub(crate) edited: u64,
}

/// A mailbox.
#[derive(Debug)]
pub(crate) struct Mailbox {
    /// Its number in the tenant; generated mail depends on it.
    pub(crate) number: u32,
    /// Makes ids of different mailboxes different.
    pub(crate) key: u64,
    pub(crate) folders: Vec<Folder>,
    pub(crate) folder_numbers: HashMap<String, u32>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) overlays: HashMap<u32, Overlay>,
    pub(crate) log: Vec<Change>,
    pub(crate) sequence: u64,
    /// Rises when all delta tokens are made useless.
    pub(crate) token_epoch: u32,
    /// Faults of its change feeds.
    pub(crate) anomalies: Anomalies,
    /// Refuse new items: the mailbox is full.
    pub(crate) is_full: bool,
}

/// Known faults of the service's change feeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Anomalies {
    /// An item that returns to a folder is shown as removed and not as present again.
    pub hide_returns: bool,
    /// A moved item is shown as removed from the old folder and never in the new one.
    pub hide_moves: bool,
    /// Items that only changed come without some of the selected properties.
    pub partial_updates: bool,
    /// Items are repeated, and pages without items lead on to further pages.
    pub repeats_and_empty_pages: bool,
    /// Folders say that they hold one item more than they hand out.
    pub counts_one_too_many: bool,
}

/// The key of the mailbox with this number.
pub(crate) fn key_of(world: &World, number: u32) -> u64 {
    mix(&[world.seed, u64::from(number), 0x6d61_696c])
}

impl Mailbox {
    /// A mailbox with its initial folders and `items` generated messages.
    pub(crate) fn new(world: &World, number: u32, items: u32, extra_folders: u32) -> Self {
        let key = key_of(world, number);
        let folders = initial(key, number, world.seed, extra_folders);
        let folder_numbers = folders
            .iter()
            .enumerate()
            .map(|(n, folder)| (folder.id.clone(), narrow(n)))
            .collect();
        let mut mailbox = Self {
            number,
            key,
            folders,
            folder_numbers,
            slots: Vec::with_capacity(index(u64::from(items))),
            overlays: HashMap::new(),
            log: Vec::new(),
            sequence: 1,
            token_epoch: 0,
            anomalies: Anomalies::default(),
            is_full: false,
        };
        mailbox.fill(world, items);
        mailbox
    }

    fn fill(&mut self, world: &World, items: u32) {
        let numbered = |name: &str| self.well_known(name).unwrap_or(ROOT);
        let inbox = numbered("inbox");
        let sent = numbered("sentitems");
        let drafts = numbered("drafts");
        let others = ["deleteditems", "junkemail", "archive"].map(numbered);
        let own: Vec<u32> = (0_u32..)
            .zip(&self.folders)
            .filter(|(_, folder)| {
                folder.well_known.is_none() && !folder.is_hidden && !folder.is_search
            })
            .map(|(n, _)| n)
            .collect();
        let hidden = numbered("recoverableitemsdeletions");
        for n in 0..items {
            let place = Placement::of(mix(&[world.seed, u64::from(self.number), u64::from(n)]));
            let choice = place.folder_draw % 100;
            let spread = place.folder_draw / 100;
            let at = |folders: &[u32]| {
                let count = crate::numbers::wide(folders.len()).max(1);
                folders.get(index(spread % count)).copied().unwrap_or(inbox)
            };
            let mut state = if place.is_read { bits::READ } else { 0 };
            if place.is_flagged {
                state |= bits::FLAGGED;
            }
            let folder = match (place.is_outgoing, choice) {
                (true, 0..=5) => {
                    state |= bits::DRAFT;
                    drafts
                }
                (true, 6..=89) => sent,
                (false, 0..=54) => inbox,
                (false, 55..=64) => at(&others),
                (false, 65) => hidden,
                _ => at(&own),
            };
            self.slots.push(Slot {
                folder,
                version: 0,
                bits: state,
                modified: 0,
                change: 1,
                joined: 1,
                edited: 1,
            });
            self.count(folder, state, true);
        }
    }

    /// The number of a folder by its well-known name.
    pub(crate) fn well_known(&self, name: &str) -> Option<u32> {
        self.folders
            .iter()
            .position(|folder| folder.well_known == Some(name) && !folder.is_deleted)
            .map(narrow)
    }

    /// A folder that still exists.
    pub(crate) fn folder(&self, number: u32) -> Option<&Folder> {
        self.folders
            .get(index(u64::from(number)))
            .filter(|folder| !folder.is_deleted)
    }

    /// A folder that still exists, by id or well-known name.
    pub(crate) fn find_folder(&self, text: &str) -> Option<u32> {
        let number = match self.folder_numbers.get(text) {
            Some(number) => *number,
            None => self.well_known(&text.to_ascii_lowercase())?,
        };
        self.folder(number).map(|_| number)
    }

    /// An item that still exists.
    pub(crate) fn slot(&self, item: u32) -> Option<&Slot> {
        self.slots
            .get(index(u64::from(item)))
            .filter(|slot| slot.folder != GONE)
    }

    fn count(&mut self, folder: u32, state: u32, is_added: bool) {
        if let Some(folder) = self.folders.get_mut(index(u64::from(folder))) {
            let unread = u32::from(state & bits::READ == 0);
            if is_added {
                folder.total += 1;
                folder.unread += unread;
            } else {
                folder.total = folder.total.saturating_sub(1);
                folder.unread = folder.unread.saturating_sub(unread);
            }
        }
    }

    /// Adds an item and returns its number. `modified` counts seconds since the tenant's start.
    pub(crate) fn add(&mut self, folder: u32, state: u32, overlay: Overlay, modified: u32) -> u32 {
        self.sequence += 1;
        let item = narrow(self.slots.len());
        self.slots.push(Slot {
            folder,
            version: 0,
            bits: state,
            modified,
            change: self.sequence,
            joined: self.sequence,
            edited: self.sequence,
        });
        self.overlays.insert(item, overlay);
        self.log.push(Change {
            sequence: self.sequence,
            item,
            left: None,
            joined: 0,
        });
        self.count(folder, state, true);
        item
    }

    /// Changes an item in place. False when there is no such item.
    pub(crate) fn touch(
        &mut self,
        item: u32,
        modified: u32,
        change: impl FnOnce(&mut Slot, &mut Overlay),
    ) -> bool {
        let Some(slot) = self.slots.get_mut(index(u64::from(item))) else {
            return false;
        };
        if slot.folder == GONE {
            return false;
        }
        let before = *slot;
        let mut overlay = self.overlays.remove(&item).unwrap_or_default();
        change(slot, &mut overlay);
        self.sequence += 1;
        slot.change = self.sequence;
        if (slot.bits ^ before.bits) != bits::READ || slot.version != before.version {
            slot.edited = self.sequence;
        }
        slot.modified = modified;
        slot.bits &= !bits::SUPPRESSED;
        let after = *slot;
        if !overlay.is_plain() {
            self.overlays.insert(item, overlay);
        }
        self.log.push(Change {
            sequence: self.sequence,
            item,
            left: None,
            joined: 0,
        });
        self.count(before.folder, before.bits, false);
        self.count(after.folder, after.bits, true);
        true
    }

    /// Moves an item. False when there is no such item or folder.
    pub(crate) fn move_item(&mut self, item: u32, to: u32, modified: u32) -> bool {
        if self.folder(to).is_none() {
            return false;
        }
        self.leave(item, to, modified)
    }

    /// Deletes an item for good. False when there is no such item.
    pub(crate) fn purge(&mut self, item: u32, modified: u32) -> bool {
        let is_done = self.leave(item, GONE, modified);
        if is_done {
            self.overlays.remove(&item);
        }
        is_done
    }

    fn leave(&mut self, item: u32, to: u32, modified: u32) -> bool {
        let is_return = self.anomalies.hide_returns
            && self
                .log
                .iter()
                .any(|change| change.item == item && change.left == Some(to));
        let is_suppressed = self.anomalies.hide_moves || is_return;
        let Some(slot) = self.slots.get_mut(index(u64::from(item))) else {
            return false;
        };
        if slot.folder == GONE || slot.folder == to {
            return slot.folder == to && to != GONE;
        }
        let before = *slot;
        self.sequence += 1;
        self.log.push(Change {
            sequence: self.sequence,
            item,
            left: Some(before.folder),
            joined: before.joined,
        });
        slot.folder = to;
        slot.joined = self.sequence;
        slot.change = self.sequence;
        slot.edited = self.sequence;
        slot.modified = modified;
        slot.bits &= !bits::SUPPRESSED;
        if is_suppressed && to != GONE {
            slot.bits |= bits::SUPPRESSED;
        }
        self.count(before.folder, before.bits, false);
        if to != GONE {
            self.count(to, before.bits, true);
        }
        true
    }

    /// Creates a folder. `None` when the parent is gone or a sibling has this name.
    pub(crate) fn create_folder(&mut self, parent: u32, name: &str, hidden: bool) -> Option<u32> {
        self.folder(parent)?;
        if self.child_named(parent, name).is_some() {
            return None;
        }
        self.sequence += 1;
        let number = narrow(self.folders.len());
        let mut folder = new_folder(self.key, number, name, Some(parent));
        folder.change = self.sequence;
        folder.created = self.sequence;
        folder.is_hidden = hidden;
        self.folder_numbers.insert(folder.id.clone(), number);
        self.folders.push(folder);
        Some(number)
    }

    /// The child of a folder with this name; Exchange compares without case.
    pub(crate) fn child_named(&self, parent: u32, name: &str) -> Option<u32> {
        let name = name.to_lowercase();
        self.folders
            .iter()
            .position(|folder| {
                !folder.is_deleted
                    && folder.parent == Some(parent)
                    && folder.name.to_lowercase() == name
            })
            .map(narrow)
    }

    /// Renames or moves a folder. False when that is not possible.
    pub(crate) fn change_folder(&mut self, number: u32, name: &str, parent: Option<u32>) -> bool {
        let mut above = parent;
        while let Some(ancestor) = above {
            if ancestor == number {
                return false;
            }
            above = self.folder(ancestor).and_then(|folder| folder.parent);
        }
        self.sequence += 1;
        let sequence = self.sequence;
        match self.folders.get_mut(index(u64::from(number))) {
            Some(folder) if !folder.is_deleted && folder.parent.is_some() => {
                folder.name = name.to_owned();
                folder.parent = parent.or(folder.parent);
                folder.change = sequence;
                true
            }
            _ => false,
        }
    }

    /// Deletes a folder with everything below it.
    pub(crate) fn delete_folder(&mut self, number: u32, modified: u32) -> bool {
        if number == ROOT || self.folder(number).is_none() {
            return false;
        }
        let children: Vec<u32> = self.children(number).collect();
        for child in children {
            self.delete_folder(child, modified);
        }
        let items: Vec<u32> = self.items_in(number).collect();
        for item in items {
            self.purge(item, modified);
        }
        self.sequence += 1;
        let sequence = self.sequence;
        if let Some(folder) = self.folders.get_mut(index(u64::from(number))) {
            folder.is_deleted = true;
            folder.change = sequence;
        }
        true
    }

    /// Children of a folder that still exist.
    pub(crate) fn children(&self, parent: u32) -> impl Iterator<Item = u32> + '_ {
        (0_u32..)
            .zip(&self.folders)
            .filter(move |(_, folder)| !folder.is_deleted && folder.parent == Some(parent))
            .map(|(number, _)| number)
    }

    /// Items in a folder, oldest first.
    pub(crate) fn items_in(&self, folder: u32) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.slots
            .iter()
            .enumerate()
            .filter(move |(_, slot)| slot.folder == folder)
            .map(|(number, _)| narrow(number))
    }
}

impl Overlay {
    fn is_plain(&self) -> bool {
        matches!(self.origin, Origin::Generated)
            && self.received.is_none()
            && self.categories.is_empty()
            && self.properties.is_empty()
            && self.giant.is_none()
            && !self.flag_complete
            && self.fields.is_empty()
            && self.created.is_none()
    }
}
