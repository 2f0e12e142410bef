//! The mark by which a restore recognises its own work.

use mailkeep_model::{FolderId, SourceMailboxId};
use mailkeep_vault::ItemVersion;

/// The marker of one version of one item in one target folder. Says nothing to anybody else.
pub(super) fn marker(
    vault: &str,
    version: &ItemVersion,
    target: &SourceMailboxId,
    folder: &FolderId,
) -> String {
    let mut hasher = blake3::Hasher::new();
    let mut add = |bytes: &[u8]| {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        hasher.update(&length.to_le_bytes());
        hasher.update(bytes);
    };
    add(b"mailkeep restore 1");
    add(vault.as_bytes());
    add(version.key.to_string().as_bytes());
    add(&version.from_sequence.to_le_bytes());
    add(target.as_str().as_bytes());
    add(folder.as_str().as_bytes());
    let mut text = hasher.finalize().to_hex().to_string();
    text.truncate(32);
    text
}
