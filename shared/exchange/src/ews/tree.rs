//! The folder tree. It is listed whole at each run: the feed of folder changes would not tell the
//! number of items in folders, which is what completeness is measured by, and one call lists a
//! thousand folders.

use std::collections::{HashMap, HashSet};

use mailkeep_model::{FailureClass, Folder, FolderId, SourceMailboxId, WellKnownFolder};

use super::call::{Call, distinguished};
use super::client::EwsClient;
use super::error_map::{Asked, Operation};
use super::extended::{self, write_field};
use super::item_row::is_true;
use super::xml::{Element, XmlWriter};
use crate::{FolderChanges, SourceError};

static LIST: Operation = Operation::new("list folders", Asked::Mailbox);
static OPEN: Operation = Operation::new("open well-known folders", Asked::Mailbox);

/// Folders on one page.
const PAGE: &str = "1000";
/// Pages, at most.
const MOST_PAGES: usize = 200;

/// Well-known folders that every server from 2010 on can be asked for.
const WELL_KNOWN: &[WellKnownFolder] = &[
    WellKnownFolder::Root,
    WellKnownFolder::Inbox,
    WellKnownFolder::SentItems,
    WellKnownFolder::Drafts,
    WellKnownFolder::DeletedItems,
    WellKnownFolder::JunkEmail,
    WellKnownFolder::Outbox,
    WellKnownFolder::Calendar,
    WellKnownFolder::Contacts,
    WellKnownFolder::Tasks,
];
/// Those that came with 2013.
const WELL_KNOWN_2013: &[WellKnownFolder] = &[
    WellKnownFolder::ConversationHistory,
    WellKnownFolder::SyncIssues,
    WellKnownFolder::Conflicts,
    WellKnownFolder::LocalFailures,
    WellKnownFolder::ServerFailures,
];

impl EwsClient {
    /// The whole tree. `known` are folders of earlier runs: with all of them known, the well-known
    /// ones need not be asked for again.
    pub(crate) async fn tree(
        &self,
        mailbox: &SourceMailboxId,
        known: &[Folder],
    ) -> Result<FolderChanges, SourceError> {
        let listed = self.below(mailbox, "msgfolderroot", &LIST).await?;
        let ids: HashSet<&FolderId> = known.iter().map(|folder| &folder.id).collect();
        let root = known
            .iter()
            .find(|folder| folder.well_known == Some(WellKnownFolder::Root));
        let is_known = listed.iter().all(|folder| ids.contains(&folder.id));
        let names: HashMap<FolderId, WellKnownFolder> = match root {
            Some(_) if is_known => known
                .iter()
                .filter_map(|folder| Some((folder.id.clone(), folder.well_known?)))
                .collect(),
            _ => HashMap::new(),
        };
        let (root, names) = match root {
            Some(root) if !names.is_empty() => (root.clone(), names),
            _ => self.well_known(mailbox).await?,
        };
        let mut folders = vec![root.clone()];
        let all: HashSet<FolderId> = listed.iter().map(|folder| folder.id.clone()).collect();
        for mut folder in listed {
            folder.well_known = names.get(&folder.id).copied();
            // A parent outside of the listing is the root under another id.
            if folder
                .parent
                .as_ref()
                .is_none_or(|parent| !all.contains(parent))
            {
                folder.parent = Some(root.id.clone());
            }
            folders.push(folder);
        }
        Ok(FolderChanges {
            folders,
            removed: vec![],
            is_complete: true,
            counted: vec![],
            cursor: None,
            unread: None,
            unlisted: vec![],
        })
    }

    /// Every folder below a well-known one, without search folders.
    pub(super) async fn below(
        &self,
        mailbox: &SourceMailboxId,
        root: &str,
        operation: &'static Operation,
    ) -> Result<Vec<Folder>, SourceError> {
        let mut out = vec![];
        let mut offset = 0;
        for _ in 0..MOST_PAGES {
            let parent = distinguished(root, mailbox, self.access);
            let body = find_folder(&parent, "Deep", offset, None);
            let message = self.one(&Call::read(operation, mailbox, body)).await?;
            let none = Element::default();
            let page = message.child("RootFolder").unwrap_or(&none);
            let folders = &page.child("Folders").unwrap_or(&none).children;
            out.extend(folders.iter().filter_map(folder));
            let is_last = page
                .attribute("IncludesLastItemInRange")
                .is_none_or(is_true);
            let next = page
                .attribute("IndexedPagingOffset")
                .and_then(|text| text.parse().ok())
                .unwrap_or(offset + folders.len() as u64);
            if is_last {
                return Ok(out);
            }
            if next <= offset {
                break;
            }
            offset = next;
        }
        Err(operation.error(
            FailureClass::Transient,
            "endless_folders",
            "the list of folders has no end",
        ))
    }

