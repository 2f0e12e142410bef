//! The truth about what the tenant holds and what was asked of it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Admin;
use super::change::AdminError;
use crate::clock::stamp;
use crate::content::segment::{Chunks, collect};
use crate::ews::xml::Node;
use crate::graph::folders::is_visible;
use crate::journal::{LoggedRequest, SentMail};
use crate::numbers::locked;
use crate::store::folders::ROOT;
use crate::store::ids;
use crate::store::mailbox::{Mailbox, bits};
use crate::store::users::AccountKind;
use crate::store::view::View;

/// An account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MailboxTruth {
    /// The account's id.
    pub id: String,
    /// Its address.
    pub address: Option<String>,
    /// Its name.
    pub name: String,
    /// `user`, `shared`, `room` or `equipment`.
    pub purpose: &'static str,
    /// It has a mailbox.
    pub has_mailbox: bool,
    /// Items in visible folders.
    pub items: u64,
    /// Items in all folders.
    pub items_with_hidden: u64,
}

/// A folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FolderTruth {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The parent's id.
    pub parent: Option<String>,
    /// The well-known name.
    pub well_known: Option<&'static str>,
    /// It, or a folder above it, is hidden.
    pub is_hidden: bool,
    /// It is a search folder.
    pub is_search: bool,
    /// Items in it.
    pub items: u32,
    /// Its id in EWS.
    pub exchange_id: String,
    /// Class of its container.
    pub class: String,
}

/// An attachment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TruthAttachment {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// BLAKE3 of the bytes, hexadecimal.
    pub blake3: String,
    /// Shown inside the body.
    pub is_inline: bool,
}

/// An item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ItemTruth {
    /// The immutable id.
    pub id: String,
    /// The folder's id.
    pub folder: String,
    /// The change key.
    pub change_key: String,
    /// The subject.
    pub subject: String,
    /// `Message-ID`.
    pub internet_message_id: Option<String>,
    /// Received.
    pub received: String,
    /// Sent.
    pub sent: String,
    /// Read.
    pub is_read: bool,
    /// Flagged.
    pub is_flagged: bool,
    /// A draft.
    pub is_draft: bool,
    /// Categories.
    pub categories: Vec<String>,
    /// Real mail: `$value` gives these bytes exactly.
    pub is_exact: bool,
    /// Its id in EWS, for as long as it stays in its folder.
    pub exchange_id: String,
    /// Its message class.
    pub class: String,
}

/// An element as one text.
fn flat(node: &Node) -> String {
    let children: Vec<String> = node.children.iter().map(flat).collect();
    let mut attributes: Vec<String> = node
        .attributes
        .iter()
        .map(|(name, value)| format!(" {name}={value}"))
        .collect();
    attributes.sort();
    let inside = match children.is_empty() {
        true => node.text.clone(),
        false => children.join(", "),
    };
    format!("{}{}: {inside}", node.local(), attributes.concat())
}

impl Admin {
    /// All accounts.
    #[must_use]
    pub fn mailboxes(&self) -> Vec<MailboxTruth> {
        self.tenant
            .visible_accounts()
            .iter()
            .map(|account| {
                let (items, all) = account.mailbox.as_ref().map_or((0, 0), |mailbox| {
                    let mailbox = locked(mailbox);
                    let count = |hidden: bool| {
                        (0_u32..)
                            .zip(&mailbox.folders)
                            .filter(|(number, _)| hidden || is_visible(&mailbox, *number))
                            .map(|(_, folder)| u64::from(folder.total))
                            .sum()
                    };
                    (count(false), count(true))
                });
                MailboxTruth {
                    id: account.id.clone(),
                    address: account.mail.clone(),
                    name: account.name.clone(),
                    purpose: account.kind.purpose(),
                    has_mailbox: account.mailbox.is_some()
                        && !matches!(account.kind, AccountKind::Guest),
                    items,
                    items_with_hidden: all,
                }
            })
            .collect()
    }

    /// All folders of a mailbox without its root.
    ///
    /// # Errors
    /// When there is no such mailbox.
    pub fn folders(&self, mailbox: &str) -> Result<Vec<FolderTruth>, AdminError> {
        self.with(mailbox, |data| {
            Ok((0_u32..)
                .zip(&data.folders)
                .filter(|(number, folder)| *number != ROOT && !folder.is_deleted)
                .map(|(number, folder)| FolderTruth {
                    id: folder.id.clone(),
                    name: folder.name.clone(),
                    parent: folder
                        .parent
                        .and_then(|parent| data.folder(parent))
                        .map(|parent| parent.id.clone()),
                    well_known: folder.well_known,
                    is_hidden: !is_visible(data, number),
                    is_search: folder.is_search,
                    items: folder.total,
                    exchange_id: crate::ews::ids::folder(&folder.id),
                    class: folder.class.clone(),
                })
                .collect())
        })
    }

    /// Calls `visit` for every item of a mailbox, oldest first.
    ///
    /// # Errors
    /// When there is no such mailbox.
    pub fn for_each_item(
        &self,
        mailbox: &str,
        mut visit: impl FnMut(ItemTruth),
    ) -> Result<(), AdminError> {
        let count = self.with(mailbox, |data| Ok(crate::numbers::narrow(data.slots.len())))?;
        for number in 0..count {
            let item = self.with(mailbox, |data| {
                Ok(data
                    .view(&self.tenant.world, number)
                    .map(|view| self.item_truth(data, &view)))
            })?;
            if let Some(item) = item {
                visit(item);
            }
        }
        Ok(())
    }

