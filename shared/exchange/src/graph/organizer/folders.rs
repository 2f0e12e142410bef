//! Folders of contacts, calendars and lists of tasks.

use std::collections::{HashMap, HashSet};

use mailkeep_model::{FailureClass, Folder, FolderId, FolderKind, SourceMailboxId};
use reqwest::Method;
use serde_json::json;

use super::marked::Page;
use super::place::{Place, folder_id};
use crate::graph::batch::{Part, PartAnswer, read_part};
use crate::graph::call::Call;
use crate::graph::client::GraphClient;
use crate::graph::error_map::{Asked, Operation};
use crate::graph::message_json::{Object, text, truth};
use crate::retry::is_retryable;
use crate::{SourceError, SyncRequest};

const FIRST: Operation = Operation::new(
    "find the first contact folder",
    Asked::Folder,
    "Contacts.Read",
);
const CONTACTS: Operation = Operation::new("list contact folders", Asked::Mailbox, "Contacts.Read");
const BELOW: Operation = Operation::new(
    "list contact folders below a folder",
    Asked::Folder,
    "Contacts.Read",
);
const CALENDARS: Operation = Operation::new("list calendars", Asked::Mailbox, "Calendars.Read");
const LISTS: Operation = Operation::new("list lists of tasks", Asked::Mailbox, "Tasks.Read.All");

/// Folders on one page.
const TOP: &str = "100";
/// Exchange nests no deeper.
const DEEPEST: usize = 300;

/// What was found, and what could not be read.
#[derive(Debug, Default)]
pub(crate) struct Organized {
    pub(crate) folders: Vec<Folder>,
    /// Kinds whose folders the application may not see, and why.
    pub(crate) unread: Vec<(FolderKind, SourceError)>,
}

/// A kind that is kept apart: its permission misses.
fn is_refused(error: &SourceError) -> bool {
    matches!(
        error.class,
        FailureClass::AuthScope | FailureClass::AuthConsent | FailureClass::RequestBug
    )
}

