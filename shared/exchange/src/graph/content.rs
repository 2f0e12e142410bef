//! The content of one item: MIME as the service gives it, streamed.

use mailkeep_model::{FailureClass, Item, Representation, SourceMailboxId};

use super::call::Call;
use super::client::GraphClient;
use super::error_map::{Asked, Operation};
use crate::{ItemContent, SourceError};

const READ_CONTENT: Operation = Operation::new("read message content", Asked::Item, "Mail.Read");

/// Attempts before an item counts as one that has no MIME.
const MIME_ATTEMPTS: u32 = 2;

impl GraphClient {
    /// MIME, or a message that is built from properties and attachments when there is none.
    pub(crate) async fn item_content(
        self: &std::sync::Arc<Self>,
        mailbox: &SourceMailboxId,
        item: &Item,
    ) -> Result<ItemContent, SourceError> {
        let path = ["messages", item.id.as_str(), "$value"];
        let url = self.links.user(mailbox.as_str(), &path, &[]);
        let call = Call::get(&READ_CONTENT, Some(mailbox), url);
        let mut attempt = 1;
        let error = loop {
            match self.send(&call).await {
                Ok(answer) => {
                    return Ok(ItemContent {
                        representation: Representation::Mime,
                        rebuilt_because: None,
                        mime: answer.stream(),
                    });
                }
                Err(error) if error.class != FailureClass::ItemPermanent => return Err(error),
                Err(error) if attempt == MIME_ATTEMPTS => break error,
                Err(_) => attempt += 1,
            }
        };
        tracing::debug!(
            code = error.code,
            request_id = error.request_id,
            "no MIME; rebuilding"
        );
        self.rebuild(mailbox, item, error).await
    }
}
