//! Trees beside the visible one.

use mailkeep_exchange::{Source, SyncRequest};
use mailkeep_model::{Extent, Folder, FolderId, WellKnownFolder};

use super::server::{Request, Response, Server};
use super::{ann, canned, rig};

const ALL: Extent = Extent {
    archive: true,
    recoverable_items: true,
    export_streams: false,
};

fn is_about(request: &Request, root: &str) -> bool {
    request
        .body
        .contains(&format!("DistinguishedFolderId Id=\"{root}\""))
}

/// The trees of a mailbox; the archive answers as told.
fn mailbox(request: &Request, archive: impl Fn() -> Response) -> Response {
    let operation = request.operation();
    let is_list = operation == "FindFolder";
    if is_about(request, "archivemsgfolderroot") {
        return match is_list {
            true => archive(),
            false => one_folder("a", "Top of Information Store"),
        };
    }
    if is_about(request, "archiverecoverableitemsroot") {
        return canned::answer(&operation, &canned::error("ErrorFolderNotFound"));
    }
    if is_about(request, "recoverableitemsroot") {
        return match is_list {
            true => canned::folders(&canned::folder("rd", "elsewhere", "Deletions", 3)),
            false => one_folder("r", "Recoverable Items"),
        };
    }
    match is_list {
        true => canned::folders(&canned::folder("f0", "root", "Inbox", 1)),
        false => canned::well_known(request),
    }
}

fn one_folder(id: &str, name: &str) -> Response {
    let folder = canned::folder(id, "x", name, 0);
    canned::answer(
        "GetFolder",
        &canned::success(&format!("<me:Folders>{folder}</me:Folders>")),
    )
}

fn shown(folders: &[Folder]) -> Vec<(String, Option<String>)> {
    folders
        .iter()
        .map(|one| (one.id.0.clone(), one.parent.clone().map(|id| id.0)))
        .collect()
}

fn pairs(all: &[(&str, Option<&str>)]) -> Vec<(String, Option<String>)> {
    all.iter()
        .map(|(id, parent)| ((*id).to_owned(), parent.map(str::to_owned)))
        .collect()
}

#[tokio::test]
async fn each_tree_is_listed_by_itself_and_one_that_is_not_there_is_none() {
    let rig = rig(Server::start(|request| {
        mailbox(request, || {
            canned::folders(&canned::folder("ai", "gone", "Inbox", 2))
        })
    })
    .await);
    let ask = |known: Vec<Folder>, extent| {
        let source = &rig.source;
        async move {
            let request = SyncRequest {
                known_folders: known,
                extent,
                ..SyncRequest::default()
            };
            source.sync(&ann(), request).await.unwrap().tree.unwrap()
        }
    };
    let usual = ask(vec![], Extent::default()).await;
    let visible = [("root", None), ("f0", Some("root"))];
    assert_eq!(shown(&usual.folders), pairs(&visible));
    let whole = ask(vec![], ALL).await;
    let beside = [
        ("r", None),
        ("rd", Some("r")),
        ("a", None),
        ("ai", Some("a")),
    ];
    let all = pairs(&[&visible[..], &beside[..]].concat());
    assert_eq!(shown(&whole.folders), all);
    assert!(whole.unread.is_none());
    let named: Vec<_> = whole
        .folders
        .iter()
        .filter(|one| one.parent.is_none())
        .map(|one| (one.well_known.unwrap(), one.name.as_str()))
        .collect();
    assert_eq!(
        named[1],
        (WellKnownFolder::RecoverableItems, "Recoverable Items")
    );
    assert_eq!(
        named[2],
        (WellKnownFolder::ArchiveMailbox, "In-Place Archive")
    );
    // A run that does not want them leaves them as they are known, and asks nothing about them.
    let before = rig.server.requests().len();
    let without = ask(whole.folders.clone(), Extent::default()).await;
    assert_eq!(shown(&without.folders), all);
    assert_eq!(rig.server.requests().len() - before, 1);
    // Known roots are not asked for again.
    let before = rig.server.count("GetFolder");
    ask(whole.folders, ALL).await;
    assert_eq!(rig.server.count("GetFolder"), before);
}

#[tokio::test]
async fn a_tree_that_cannot_be_read_stays_as_it_was_and_is_told() {
    let rig = rig(Server::start(|request| {
        mailbox(request, || {
            canned::answer("FindFolder", &canned::error("ErrorCrossSiteRequest"))
        })
    })
    .await);
    let mut root = Folder {
        id: FolderId("a".into()),
        parent: None,
        name: "In-Place Archive".into(),
        well_known: Some(WellKnownFolder::ArchiveMailbox),
        is_hidden: false,
        class: String::new(),
        total_items: None,
    };
    let inbox = Folder {
        id: FolderId("ai".into()),
        parent: Some(root.id.clone()),
        well_known: None,
        ..root.clone()
    };
    root.total_items = Some(0);
    let request = SyncRequest {
        known_folders: vec![root, inbox],
        extent: ALL,
        ..SyncRequest::default()
    };
    let round = rig.source.sync(&ann(), request).await.unwrap();
    let tree = round.tree.unwrap();
    assert_eq!(tree.unread.unwrap().code, "ErrorCrossSiteRequest");
    let ids: Vec<&str> = tree.folders.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["root", "f0", "r", "rd", "a", "ai"]);
}
