//! Mailboxes, folders and changes.

use std::collections::BTreeSet;

use exchange_sim::{Anomalies, TokenLoss};
use mailkeep_exchange::{Cursor, FolderCursor, ItemChange, Source};
use mailkeep_model::{
    FailureClass, FlagStatus, Folder, FolderId, ItemId, LicenseState, MailboxKind, SourceMailboxId,
    WellKnownFolder,
};

use crate::setup::{World, present, small};

#[tokio::test]
async fn mailboxes_have_kind_and_licence_and_guests_are_left_out() {
    let world = World::from(small(1).mailboxes(5)).await;
    let page = world.source.mailboxes(None).await.unwrap();
    assert!(page.next.is_none());
    let truth = world.sim.admin().mailboxes();
    for found in &page.mailboxes {
        let truth = truth.iter().find(|one| one.id == found.id.0).unwrap();
        assert_eq!(Some(&found.address), truth.address.as_ref());
        assert!(!found.address.contains("guest"));
        if truth.has_mailbox {
            let kind = match truth.purpose {
                "shared" => MailboxKind::Shared,
                "room" => MailboxKind::Room,
                "equipment" => MailboxKind::Equipment,
                _ => MailboxKind::User,
            };
            assert_eq!(found.kind, kind);
        }
    }
    let reachable = truth.iter().filter(|one| one.has_mailbox).count();
    let found = page.mailboxes.iter().filter(|found| {
        truth
            .iter()
            .any(|one| one.id == found.id.0 && one.has_mailbox)
    });
    assert_eq!(found.count(), reachable);
    assert!(page.mailboxes.iter().any(
        |found| found.kind == MailboxKind::Shared && found.license == LicenseState::Unlicensed
    ));
    assert!(
        page.mailboxes
            .iter()
            .any(|found| found.license == LicenseState::Licensed)
    );
}

#[tokio::test]
async fn kinds_that_may_not_be_read_are_unknown() {
    let world = World::start(1).await;
    world.sim.admin().set_roles(&["User.Read.All", "Mail.Read"]);
    let page = world.source.mailboxes(None).await.unwrap();
    assert!(!page.mailboxes.is_empty());
    assert!(
        page.mailboxes
            .iter()
            .all(|found| found.kind == MailboxKind::Other)
    );
}

#[tokio::test]
async fn first_run_finds_every_folder_and_item() {
    let world = World::start(150).await;
    let known = world.first_run().await;
    let truth = world.sim.admin().folders(world.id()).unwrap();
    let is_root = |folder: &&Folder| folder.well_known == Some(WellKnownFolder::Root);
    let root = known.folders.iter().find(is_root).unwrap();
    assert!(root.parent.is_none() && !root.is_hidden);
    for folder in known.folders.iter().filter(|folder| !is_root(folder)) {
        let truth = truth.iter().find(|one| one.id == folder.id.0).unwrap();
        assert_eq!(folder.name, truth.name);
        assert!(!truth.is_search);
        let name = truth.well_known.and_then(WellKnownFolder::from_graph_name);
        assert_eq!(folder.well_known, name);
        assert_eq!(folder.is_hidden, truth.is_hidden, "{}", truth.name);
        assert_eq!(
            folder.parent.as_ref().map(|id| &id.0),
            truth.parent.as_ref()
        );
        assert_eq!(folder.total_items, Some(u64::from(truth.items)));
    }
    // Every folder below the root, hidden or not.
    let mut below: BTreeSet<&str> = BTreeSet::from([root.id.as_str()]);
    while truth.iter().any(|one| {
        !one.is_search
            && one
                .parent
                .as_ref()
                .is_some_and(|parent| below.contains(parent.as_str()))
            && below.insert(&one.id)
    }) {}
    for id in below {
        assert!(
            known.folders.iter().any(|folder| folder.id.0 == id),
            "missing {id}"
        );
    }
    let items = world.sim.admin().items(world.id()).unwrap();
    assert!(items.len() >= 150);
    for truth in &items {
        let found = &known.items[&ItemId(truth.id.clone())].item;
        assert_eq!(found.subject, truth.subject);
        assert_eq!(found.change_key, truth.change_key);
        assert_eq!(found.folder.0, truth.folder);
        assert_eq!(found.is_read, truth.is_read);
        assert_eq!(found.is_draft, truth.is_draft);
        assert_eq!(found.flag.status == FlagStatus::Flagged, truth.is_flagged);
        assert_eq!(found.categories, truth.categories);
        assert_eq!(
            found.internet_message_id,
            truth.internet_message_id.clone().unwrap_or_default()
        );
        assert!(found.size_bytes > 0);
        assert!(found.received_at.is_some());
    }
    assert_eq!(known.items.len(), items.len());
}

