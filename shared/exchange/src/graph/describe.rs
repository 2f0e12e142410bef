//! Items by their ids.

use mailkeep_model::{FailureClass, ItemId, SourceMailboxId};

use super::batch::{Part, read_part};
use super::client::GraphClient;
use super::error_map::{Asked, Operation};
use super::message_json::{self, Object};
use crate::{SourceError, SourceItem};

const DESCRIBE: Operation = Operation::new("read item metadata", Asked::Item, "Mail.Read");

/// One item as found by its id; `None` when it does not exist any more.
pub(crate) type Description = Result<Option<Box<SourceItem>>, SourceError>;

impl GraphClient {
    /// Full descriptions, in the order of `items`, twenty per request.
    pub(crate) async fn describe(
        &self,
        mailbox: &SourceMailboxId,
        items: &[ItemId],
    ) -> Result<Vec<Description>, SourceError> {
        let expand = message_json::expand();
        let query = [
            ("$select", message_json::SELECT),
            ("$expand", expand.as_str()),
        ];
        let parts: Vec<Part> = items
            .iter()
            .map(|item| {
                let path = ["messages", item.as_str()];
                Part::new(&DESCRIBE, self.links.user(mailbox.as_str(), &path, &query))
            })
            .collect();
        let answers = self.batch(Some(mailbox), &parts).await?;
        Ok(answers
            .into_iter()
            .map(|answer| match read_part::<Object>(&DESCRIBE, answer) {
                Ok(message) => message_json::source_item(&message, None)
                    .map(|item| Some(Box::new(item)))
                    .ok_or_else(|| {
                        DESCRIBE.error(
                            FailureClass::ItemPermanent,
                            "no_parent_folder",
                            "the service does not say which folder holds the item",
                        )
                    }),
                Err(error) if error.class == FailureClass::ItemGone => Ok(None),
                Err(error) => Err(error),
            })
            .collect())
    }
}
