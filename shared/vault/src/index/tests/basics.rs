//! One writer, one reader.

use mailkeep_model::{FailureClass, FolderId, Gap, ItemFailure, ItemId};
use mailkeep_ports::{RecordStore, Verb};
use rand::{Rng, SeedableRng};
use std::sync::Arc;

use crate::index::commit_info::{CommitInfo, EndOfRun};
use crate::index::filter::ItemFilter;
use crate::index::tests::world::{
    commit, contents, folder, info, item, list, mailbox, mime, new_mailbox, put, read, small_writer,
};
use crate::index::version::Difference;

fn ids(versions: &[crate::index::version::ItemVersion]) -> Vec<&str> {
    versions.iter().map(|it| it.item.id.as_str()).collect()
}

#[tokio::test]
async fn an_empty_mailbox_can_be_looked_at() {
    let (_, mailbox) = new_mailbox();
    let view = mailbox.view().await.unwrap();
    assert_eq!(view.sequence(), 0);
    assert!(contents(&view).await.is_empty());
    assert!(view.snapshots(None, 10).await.unwrap().is_empty());
    assert!(mailbox.view_at(1).await.is_err());
    let writer = mailbox.writer().await.unwrap();
    assert_eq!(commit(&writer).await.unwrap().sequence, 0);
}

#[tokio::test]
async fn what_is_committed_comes_back_at_every_point_in_time() {
    let (_, mailbox) = new_mailbox();
    let writer = mailbox.writer().await.unwrap();
    writer.put_folder(folder("root", None));
    writer.put_folder(folder("inbox", Some("root")));
    writer.put_folder(folder("old", Some("root")));
    put(&writer, item("a", "inbox", 1), &mime("a1"))
        .await
        .unwrap();
    put(&writer, item("b", "inbox", 2), &mime("b1"))
        .await
        .unwrap();
    assert!(writer.has_changes());
    assert_eq!(commit(&writer).await.unwrap().sequence, 1);
    assert!(!writer.has_changes());

    // 2: a moves and b changes; 3: b goes; 4: b comes back.
    let mut moved = item("a", "old", 1);
    moved.change_key = "moved".into();
    let before = writer
        .current(writer.key(&moved.id))
        .await
        .unwrap()
        .unwrap();
    writer.put_item(moved, before.content);
    let mut changed = item("b", "inbox", 2);
    changed.subject = "New subject".into();
    put(&writer, changed.clone(), &mime("b2")).await.unwrap();
    commit(&writer).await.unwrap();
    writer.remove_item(&changed.id);
    commit(&writer).await.unwrap();
    assert!(writer.known(&changed.id).is_none());
    put(&writer, changed.clone(), &mime("b2")).await.unwrap();
    commit(&writer).await.unwrap();

    for mailbox in [
        mailbox.clone(),
        crate::mailbox::Mailbox::new(mailbox.core.clone()),
    ] {
        let view = mailbox.view_at(1).await.unwrap();
        let model = contents(&view).await;
        assert_eq!(model["a"], (item("a", "inbox", 1), mime("a1")));
        assert_eq!(model["b"].1, mime("b1"));
        assert_eq!(view.counts().items, 2);
        let model = contents(&mailbox.view_at(2).await.unwrap()).await;
        assert_eq!(model["a"].0.folder.as_str(), "old");
        assert_eq!(model["b"], (changed.clone(), mime("b2")));
        let view = mailbox.view_at(3).await.unwrap();
        assert_eq!(contents(&view).await.len(), 1);
        assert_eq!(view.counts().items, 1);
        let deleted = ItemFilter {
            include_deleted: true,
            ..ItemFilter::default()
        };
        let all = list(&view, &deleted, 1).await;
        assert_eq!(all.len(), 2);
        let gone = all.iter().find(|it| it.deleted).unwrap();
        assert_eq!(gone.item.id.as_str(), "b");
        assert_eq!(read(&view, gone).await, mime("b2"));
        assert_eq!(view.item(gone.key).await.unwrap().as_ref(), Some(gone));
        let view = mailbox.view().await.unwrap();
        assert_eq!(contents(&view).await.len(), 2);
        assert_eq!(list(&view, &deleted, 1).await.len(), 2);
        let versions = view.versions(gone.key).await.unwrap();
        assert_eq!(
            versions
                .iter()
                .map(|it| (it.from_sequence, it.to_sequence, it.deleted))
                .collect::<Vec<_>>(),
            [(1, Some(2), false), (2, Some(3), false), (4, None, false)]
        );
        let counts = view.counts();
        assert_eq!((counts.items, counts.versions, counts.segments), (2, 5, 4));
    }
}

