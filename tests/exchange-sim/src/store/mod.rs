//! What the tenant holds: users, their mailboxes, folders, items and the log of changes.

pub(crate) mod changes;
mod exchange_folders;
pub(crate) mod folders;
pub(crate) mod groups;
pub(crate) mod ids;
pub(crate) mod mailbox;
pub(crate) mod overlay;
pub(crate) mod users;
pub(crate) mod view;
