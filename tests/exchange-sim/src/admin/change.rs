//! Changes behind the service's back.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Admin;
use crate::content::blob::Blob;
use crate::content::real;
use crate::numbers::locked;
use crate::store::ids;
use crate::store::mailbox::{Anomalies, Mailbox, bits};
use crate::store::overlay::{Origin, Overlay, RawMail};
use crate::store::users::{Account, AccountKind, MailboxState};

/// What was asked for does not exist or cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdminError {
    /// No such mailbox.
    #[error("there is no mailbox '{0}'")]
    NoMailbox(String),
    /// No such group.
    #[error("there is no group '{0}'")]
    NoGroup(String),
    /// No such folder.
    #[error("there is no folder '{0}'")]
    NoFolder(String),
    /// No such item.
    #[error("there is no item '{0}'")]
    NoItem(String),
    /// The change is not possible, for example because a sibling has that name.
    #[error("that cannot be done: {0}")]
    Refused(String),
}

/// An item by its immutable id.
pub type ItemRef = String;

pub(super) type Done<T> = Result<T, AdminError>;

impl Admin {
    pub(super) fn account(&self, mailbox: &str) -> Done<Arc<Account>> {
        self.tenant
            .account(mailbox)
            .ok_or_else(|| AdminError::NoMailbox(mailbox.to_owned()))
    }

    /// Runs `work` on a mailbox.
    pub(super) fn with<T>(
        &self,
        mailbox: &str,
        work: impl FnOnce(&mut Mailbox) -> Done<T>,
    ) -> Done<T> {
        let account = self.account(mailbox)?;
        let data = account
            .mailbox
            .as_ref()
            .ok_or_else(|| AdminError::NoMailbox(mailbox.to_owned()))?;
        let mut data = locked(data);
        work(&mut data)
    }

    pub(super) fn item(mailbox: &Mailbox, id: &str) -> Done<u32> {
        ids::parse(mailbox.key, id)
            .map(|(item, _)| item)
            .filter(|item| mailbox.slot(*item).is_some())
            .ok_or_else(|| AdminError::NoItem(id.to_owned()))
    }

    pub(super) fn folder(mailbox: &Mailbox, folder: &str) -> Done<u32> {
        mailbox
            .find_folder(folder)
            .ok_or_else(|| AdminError::NoFolder(folder.to_owned()))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: std::time::Duration) {
        self.tenant.clock.advance(by);
    }

    /// Adds a generated mail to a folder (id or well-known name) and returns its id.
    ///
    /// # Errors
    /// When there is no such mailbox or folder.
    pub fn add_mail(&self, mailbox: &str, folder: &str) -> Done<ItemRef> {
        let now = self.tenant.clock.unix_seconds();
        let overlay = Overlay {
            received: Some(now),
            created: Some(now),
            ..Overlay::default()
        };
        self.add(mailbox, folder, overlay)
    }

    /// Adds a mail with exactly these bytes to a folder (id or well-known name) and returns its id.
    ///
    /// # Errors
    /// When there is no such mailbox or folder.
    pub fn add_raw_mail(&self, mailbox: &str, folder: &str, bytes: &[u8]) -> Done<ItemRef> {
        let now = self.tenant.clock.unix_seconds();
        let meta = real::parse_meta(bytes, now);
        let raw = RawMail {
            bytes: Blob::from(bytes.to_vec()),
            meta,
        };
        let overlay = Overlay {
            origin: Origin::Raw(Arc::new(raw)),
            created: Some(now),
            ..Overlay::default()
        };
        self.add(mailbox, folder, overlay)
    }

    /// Adds a mail with an attachment of this many bytes, which exist only while they are read.
    ///
    /// # Errors
    /// When there is no such mailbox or folder.
    pub fn add_giant_mail(&self, mailbox: &str, folder: &str, bytes: u64) -> Done<ItemRef> {
        let now = self.tenant.clock.unix_seconds();
        let overlay = Overlay {
            received: Some(now),
            created: Some(now),
            giant: Some(bytes),
            ..Overlay::default()
        };
        self.add(mailbox, folder, overlay)
    }

    fn add(&self, mailbox: &str, folder: &str, overlay: Overlay) -> Done<ItemRef> {
        let elapsed = self.tenant.elapsed();
        self.with(mailbox, |data| {
            let folder = Self::folder(data, folder)?;
            let item = data.add(folder, 0, overlay, elapsed);
            Ok(ids::immutable(data.key, item))
        })
    }