    /// All items of a mailbox, oldest first. For mailboxes of a bearable size.
    ///
    /// # Errors
    /// When there is no such mailbox.
    pub fn items(&self, mailbox: &str) -> Result<Vec<ItemTruth>, AdminError> {
        let mut all = Vec::new();
        self.for_each_item(mailbox, |item| all.push(item))?;
        Ok(all)
    }

    fn item_truth(&self, data: &Mailbox, view: &View) -> ItemTruth {
        let meta = view.meta();
        ItemTruth {
            id: ids::immutable(data.key, view.item),
            folder: data
                .folder(view.slot.folder)
                .map(|folder| folder.id.clone())
                .unwrap_or_default(),
            change_key: ids::change_key(data.key, view.item, view.slot.change),
            subject: meta.subject,
            internet_message_id: meta.message_id,
            received: stamp(meta.received),
            sent: stamp(meta.sent),
            is_read: view.slot.bits & bits::READ != 0,
            is_flagged: view.slot.bits & bits::FLAGGED != 0,
            is_draft: view.slot.bits & bits::DRAFT != 0,
            categories: view.overlay.categories.clone(),
            is_exact: view.is_exact(),
            exchange_id: crate::ews::ids::item(data.key, view.item, view.slot.joined),
            class: meta.class,
        }
    }

    fn view(&self, mailbox: &str, item: &str) -> Result<View, AdminError> {
        self.with(mailbox, |data| {
            let number = Self::item(data, item)?;
            data.view(&self.tenant.world, number)
                .ok_or_else(|| AdminError::NoItem(item.to_owned()))
        })
    }

    /// The message as `$value` gives it, with fixed boundaries where the service makes new ones.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn raw(&self, mailbox: &str, item: &str) -> Result<Vec<u8>, AdminError> {
        let view = self.view(mailbox, item)?;
        Ok(collect(view.mime(&self.tenant.world, 0)))
    }

    /// BLAKE3 of [`Admin::raw`], without holding it.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn raw_hash(&self, mailbox: &str, item: &str) -> Result<String, AdminError> {
        let view = self.view(mailbox, item)?;
        let mut hasher = blake3::Hasher::new();
        for chunk in Chunks::new(view.mime(&self.tenant.world, 0)) {
            hasher.update(&chunk);
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    /// Every property of an item that people could miss, as one text each: text, attachments, what EWS
    /// shows, extended properties.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn details(
        &self,
        mailbox: &str,
        item: &str,
    ) -> Result<BTreeMap<String, String>, AdminError> {
        let view = self.view(mailbox, item)?;
        let (meta, body) = (view.meta(), view.body());
        let mut all = BTreeMap::from([
            ("Subject".to_owned(), meta.subject),
            ("ItemClass".to_owned(), meta.class),
            ("Sensitivity".to_owned(), meta.sensitivity.to_string()),
            ("Importance".to_owned(), meta.importance.to_string()),
            ("Categories".to_owned(), view.overlay.categories.join("; ")),
            ("Body".to_owned(), body.text.trim_end().to_owned()),
            ("Body is HTML".to_owned(), body.is_html.to_string()),
        ]);
        for (name, node) in &view.overlay.fields {
            all.insert(name.clone(), flat(node));
        }
        for (name, value) in &view.overlay.properties {
            all.insert(name.clone(), value.clone());
        }
        for attachment in self.attachments(mailbox, item)? {
            let name = format!("Attachment {}", attachment.name);
            all.insert(
                name,
                format!("{} bytes, {}", attachment.bytes, attachment.blake3),
            );
        }
        Ok(all)
    }

    /// The attachments of an item.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn attachments(
        &self,
        mailbox: &str,
        item: &str,
    ) -> Result<Vec<TruthAttachment>, AdminError> {
        let view = self.view(mailbox, item)?;
        Ok(view
            .attachments(&self.tenant.world)
            .iter()
            .map(|(_, attachment)| TruthAttachment {
                name: attachment.name.clone(),
                bytes: attachment.size(),
                blake3: attachment.hash(),
                is_inline: attachment.is_inline,
            })
            .collect())
    }

    /// The newest requests, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<LoggedRequest> {
        locked(&self.tenant.journal)
            .requests
            .iter()
            .cloned()
            .collect()
    }

    /// Requests by `METHOD template status`, members of batches included.
    #[must_use]
    pub fn counters(&self) -> BTreeMap<String, u64> {
        locked(&self.tenant.journal)
            .counters
            .iter()
            .map(|((name, status), count)| (format!("{name} {status}"), *count))
            .collect()
    }

    /// HTTP requests, a batch counted as one. Admin requests do not count.
    #[must_use]
    pub fn http_requests(&self) -> u64 {
        locked(&self.tenant.journal).http_requests
    }

    /// Forgets all requests and counters.
    pub fn reset_counters(&self) {
        let mut journal = locked(&self.tenant.journal);
        journal.requests.clear();
        journal.counters.clear();
        journal.http_requests = 0;
    }

    /// The most calls that were tried at once in a mailbox.
    ///
    /// # Errors
    /// When there is no such mailbox.
    pub fn highest_concurrency(&self, mailbox: &str) -> Result<u32, AdminError> {
        Ok(self.account(mailbox)?.gate.highest())
    }

    /// Mail that the real service would have sent. A backup or restore must never send.
    #[must_use]
    pub fn sent(&self) -> Vec<SentMail> {
        locked(&self.tenant.journal).sent.clone()
    }
}
