//! A folder as Graph describes it in JSON.

use mailkeep_model::{Folder, FolderId, SourceMailboxId, WellKnownFolder};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::call::Call;
use super::client::GraphClient;
use super::error_map::{Asked, Operation};
use super::message_json::{Object, text, truth};
use crate::SourceError;

pub(crate) const LIST: Operation = Operation::new("list folders", Asked::Mailbox, "Mail.Read");
pub(crate) const LIST_CHILDREN: Operation =
    Operation::new("list folders below a folder", Asked::Folder, "Mail.Read");

/// Everything that is asked of a folder.
pub(crate) const SELECT: &str =
    "id,displayName,parentFolderId,childFolderCount,totalItemCount,isHidden";

/// Folders on one page.
const TOP: &str = "250";
/// Pages of one listing, at most: a listing that never ends is a fault.
const MOST_PAGES: usize = 4_000;

/// One page of folders.
#[derive(Deserialize)]
pub(crate) struct FolderPage {
    pub(crate) value: Vec<Object>,
    #[serde(rename = "@odata.nextLink")]
    pub(crate) next: Option<String>,
    #[serde(rename = "@odata.deltaLink")]
    pub(crate) delta: Option<String>,
}

/// One folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FolderRow {
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) is_hidden: bool,
    pub(crate) total: Option<u64>,
    pub(crate) children: u64,
}

impl FolderRow {
    /// Reads a folder; `None` for search folders and for what is none.
    pub(crate) fn read(object: &Object) -> Option<Self> {
        let kind = text(object, "@odata.type");
        let id = text(object, "id");
        if id.is_empty() || kind.eq_ignore_ascii_case("#microsoft.graph.mailSearchFolder") {
            return None;
        }
        let number = |field: &str| object.get(field).and_then(Value::as_u64);
        Some(Self {
            id,
            parent: text(object, "parentFolderId"),
            name: text(object, "displayName"),
            is_hidden: truth(object, "isHidden"),
            total: number("totalItemCount"),
            children: number("childFolderCount").unwrap_or_default(),
        })
    }

    /// The folder in the model's terms.
    pub(crate) fn folder(&self, well_known: Option<WellKnownFolder>, is_hidden: bool) -> Folder {
        let is_root = well_known == Some(WellKnownFolder::Root);
        Folder {
            id: FolderId(self.id.clone()),
            parent: (!is_root && !self.parent.is_empty()).then(|| FolderId(self.parent.clone())),
            name: self.name.clone(),
            well_known,
            is_hidden: is_hidden && !is_root,
            class: String::new(),
            total_items: self.total,
        }
    }
}

impl GraphClient {
    /// The listing of what is directly below a folder, hidden folders included; `None` lists the
    /// top of the tree.
    pub(crate) fn children_url(&self, mailbox: &SourceMailboxId, parent: Option<&str>) -> Url {
        let query = [
            ("includeHiddenFolders", "true"),
            ("$top", TOP),
            ("$select", SELECT),
        ];
        match parent {
            None => self.links.user(mailbox.as_str(), &["mailFolders"], &query),
            Some(parent) => {
                let path = ["mailFolders", parent, "childFolders"];
                self.links.user(mailbox.as_str(), &path, &query)
            }
        }
    }

    /// Follows a listing to its end, beginning with a page that is here already.
    pub(crate) async fn rest_of_folders(
        &self,
        operation: &Operation,
        mailbox: &SourceMailboxId,
        mut page: FolderPage,
    ) -> Result<(Vec<Object>, Option<String>), SourceError> {
        let mut all = vec![];
        for _ in 0..MOST_PAGES {
            all.append(&mut page.value);
            let Some(next) = page.next else {
                return Ok((all, page.delta));
            };
            let url = self.links.check(operation, &next)?;
            let call = Call::get(operation, Some(mailbox), url).prefer(super::tree::PAGE);
            page = self.json(&call).await?;
        }
        Err(operation.error(
            mailkeep_model::FailureClass::Transient,
            "endless_listing",
            "the listing of folders does not end",
        ))
    }
}