#[tokio::test]
async fn changes_arrive_with_the_same_ids() {
    let world = World::start(20).await;
    let admin = world.sim.admin();
    let inbox = world.folder("inbox");
    let archive = world.folder("archive");
    let moved = ItemId(admin.add_mail(world.id(), "inbox").unwrap());
    let deleted = ItemId(admin.add_mail(world.id(), "inbox").unwrap());
    let flagged = ItemId(admin.add_mail(world.id(), "inbox").unwrap());
    let (_, inbox_end) = world.read(&inbox, None).await.unwrap();
    let (_, archive_end) = world.read(&archive, None).await.unwrap();
    let (nothing, _) = world.read(&inbox, Some(inbox_end.clone())).await.unwrap();
    assert!(nothing.is_empty());
    admin.move_mail(world.id(), &moved.0, "archive").unwrap();
    admin.delete_mail(world.id(), &deleted.0).unwrap();
    admin.set_flag(world.id(), &flagged.0, true).unwrap();
    let new = ItemId(admin.add_mail(world.id(), "inbox").unwrap());
    let (changes, _) = world.read(&inbox, Some(inbox_end)).await.unwrap();
    assert!(changes.contains(&ItemChange::Removed(moved.clone())));
    assert!(changes.contains(&ItemChange::Removed(deleted.clone())));
    let found = present(&changes);
    let flagged = found.iter().find(|item| item.item.id == flagged).unwrap();
    assert_eq!(flagged.item.flag.status, FlagStatus::Flagged);
    assert!(found.iter().any(|item| item.item.id == new));
    let (changes, _) = world.read(&archive, Some(archive_end)).await.unwrap();
    assert_eq!(present(&changes)[0].item.id, moved);
    let unknown = ItemId(moved.0.chars().rev().collect());
    let located = world
        .source
        .locate(&world.mailbox, &[moved.clone(), deleted, unknown])
        .await
        .unwrap();
    let place = located[0].1.as_ref().unwrap().as_ref().unwrap();
    assert_eq!(place.item.folder, archive);
    assert_eq!(located[1].1.as_ref().unwrap(), &None);
    assert!(located[2].1.is_err() || located[2].1.as_ref().unwrap().is_none());
}

#[tokio::test]
async fn partial_updates_and_repeats_lose_nothing() {
    let world = World::start(60).await;
    let admin = world.sim.admin();
    let anomalies = Anomalies {
        partial_updates: true,
        repeats_and_empty_pages: true,
        ..Anomalies::default()
    };
    admin.set_anomalies(world.id(), anomalies).unwrap();
    let inbox = world.folder("inbox");
    let items = admin.items(world.id()).unwrap();
    let expected: BTreeSet<&str> = items
        .iter()
        .filter(|item| item.folder == inbox.0)
        .map(|item| item.id.as_str())
        .collect();
    let (changes, end) = world.read(&inbox, None).await.unwrap();
    let found = present(&changes);
    let ids: BTreeSet<&str> = found.iter().map(|item| item.item.id.as_str()).collect();
    assert_eq!(ids, expected);
    let changed = expected.first().unwrap();
    admin.set_read(world.id(), changed, true).unwrap();
    admin.set_categories(world.id(), changed, &["Red"]).unwrap();
    let before = found
        .iter()
        .find(|item| item.item.id.0 == **changed)
        .unwrap();
    let (changes, _) = world.read(&inbox, Some(end)).await.unwrap();
    let after = present(&changes);
    let after = after
        .iter()
        .find(|item| item.item.id.0 == **changed)
        .unwrap();
    assert_eq!(
        after.item.subject, before.item.subject,
        "an absent subject is not an empty one"
    );
    assert_eq!(after.item.to, before.item.to);
    assert_eq!(after.item.categories, ["Red"]);
    assert!(after.item.is_read);
    assert_eq!(after.properties_json, before.properties_json);
}

#[tokio::test]
async fn lost_cursors_ask_for_a_resync() {
    for loss in [
        TokenLoss::GoneWithLocation,
        TokenLoss::Gone,
        TokenLoss::NotFound,
        TokenLoss::Invalid,
    ] {
        let world = World::start(5).await;
        let known = world.first_run().await;
        world
            .sim
            .admin()
            .expire_delta_tokens(world.id(), None, loss)
            .unwrap();
        let error = world
            .source
            .changes(&world.mailbox, &known.cursors[0])
            .await
            .unwrap_err();
        assert_eq!(error.class, FailureClass::SyncReset, "{loss:?}");
        let round = world
            .source
            .sync(&world.mailbox, known.request())
            .await
            .unwrap();
        assert!(
            round.tree.unwrap().is_complete,
            "{loss:?}: the tree is listed whole"
        );
        for (_, page) in round.pages {
            assert_eq!(page.unwrap_err().class, FailureClass::SyncReset, "{loss:?}");
        }
    }
    let world = World::start(5).await;
    let foreign = FolderCursor {
        folder: world.folder("inbox"),
        cursor: Some(Cursor("of another version".into())),
    };
    let error = world
        .source
        .changes(&world.mailbox, &foreign)
        .await
        .unwrap_err();
    assert_eq!(error.class, FailureClass::SyncReset);
}

