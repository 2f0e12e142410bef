//! `mailkeep key …`.

use std::path::Path;

use mailkeep_engine::browse;
use mailkeep_vault::{PassphraseCost, Recipient, RecipientEntry, RecipientKind, Rotation, Unlock};
use serde_json::json;

use crate::args::{KeyAddArgs, KeyCommand, KeyRotateArgs, UnlockArgs};
use crate::files::Reserved;
use crate::output::{Column, Table, human};
use crate::secret::NEW_PASSPHRASE_VARIABLE;
use crate::session::Session;
use crate::{CliError, Exit, keys};

/// Carries out the verb.
///
/// # Errors
/// When the vault cannot be opened, or refuses.
pub(super) async fn run(session: &Session, command: &KeyCommand) -> Result<Exit, CliError> {
    match command {
        KeyCommand::Ls { unlock } => list(session, unlock).await,
        KeyCommand::Add(args) => add(session, args).await,
        KeyCommand::Rm { id, unlock } => {
            let (keychain, _) = session.keychain(unlock).await?;
            keychain.remove(id).await?;
            say(
                session,
                "key_removed",
                id,
                format!(
                    "Key {id} no longer opens the vault. Whoever kept a copy of it can use it until `mailkeep key rotate`."
                ),
            )
        }
        KeyCommand::Rotate(args) => rotate(session, args).await,
        KeyCommand::Renew { mailbox, unlock } => {
            let engine = session.engine(unlock).await?;
            let found = browse::find_mailbox(&engine, mailbox).await?;
            let epoch = engine.vault().renew_mailbox_key(found.id()).await?;
            say(
                session,
                "key_renewed",
                &found.id().to_string(),
                format!(
                    "Mailbox {} has key {epoch} now; backups that begin from now on use it.",
                    found.id()
                ),
            )
        }
    }
}

async fn list(session: &Session, unlock: &UnlockArgs) -> Result<Exit, CliError> {
    let (keychain, _) = session.keychain(unlock).await?;
    let mut output = session.output();
    let mut table = Table::new([
        Column::left("ID", 26),
        Column::left("ADDED", 17),
        Column::left("KIND", 0),
    ]);
    let mut exit = Exit::Done;
    for entry in keychain.recipients().await? {
        let (kind, added) = match &entry.details {
            Ok(details) => (
                kind_words(details.kind).to_owned(),
                human::time(details.created_at),
            ),
            Err(error) => {
                exit = Exit::Gaps;
                (format!("UNUSABLE: {error}"), String::new())
            }
        };
        output.object(&json!({
            "type": "key",
            "key": entry.id,
            "kind": kind,
            "added": entry.details.as_ref().ok().map(|details| details.created_at),
        }))?;
        output.row(&mut table, [entry.id, added, kind])?;
    }
    output.flush()?;
    Ok(exit)
}

async fn add(session: &Session, args: &KeyAddArgs) -> Result<Exit, CliError> {
    if let Some(path) = &args.new_recovery_key_file {
        let reserved = Reserved::create(path, "recovery key")?;
        let (keychain, _) = session.keychain(&args.unlock).await?;
        let (id, key) = keychain.add_recovery_key().await?;
        let vault = keychain.vault().id();
        let text = keys::recovery_file(vault, &key.to_text(), session.clock.now());
        reserved.fill(text.as_bytes())?;
        return say(
            session,
            "key_added",
            &id,
            format!(
                "Recovery key {id} is in {}. Keep it away from this machine. Older recovery keys open the vault until they are removed.",
                path.display()
            ),
        );
    }
    let (keychain, _) = session.keychain(&args.unlock).await?;
    let made = new_key(
        session,
        args.new_key_file.as_deref(),
        args.new_kms_key.as_deref(),
    );
    let recipient = match made.await? {
        Some(recipient) => recipient,
        None => {
            let file = args.new_passphrase_file.as_deref();
            let input = &session.input;
            let passphrase = input.read_new("passphrase", file, NEW_PASSPHRASE_VARIABLE);
            Recipient::Passphrase(passphrase.await?)
        }
    };
    let id = keychain.add(&recipient, PassphraseCost::default()).await?;
    say(
        session,
        "key_added",
        &id,
        format!("Key {id} opens the vault now, too."),
    )
}

