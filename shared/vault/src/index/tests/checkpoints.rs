//! A checkpoint is a cache: with it, without it, with it damaged, the mailbox is the same.

use std::sync::Arc;

use mailkeep_model::{FolderId, ItemId};
use mailkeep_ports::{
    Condition, GetOptions, Key, ListOptions, MemoryStore, PutOptions, RecordStore, Store, Verb,
};
use proptest::prelude::*;

use crate::index::filter::ItemFilter;
use crate::index::tests::world::{
    commit, contents, folder, item, list, mailbox, mime, new_mailbox, put, small_writer,
};
use crate::index::version::ItemVersion;
use crate::mailbox::Mailbox;

async fn names(store: &MemoryStore, part: &str) -> Vec<Key> {
    let page = store.list(ListOptions::default()).await.unwrap();
    page.objects
        .into_iter()
        .map(|object| object.key)
        .filter(|key| key.as_str().contains(part))
        .collect()
}

/// Everything that a view can show, at every point in time.
async fn everything(mailbox: &Mailbox) -> Vec<(u64, String, Vec<ItemVersion>, Vec<ItemVersion>)> {
    let head = mailbox.view().await.unwrap().sequence();
    let all = ItemFilter {
        include_deleted: true,
        ..ItemFilter::default()
    };
    let mut shown = vec![];
    for at in 0..=head {
        let view = mailbox.view_at(at).await.unwrap();
        let items = list(&view, &all, 5).await;
        let mut versions = vec![];
        for item in &items {
            versions.extend(view.versions(item.key).await.unwrap());
            assert_eq!(view.item(item.key).await.unwrap().as_ref(), Some(item));
        }
        let rest = format!(
            "{:?} {:?} {:?} {:?}",
            view.folders(),
            view.gaps(),
            view.counts(),
            view.snapshots(None, 100).await.unwrap()
        );
        shown.push((at, rest, items, versions));
    }
    shown
}

/// Several commits with all kinds of changes.
async fn fill(mailbox: &Mailbox, commits: u32, seed: u32) {
    let writer = small_writer(mailbox).await.unwrap();
    writer.put_folder(folder("inbox", None));
    let mut state = seed;
    let mut next = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    for round in 0..commits {
        for _ in 0..next(12) {
            let id = format!("i{}", next(40));
            match next(4) {
                0 => writer.remove_item(&ItemId(id)),
                kind => {
                    let folder = if kind == 1 { "archive" } else { "inbox" };
                    let mut item = item(&id, folder, next(50).into());
                    item.is_read = next(2) == 0;
                    put(&writer, item, &mime(&format!("{id} {}", next(2))))
                        .await
                        .unwrap();
                }
            }
        }
        if next(4) == 0 {
            writer.put_folder(folder("archive", (next(2) == 0).then_some("inbox")));
        }
        writer.set_cursor(&FolderId("inbox".into()), Some(&format!("c{round}")));
        commit(&writer).await.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn folding_the_log_equals_any_checkpoint_and_its_tail(seed in any::<u32>(), commits in 1..14_u32) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (store, mailbox) = new_mailbox();
            fill(&mailbox, commits, seed).await;
            let with = everything(&mailbox).await;
            let cursors = mailbox.writer().await.unwrap().cursors();
            let roots = names(&store, "/ckpt/").await;
            assert_eq!(roots.is_empty(), commits < 3);
            // The newest first: each time an older one has to serve.
            for key in roots.iter().rev() {
                store.delete(key, Condition::None).await.unwrap();
                assert_eq!(everything(&mailbox).await, with, "without {key}");
            }
            assert_eq!(mailbox.writer().await.unwrap().cursors(), cursors);
        });
    }
}

#[tokio::test]
async fn a_damaged_checkpoint_object_is_passed_over() {
    let (store, mailbox) = new_mailbox();
    fill(&mailbox, 13, 4).await;
    let expected = everything(&mailbox).await;
    let model = contents(&mailbox.view().await.unwrap()).await;
    let objects = names(&store, "/ckpt/").await;
    assert!(
        objects.len() > 5,
        "checkpoints of several objects: {objects:?}"
    );
    for key in &objects {
        let body = store.get(key, GetOptions::default()).await.unwrap().body;
        let middle = body.len() / 2;
        let flipped = |at: usize| {
            let mut bytes = body.to_vec();
            bytes[at] ^= 1;
            bytes
        };
        let other = names(&store, "/log/").await[0].clone();
        let swapped = store.get(&other, GetOptions::default()).await.unwrap().body;
        for damage in [
            flipped(100),
            flipped(middle),
            flipped(body.len() - 40),
            flipped(0),
            body[..middle].to_vec(),
            vec![],
            swapped.to_vec(),
        ] {
            store
                .put(key, damage.into(), PutOptions::default())
                .await
                .unwrap();
            assert_eq!(everything(&mailbox).await, expected, "{key}");
            // A writer opens, finds its items and commits.
            let writer = small_writer(&mailbox).await.unwrap();
            for (item, _) in model.values() {
                assert!(writer.known(&item.id).unwrap().is_same_version(item));
                assert_eq!(
                    &writer
                        .current(writer.key(&item.id))
                        .await
                        .unwrap()
                        .unwrap()
                        .item,
                    item
                );
            }
        }
        store.put(key, body, PutOptions::default()).await.unwrap();
    }
}