#[tokio::test]
async fn unchanged_items_write_no_row_and_equal_content_is_stored_once() {
    let (_, mailbox) = new_mailbox();
    let writer = mailbox.writer().await.unwrap();
    put(&writer, item("a", "inbox", 1), &mime("a"))
        .await
        .unwrap();
    commit(&writer).await.unwrap();
    let known = writer.known(&ItemId("a".into())).unwrap();
    assert!(known.is_same_version(&item("a", "inbox", 1)));
    let mut read_now = item("a", "inbox", 1);
    read_now.is_read = true;
    assert!(!known.is_same_version(&read_now));
    assert_eq!(known.folder, FolderId("inbox".into()));

    put(&writer, item("a", "inbox", 1), &mime("a"))
        .await
        .unwrap();
    commit(&writer).await.unwrap();
    put(&writer, read_now.clone(), &mime("a")).await.unwrap();
    commit(&writer).await.unwrap();
    let view = mailbox.view().await.unwrap();
    let versions = view.versions(writer.key(&read_now.id)).await.unwrap();
    assert_eq!(versions.len(), 2);
    assert_eq!(versions[0].content, versions[1].content);
    assert_eq!(
        view.counts().content_bytes,
        u64::try_from(mime("a").len()).unwrap()
    );
}

#[tokio::test]
async fn state_travels_with_the_commit() {
    let (_, mailbox) = new_mailbox();
    let writer = mailbox.writer().await.unwrap();
    let inbox = FolderId("inbox".into());
    writer.put_folder(folder("inbox", None));
    writer.set_cursor(&inbox, Some("c1"));
    writer.set_tree_cursor(Some("t1"));
    let gap = Gap {
        item: ItemId("bad".into()),
        folder: inbox.clone(),
        failure: ItemFailure {
            class: FailureClass::ItemPermanent,
            code: "ErrorCorruptData".into(),
            request_id: None,
        },
        attempts: 1,
        first_failed_at: chrono::DateTime::default(),
        last_failed_at: chrono::DateTime::default(),
    };
    writer.record_gap(gap.clone());
    writer.add_pending_removal(&ItemId("x".into()), &inbox);
    let left_out = crate::LeftOut {
        item: ItemId("young".into()),
        folder: inbox.clone(),
        recheck_at: chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::milliseconds(1_234),
    };
    writer.leave_out(left_out.clone());
    writer.set_filter_mark(Some("mark"));
    let end = EndOfRun {
        outcome: mailkeep_model::MailboxOutcome::WithGaps { gaps: 1 },
        counters: mailkeep_model::Counters {
            items_scanned: 9,
            resyncs: 2,
            ..Default::default()
        },
    };
    let done = CommitInfo {
        end: Some(end.clone()),
        ..info()
    };
    writer.commit(done).await.unwrap();
    let again = mailbox.writer().await.unwrap();
    assert_eq!(again.cursors()[&inbox], "c1");
    assert_eq!(again.tree_cursor().as_deref(), Some("t1"));
    assert_eq!(again.gaps(), std::slice::from_ref(&gap));
    assert_eq!(
        again.pending_removals(),
        [(ItemId("x".into()), inbox.clone())]
    );
    assert_eq!(again.left_out(), std::slice::from_ref(&left_out));
    assert_eq!(again.filter_mark().as_deref(), Some("mark"));
    again.resolve_gap(&gap.item);
    again.resolve_pending_removal(&ItemId("x".into()));
    again.forget_left_out(&left_out.item);
    again.set_filter_mark(None);
    again.set_cursor(&inbox, None);
    again.remove_folder(&inbox);
    commit(&again).await.unwrap();
    let view = mailbox.view().await.unwrap();
    assert!(view.gaps().is_empty());
    assert!(view.folders()[0].deleted);
    let old = mailbox.view_at(1).await.unwrap();
    assert_eq!(old.gaps(), [gap]);
    assert!(!old.folders()[0].deleted);
    let snapshots = view.snapshots(None, 10).await.unwrap();
    assert_eq!(
        snapshots.iter().map(|it| it.sequence).collect::<Vec<_>>(),
        [2, 1]
    );
    assert_eq!(snapshots[1].end, Some(end));
    assert!(!snapshots[0].is_end_of_run());
    assert_eq!(view.snapshots(Some(2), 10).await.unwrap().len(), 1);
    let third = mailbox.writer().await.unwrap();
    assert!(third.cursors().is_empty() && third.gaps().is_empty() && third.folders().is_empty());
    assert!(third.pending_removals().is_empty());
    assert!(third.left_out().is_empty() && third.filter_mark().is_none());
}