async fn rotate(session: &Session, args: &KeyRotateArgs) -> Result<Exit, CliError> {
    let (mut keychain, unlock) = session.keychain(&args.unlock).await?;
    let others = keychain
        .recipients()
        .await?
        .iter()
        .filter(|it| is_other(it))
        .count();
    if others > 1 && !args.drop_others {
        return Err(CliError::Usage(format!(
            "{} more would stop to open the vault, because a new root key can only be sealed for keys that are at hand; give --drop-others and add them again afterwards",
            human::plural(
                u64::try_from(others - 1).unwrap_or(u64::MAX),
                "passphrase, key file or key of KMS"
            )
        )));
    }
    let made = new_key(
        session,
        args.new_key_file.as_deref(),
        args.new_kms_key.as_deref(),
    );
    let made = made.await?;
    let recipient = match (made, args.new_passphrase_file.as_deref(), unlock) {
        (Some(recipient), _, _) => recipient,
        (None, Some(file), _) => {
            let input = &session.input;
            let passphrase = input.read_new("passphrase", Some(file), NEW_PASSPHRASE_VARIABLE);
            Recipient::Passphrase(passphrase.await?)
        }
        (None, None, Unlock::Passphrase(passphrase)) => Recipient::Passphrase(passphrase),
        (None, None, Unlock::KeyFile(key)) => Recipient::KeyFile(key),
        (None, None, Unlock::KeyService(service)) => Recipient::KeyService(service),
        (None, None, Unlock::RecoveryKey(_)) => {
            return Err(CliError::Usage(
                "a vault that is opened with a recovery key needs --new-key-file, --new-passphrase-file or --new-kms-key".into(),
            ));
        }
    };
    let rotation = keychain
        .rotate(&[recipient], PassphraseCost::default())
        .await?;
    show(session, &rotation)
}

fn show(session: &Session, rotation: &Rotation) -> Result<Exit, CliError> {
    let mut output = session.output();
    let unreadable: Vec<_> = rotation
        .unreadable
        .iter()
        .map(|(id, _)| id.to_string())
        .collect();
    output.object(&json!({
        "type": "keys_rotated",
        "epoch": rotation.epoch,
        "was_resumed": rotation.was_resumed,
        "mailbox_keys": rotation.mailbox_keys,
        "unreadable": unreadable,
        "undeleted": rotation.undeleted,
    }))?;
    output.line(if rotation.was_resumed {
        format!(
            "Finished the rotation to root key {} that had been interrupted. It keeps the keys that it began with; run again for another one.",
            rotation.epoch
        )
    } else {
        format!("Root key {} is in use.", rotation.epoch)
    })?;
    output.line(format!(
        "{} sealed again; no mail was written.",
        human::plural(rotation.mailbox_keys, "mailbox key")
    ))?;
    for (id, error) in &rotation.unreadable {
        output.line(format!("Mailbox {id} was left as it is: {error}"))?;
    }
    for name in &rotation.undeleted {
        output.line(format!(
            "{name} could not be deleted; it opens nothing that is written from now on."
        ))?;
    }
    output.flush()?;
    let is_clean = rotation.unreadable.is_empty();
    Ok(if is_clean { Exit::Done } else { Exit::Gaps })
}

/// A key of KMS, or a new key file; that is written before the vault is changed, so that the vault never waits for a key that
/// nobody has.
async fn new_key(
    session: &Session,
    path: Option<&Path>,
    kms: Option<&str>,
) -> Result<Option<Recipient>, CliError> {
    if let Some(key) = kms {
        return Ok(Some(Recipient::KeyService(session.kms(key).await?)));
    }
    let Some(path) = path else { return Ok(None) };
    let reserved = Reserved::create(path, "key file")?;
    let (key, text) = keys::new_key_file(&*session.rng);
    reserved.fill(text.as_bytes())?;
    Ok(Some(Recipient::KeyFile(key)))
}

fn is_other(entry: &RecipientEntry) -> bool {
    let details = entry.details.as_ref();
    details.is_ok_and(|details| details.kind != RecipientKind::RecoveryKey)
}

fn kind_words(kind: RecipientKind) -> &'static str {
    match kind {
        RecipientKind::Passphrase => "passphrase",
        RecipientKind::KeyFile => "key file",
        RecipientKind::RecoveryKey => "recovery key",
        RecipientKind::KeyService => "key of KMS",
        _ => "unknown to this version",
    }
}

/// One line, or one JSON object.
fn say(session: &Session, kind: &str, id: &str, text: String) -> Result<Exit, CliError> {
    let mut output = session.output();
    output.object(&json!({ "type": kind, "id": id }))?;
    output.line(text)?;
    output.flush()?;
    Ok(Exit::Done)
}
