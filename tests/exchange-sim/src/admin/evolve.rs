//! Many changes at once, as a day at work makes them.

use serde::{Deserialize, Serialize};

use super::Admin;
use crate::content::draw::Draw;
use crate::numbers::{index, locked, low32, narrow, wide};
use crate::store::mailbox::{GONE, Mailbox, bits};
use crate::store::overlay::Overlay;

/// What changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evolved {
    /// New mail.
    pub added: u64,
    /// Bodies edited.
    pub edited: u64,
    /// Moved to another folder.
    pub moved: u64,
    /// Deleted for good.
    pub deleted: u64,
    /// Read state, flag or categories changed.
    pub flagged: u64,
    /// Folders created.
    pub folders: u64,
}

impl Admin {
    /// Changes about this percentage of the items of every mailbox: of ten changes three are new
    /// mail, one is an edited body, two are moves, one is a deletion and three are flags.
    pub fn evolve(&self, percent: u32) -> Evolved {
        let mut done = Evolved::default();
        let now = self.tenant.clock.unix_seconds();
        let elapsed = self.tenant.elapsed();
        for account in self.tenant.visible_accounts() {
            if let Some(mailbox) = &account.mailbox {
                let mut mailbox = locked(mailbox);
                let seed = [
                    self.tenant.world.seed,
                    u64::from(account.number),
                    mailbox.sequence,
                    0x6576_6f6c,
                ];
                let mut draw = Draw::new(&seed);
                let alive = mailbox
                    .slots
                    .iter()
                    .filter(|slot| slot.folder != GONE)
                    .count();
                let changes = (wide(alive) * u64::from(percent) / 100).max(3);
                let name = format!("Neuer Ordner {}", mailbox.sequence);
                if let Some(inbox) = mailbox.well_known("inbox")
                    && mailbox.create_folder(inbox, &name, false).is_some()
                {
                    done.folders += 1;
                }
                for _ in 0..changes {
                    change(&mut mailbox, &mut draw, (now, elapsed), &mut done);
                }
            }
        }
        done
    }
}

fn change(mailbox: &mut Mailbox, draw: &mut Draw, (now, elapsed): (i64, u32), done: &mut Evolved) {
    let kind = draw.below(10);
    if kind < 3 {
        let folder = any_folder(mailbox, draw);
        let overlay = Overlay {
            received: Some(now),
            created: Some(now),
            ..Overlay::default()
        };
        mailbox.add(folder, 0, overlay, elapsed);
        done.added += 1;
        return;
    }
    let Some(item) = any_item(mailbox, draw) else {
        return;
    };
    match kind {
        3 => {
            super::change::edit(mailbox, item, elapsed);
            done.edited += 1;
        }
        4 | 5 => {
            let folder = any_folder(mailbox, draw);
            mailbox.move_item(item, folder, elapsed);
            done.moved += 1;
        }
        6 => {
            mailbox.purge(item, elapsed);
            done.deleted += 1;
        }
        _ => {
            let choice = draw.below(3);
            mailbox.touch(item, elapsed, |slot, overlay| match choice {
                0 => slot.bits ^= bits::READ,
                1 => slot.bits ^= bits::FLAGGED,
                _ => overlay.categories = vec!["Blaue Kategorie".to_owned()],
            });
            done.flagged += 1;
        }
    }
}

/// An item that exists; tries some numbers so that it stays fast in big mailboxes.
fn any_item(mailbox: &Mailbox, draw: &mut Draw) -> Option<u32> {
    (0..200).find_map(|_| {
        let item = low32(draw.below(wide(mailbox.slots.len())));
        mailbox.slot(item).map(|_| item)
    })
}

/// A visible folder that can hold mail, the inbox more often.
fn any_folder(mailbox: &Mailbox, draw: &mut Draw) -> u32 {
    let inbox = mailbox.well_known("inbox").unwrap_or(0);
    if draw.percent(40) {
        return inbox;
    }
    let choices: Vec<u32> = (1..narrow(mailbox.folders.len()))
        .filter(|number| {
            crate::graph::folders::is_visible(mailbox, *number)
                && mailbox.folder(*number).is_some_and(|one| !one.is_search)
        })
        .collect();
    let choice = draw.below(wide(choices.len()));
    choices.get(index(choice)).copied().unwrap_or(inbox)
}
