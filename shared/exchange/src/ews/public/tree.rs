//! The hierarchy, level by level.

use mailkeep_model::{Action, FailureClass, Folder, FolderId, WellKnownFolder};

use super::public_id;
use crate::ews::call::{Call, folder_id};
use crate::ews::client::EwsClient;
use crate::ews::error_map::{Asked, Operation};
use crate::ews::extended::{self, REPLICAS};
use crate::ews::item_row::is_true;
use crate::ews::tree::{find_folders, folder, folder_shape};
use crate::ews::xml::{Element, XmlWriter};
use crate::retry::is_retryable;
use crate::{FolderChanges, SourceError};

static OPEN: Operation = Operation::new("open public folders", Asked::Mailbox);
static LIST: Operation = Operation::new("list public folders", Asked::Folder);

/// The root as a parent.
pub(crate) const ROOT: &str = "<t:DistinguishedFolderId Id=\"publicfoldersroot\"/>";
/// Parents in one call.
const PARENTS_AT_ONCE: usize = 20;
/// Pages of the subfolders of one folder, at most.
const MOST_PAGES: usize = 500;
/// Levels, at most. Exchange allows about as many; a deeper one is a loop.
const MOST_LEVELS: usize = 300;
/// Folders, at most.
const MOST_FOLDERS: usize = 250_000;

/// One folder's subfolders, or one page of them.
struct Page {
    folders: Vec<Folder>,
    /// Where the next page begins; `None` at the end.
    next: Option<u64>,
}

impl EwsClient {
    /// The whole hierarchy. Folders whose subfolders may not be listed are named, and what `known` has
    /// below them stays.
    pub(crate) async fn public_tree(&self, known: &[Folder]) -> Result<FolderChanges, SourceError> {
        let root = self.public_root().await?;
        let mut folders = vec![root.clone()];
        let mut unlisted = vec![];
        let mut level = vec![root.id];
        for _ in 0..MOST_LEVELS {
            let mut next = vec![];
            for parents in level.chunks(PARENTS_AT_ONCE) {
                for (parent, found) in self.subfolders(parents).await? {
                    match found {
                        Ok(found) => {
                            next.extend(found.iter().map(|folder| folder.id.clone()));
                            folders.extend(found);
                        }
                        // Deleted meanwhile.
                        Err(error) if error.class == FailureClass::FolderGone => {}
                        Err(error) => {
                            folders.extend(below(known, &parent));
                            unlisted.push((parent, error));
                        }
                    }
                }
                if folders.len() > MOST_FOLDERS {
                    return Err(endless("more public folders than can be dealt with"));
                }
            }
            if next.is_empty() {
                return Ok(FolderChanges {
                    folders,
                    is_complete: true,
                    unlisted,
                    ..FolderChanges::default()
                });
            }
            level = next;
        }
        Err(endless("public folders lie deeper than Exchange allows"))
    }

    /// The root of the hierarchy.
    pub(crate) async fn public_root(&self) -> Result<Folder, SourceError> {
        let public = public_id();
        let call = Call::read(&OPEN, &public, get_folder(ROOT));
        let message = self.one(&call).await.map_err(|error| match error.class {
            FailureClass::FolderGone => OPEN.error(
                FailureClass::MailboxUnavailable,
                &error.code,
                "the organisation has no public folders",
            ),
            _ => error,
        })?;
        let found = message
            .path(&["Folders"])
            .and_then(|all| all.children.first());
        let root = found.and_then(folder).ok_or_else(|| {
            OPEN.error(
                FailureClass::MailboxUnavailable,
                "no_root",
                "the server did not describe the root of the public folders",
            )
        })?;
        Ok(Folder {
            parent: None,
            well_known: Some(WellKnownFolder::Root),
            is_hidden: false,
            total_items: None,
            ..root
        })
    }

