//! Which folders a filter chooses.

use super::*;
use crate::{Folder, WellKnownFolder};

fn folder(id: &str, parent: &str, well_known: Option<WellKnownFolder>) -> Folder {
    Folder {
        id: FolderId(id.into()),
        parent: (!parent.is_empty()).then(|| FolderId(parent.into())),
        name: format!("Ordner {id}"),
        well_known,
        is_hidden: false,
        class: "IPF.Note".into(),
        total_items: None,
    }
}

fn tree() -> Vec<Folder> {
    use WellKnownFolder as W;
    let mut rss = folder("rss", "root", None);
    rss.class = "IPF.Note.OutlookHomepage".into();
    vec![
        // Children may come before their parents.
        folder("trash/a/b", "trash/a", None),
        folder("trash/a", "trash", None),
        folder("root", "", Some(W::Root)),
        folder("inbox", "root", Some(W::Inbox)),
        folder("inbox/a", "inbox", None),
        folder("inbox/a/b", "inbox/a", None),
        folder("trash", "root", Some(W::DeletedItems)),
        folder("sync", "root", Some(W::SyncIssues)),
        folder("conflicts", "sync", Some(W::Conflicts)),
        folder("own", "root", None),
        rss,
    ]
}

fn chosen(filter: &FolderFilter, tree: &[Folder]) -> Vec<String> {
    filter
        .chosen(tree)
        .into_iter()
        .map(|id| id.0.clone())
        .collect()
}

#[test]
fn special_folders_are_left_out_with_all_below_them_in_any_language() {
    let everything = FolderFilter::default();
    assert_eq!(chosen(&everything, &tree()).len(), tree().len());
    let filter = FolderFilter {
        exclude: [
            SpecialFolder::DeletedItems,
            SpecialFolder::SyncIssues,
            SpecialFolder::RssFeeds,
        ]
        .into(),
        only: None,
    };
    assert_eq!(
        chosen(&filter, &tree()),
        ["root", "inbox", "inbox/a", "inbox/a/b", "own"]
    );
    // A folder that only has the name of one is none.
    let mut named = tree();
    for folder in &mut named {
        if folder.id.as_str() == "own" {
            folder.name = "Deleted Items".into();
        }
    }
    assert!(chosen(&filter, &named).contains(&"own".to_owned()));
}

#[test]
fn every_special_folder_is_known_by_id_or_class() {
    for special in SpecialFolder::ALL {
        let mut found = WellKnownFolder::ALL
            .into_iter()
            .filter(|is| special.is(&folder("x", "", Some(*is))));
        assert_eq!(
            found.next().is_some(),
            special != SpecialFolder::RssFeeds,
            "{special:?}"
        );
    }
}

#[test]
fn subfolders_of_a_chosen_folder_are_taken_now_and_later_if_wanted() {
    let choice = |id: &str, with_subfolders| FolderChoice {
        folder: FolderRef::Id(FolderId(id.into())),
        with_subfolders,
    };
    let filter = FolderFilter {
        exclude: [].into(),
        only: Some(vec![choice("inbox/a", true), choice("trash", false)]),
    };
    let mut tree = tree();
    assert_eq!(chosen(&filter, &tree), ["inbox/a", "inbox/a/b", "trash"]);
    // Made later, one below each.
    tree.push(folder("new below a", "inbox/a/b", None));
    tree.push(folder("new below trash", "trash", None));
    assert_eq!(
        chosen(&filter, &tree),
        ["inbox/a", "inbox/a/b", "trash", "new below a"]
    );
    // Renamed and moved, it is still the same.
    for folder in &mut tree {
        if folder.id.as_str() == "inbox/a" {
            folder.name = "renamed".into();
            folder.parent = Some(FolderId("root".into()));
        }
    }
    assert_eq!(
        chosen(&filter, &tree),
        ["inbox/a", "inbox/a/b", "trash", "new below a"]
    );
}

#[test]
fn a_tree_with_a_circle_ends() {
    let tree = [
        folder("a", "b", None),
        folder("b", "a", None),
        folder("c", "nowhere", None),
    ];
    assert_eq!(chosen(&FolderFilter::default(), &tree), ["a", "b", "c"]);
}