impl Organized {
    /// Takes what a listing answers, or notes that it is refused.
    fn take<T>(
        &mut self,
        kind: FolderKind,
        answer: Result<T, SourceError>,
    ) -> Result<Option<T>, SourceError> {
        match answer {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.class == FailureClass::FolderGone => Ok(None),
            Err(error) if is_refused(&error) => {
                if !self.unread.iter().any(|(known, _)| *known == kind) {
                    self.unread.push((kind, error));
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

fn folder(kind: FolderKind, id: &str, name: String, parent: Option<FolderId>) -> Folder {
    let class = match kind {
        FolderKind::Mail => "IPF.Note",
        FolderKind::Contacts => "IPF.Contact",
        FolderKind::Calendar => "IPF.Appointment",
        FolderKind::Tasks => "IPF.Task",
    };
    Folder {
        id: folder_id(kind, id),
        parent,
        name,
        well_known: None,
        is_hidden: false,
        class: class.into(),
        total_items: None,
    }
}

const FOLDER_SELECT: &str = "id,displayName,parentFolderId";

impl GraphClient {
    /// The listings that [`organized`](Self::organized) reads, in their order.
    pub(crate) fn organizer_parts(
        &self,
        mailbox: &SourceMailboxId,
        leave_out: &[FolderKind],
    ) -> Vec<Part> {
        let url =
            |path: &[&str], query: &[(&str, &str)]| self.links.user(mailbox.as_str(), path, query);
        let select = [("$select", FOLDER_SELECT)];
        let listed = [("$select", FOLDER_SELECT), ("$top", TOP)];
        let calendars = [
            ("$select", "id,name,isDefaultCalendar,canEdit,owner"),
            ("$top", TOP),
        ];
        let mut parts = vec![];
        if !leave_out.contains(&FolderKind::Contacts) {
            // The first folder is not in the list, which is a known fault of the service.
            let first = url(&["contactFolders", "contacts"], &select);
            parts.push(Part::new(&FIRST, first));
            parts.push(Part::new(&CONTACTS, url(&["contactFolders"], &listed)));
        }
        if !leave_out.contains(&FolderKind::Calendar) {
            parts.push(Part::new(&CALENDARS, url(&["calendars"], &calendars)));
        }
        if !leave_out.contains(&FolderKind::Tasks) {
            let lists = url(&["todo", "lists"], &[("$top", TOP)]);
            parts.push(Part::new(&LISTS, lists));
        }
        parts
    }

    /// The listings below known folders of contacts, by the folders' ids at the service.
    pub(crate) fn organizer_children(
        &self,
        mailbox: &SourceMailboxId,
        request: &SyncRequest,
    ) -> Vec<(String, Part)> {
        if request.leave_out.contains(&FolderKind::Contacts) {
            return vec![];
        }
        let known = request.known_folders.iter();
        known
            .filter_map(|folder| match Place::of_folder(&folder.id) {
                Place::Contacts(id) => Some((id.to_owned(), self.children_part(mailbox, id))),
                _ => None,
            })
            .collect()
    }

    fn children_part(&self, mailbox: &SourceMailboxId, id: &str) -> Part {
        let query = [("$select", FOLDER_SELECT), ("$top", TOP)];
        let path = ["contactFolders", id, "childFolders"];
        let url = self.links.user(mailbox.as_str(), &path, &query);
        Part::new(&BELOW, url)
    }

    /// All folders that are not of mail.
    pub(crate) async fn organizer_folders(
        &self,
        mailbox: &SourceMailboxId,
        leave_out: &[FolderKind],
    ) -> Result<Organized, SourceError> {
        let parts = self.organizer_parts(mailbox, leave_out);
        let answers = self.batch(Some(mailbox), &parts).await?;
        self.organized(mailbox, answers, HashMap::new(), leave_out)
            .await
    }

    /// What the listings answered.
    pub(crate) async fn organized(
        &self,
        mailbox: &SourceMailboxId,
        answers: Vec<PartAnswer>,
        children: HashMap<String, PartAnswer>,
        leave_out: &[FolderKind],
    ) -> Result<Organized, SourceError> {
        let wants = |kind: FolderKind| !leave_out.contains(&kind);
        let mut found = Organized::default();
        let mut answers = answers.into_iter();
        let mut next = || {
            let missing = || CONTACTS.error(FailureClass::Transient, "no_answer", "no answer");
            answers.next().unwrap_or_else(|| Err(missing()))
        };
        let (mut first, mut rest) = (None, None);
        let (mut calendars, mut lists): (Option<Page>, Option<Page>) = (None, None);
        if wants(FolderKind::Contacts) {
            first = found.take(FolderKind::Contacts, read_part(&FIRST, next()))?;
            rest = found.take(FolderKind::Contacts, read_part::<Page>(&CONTACTS, next()))?;
        }
        if wants(FolderKind::Calendar) {
            calendars = found.take(FolderKind::Calendar, read_part(&CALENDARS, next()))?;
        }
        if wants(FolderKind::Tasks) {
            lists = found.take(FolderKind::Tasks, read_part(&LISTS, next()))?;
        }
        if let Some(page) = rest {
            let rows = self.rest_listed(&CONTACTS, mailbox, page).await?;
            let rows = first.into_iter().chain(rows).collect();
            self.add_contact_folders(mailbox, &mut found, rows, children)
                .await?;
        }
        if let Some(page) = calendars {
            let rows = self.rest_listed(&CALENDARS, mailbox, page).await?;
            add_calendars(&mut found, &rows);
        }
        if let Some(page) = lists {
            let rows = self.rest_listed(&LISTS, mailbox, page).await?;
            add_lists(&mut found, &rows);
        }
        Ok(found)
    }

    async fn add_contact_folders(
        &self,
        mailbox: &SourceMailboxId,
        found: &mut Organized,
        rows: Vec<Object>,
        mut children: HashMap<String, PartAnswer>,
    ) -> Result<(), SourceError> {
        let default = rows.first().map(|first| text(first, "id"));
        let mut seen: HashSet<String> = HashSet::new();
        let mut all: Vec<Object> = vec![];
        let mut frontier: Vec<String> = vec![];
        for row in rows {
            if seen.insert(text(&row, "id")) {
                frontier.push(text(&row, "id"));
                all.push(row);
            }
        }
        for _ in 0..DEEPEST {
            if frontier.is_empty() {
                break;
            }
            let (here, asked): (Vec<String>, Vec<String>) =
                frontier.drain(..).partition(|id| children.contains_key(id));
            let mut answers: Vec<PartAnswer> =
                here.iter().filter_map(|id| children.remove(id)).collect();
            if !asked.is_empty() {
                let parts: Vec<Part> = asked
                    .iter()
                    .map(|id| self.children_part(mailbox, id))
                    .collect();
                answers.extend(self.batch(Some(mailbox), &parts).await?);
            }
            for answer in answers {
                let page: Option<Page> =
                    found.take(FolderKind::Contacts, read_part(&BELOW, answer))?;
                let Some(page) = page else { continue };
                for row in self.rest_listed(&BELOW, mailbox, page).await? {
                    if seen.insert(text(&row, "id")) {
                        frontier.push(text(&row, "id"));
                        all.push(row);
                    }
                }
            }
        }
        for row in all {
            let (id, parent) = (text(&row, "id"), text(&row, "parentFolderId"));
            let parent = seen
                .contains(&parent)
                .then(|| folder_id(FolderKind::Contacts, &parent));
            let name = text(&row, "displayName");
            let mut made = folder(FolderKind::Contacts, &id, name, parent);
            made.well_known = (default.as_ref() == Some(&id)).then(|| FolderKind::Contacts.first());
            found.folders.push(made);
        }
        Ok(())
    }

    /// Creates a folder of a kind; gives the one that is there already by this name.
    pub(crate) async fn create_organizer_folder(
        &self,
        mailbox: &SourceMailboxId,
        kind: FolderKind,
        parent: Option<&FolderId>,
        name: &str,
    ) -> Result<Folder, SourceError> {
        let above = match parent.map(Place::of_folder) {
            Some(Place::Contacts(id)) => Some(id),
            _ => None,
        };
        let (path, field, permission): (Vec<&str>, _, _) = match (kind, above) {
            (FolderKind::Contacts, Some(id)) => (
                vec!["contactFolders", id, "childFolders"],
                "displayName",
                "Contacts.ReadWrite",
            ),
            (FolderKind::Calendar, _) => (vec!["calendars"], "name", "Calendars.ReadWrite"),
            (FolderKind::Tasks, _) => (vec!["todo", "lists"], "displayName", "Tasks.ReadWrite.All"),
            _ => (vec!["contactFolders"], "displayName", "Contacts.ReadWrite"),
        };
        let operation = Operation::new("create folder", Asked::Folder, permission);
        let url = self.links.user(mailbox.as_str(), &path, &[]);
        let body = json!({ field: name });
        let mut backoff = self.backoff(None);
        loop {
            let call = Call::write(&operation, mailbox, Method::POST, url.clone(), &body);
            let error = match self.json::<Object>(&call).await {
                Ok(made) => {
                    let id = text(&made, "id");
                    return Ok(folder(kind, &id, name.to_owned(), parent.cloned()));
                }
                Err(error) => error,
            };
            let is_in_doubt = is_retryable(error.class);
            if !is_in_doubt && error.class != FailureClass::Conflict {
                return Err(error);
            }
            let all = self.organizer_folders(mailbox, &[]).await?.folders;
            let lower = name.to_lowercase();
            let same = all.into_iter().find(|one| {
                let is_below = parent.is_none() || one.parent.as_ref() == parent;
                let is_kind = FolderKind::from_class(&one.class) == kind;
                is_kind && is_below && one.name.to_lowercase() == lower
            });
            match same {
                Some(folder) => return Ok(folder),
                None if !is_in_doubt => return Err(error),
                None => backoff.wait(error, &*self.clock, &*self.rng).await?,
            }
        }
    }
}

/// The address of a calendar's owner, in lower case.
fn owner_of(calendar: &Object) -> Option<String> {
    let owner = calendar.get("owner")?.get("address")?.as_str()?;
    Some(owner.to_lowercase())
}

/// Adds calendars; those that other people own and only share are theirs.
fn add_calendars(found: &mut Organized, rows: &[Object]) {
    let default = rows.iter().find(|row| truth(row, "isDefaultCalendar"));
    let owner = default.and_then(owner_of);
    for row in rows {
        let is_own = owner.is_none() || owner_of(row).is_none_or(|one| Some(one) == owner);
        if !is_own {
            continue;
        }
        let name = text(row, "name");
        let mut made = folder(FolderKind::Calendar, &text(row, "id"), name, None);
        let is_default = truth(row, "isDefaultCalendar");
        made.well_known = is_default.then(|| FolderKind::Calendar.first());
        found.folders.push(made);
    }
}

/// Adds lists of tasks; the list of flagged mail has no tasks of its own.
fn add_lists(found: &mut Organized, rows: &[Object]) {
    for row in rows {
        let known = text(row, "wellknownListName");
        if known == "flaggedEmails" {
            continue;
        }
        let name = text(row, "displayName");
        let mut made = folder(FolderKind::Tasks, &text(row, "id"), name, None);
        made.well_known = (known == "defaultList").then(|| FolderKind::Tasks.first());
        found.folders.push(made);
    }
}
