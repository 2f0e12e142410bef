//! Loads real mail: a folder of `.eml` files, an mbox file or a Maildir.

mod folder;
mod maildir;
mod mbox;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::content::blob::Blob;
use crate::content::real::parse_meta;
use crate::numbers::locked;
use crate::store::folders::ROOT;
use crate::store::mailbox::{Mailbox, bits};
use crate::store::overlay::{Origin, Overlay, RawMail};
use crate::tenant::Tenant;

/// Why mail could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or folder cannot be read.
    #[error("{} cannot be read: {cause}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// There is no mail in it.
    #[error("{} holds no mail: expected .eml files, an mbox file or a Maildir", .0.display())]
    NoMail(PathBuf),
    /// A link to a folder.
    #[error("{} is a link to a folder, which is not followed: put the folder itself there, or name it", .0.display())]
    FolderLink(PathBuf),
    /// Folders in folders without end.
    #[error("{} lies too deep: folders may nest 60 deep", .0.display())]
    TooDeep(PathBuf),
    /// There is no mailbox to load it into.
    #[error("the tenant has no mailbox to load mail into")]
    NoMailbox,
}

/// A message that was found.
pub(crate) struct Found {
    /// Names of the folders that it lies in, from the top.
    pub(crate) folders: Vec<String>,
    pub(crate) bytes: Blob,
    /// Bits of the item's state.
    pub(crate) state: u32,
    /// When the file changed, in seconds since 1970.
    pub(crate) date: i64,
}

/// Loads everything below `path` into the first mailbox.
pub(crate) fn load_into_first_mailbox(tenant: &Tenant, path: &Path) -> Result<(), LoadError> {
    let account = tenant
        .visible_accounts()
        .into_iter()
        .find(|account| account.mailbox.is_some())
        .ok_or(LoadError::NoMailbox)?;
    let mailbox = account.mailbox.as_ref().ok_or(LoadError::NoMailbox)?;
    let mut mailbox = locked(mailbox);
    let mut count = 0_u64;
    let mut add = |found: Found| {
        count += 1;
        add(&mut mailbox, found);
    };
    let about = std::fs::metadata(path).map_err(|cause| read_error(path, cause))?;
    if about.is_file() {
        let is_single = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("eml"));
        if is_single {
            folder::read_file(path, Vec::new(), &mut add)?;
        } else {
            mbox::read(path, Vec::new(), &mut add)?;
        }
    } else if maildir::is_maildir(path) {
        maildir::read(path, &mut add)?;
    } else {
        folder::read(path, &Vec::new(), 0, &mut add)?;
    }
    if count == 0 {
        return Err(LoadError::NoMail(path.to_owned()));
    }
    Ok(())
}

pub(crate) fn read_error(path: &Path, cause: std::io::Error) -> LoadError {
    LoadError::Read {
        path: path.to_owned(),
        cause,
    }
}

/// When a file changed, in seconds since 1970.
pub(crate) fn modified(about: &std::fs::Metadata) -> i64 {
    about
        .modified()
        .ok()
        .and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok())
        .map_or(0, |age| crate::numbers::signed(age.as_secs()))
}

fn add(mailbox: &mut Mailbox, found: Found) {
    let meta = parse_meta(&found.bytes.whole(), found.date);
    let mut parent = ROOT;
    for (depth, name) in found.folders.iter().enumerate() {
        let well_known = match name.to_lowercase().as_str() {
            _ if depth > 0 => None,
            "inbox" => mailbox.well_known("inbox"),
            "sent" | "sent items" | "sent mail" => mailbox.well_known("sentitems"),
            "drafts" => mailbox.well_known("drafts"),
            "trash" | "deleted items" => mailbox.well_known("deleteditems"),
            "junk" | "spam" | "junk email" => mailbox.well_known("junkemail"),
            "archive" => mailbox.well_known("archive"),
            _ => None,
        };
        parent = well_known
            .or_else(|| mailbox.child_named(parent, name))
            .or_else(|| mailbox.create_folder(parent, name, false))
            .unwrap_or(parent);
    }
    if parent == ROOT {
        parent = mailbox.well_known("inbox").unwrap_or(ROOT);
    }
    let overlay = Overlay {
        origin: Origin::Raw(Arc::new(RawMail {
            bytes: found.bytes,
            meta,
        })),
        ..Overlay::default()
    };
    mailbox.add(parent, found.state, overlay, 0);
}

/// The state of mail without flags.
pub(crate) const UNFLAGGED: u32 = bits::READ;
