//! The names of objects in a vault. Names reveal counts and times, never addresses, ids or hashes.

use mailkeep_ports::{Key, ListOptions, Store};

use crate::error::VaultError;
use crate::ids::{MailboxId, Ulid};

/// The write-once object that makes a prefix a vault.
pub(crate) const VAULT: &str = "vault";
/// Prefix of the wrapped root keys.
pub(crate) const KEYS: &str = "keys/";
/// Last segment of the object that makes a root key the current one.
pub(crate) const ROOT: &str = "root";
/// Last segment of the object that says that a mailbox was erased.
pub(crate) const ERASED: &str = "erased";
/// Last segment of the object that says up to where a mailbox's log is closed.
pub(crate) const FLOOR: &str = "floor";
/// Begins the names of the probe's scratch objects.
pub(crate) const PROBE: &str = "probe-";
/// Prefix of the mailboxes.
pub(crate) const MAILBOXES: &str = "m/";
/// Prefix of the run records.
pub(crate) const RUNS: &str = "runs/";

/// Prefix of the documents.
pub(crate) const DOCUMENTS: &str = "doc/";
/// Prefix of the dictionaries.
pub(crate) const DICTIONARIES: &str = "dict/";

/// Checks a name that this crate made itself.
pub(crate) fn key(name: String) -> Result<Key, VaultError> {
    Key::new(name).map_err(|error| VaultError::bug(format!("object name: {error}")))
}

/// `m/<mbx>/`
pub(crate) fn mailbox_prefix(mailbox: &MailboxId) -> String {
    format!("{MAILBOXES}{mailbox}/")
}

/// `m/<mbx>/key/<epoch>`
pub(crate) fn mailbox_key(mailbox: &MailboxId, epoch: u32) -> Result<Key, VaultError> {
    key(format!("{}key/{epoch}", mailbox_prefix(mailbox)))
}

/// `m/<mbx>/key/`
pub(crate) fn mailbox_key_prefix(mailbox: &MailboxId) -> String {
    format!("{}key/", mailbox_prefix(mailbox))
}

/// `m/<mbx>/key/erased`
pub(crate) fn erasure(mailbox: &MailboxId) -> Result<Key, VaultError> {
    key(format!("{}{ERASED}", mailbox_key_prefix(mailbox)))
}

/// The last segment of a name.
pub(crate) fn last_segment(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// `keys/<epoch>/root`
pub(crate) fn root(epoch: u32) -> Result<Key, VaultError> {
    key(format!("{KEYS}{epoch}/{ROOT}"))
}

/// `m/<mbx>/log/`
pub(crate) fn log_prefix(mailbox: &MailboxId) -> String {
    format!("{}log/", mailbox_prefix(mailbox))
}

/// `m/<mbx>/log/<seq:020>`
pub(crate) fn log(mailbox: &MailboxId, sequence: u64) -> Result<Key, VaultError> {
    key(format!("{}{sequence:020}", log_prefix(mailbox)))
}

/// `m/<mbx>/ckpt/`
pub(crate) fn checkpoint_prefix(mailbox: &MailboxId) -> String {
    format!("{}ckpt/", mailbox_prefix(mailbox))
}

/// `m/<mbx>/ckpt/<seq:020>`
pub(crate) fn checkpoint(mailbox: &MailboxId, sequence: u64) -> Result<Key, VaultError> {
    key(format!("{}{sequence:020}", checkpoint_prefix(mailbox)))
}

/// `m/<mbx>/floor`
pub(crate) fn floor(mailbox: &MailboxId) -> Result<Key, VaultError> {
    key(format!("{}{FLOOR}", mailbox_prefix(mailbox)))
}

/// `m/<mbx>/pack/`
pub(crate) fn pack_prefix(mailbox: &MailboxId) -> String {
    format!("{}pack/", mailbox_prefix(mailbox))
}

/// `m/<mbx>/pack/<ulid>`
pub(crate) fn pack(mailbox: &MailboxId, pack: Ulid) -> Result<Key, VaultError> {
    key(format!("{}pack/{pack}", mailbox_prefix(mailbox)))
}

/// The sequence number at the end of a `log/` or `ckpt/` name; exactly 20 digits.
pub(crate) fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.rsplit('/').next()?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// All objects whose names begin with `prefix`, sorted.
pub(crate) async fn list(store: &dyn Store, prefix: &str) -> Result<Vec<Key>, VaultError> {
    let mut keys = vec![];
    let mut start_after = None;
    loop {
        let options = ListOptions {
            prefix: prefix.into(),
            start_after,
            ..ListOptions::default()
        };
        let page = store.list(options).await?;
        keys.extend(page.objects.into_iter().map(|object| object.key));
        match page.next {
            Some(next) => start_after = Some(next),
            None => return Ok(keys),
        }
    }
}
