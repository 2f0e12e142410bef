//! One stored item, made ready for the target.

use std::sync::Arc;

use futures::TryStreamExt;
use mailkeep_content::{body_parts, parse_message};
use mailkeep_exchange::{RestoreExport, RestoreItem};
use mailkeep_model::{ItemId, Representation};
use mailkeep_vault::{ItemReader, ItemVersion, MailboxView, VaultError};

use super::attachment::{StoredExport, StoredMime, restore_attachment};

/// A body text beyond this is not put together in memory; it becomes an attachment.
const MAX_BODY_BYTES: u64 = 32 << 20;

/// Reads an item and takes it apart. Large parts stay in the vault until they are uploaded.
pub(super) async fn restore_item(
    view: &MailboxView,
    version: &ItemVersion,
    marker: String,
    known: Vec<ItemId>,
    with_export: bool,
) -> Result<RestoreItem, VaultError> {
    let reader = view.content(version).await?;
    let mut message = reader.placeholder().await?;
    for index in body_parts(&message) {
        if reader.part_bytes(index) <= MAX_BODY_BYTES {
            let body = part(&reader, index).await?;
            message.inline(index, &body);
        }
    }
    let parsed = parse_message(&message);
    Ok(RestoreItem {
        item: version.item.clone(),
        reply_to: parsed.reply_to,
        body: parsed.body,
        body_is_html: parsed.body_is_html,
        headers: parsed.headers,
        properties_json: reader.properties_json().to_vec(),
        attachments: parsed
            .attachments
            .into_iter()
            .map(|attachment| restore_attachment(&reader, attachment))
            .collect(),
        mime: (reader.representation() == Representation::Mime)
            .then(|| Arc::new(StoredMime(reader.clone())) as _),
        export: reader
            .export_server_version()
            .filter(|_| with_export)
            .map(|version| RestoreExport {
                server_version: version.to_owned(),
                content: Arc::new(StoredExport(reader.clone())),
            }),
        known,
        marker,
    })
}

async fn part(reader: &ItemReader, index: usize) -> Result<Vec<u8>, VaultError> {
    let mut bytes = vec![];
    let mut stream = reader.part(index, 0);
    while let Some(piece) = stream.try_next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}
