//! Key files as people keep them: the key file that stands in for a passphrase, and the recovery
//! key. Both are text with one line that matters.

use std::path::Path;

use chrono::{DateTime, Utc};
use data_encoding::HEXLOWER_PERMISSIVE;
use mailkeep_ports::Rng;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::CliError;
use crate::output::human;
use crate::secret::SecretInput;

/// What the line with a key begins with.
const KEY_PREFIX: &str = "mailkeep-key-1 ";
/// What the line with a recovery key begins with.
const RECOVERY_PREFIX: &str = "MKR1-";

/// The bytes of a key file's key.
pub type KeyBytes = Zeroizing<[u8; 32]>;

/// Makes a new random key, and the text of its key file.
#[must_use]
pub fn new_key_file(rng: &dyn Rng) -> (KeyBytes, Zeroizing<String>) {
    let mut key = KeyBytes::default();
    rng.fill(&mut *key);
    let mut text = Zeroizing::new(String::with_capacity(256));
    text.push_str("# Key file of a mailkeep vault. Whoever has it can read the whole vault.\n");
    text.push_str(KEY_PREFIX);
    HEXLOWER_PERMISSIVE.encode_append(&*key, &mut text);
    text.push('\n');
    (key, text)
}

/// Reads a key file.
///
/// # Errors
/// When it cannot be read or holds no key.
pub async fn read_key_file(input: &SecretInput, path: &Path) -> Result<KeyBytes, CliError> {
    let text = input.text_file("key file", path).await?;
    let mut key = KeyBytes::default();
    let hex = text
        .expose_secret()
        .lines()
        .find_map(|line| line.trim().strip_prefix(KEY_PREFIX))
        .map(str::trim)
        .filter(|hex| HEXLOWER_PERMISSIVE.decode_len(hex.len()) == Ok(key.len()));
    let decoded = hex.map(|hex| HEXLOWER_PERMISSIVE.decode_mut(hex.as_bytes(), &mut *key));
    match decoded {
        Some(Ok(_)) => Ok(key),
        _ => Err(CliError::Key(format!(
            "{} is not a mailkeep key file (it needs a line \"{KEY_PREFIX}\" with 64 hex digits)",
            path.display()
        ))),
    }
}

/// The text of a recovery key's file, with the words that whoever finds it needs.
#[must_use]
pub fn recovery_file(vault_id: &str, key: &str, now: DateTime<Utc>) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(1024));
    text.push_str(&format!(
        "# mailkeep recovery key of vault {vault_id}, made {}\n\
         # It opens the vault when the passphrase or key file is lost. Whoever has it can read\n\
         # everything in the vault. Print it or keep it offline, away from the vault.\n\
         # To use it: mailkeep VERB --vault PLACE --recovery-key-file THIS-FILE\n",
        human::time(now)
    ));
    text.push_str(key);
    text.push('\n');
    text
}

/// Reads a recovery key. A file that holds nothing but the key, typed in by hand, does as well.
///
/// # Errors
/// When the file cannot be read or holds no recovery key.
pub async fn read_recovery_file(
    input: &SecretInput,
    path: &Path,
) -> Result<SecretString, CliError> {
    let text = input.text_file("recovery key file", path).await?;
    let line = text.expose_secret().lines().map(str::trim).find(|line| {
        let start = line.as_bytes().get(..RECOVERY_PREFIX.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(RECOVERY_PREFIX.as_bytes()))
    });
    line.map(SecretString::from).ok_or_else(|| {
        CliError::Key(format!(
            "{} holds no recovery key (a line that begins with {RECOVERY_PREFIX})",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use mailkeep_ports::SeededRng;

    use super::*;

    #[tokio::test]
    async fn a_key_file_brings_its_key_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.key");
        let input = SecretInput::of_process();
        let (made, text) = new_key_file(&SeededRng::new(1));
        std::fs::write(&path, &*text).unwrap();
        assert!(made.iter().any(|byte| *byte != 0));
        assert_eq!(read_key_file(&input, &path).await.unwrap(), made);
        for wrong in ["x", "mailkeep-key-1 00", "mailkeep-key-1 zz", "0123\n4567"] {
            std::fs::write(&path, wrong).unwrap();
            let error = read_key_file(&input, &path).await.unwrap_err();
            assert_eq!(error.exit_code(), 4, "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_recovery_file_brings_its_key_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recovery.key");
        let input = SecretInput::of_process();
        let key = "MKR1-ABCD-EFGH";
        let text = recovery_file("id", key, DateTime::UNIX_EPOCH);
        std::fs::write(&path, &*text).unwrap();
        let back = read_recovery_file(&input, &path).await.unwrap();
        assert_eq!(back.expose_secret(), key);
        std::fs::write(&path, " mkr1-abcd \r\n").unwrap();
        let typed = read_recovery_file(&input, &path).await.unwrap();
        assert_eq!(typed.expose_secret(), "mkr1-abcd");
        std::fs::write(&path, "# MKR1- is what is missing").unwrap();
        assert_eq!(
            read_recovery_file(&input, &path)
                .await
                .unwrap_err()
                .exit_code(),
            4
        );
    }
}
