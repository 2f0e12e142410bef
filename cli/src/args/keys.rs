//! `mailkeep key …`, `mailkeep erase`, `mailkeep drill` and `mailkeep mailbox restart`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::UnlockArgs;

/// What to do with the keys of a vault.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// List who can open the vault
    #[command(after_help = "Example:\n  mailkeep key ls --vault ./vault")]
    Ls {
        /// Opening the vault.
        #[command(flatten)]
        unlock: UnlockArgs,
    },
    /// Let another passphrase, key file or recovery key open the vault
    Add(KeyAddArgs),
    /// Shut a passphrase, key file or recovery key out
    #[command(after_help = "\
Whoever kept a copy of the vault's key records can use a removed key until `mailkeep key rotate`.
The last recovery key cannot be removed: add a new one first.

Example:
  mailkeep key rm 01JD… --vault ./vault")]
    Rm {
        /// Id of the key, from `mailkeep key ls`
        id: String,
        /// Opening the vault.
        #[command(flatten)]
        unlock: UnlockArgs,
    },
    /// Put a new root key in place; no mail is written again
    Rotate(KeyRotateArgs),
    /// Give one mailbox a new key, because somebody saw the one it has
    #[command(after_help = "\
Mail that is backed up from now on is sealed with the new key. What is there stays readable, also
for whoever has the old key.

Example:
  mailkeep key renew ann@contoso.example --vault ./vault")]
    Renew {
        /// The mailbox: address or id
        mailbox: String,
        /// Opening the vault.
        #[command(flatten)]
        unlock: UnlockArgs,
    },
}

/// `mailkeep key add`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without an option a new passphrase is asked for twice, or taken from MAILKEEP_NEW_PASSPHRASE.

Examples:
  mailkeep key add --vault ./vault
  mailkeep key add --vault ./vault --new-key-file ./second.key
  mailkeep key add --vault ./vault --new-kms-key alias/mail
  mailkeep key add --vault ./vault --new-recovery-key-file ./recovery-2.key")]
pub struct KeyAddArgs {
    /// Make a new key file here
    #[arg(long, value_name = "PATH", group = "new_key")]
    pub new_key_file: Option<PathBuf>,
    /// Read the new passphrase from the first line of this file
    #[arg(long, value_name = "PATH", group = "new_key")]
    pub new_passphrase_file: Option<PathBuf>,
    /// Let this key of AWS KMS open the vault: its id, ARN or alias/NAME
    #[arg(long, value_name = "ID", group = "new_key")]
    pub new_kms_key: Option<String>,
    /// Make a new recovery key and write it to this new file; the older ones stay valid
    #[arg(long, value_name = "PATH", group = "new_key")]
    pub new_recovery_key_file: Option<PathBuf>,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// `mailkeep key rotate`.
#[derive(Debug, Args)]
#[command(after_help = "\
Afterwards the vault opens with the passphrase or key file that it was opened with now, or with the new
one, and with the recovery keys. A rotation that was interrupted is finished first.

Examples:
  mailkeep key rotate --vault ./vault
  mailkeep key rotate --vault ./vault --new-key-file ./new.key --drop-others")]
pub struct KeyRotateArgs {
    /// Make a new key file here; it takes the place of the key that the vault is opened with
    #[arg(long, value_name = "PATH", group = "new_key")]
    pub new_key_file: Option<PathBuf>,
    /// Read a new passphrase from the first line of this file; it takes the place of the old key
    #[arg(long, value_name = "PATH", group = "new_key")]
    pub new_passphrase_file: Option<PathBuf>,
    /// A key of AWS KMS takes the place of the old key: its id, ARN or alias/NAME
    #[arg(long, value_name = "ID", group = "new_key")]
    pub new_kms_key: Option<String>,
    /// Shut out all other passphrases, key files and keys of KMS; add them again afterwards
    #[arg(long)]
    pub drop_others: bool,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// `mailkeep erase`.
#[derive(Debug, Args)]
#[command(after_help = "\
Destroys every key of the mailbox in this vault: nobody can read its backup any more, not even its
makers. It cannot be undone. What cannot be known from here is named; exit code 3 while something is
left to do. Later backups skip nothing silently: they say that the mailbox was erased, until
`mailkeep mailbox restart` asks for a new start.

Example:
  mailkeep erase ann@contoso.example --vault ./vault --yes")]
pub struct EraseArgs {
    /// The mailbox: address or id; to repeat an erasure, the id in the vault
    pub mailbox: String,
    /// Really do it
    #[arg(long)]
    pub yes: bool,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}

/// `mailkeep drill`.
#[derive(Debug, Args)]
#[command(after_help = "\
Opens the vault with the recovery key alone, opens the keys of every mailbox and reads one random item
from end to end. Changes nothing. Do it once a year with the key that lies in the safe.

Example:
  mailkeep drill --vault ./vault --recovery-key-file ./recovery.key")]
pub struct DrillArgs {
    /// The recovery key, in a file as it was written down
    #[arg(long, value_name = "PATH")]
    pub recovery_key_file: PathBuf,
}

/// `mailkeep mailbox restart`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  mailkeep mailbox restart ann@contoso.example --vault ./vault --connection contoso")]
pub struct RestartArgs {
    /// The mailbox at the tenant: address or id
    pub mailbox: String,
    /// Name of the connection (not needed when there is only one)
    #[arg(long, value_name = "NAME")]
    pub connection: Option<String>,
    /// Opening the vault.
    #[command(flatten)]
    pub unlock: UnlockArgs,
}
