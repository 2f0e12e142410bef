//! `mailkeep init`.

use std::path::Path;
use std::sync::Arc;

use mailkeep_vault::{CreateOptions, Recipient, Vault};
use serde::Serialize;

use crate::args::InitArgs;
use crate::files::Reserved;
use crate::secret::PASSPHRASE_VARIABLE;
use crate::session::Session;
use crate::{CliError, Exit, keys};

#[derive(Serialize)]
#[serde(tag = "type", rename = "vault_created")]
struct Created<'a> {
    vault: &'a str,
    path: String,
    recovery_key_file: String,
    key_file: Option<String>,
    /// What is lost because of what the store cannot do.
    shortcomings: Vec<String>,
}

/// Creates a vault and its keys.
///
/// # Errors
/// When a file or folder is in the way, or the vault cannot be written.
pub(super) async fn run(session: &Session, args: &InitArgs) -> Result<Exit, CliError> {
    let place = session.place()?;
    let new_files = [Some(&args.recovery_key_file), args.new_key_file.as_ref()];
    let new_files: Vec<&Path> = new_files
        .into_iter()
        .flatten()
        .map(|f| f.as_path())
        .collect();
    place.check_new(&new_files)?;
    let recovery_file = Reserved::create(&args.recovery_key_file, "recovery key")?;
    let passphrase_file = session.global.passphrase_file.as_deref();
    let mut new_key_file = None;
    let (recipient, key_file) = if let Some(file) = &args.new_key_file {
        let reserved = Reserved::create(file, "key file")?;
        let (key, text) = keys::new_key_file(&*session.rng);
        new_key_file = Some((reserved, text));
        (Recipient::KeyFile(key), Some(file))
    } else if let (Some(file), None) = (&session.global.key_file, passphrase_file) {
        let key = keys::read_key_file(&session.input, file).await?;
        (Recipient::KeyFile(key), Some(file))
    } else if let (Some(key), None) = (&session.global.kms_key, passphrase_file) {
        (Recipient::KeyService(session.kms(key).await?), None)
    } else {
        let input = &session.input;
        let passphrase = input.read_new("passphrase", passphrase_file, PASSPHRASE_VARIABLE);
        (Recipient::Passphrase(passphrase.await?), None)
    };

    let (clock, rng) = (Arc::clone(&session.clock), Arc::clone(&session.rng));
    let store = place.create(clock, rng).await?;
    let context = session.context(store);
    let options = CreateOptions {
        object_lock: args.lock(),
        ..CreateOptions::default()
    };
    let created = Vault::create(context, std::slice::from_ref(&recipient), options).await;
    let (vault, recovery) = created?;
    let text = keys::recovery_file(vault.id(), &recovery.to_text(), session.clock.now());
    recovery_file.fill(text.as_bytes())?;
    if let Some((reserved, text)) = new_key_file {
        reserved.fill(text.as_bytes())?;
    }

    let shortcomings = vault.info().shortcomings();
    let mut output = session.output();
    output.object(&Created {
        vault: vault.id(),
        path: place.shown(),
        recovery_key_file: args.recovery_key_file.display().to_string(),
        key_file: key_file.map(|file| file.display().to_string()),
        shortcomings: shortcomings.clone(),
    })?;
    output.line(format!(
        "Vault {} is ready in {}.",
        vault.id(),
        place.shown()
    ))?;
    let key = match (key_file, &recipient) {
        (Some(file), _) => format!("the key file {}", file.display()),
        (None, Recipient::KeyService(_)) => "the key of AWS KMS".to_owned(),
        (None, _) => "the passphrase".to_owned(),
    };
    for lost in &shortcomings {
        output.line(format!("\nMind: {lost}."))?;
    }
    output.line(format!(
        "
Recovery key: {0}
  Print it or copy it to a safe place away from this machine, then delete it here.
  The vault opens with {key} or with this recovery key, and in no other way. If both are
  lost, every backup in this vault is lost for good: nobody can open it, not even its makers.
  Whoever holds either of them can read all mail in the vault.

Next: mailkeep connection add NAME --vault {1} --tenant ID --client-id ID",
        args.recovery_key_file.display(),
        place.in_a_shell()
    ))?;
    output.flush()?;
    Ok(Exit::Done)
}