#[tokio::test]
async fn damage_that_shows_up_while_reading_is_passed_over() {
    let (store, mailbox) = new_mailbox();
    fill(&mailbox, 13, 4).await;
    let expected = list(&mailbox.view().await.unwrap(), &ItemFilter::default(), 100).await;
    let view = mailbox.view().await.unwrap();
    let writer = small_writer(&mailbox).await.unwrap();
    for key in names(&store, "/ckpt/").await {
        store.delete(&key, Condition::None).await.unwrap();
    }
    assert_eq!(list(&view, &ItemFilter::default(), 3).await, expected);
    for version in &expected {
        assert_eq!(
            view.item(version.key).await.unwrap().as_ref(),
            Some(version)
        );
        assert_eq!(
            writer.current(version.key).await.unwrap().as_ref(),
            Some(version)
        );
    }
    for round in 0..8 {
        writer.put_item(item("late", "inbox", round), None);
        commit(&writer).await.unwrap();
    }
    assert!(
        !names(&store, "/ckpt/").await.is_empty(),
        "checkpoints are written again"
    );
    assert_eq!(
        mailbox.view().await.unwrap().counts().items,
        view.counts().items + 1
    );
}

#[tokio::test]
async fn a_missing_commit_is_an_error_that_names_it() {
    let (store, mailbox) = new_mailbox();
    fill(&mailbox, 5, 9).await;
    for key in names(&store, "/ckpt/").await {
        store.delete(&key, Condition::None).await.unwrap();
    }
    let third = names(&store, "/log/").await[2].clone();
    let body = store.get(&third, GetOptions::default()).await.unwrap().body;
    store.delete(&third, Condition::None).await.unwrap();
    for error in [
        mailbox.view().await.err().unwrap(),
        mailbox.writer().await.err().unwrap(),
    ] {
        assert!(matches!(error, crate::error::VaultError::Missing { .. }));
        assert!(error.to_string().contains(third.as_str()), "{error}");
    }
    // Another commit in its place is noticed too.
    let second = names(&store, "/log/").await[1].clone();
    let other = store
        .get(&second, GetOptions::default())
        .await
        .unwrap()
        .body;
    store
        .put(&third, other, PutOptions::default())
        .await
        .unwrap();
    let error = mailbox.view().await.err().unwrap();
    assert!(error.to_string().contains(third.as_str()), "{error}");
    store
        .put(&third, body, PutOptions::default())
        .await
        .unwrap();
    mailbox.view().await.unwrap();
}

#[tokio::test]
async fn a_replayed_older_commit_breaks_the_chain() {
    // Two histories of one mailbox that part at commit 2.
    let (store, first) = new_mailbox();
    let writer = first.writer().await.unwrap();
    writer.put_item(item("a", "inbox", 1), None);
    commit(&writer).await.unwrap();
    let fork = Arc::new(store.fork());
    for (store, seed) in [(store.clone(), 11), (fork.clone(), 12)] {
        let writer = mailbox(store, seed).writer().await.unwrap();
        for round in 0..2 {
            writer.put_item(item("b", "inbox", round), None);
            commit(&writer).await.unwrap();
        }
    }
    let second = names(&store, "/log/").await[1].clone();
    let foreign = fork.get(&second, GetOptions::default()).await.unwrap().body;
    store
        .put(&second, foreign, PutOptions::default())
        .await
        .unwrap();
    // The third commit carries a copy of the second one that was there: what it said is shown, and the stranger
    // in its place is found by whoever looks at the log itself.
    let view = first.view().await.unwrap();
    let mut chain = None;
    let mut strangers = vec![];
    for sequence in 1..=view.sequence() {
        let found = view.check_next_commit(sequence, &mut chain).await.unwrap();
        strangers.extend(found.map(|finding| finding.object));
    }
    let third = names(&store, "/log/").await[2].to_string();
    assert_eq!(strangers, [third]);
    let mut distrusting = first.clone();
    distrusting.core.trusts_copies = false;
    let error = distrusting.view().await.err().unwrap();
    assert!(error.to_string().contains("does not follow"), "{error}");
}

#[tokio::test]
async fn opening_takes_few_requests_however_long_the_log_is() {
    let (store, _) = new_mailbox();
    let writing = mailbox(store.clone(), 1);
    let writer = writing.writer().await.unwrap();
    for n in 0..1300_u32 {
        writer.put_item(item(&format!("i{}", n % 50), "inbox", n.into()), None);
        commit(&writer).await.unwrap();
    }
    let record = Arc::new(RecordStore::new(store));
    let view = mailbox(record.clone(), 2).view().await.unwrap();
    assert_eq!(view.sequence(), 1300);
    // One page of everything, one of the log behind the newest checkpoint.
    assert_eq!(record.calls_to(Verb::List, "").len(), 2);
    // The root, and the newest commit with those behind the root.
    let reads = record.calls_to(Verb::Get, "").len();
    assert!(reads <= 2, "{reads} reads");
    // The newest snapshots come from a block or two.
    record.take();
    assert_eq!(view.snapshots(None, 20).await.unwrap().len(), 20);
    assert!(record.total_calls() <= 6, "{} calls", record.total_calls());
    assert_eq!(view.snapshots(Some(700), 5).await.unwrap()[0].sequence, 699);
}