    /// The subfolders of each of these folders, each with its own answer.
    async fn subfolders(
        &self,
        parents: &[FolderId],
    ) -> Result<Vec<(FolderId, Result<Vec<Folder>, SourceError>)>, SourceError> {
        let pages = match self.first_pages(parents).await {
            // What spoils a call may lie in one of the folders.
            Err(error) if parents.len() > 1 && !stops(&error) => {
                let mut pages = vec![];
                for parent in parents {
                    let one = self.first_pages(std::slice::from_ref(parent)).await;
                    pages.push(match one {
                        Ok(found) => found.into_iter().next().unwrap_or_else(|| Err(missing())),
                        Err(error) if stops(&error) => return Err(error),
                        Err(error) => Err(error),
                    });
                }
                pages
            }
            Err(error) if parents.len() == 1 && !stops(&error) => vec![Err(error)],
            other => other?,
        };
        let mut all = vec![];
        let mut pages = pages.into_iter();
        for parent in parents {
            let mut page = pages.next().unwrap_or_else(|| Err(missing()));
            if matches!(&page, Err(error) if is_retryable(error.class)) {
                // Left for later by the server; alone it is tried again until it is answered.
                let again = self.first_pages(std::slice::from_ref(parent)).await?;
                page = again.into_iter().next().unwrap_or_else(|| Err(missing()));
            }
            let found = match page {
                Ok(page) => self.rest(parent, page).await,
                Err(error) => Err(error),
            };
            match found {
                Err(error) if stops(&error) => return Err(error),
                found => all.push((parent.clone(), found)),
            }
        }
        Ok(all)
    }

    async fn first_pages(
        &self,
        parents: &[FolderId],
    ) -> Result<Vec<Result<Page, SourceError>>, SourceError> {
        let public = public_id();
        let ids: String = parents.iter().map(|id| folder_id(id.as_str())).collect();
        let body = find_folders(&ids, "Shallow", 0, None, &[REPLICAS]);
        let messages = self.all(&Call::read(&LIST, &public, body)).await?;
        let mut parents = parents.iter();
        Ok(messages
            .into_iter()
            .map(|message| {
                let parent = parents.next().ok_or_else(missing)?;
                message.map(|message| self.page_of(parent, &message, 0))
            })
            .collect())
    }

    async fn rest(&self, parent: &FolderId, first: Page) -> Result<Vec<Folder>, SourceError> {
        let public = public_id();
        let (mut folders, mut next) = (first.folders, first.next);
        for _ in 0..MOST_PAGES {
            let Some(offset) = next else {
                return Ok(folders);
            };
            let id = folder_id(parent.as_str());
            let body = find_folders(&id, "Shallow", offset, None, &[REPLICAS]);
            let message = self.one(&Call::read(&LIST, &public, body)).await?;
            let page = self.page_of(parent, &message, offset);
            if page.next.is_some_and(|next| next <= offset) {
                break;
            }
            folders.extend(page.folders);
            next = page.next;
        }
        Err(endless("the list of public folders has no end"))
    }

    fn page_of(&self, parent: &FolderId, message: &Element, offset: u64) -> Page {
        let none = Element::default();
        let root = message.child("RootFolder").unwrap_or(&none);
        let found = &root.child("Folders").unwrap_or(&none).children;
        let mut folders = vec![];
        for element in found {
            let Some(described) = folder(element) else {
                continue;
            };
            if let Some(public) = &self.public {
                public.note_home(&described.id, replica(element));
            }
            folders.push(Folder {
                // The server may name another root above the first level.
                parent: Some(parent.clone()),
                // The mailbox with the hierarchy does not count the items of others.
                total_items: None,
                ..described
            });
        }
        let is_last = root
            .attribute("IncludesLastItemInRange")
            .is_none_or(is_true);
        let next = root
            .attribute("IndexedPagingOffset")
            .and_then(|text| text.parse().ok())
            .unwrap_or(offset + found.len() as u64);
        Page {
            folders,
            next: (!is_last).then_some(next),
        }
    }

    /// Asks which mailbox holds a folder's items; `None` when the server does not tell.
    pub(super) async fn replica_of(
        &self,
        folder: &FolderId,
    ) -> Result<Option<String>, SourceError> {
        let public = public_id();
        let body = get_folder(&folder_id(folder.as_str()));
        let message = self.one(&Call::read(&LIST, &public, body)).await?;
        let found = message
            .path(&["Folders"])
            .and_then(|all| all.children.first());
        Ok(found.and_then(replica))
    }
}