#[tokio::test]
async fn lists_are_by_folder_and_newest_first_and_filters_hold() {
    let (_, mailbox) = new_mailbox();
    let writer = mailbox.writer().await.unwrap();
    writer.put_folder(folder("even", None));
    writer.put_folder(folder("odd", None));
    for n in 0..20 {
        let folder = if n % 2 == 0 { "even" } else { "odd" };
        writer.put_item(item(&format!("i{n:02}"), folder, n), None);
    }
    commit(&writer).await.unwrap();
    let view = mailbox.view().await.unwrap();
    let all = list(&view, &ItemFilter::default(), 3).await;
    let expected: Vec<String> = (0..10)
        .rev()
        .map(|n| format!("i{:02}", 2 * n))
        .chain((0..10).rev().map(|n| format!("i{:02}", 2 * n + 1)))
        .collect();
    assert_eq!(ids(&all), expected);
    let filter = ItemFilter {
        folders: Some(vec![FolderId("odd".into())]),
        since: item("x", "odd", 7).received_at,
        before: item("x", "odd", 13).received_at,
        ..ItemFilter::default()
    };
    assert_eq!(ids(&list(&view, &filter, 2).await), ["i11", "i09", "i07"]);
    let filter = ItemFilter {
        subject: Some("OF I1".into()),
        folders: Some(vec![FolderId("even".into()), FolderId("nowhere".into())]),
        ..ItemFilter::default()
    };
    assert_eq!(list(&view, &filter, 100).await.len(), 5);
}