    /// Changes the body of an item.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn edit_body(&self, mailbox: &str, item: &str) -> Done<()> {
        let elapsed = self.tenant.elapsed();
        self.with(mailbox, |data| {
            let item = Self::item(data, item)?;
            edit(data, item, elapsed);
            Ok(())
        })
    }

    /// Marks an item read or unread.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn set_read(&self, mailbox: &str, item: &str, is_read: bool) -> Done<()> {
        self.change(mailbox, item, |slot, _| {
            if is_read {
                slot.bits |= bits::READ;
            } else {
                slot.bits &= !bits::READ;
            }
        })
    }

    /// Flags an item or removes its flag.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn set_flag(&self, mailbox: &str, item: &str, is_flagged: bool) -> Done<()> {
        self.change(mailbox, item, |slot, _| {
            if is_flagged {
                slot.bits |= bits::FLAGGED;
            } else {
                slot.bits &= !bits::FLAGGED;
            }
        })
    }

    /// Sets the categories of an item.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn set_categories(&self, mailbox: &str, item: &str, categories: &[&str]) -> Done<()> {
        let categories: Vec<String> = categories.iter().map(|name| (*name).to_owned()).collect();
        self.change(mailbox, item, |_, overlay| overlay.categories = categories)
    }

    fn change(
        &self,
        mailbox: &str,
        item: &str,
        change: impl FnOnce(&mut crate::store::mailbox::Slot, &mut Overlay),
    ) -> Done<()> {
        let elapsed = self.tenant.elapsed();
        self.with(mailbox, |data| {
            let item = Self::item(data, item)?;
            data.touch(item, elapsed, change);
            Ok(())
        })
    }

    /// Moves an item to a folder (id or well-known name).
    ///
    /// # Errors
    /// When there is no such item or folder.
    pub fn move_mail(&self, mailbox: &str, item: &str, folder: &str) -> Done<()> {
        let elapsed = self.tenant.elapsed();
        self.with(mailbox, |data| {
            let item = Self::item(data, item)?;
            let folder = Self::folder(data, folder)?;
            data.move_item(item, folder, elapsed);
            Ok(())
        })
    }

    /// Deletes an item for good.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn delete_mail(&self, mailbox: &str, item: &str) -> Done<()> {
        let elapsed = self.tenant.elapsed();
        self.with(mailbox, |data| {
            let item = Self::item(data, item)?;
            data.purge(item, elapsed);
            Ok(())
        })
    }

    /// Creates a folder below another one (id or well-known name, `msgfolderroot` for the top) and
    /// returns its id.
    ///
    /// # Errors
    /// When there is no such parent, or a sibling has that name.
    pub fn create_folder(&self, mailbox: &str, parent: &str, name: &str) -> Done<String> {
        self.with(mailbox, |data| {
            let parent = Self::folder(data, parent)?;
            let number = data
                .create_folder(parent, name, false)
                .ok_or_else(|| AdminError::Refused("a folder of that name exists".to_owned()))?;
            data.folder(number)
                .map(|folder| folder.id.clone())
                .ok_or_else(|| AdminError::NoFolder(name.to_owned()))
        })
    }

    /// Gives an item an extended property, named as the store names it, for example
    /// `String {00020329-0000-0000-c000-000000000046} Name Words`.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn set_property(&self, mailbox: &str, item: &str, name: &str, value: &str) -> Done<()> {
        let now = self.tenant.elapsed();
        self.with(mailbox, |data| {
            let item = Self::item(data, item)?;
            data.touch(item, now, |_, kept| {
                kept.properties.insert(name.to_owned(), value.to_owned());
            });
            Ok(())
        })
    }

    /// The extended properties of an item, by the names that the store has for them.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn properties(
        &self,
        mailbox: &str,
        item: &str,
    ) -> Done<std::collections::BTreeMap<String, String>> {
        self.with(mailbox, |data| {
            let item = Self::item(data, item)?;
            Ok(data
                .overlays
                .get(&item)
                .map(|kept| kept.properties.clone())
                .unwrap_or_default())
        })
    }

    /// Renames a folder.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn rename_folder(&self, mailbox: &str, folder: &str, name: &str) -> Done<()> {
        self.with(mailbox, |data| {
            let folder = Self::folder(data, folder)?;
            if data.change_folder(folder, name, None) {
                Ok(())
            } else {
                Err(AdminError::Refused("roots stay".to_owned()))
            }
        })
    }

    /// Moves a folder below another one.
    ///
    /// # Errors
    /// When there is no such folder, or it would come below itself.
    pub fn move_folder(&self, mailbox: &str, folder: &str, parent: &str) -> Done<()> {
        self.with(mailbox, |data| {
            let number = Self::folder(data, folder)?;
            let parent = Self::folder(data, parent)?;
            let name = data
                .folder(number)
                .map(|folder| folder.name.clone())
                .unwrap_or_default();
            if data.change_folder(number, &name, Some(parent)) {
                Ok(())
            } else {
                Err(AdminError::Refused("it would contain itself".to_owned()))
            }
        })
    }

    /// Deletes a folder with everything in it.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn delete_folder(&self, mailbox: &str, folder: &str) -> Done<()> {
        let elapsed = self.tenant.elapsed();
        self.with(mailbox, |data| {
            let number = Self::folder(data, folder)?;
            data.delete_folder(number, elapsed);
            Ok(())
        })
    }

    /// Deletes an item as a user does with Shift+Delete: it goes to the hidden recoverable items.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn soft_delete_mail(&self, mailbox: &str, item: &str) -> Done<()> {
        self.move_mail(mailbox, item, "recoverableitemsdeletions")
    }

    /// Adds an account with a mailbox of `items` generated messages and returns its id.
    pub fn new_mailbox(&self, items: u32) -> String {
        let mut accounts = match self.tenant.accounts.write() {
            Ok(accounts) => accounts,
            Err(poisoned) => poisoned.into_inner(),
        };
        let number = crate::numbers::narrow(accounts.len());
        let world = &self.tenant.world;
        let mailbox = Mailbox::new(world, number, items, self.tenant.folders_per_mailbox);
        let account = Account::new(world.seed, number, AccountKind::User, Some(mailbox));
        let id = account.id.clone();
        accounts.push(account);
        id
    }

    /// Removes an account with its mailbox.
    ///
    /// # Errors
    /// When there is no such mailbox.
    pub fn remove_mailbox(&self, mailbox: &str) -> Done<()> {
        self.account(mailbox)?
            .is_removed
            .store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Lets a mailbox refuse new items with 507 `ErrorQuotaExceeded`, or accept them again.
    ///
    /// # Errors
    /// When there is no such mailbox.
    pub fn set_full(&self, mailbox: &str, is_full: bool) -> Done<()> {
        self.with(mailbox, |data| {
            data.is_full = is_full;
            Ok(())
        })
    }

    /// Changes the limits of all mailboxes.
    pub fn set_limits(&self, limits: crate::Limits) {
        *locked(&self.tenant.limits) = limits;
    }

    /// Makes a mailbox usable or not.
    ///
    /// # Errors
    /// When there is no such mailbox.
    pub fn set_mailbox_state(&self, mailbox: &str, state: MailboxState) -> Done<()> {
        self.account(mailbox)?.set_state(state);
        Ok(())
    }

    /// Chooses which known faults the change feeds of a mailbox have.
    ///
    /// # Errors
    /// When there is no such mailbox.
    pub fn set_anomalies(&self, mailbox: &str, anomalies: Anomalies) -> Done<()> {
        self.with(mailbox, |data| {
            data.anomalies = anomalies;
            Ok(())
        })
    }
}

/// Changes the body of an item, whatever it was made from.
pub(super) fn edit(mailbox: &mut Mailbox, item: u32, elapsed: u32) {
    mailbox.touch(item, elapsed, |slot, overlay| {
        slot.version += 1;
        let note = format!("Edited, version {}", slot.version);
        overlay.origin = match &overlay.origin {
            Origin::Generated => Origin::Generated,
            Origin::Raw(raw) => {
                let mut bytes = raw.bytes.whole().to_vec();
                bytes.extend_from_slice(format!("\r\n{note}\r\n").as_bytes());
                Origin::Raw(Arc::new(RawMail {
                    bytes: Blob::from(bytes),
                    meta: raw.meta.clone(),
                }))
            }
            Origin::Written(written) => {
                let mut written = written.as_ref().clone();
                written.body.text.push_str(&note);
                Origin::Written(Arc::new(written))
            }
        };
    });
}