/// True for what concerns more than one folder, or passes.
fn stops(error: &SourceError) -> bool {
    matches!(
        error.class.action(),
        Action::StopConnection | Action::StopMailbox | Action::Retry
    )
}

fn missing() -> SourceError {
    LIST.error(FailureClass::Transient, "no_answer", "no answer")
}

fn endless(words: &str) -> SourceError {
    LIST.error(FailureClass::ItemPermanent, "endless_folders", words)
}

fn get_folder(id: &str) -> String {
    let mut writer = XmlWriter::new();
    writer.start("m:GetFolder", &[]);
    folder_shape(&mut writer, &[REPLICAS]);
    writer.start("m:FolderIds", &[]).raw(id);
    writer.finish()
}

/// The GUID of the first mailbox in the list of those that hold a folder's items.
fn replica(element: &Element) -> Option<String> {
    let value = extended::value(element, REPLICAS)?;
    let bytes = base64_simd::STANDARD.decode_to_vec(value.trim()).ok()?;
    let guid = bytes.split(|byte| *byte == 0).next()?;
    let is_guid = guid.len() == 36 && guid.iter().all(|b| b.is_ascii_hexdigit() || *b == b'-');
    let guid = std::str::from_utf8(guid).ok().filter(|_| is_guid)?;
    Some(guid.to_ascii_lowercase())
}

/// Known folders below one.
fn below(known: &[Folder], top: &FolderId) -> Vec<Folder> {
    let mut found = vec![];
    let mut level = vec![top];
    while !level.is_empty() && found.len() < known.len() {
        let next: Vec<&Folder> = known
            .iter()
            .filter(|folder| folder.parent.as_ref().is_some_and(|it| level.contains(&it)))
            .collect();
        level = next.iter().map(|folder| &folder.id).collect();
        found.extend(next.into_iter().cloned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_replica(bytes: &[u8]) -> Element {
        let field = Element {
            name: "ExtendedFieldURI".into(),
            attributes: vec![
                ("PropertyTag".into(), "0x6698".into()),
                ("PropertyType".into(), "Binary".into()),
            ],
            ..Element::default()
        };
        let value = Element {
            name: "Value".into(),
            text: base64_simd::STANDARD.encode_to_string(bytes),
            ..Element::default()
        };
        let property = Element {
            name: "ExtendedProperty".into(),
            children: vec![field, value],
            ..Element::default()
        };
        Element {
            name: "Folder".into(),
            children: vec![property],
            ..Element::default()
        }
    }

    #[test]
    fn the_first_of_the_mailboxes_counts() {
        let one = b"1EC2A236-ed93-4f88-b9c6-33e63fa4aa44\0";
        let guid = Some("1ec2a236-ed93-4f88-b9c6-33e63fa4aa44".to_owned());
        assert_eq!(replica(&with_replica(one)), guid);
        let two = [one.as_slice(), b"00000000-ed93-4f88-b9c6-33e63fa4aa44\0"].concat();
        assert_eq!(replica(&with_replica(&two)), guid);
        for bad in [
            b"".as_slice(),
            b"nobody\0",
            b"1ec2a236-ed93-4f88-b9c6-33e63fa4aa4?\0",
        ] {
            assert_eq!(replica(&with_replica(bad)), None);
        }
        assert_eq!(replica(&Element::default()), None);
    }

    #[test]
    fn what_was_known_below_a_folder() {
        let folder = |id: &str, parent: &str| Folder {
            id: FolderId(id.into()),
            parent: Some(FolderId(parent.into())),
            name: id.into(),
            well_known: None,
            is_hidden: false,
            class: String::new(),
            total_items: None,
        };
        let known = [
            folder("a", "r"),
            folder("b", "a"),
            folder("c", "b"),
            folder("d", "r"),
        ];
        let names: Vec<String> = below(&known, &FolderId("a".into()))
            .into_iter()
            .map(|folder| folder.name)
            .collect();
        assert_eq!(names, ["b", "c"]);
        // A circle ends.
        let circle = [folder("x", "y"), folder("y", "x")];
        assert!(below(&circle, &FolderId("x".into())).len() <= 3);
    }
}
