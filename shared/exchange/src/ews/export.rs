//! Exchange's own lossless form of items. Nobody but a server reads it.

use std::sync::Arc;

use futures::stream;
use mailkeep_model::{ItemId, SourceMailboxId};

use super::call::Call;
use super::client::EwsClient;
use super::content::{Form, MIME_ATTEMPTS};
use super::error_map::{Asked, Operation};
use super::xml::XmlWriter;
use crate::{ByteStream, ExportStream, SourceError};

static EXPORT: Operation = Operation::new("export item", Asked::Item);

static STREAM: Form = Form {
    operation: &EXPORT,
    request: export_items,
    lookahead: |state| &state.exports,
};

impl EwsClient {
    /// The lossless form of one item.
    pub(crate) async fn export_item(
        self: &Arc<Self>,
        mailbox: &SourceMailboxId,
        item: &ItemId,
    ) -> Result<ExportStream, SourceError> {
        let bytes: ByteStream = match self.looked_ahead(&STREAM, mailbox, item).await? {
            Some(bytes) => Box::pin(stream::iter([Ok(bytes)])),
            None => {
                let body = export_items(std::slice::from_ref(item));
                let call = Call::read(&EXPORT, mailbox, body)
                    .leading_out()
                    .attempts(MIME_ATTEMPTS);
                self.long_content(&call).await?
            }
        };
        Ok(ExportStream {
            server_version: self.server_version(),
            bytes,
        })
    }
}

/// `m:ExportItems` for these items.
fn export_items(ids: &[ItemId]) -> String {
    let mut writer = XmlWriter::new();
    writer.start("m:ExportItems", &[]).start("m:ItemIds", &[]);
    for id in ids {
        writer.empty("t:ItemId", &[("Id", id.as_str())]);
    }
    writer.finish()
}
