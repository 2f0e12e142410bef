//! Changes of contacts, events and tasks behind the service's back.

use std::sync::Arc;

use super::Admin;
use super::change::{AdminError, Done};
use crate::content::blob::Blob;
use crate::content::mail::Attachment;
use crate::ews::xml::Node;
use crate::store::overlay::Origin;

impl Admin {
    /// Adds a file to an item that was written over the API.
    ///
    /// # Errors
    /// When there is no such item, or it is generated mail.
    pub fn add_attachment(&self, mailbox: &str, item: &str, name: &str, bytes: &[u8]) -> Done<()> {
        let elapsed = self.tenant.elapsed();
        self.with(mailbox, |data| {
            let number = Self::item(data, item)?;
            let origin = data.overlays.get(&number).map(|one| one.origin.clone());
            let Some(Origin::Written(written)) = origin else {
                return Err(AdminError::NoItem(item.to_owned()));
            };
            let mut written = written.as_ref().clone();
            let file = Blob::from(bytes.to_vec());
            written.push(Attachment::file(name, "application/octet-stream", file));
            data.touch(number, elapsed, |slot, overlay| {
                slot.version += 1;
                overlay.origin = Origin::Written(Arc::new(written));
            });
            Ok(())
        })
    }

    /// Sets the text of a property of a contact, an event or a task, by its name in EWS.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn set_field(&self, mailbox: &str, item: &str, name: &str, text: &str) -> Done<()> {
        let elapsed = self.tenant.elapsed();
        self.with(mailbox, |data| {
            let number = Self::item(data, item)?;
            data.touch(number, elapsed, |slot, overlay| {
                slot.version += 1;
                let node = Node::with_text(&format!("t:{name}"), text);
                overlay.fields.insert(name.to_owned(), node);
            });
            Ok(())
        })
    }
}
