//! From ids to described items.

use std::collections::HashMap;

use mailkeep_model::{FailureClass, FolderId, ItemId, SourceMailboxId};

use super::client::EwsClient;
use super::item_row::{has_more_than_mail, is_mail, source_item};
use super::items::Described;
use super::shape::Shape;
use crate::{SourceError, SourceItem};

/// What became of one id.
pub(crate) type Row = Result<Box<SourceItem>, SourceError>;

impl EwsClient {
    /// Describes items, in the order of `ids`; `element` is what a listing called them, if it did.
    pub(crate) async fn rows(
        &self,
        mailbox: &SourceMailboxId,
        folder: Option<&FolderId>,
        ids: &[(ItemId, Option<&str>)],
    ) -> Result<Vec<Row>, SourceError> {
        let is_known_other = |element: &Option<&str>| element.is_some_and(|name| !is_mail(name));
        let wanted = |full: bool| -> Vec<ItemId> {
            ids.iter()
                .filter(|(_, element)| is_known_other(element) == full)
                .map(|(id, _)| id.clone())
                .collect()
        };
        let mut found: HashMap<ItemId, Described> = HashMap::new();
        let mail = wanted(false);
        let answers = self.get_items(mailbox, Shape::Mail, &mail).await?;
        // What turns out to be something else is asked for all that it has.
        let mut full = wanted(true);
        for (id, answer) in mail.into_iter().zip(answers) {
            match answer {
                Ok(element) if !is_mail(&element.name) || has_more_than_mail(&element) => {
                    full.push(id);
                }
                answer => {
                    found.insert(id, answer);
                }
            }
        }
        let answers = self.get_items(mailbox, Shape::Full, &full).await?;
        found.extend(full.into_iter().zip(answers));
        // Damage often sits in one property; the little that is left tells at least the class.
        let damaged: Vec<ItemId> = found
            .iter()
            .filter(|(_, answer)| {
                matches!(answer, Err(error) if error.class == FailureClass::ItemPermanent)
            })
            .map(|(id, _)| id.clone())
            .collect();
        let answers = self.get_items(mailbox, Shape::Bare, &damaged).await?;
        for (id, answer) in damaged.into_iter().zip(answers) {
            if answer.is_ok() {
                found.insert(id, answer);
            }
        }
        Ok(ids
            .iter()
            .map(|(id, _)| row(found.get(id), folder))
            .collect())
    }
}

fn row(answer: Option<&Described>, folder: Option<&FolderId>) -> Row {
    let broken = |code: &str| {
        SourceError::new(
            FailureClass::ItemPermanent,
            "read items",
            code,
            "the server does not describe the item",
        )
    };
    match answer {
        Some(Ok(element)) => source_item(element, folder)
            .map(Box::new)
            .ok_or_else(|| broken("no_item_id")),
        Some(Err(error)) => Err(error.clone()),
        None => Err(broken("no_answer")),
    }
}