#[tokio::test]
async fn the_tree_follows_folders() {
    let world = World::start(5).await;
    let admin = world.sim.admin();
    let gone = admin
        .create_folder(world.id(), "inbox", "To be deleted")
        .unwrap();
    let renamed = admin.create_folder(world.id(), "inbox", "Before").unwrap();
    let mut known = world.first_run().await;
    let quiet = world
        .source
        .sync(&world.mailbox, known.request())
        .await
        .unwrap()
        .tree
        .unwrap();
    assert!(!quiet.is_complete);
    assert!(
        quiet.folders.is_empty() && quiet.removed.is_empty(),
        "{quiet:?}"
    );
    known.tree = quiet.cursor.unwrap();
    admin.delete_folder(world.id(), &gone).unwrap();
    admin.rename_folder(world.id(), &renamed, "After").unwrap();
    let new = admin.create_folder(world.id(), "archive", "New").unwrap();
    let round = world
        .source
        .sync(&world.mailbox, known.request())
        .await
        .unwrap();
    let tree = round.tree.unwrap();
    assert_eq!(tree.removed, [FolderId(gone.clone())]);
    let name = |id: &str| {
        let found = tree.folders.iter().find(|folder| folder.id.0 == id);
        found.map(|folder| folder.name.clone())
    };
    assert_eq!(name(&renamed).as_deref(), Some("After"));
    assert_eq!(name(&new).as_deref(), Some("New"));
    let page = round.pages.iter().find(|(id, _)| id.0 == gone).unwrap();
    assert_eq!(page.1.as_ref().unwrap_err().class, FailureClass::FolderGone);
}

#[tokio::test]
async fn an_unreachable_mailbox_says_why() {
    use exchange_sim::MailboxState;
    for (state, class) in [
        (MailboxState::Denied, FailureClass::AuthScope),
        (MailboxState::NotEnabled, FailureClass::MailboxUnavailable),
    ] {
        let world = World::start(1).await;
        world
            .sim
            .admin()
            .set_mailbox_state(world.id(), state)
            .unwrap();
        let error = world
            .source
            .sync(&world.mailbox, Default::default())
            .await
            .unwrap_err();
        assert_eq!(error.class, class);
        assert!(error.request_id.is_some() || !error.code.is_empty());
    }
    let world = World::start(1).await;
    let nobody = SourceMailboxId("00000000-0000-0000-0000-000000000000".into());
    let error = world
        .source
        .sync(&nobody, Default::default())
        .await
        .unwrap_err();
    assert_eq!(error.class, FailureClass::MailboxGone);
    world
        .sim
        .admin()
        .set_mailbox_state(world.id(), MailboxState::Moving)
        .unwrap();
    let round = world.source.sync(&world.mailbox, Default::default()).await;
    let error = match round {
        Ok(round) => round.tree.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.class, FailureClass::MailboxBusy);
}

#[tokio::test]
async fn hidden_folders_are_found_at_every_depth() {
    let world = World::start(5).await;
    let admin = world.sim.admin();
    let mut known = world.first_run().await;
    let below_top = admin
        .create_folder(world.id(), "syncissues", "Below a hidden one")
        .unwrap();
    let deep = admin
        .create_folder(world.id(), "conflicts", "Deeper")
        .unwrap();
    let round = world
        .source
        .sync(&world.mailbox, known.request())
        .await
        .unwrap();
    let tree = round.tree.unwrap();
    let found = tree
        .folders
        .iter()
        .find(|folder| folder.id.0 == below_top)
        .unwrap();
    assert!(found.is_hidden, "below a hidden folder");
    // What lies deeper shows when its parent's turn comes.
    let mut seen: BTreeSet<FolderId> = tree.folders.iter().map(|one| one.id.clone()).collect();
    known.folders.extend(tree.folders);
    known.tree = tree.cursor.unwrap();
    for _ in 0..10 {
        let round = world
            .source
            .sync(&world.mailbox, known.request())
            .await
            .unwrap();
        let tree = round.tree.unwrap();
        seen.extend(tree.folders.iter().map(|one| one.id.clone()));
        known.folders.extend(tree.folders);
        known.tree = tree.cursor.unwrap();
    }
    assert!(seen.contains(&FolderId(deep.clone())));
    admin.delete_folder(world.id(), &below_top).unwrap();
    let round = world
        .source
        .sync(&world.mailbox, known.request())
        .await
        .unwrap();
    assert_eq!(round.tree.unwrap().removed, [FolderId(below_top)]);
}