#[tokio::test]
async fn differences_name_what_changed() {
    let (_, mailbox) = new_mailbox();
    let writer = mailbox.writer().await.unwrap();
    for id in ["same", "moved", "edited", "flagged", "gone", "blink"] {
        put(&writer, item(id, "inbox", 1), &mime(id)).await.unwrap();
    }
    commit(&writer).await.unwrap();
    let key = |id: &str| writer.key(&ItemId(id.into()));
    let current = writer.current(key("moved")).await.unwrap().unwrap();
    writer.put_item(item("moved", "other", 1), current.content);
    put(&writer, item("edited", "inbox", 1), &mime("other text"))
        .await
        .unwrap();
    let mut flagged = item("flagged", "inbox", 1);
    flagged.is_read = true;
    put(&writer, flagged, &mime("flagged")).await.unwrap();
    writer.remove_item(&ItemId("gone".into()));
    writer.remove_item(&ItemId("blink".into()));
    put(&writer, item("new", "inbox", 2), &mime("new"))
        .await
        .unwrap();
    put(&writer, item("brief", "inbox", 2), &mime("brief"))
        .await
        .unwrap();
    commit(&writer).await.unwrap();
    put(&writer, item("blink", "inbox", 1), &mime("blink"))
        .await
        .unwrap();
    writer.remove_item(&ItemId("brief".into()));
    commit(&writer).await.unwrap();

    let view = mailbox.view().await.unwrap();
    let describe = |difference: &Difference| match difference {
        Difference::Added(it) => format!("+{}", it.item.id.0),
        Difference::Removed(it) => format!("-{}", it.item.id.0),
        Difference::Changed { after, kinds, .. } => format!(
            "~{}{}{}{}",
            after.item.id.0,
            if kinds.moved { " moved" } else { "" },
            if kinds.content { " content" } else { "" },
            if kinds.metadata { " metadata" } else { "" },
        ),
    };
    for limit in [1, 100] {
        let mut found = vec![];
        let mut after = None;
        loop {
            let page = view.diff(1, 3, after.as_ref(), limit).await.unwrap();
            found.extend(page.differences.iter().map(describe));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        found.sort();
        assert_eq!(
            found,
            [
                "+new",
                "-gone",
                "~edited content",
                "~flagged metadata",
                "~moved moved"
            ]
        );
    }
    let page = view.diff(0, 1, None, 100).await.unwrap();
    assert_eq!(page.differences.len(), 6);
    assert!(
        view.diff(3, 3, None, 100)
            .await
            .unwrap()
            .differences
            .is_empty()
    );
    let back = view.diff(2, 3, None, 100).await.unwrap();
    let mut back: Vec<_> = back.differences.iter().map(describe).collect();
    back.sort();
    assert_eq!(back, ["+blink", "-brief"]);
    assert!(view.diff(2, 1, None, 1).await.is_err());
    assert!(view.diff(1, 4, None, 1).await.is_err());
}

#[tokio::test]
async fn one_item_of_a_small_mailbox_takes_three_requests() {
    let (store, _) = new_mailbox();
    let writing = mailbox(store.clone(), 1);
    let writer = writing.writer().await.unwrap();
    put(&writer, item("a", "inbox", 1), &mime("a"))
        .await
        .unwrap();
    commit(&writer).await.unwrap();

    let record = Arc::new(RecordStore::new(store));
    let mailbox = mailbox(record.clone(), 2);
    let view = mailbox.view().await.unwrap();
    let version = view
        .item(writer.key(&ItemId("a".into())))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read(&view, &version).await, mime("a"));
    assert_eq!(record.calls_to(Verb::List, "").len(), 1);
    assert_eq!(record.calls_to(Verb::Get, "").len(), 2);
    assert_eq!(record.total_calls(), 3);
}

#[test]
fn futures_can_move_among_threads() {
    fn check<T: Send>(_: impl FnOnce() -> T) {}
    let (_, mailbox) = new_mailbox();
    check(|| async move {
        let writer = mailbox.writer().await.unwrap();
        writer.commit(info()).await.unwrap();
        writer.current(crate::ids::ItemKey(1)).await.unwrap();
        let view = mailbox.view_at(0).await.unwrap();
        view.items(&ItemFilter::default(), None, 1).await.unwrap();
        view.diff(0, 0, None, 1).await.unwrap();
        view.versions(crate::ids::ItemKey(1)).await.unwrap();
        view.item(crate::ids::ItemKey(1)).await.unwrap();
        view.snapshots(None, 1).await.unwrap();
    });
}

/// At every point, and with changes on top of changes, the count is that of the keys.
#[tokio::test]
async fn items_of_a_folder_are_counted_as_they_are_listed() {
    let (_, mailbox) = new_mailbox();
    let writer = small_writer(&mailbox).await.unwrap();
    let mut draw = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    let mut model = std::collections::BTreeMap::new();
    for step in 0..600 {
        let id = format!("m{}", draw.random_range(0..60));
        let folder = ["inbox", "archive"][draw.random_range(0..2)];
        if draw.random_bool(0.3) {
            let id = ItemId(id);
            if writer.known(&id).is_some() {
                writer.remove_item(&id);
            }
            model.remove(&writer.key(&id));
        } else {
            let item = item(&id, folder, step);
            model.insert(writer.key(&item.id), folder);
            put(&writer, item, &mime(&id)).await.unwrap();
        }
        if draw.random_bool(0.05) {
            commit(&writer).await.unwrap();
        }
        for folder in ["inbox", "archive"] {
            let keys = writer.known_keys_in(&FolderId(folder.into()));
            let count = writer.count_known_in(&FolderId(folder.into()));
            let held = model.iter().filter(|(_, at)| **at == folder);
            assert_eq!(keys, held.map(|(key, _)| *key).collect::<Vec<_>>());
            assert_eq!(count, keys.len() as u64, "{folder} after step {step}");
        }
    }
}