    /// The root of the visible tree and the ids of well-known folders.
    async fn well_known(
        &self,
        mailbox: &SourceMailboxId,
    ) -> Result<(Folder, HashMap<FolderId, WellKnownFolder>), SourceError> {
        let more: Vec<WellKnownFolder> = [WELL_KNOWN, WELL_KNOWN_2013].concat();
        let answers = match self.ask_well_known(mailbox, &more).await {
            // A name that the server does not know spoils the whole request.
            Err(error) if error.class == FailureClass::RequestBug => {
                self.ask_well_known(mailbox, WELL_KNOWN).await?
            }
            other => other?,
        };
        let mut root = None;
        let mut names = HashMap::new();
        for (name, answer) in more.iter().zip(answers) {
            let found = match answer {
                Ok(message) => message
                    .child("Folders")
                    .and_then(|folders| folders.children.first())
                    .and_then(folder),
                // Not every mailbox has every one of them.
                Err(_) if *name != WellKnownFolder::Root => None,
                Err(error) => return Err(error),
            };
            let Some(mut folder) = found else { continue };
            names.insert(folder.id.clone(), *name);
            if *name == WellKnownFolder::Root {
                folder.parent = None;
                folder.well_known = Some(WellKnownFolder::Root);
                root = Some(folder);
            }
        }
        let root = root.ok_or_else(|| {
            OPEN.error(
                FailureClass::MailboxUnavailable,
                "no_root",
                "the mailbox has no visible folders",
            )
        })?;
        Ok((root, names))
    }

    async fn ask_well_known(
        &self,
        mailbox: &SourceMailboxId,
        names: &[WellKnownFolder],
    ) -> Result<Vec<Result<Element, SourceError>>, SourceError> {
        let names = names.iter();
        let ids: Vec<String> = names
            .map(|name| distinguished(name.graph_name(), mailbox, self.access))
            .collect();
        let call = Call::read(&OPEN, mailbox, get_folder(&ids));
        let answers = self.all(&call).await?;
        // All refused alike: it is not the folders.
        match answers.first() {
            Some(Err(error)) if error.class == FailureClass::RequestBug => Err(error.clone()),
            _ => Ok(answers),
        }
    }

    /// The folder below another one by this name.
    pub(crate) async fn child_by_name(
        &self,
        mailbox: &SourceMailboxId,
        parent: &str,
        name: &str,
    ) -> Result<Option<Folder>, SourceError> {
        let body = find_folder(parent, "Shallow", 0, Some(name));
        let message = self.one(&Call::read(&LIST, mailbox, body)).await?;
        let folders = message.path(&["RootFolder", "Folders"]);
        Ok(folders
            .into_iter()
            .flat_map(|folders| &folders.children)
            .find_map(folder))
    }
}

/// Asks for folders by the elements of their ids.
pub(super) fn get_folder(ids: &[String]) -> String {
    let mut writer = XmlWriter::new();
    writer.start("m:GetFolder", &[]);
    folder_shape(&mut writer, &[]);
    writer.start("m:FolderIds", &[]);
    for id in ids {
        writer.raw(id);
    }
    writer.finish()
}

/// `m:FolderShape` with what is kept of folders.
pub(crate) fn folder_shape(writer: &mut XmlWriter, more: &[&str]) {
    writer
        .start("m:FolderShape", &[])
        .text("t:BaseShape", "IdOnly")
        .start("t:AdditionalProperties", &[]);
    for field in [
        "folder:DisplayName",
        "folder:ParentFolderId",
        "folder:FolderClass",
        "folder:TotalCount",
    ] {
        writer.empty("t:FieldURI", &[("FieldURI", field)]);
    }
    write_field(writer, extended::HIDDEN);
    for key in more {
        write_field(writer, key);
    }
    writer.end().end();
}

fn find_folder(parent: &str, traversal: &str, offset: u64, name: Option<&str>) -> String {
    find_folders(parent, traversal, offset, name, &[])
}

/// `m:FindFolder` below these parents, with more properties than usual.
pub(crate) fn find_folders(
    parents: &str,
    traversal: &str,
    offset: u64,
    name: Option<&str>,
    more: &[&str],
) -> String {
    let mut writer = XmlWriter::new();
    writer.start("m:FindFolder", &[("Traversal", traversal)]);
    folder_shape(&mut writer, more);
    writer.empty(
        "m:IndexedPageFolderView",
        &[
            ("MaxEntriesReturned", PAGE),
            ("Offset", &offset.to_string()),
            ("BasePoint", "Beginning"),
        ],
    );
    if let Some(name) = name {
        writer
            .start("m:Restriction", &[])
            .start("t:IsEqualTo", &[])
            .empty("t:FieldURI", &[("FieldURI", "folder:DisplayName")])
            .start("t:FieldURIOrConstant", &[])
            .empty("t:Constant", &[("Value", name)])
            .end()
            .end()
            .end();
    }
    writer.start("m:ParentFolderIds", &[]).raw(parents);
    writer.finish()
}

/// A folder; `None` for search folders and for what has no id.
pub(crate) fn folder(element: &Element) -> Option<Folder> {
    if element.name == "SearchFolder" {
        return None;
    }
    let class = element
        .text_of("FolderClass")
        .unwrap_or(match element.name.as_str() {
            "CalendarFolder" => "IPF.Appointment",
            "ContactsFolder" => "IPF.Contact",
            "TasksFolder" => "IPF.Task",
            _ => "",
        });
    Some(Folder {
        id: FolderId(element.id_of("FolderId")?.to_owned()),
        parent: element
            .id_of("ParentFolderId")
            .map(|id| FolderId(id.to_owned())),
        name: element
            .child("DisplayName")
            .map(|name| name.text.clone())
            .unwrap_or_default(),
        well_known: None,
        is_hidden: extended::value(element, extended::HIDDEN).is_some_and(is_true),
        class: class.to_owned(),
        total_items: element
            .text_of("TotalCount")
            .and_then(|text| text.parse().ok()),
    })
}
