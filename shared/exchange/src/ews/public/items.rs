//! Folders and items of public folders, each asked for at the mailbox that holds it.

use mailkeep_model::{FailureClass, FolderId, Item, ItemId, SourceMailboxId};

use super::{is_public, not_set_up, public_id};
use crate::ews::client::EwsClient;
use crate::ews::describe::Row;
use crate::ews::lookahead::is_small_mail;
use crate::{ChangePage, FolderCursor, SourceError};

/// Codes that may mean that another mailbox holds the folder by now.
const MOVED: &[&str] = &[
    "ErrorPublicFolderOperationFailed",
    "ErrorFolderNotFound",
    "ErrorItemNotFound",
];

impl EwsClient {
    /// The mailbox that a call about this folder goes to: the mailbox itself, but for public folders.
    pub(crate) async fn home_of(
        &self,
        mailbox: &SourceMailboxId,
        folder: &FolderId,
    ) -> Result<SourceMailboxId, SourceError> {
        if !is_public(mailbox) {
            return Ok(mailbox.clone());
        }
        let public = self.public.as_ref().ok_or_else(not_set_up)?;
        if let Some(home) = public.known_home(folder) {
            return Ok(home);
        }
        let guid = self.replica_of(folder).await?;
        public.note_home(folder, guid);
        // A server that does not tell has one mailbox for everything.
        Ok(public.known_home(folder).unwrap_or_else(public_id))
    }

    /// The next page of a public folder.
    pub(crate) async fn public_page(
        &self,
        folder: &FolderCursor,
    ) -> Result<ChangePage, SourceError> {
        let public = self.public.as_ref().ok_or_else(not_set_up)?;
        let home = self.home_of(&public_id(), &folder.folder).await?;
        let error = match self.listed_page(&home, folder).await {
            Err(error) if MOVED.contains(&error.code.as_str()) => error,
            other => return other,
        };
        // Administrators move content from one mailbox to another.
        public.note_home(&folder.folder, None);
        let other = self.home_of(&public_id(), &folder.folder).await?;
        if other == home {
            return Err(error);
        }
        self.listed_page(&other, folder).await
    }

    /// Describes items of public folders wherever they are, in the order of `ids`. An item is gone when
    /// no mailbox has it.
    pub(crate) async fn public_rows(&self, ids: &[ItemId]) -> Result<Vec<Row>, SourceError> {
        let public = self.public.as_ref().ok_or_else(not_set_up)?;
        if public.known_homes().is_empty() {
            self.public_tree(&[]).await?;
        }
        let mut homes = public.known_homes();
        if homes.is_empty() {
            homes.push(public_id());
        }
        let mut rows: Vec<Option<Row>> = ids.iter().map(|_| None).collect();
        for home in &homes {
            let open: Vec<usize> = (0..ids.len())
                .filter(|place| !matches!(rows.get(*place), Some(Some(Ok(_)))))
                .collect();
            let asked: Vec<(ItemId, Option<&str>)> = open
                .iter()
                .filter_map(|place| Some((ids.get(*place)?.clone(), None)))
                .collect();
            if asked.is_empty() {
                break;
            }
            let answers = self.rows(home, None, &asked).await?;
            for (place, answer) in open.into_iter().zip(answers) {
                if let Some(slot) = rows.get_mut(place) {
                    *slot = Some(worse(slot.take(), answer));
                }
            }
        }
        Ok(rows
            .into_iter()
            .map(|row| row.unwrap_or_else(|| Err(gone())))
            .collect())
    }

    /// The mailbox that holds an item of public folders.
    pub(crate) async fn home_of_item(&self, item: &ItemId) -> Result<SourceMailboxId, SourceError> {
        let rows = self.public_rows(std::slice::from_ref(item)).await?;
        let found = rows.into_iter().next().unwrap_or_else(|| Err(gone()))?;
        self.home_of(&public_id(), &found.item.folder).await
    }

    /// Says which contents will be asked for. Only those that one mailbox holds can go together.
    pub(crate) fn expect_public(&self, items: &[&Item]) {
        let Some(public) = &self.public else { return };
        let home = |item: &&&Item| public.known_home(&item.folder);
        let Some(first) = items.iter().find_map(|item| home(&item)) else {
            return;
        };
        let together: Vec<&Item> = items
            .iter()
            .filter(|item| home(item).as_ref() == Some(&first))
            .copied()
            .collect();
        let state = self.state(Some(&first));
        state.lookahead.expect(&together, is_small_mail);
    }
}

/// What two mailboxes say about one item: found counts, then a failure, then that it is not there. That
/// a mailbox does not serve the item says nothing when another one knows better.
fn worse(before: Option<Row>, now: Row) -> Row {
    let rank = |row: &Row| match row {
        Ok(_) => 0,
        Err(error) if error.class == FailureClass::ItemGone => 2,
        Err(error) if error.code == "ErrorPublicFolderOperationFailed" => 3,
        Err(_) => 1,
    };
    match before {
        Some(before) if rank(&before) <= rank(&now) => before,
        _ => now,
    }
}

fn gone() -> SourceError {
    SourceError::new(
        FailureClass::ItemGone,
        "read items",
        "no_item",
        "the item is gone",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_that_knows_outweighs_those_that_do_not() {
        let row = |class, code: &str| -> Row { Err(SourceError::new(class, "o", code, "m")) };
        let elsewhere = || {
            row(
                FailureClass::ItemPermanent,
                "ErrorPublicFolderOperationFailed",
            )
        };
        let gone = || row(FailureClass::ItemGone, "ErrorItemNotFound");
        let failed = || row(FailureClass::Transient, "ErrorTimeoutExpired");
        let code = |row: Row| row.unwrap_err().code;
        assert_eq!(
            code(worse(None, elsewhere())),
            "ErrorPublicFolderOperationFailed"
        );
        assert_eq!(code(worse(Some(elsewhere()), gone())), "ErrorItemNotFound");
        assert_eq!(code(worse(Some(gone()), elsewhere())), "ErrorItemNotFound");
        assert_eq!(code(worse(Some(gone()), failed())), "ErrorTimeoutExpired");
        assert_eq!(code(worse(Some(failed()), gone())), "ErrorTimeoutExpired");
    }
}
