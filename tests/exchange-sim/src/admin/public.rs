//! Public folders, changed behind the service's back.

use super::Admin;
use super::change::{AdminError, ItemRef};
use crate::numbers::index;
use crate::store::folders::Folder;
use crate::store::ids;

/// The mailbox that public folders are addressed as here.
const PUBLIC: &str = "public-folders";

type Done<T> = Result<T, AdminError>;

impl Admin {
    /// Creates a public folder of this class below another one (its id, or `publicfoldersroot`), whose
    /// items the mailbox with this number holds, and returns its id.
    ///
    /// # Errors
    /// When there is no such parent or no Exchange, or a sibling has that name.
    pub fn add_public_folder(
        &self,
        parent: &str,
        name: &str,
        class: &str,
        content_mailbox: u32,
    ) -> Done<String> {
        let id = self.create_folder(PUBLIC, parent, name)?;
        self.public_folder(&id, |folder| {
            class.clone_into(&mut folder.class);
            folder.content_mailbox = content_mailbox;
        })?;
        Ok(id)
    }

    /// Lets nobody but administrators open a public folder, or everybody again.
    ///
    /// # Errors
    /// When there is no such folder or no Exchange.
    pub fn deny_public_folder(&self, folder: &str, is_denied: bool) -> Done<()> {
        self.public_folder(folder, |folder| folder.is_denied = is_denied)
    }

    /// Moves the items of a public folder to the mailbox with this number.
    ///
    /// # Errors
    /// When there is no such folder or no Exchange.
    pub fn move_public_content(&self, folder: &str, content_mailbox: u32) -> Done<()> {
        self.public_folder(folder, |folder| folder.content_mailbox = content_mailbox)
    }

    fn public_folder(&self, folder: &str, change: impl FnOnce(&mut Folder)) -> Done<()> {
        self.with(PUBLIC, |data| {
            let number = Self::folder(data, folder)?;
            let found = data.folders.get_mut(index(u64::from(number)));
            change(found.ok_or_else(|| AdminError::NoFolder(folder.to_owned()))?);
            Ok(())
        })
    }

    /// Adds an item of another kind than mail to a folder: a sample of those that belong into `like`
    /// (`calendar`, `contacts`, `tasks`, `notes` or `journal`). Returns its id.
    ///
    /// # Errors
    /// When there is no such mailbox, folder or sample.
    pub fn add_sample(&self, mailbox: &str, folder: &str, like: &str) -> Done<ItemRef> {
        let account = self.account(mailbox)?;
        let world = self.tenant.world.clone();
        self.with(mailbox, |data| {
            let number = Self::folder(data, folder)?;
            let made = crate::ews::add_sample(data, &world, &account, number, like);
            made.map(|item| ids::immutable(data.key, item))
                .ok_or_else(|| AdminError::Refused(format!("there is no sample of {like}")))
        })
    }
}
