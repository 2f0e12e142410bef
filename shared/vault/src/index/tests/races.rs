//! Several writers at once, and writers that pause.

use std::sync::Arc;

use mailkeep_model::{FolderId, ItemId};
use mailkeep_ports::{FaultRates, FaultStore, MemoryStore, Store, TestClock};

use crate::index::tests::world::{
    Model, commit, contents, item, mailbox, mime, new_mailbox, persist, put, small_writer,
};
use crate::index::writer::MailboxWriter;
use crate::mailbox::Mailbox;

fn inbox() -> FolderId {
    FolderId("inbox".into())
}

#[tokio::test]
async fn two_writers_that_bring_the_same_change_bring_it_once() {
    let (store, _) = new_mailbox();
    let first = mailbox(store.clone(), 1).writer().await.unwrap();
    let second = mailbox(store.clone(), 2).writer().await.unwrap();
    for writer in [&first, &second] {
        put(writer, item("a", "inbox", 1), &mime("a"))
            .await
            .unwrap();
        put(writer, item("b", "inbox", 2), &mime("b"))
            .await
            .unwrap();
        writer.set_cursor(&inbox(), Some("c1"));
    }
    assert_eq!(commit(&first).await.unwrap().sequence, 1);
    assert_eq!(commit(&second).await.unwrap().sequence, 2);
    let view = mailbox(store.clone(), 3).view().await.unwrap();
    assert_eq!(contents(&view).await.len(), 2);
    assert_eq!(view.counts().versions, 2, "the second commit has no rows");
    let third = mailbox(store, 4).writer().await.unwrap();
    assert_eq!(
        third.cursors()[&inbox()],
        "c1",
        "agreement keeps the cursor"
    );
}

#[tokio::test]
async fn different_items_of_two_writers_are_both_there() {
    let (store, _) = new_mailbox();
    let first = mailbox(store.clone(), 1).writer().await.unwrap();
    let second = mailbox(store.clone(), 2).writer().await.unwrap();
    for round in 0..5 {
        put(
            &first,
            item(&format!("a{round}"), "inbox", round),
            &mime("a"),
        )
        .await
        .unwrap();
        put(
            &second,
            item(&format!("b{round}"), "other", round),
            &mime("b"),
        )
        .await
        .unwrap();
        commit(&second).await.unwrap();
        commit(&first).await.unwrap();
    }
    let view = mailbox(store, 3).view().await.unwrap();
    assert_eq!(view.sequence(), 10);
    assert_eq!(contents(&view).await.len(), 10);
    for writer in [&first, &second] {
        for round in 0..4 {
            assert!(writer.known(&ItemId(format!("a{round}"))).is_some());
            assert!(writer.known(&ItemId(format!("b{round}"))).is_some());
        }
    }
}

/// A writer that paused holds an older state of an item, and an older cursor.
#[tokio::test]
async fn a_paused_writer_does_not_bring_back_the_past() {
    let (store, _) = new_mailbox();
    let paused = mailbox(store.clone(), 1).writer().await.unwrap();
    put(&paused, item("a", "inbox", 1), &mime("old"))
        .await
        .unwrap();
    put(&paused, item("gone", "inbox", 1), &mime("gone"))
        .await
        .unwrap();
    paused.set_cursor(&inbox(), Some("old"));

    let other = mailbox(store.clone(), 2).writer().await.unwrap();
    put(&other, item("a", "inbox", 2), &mime("new"))
        .await
        .unwrap();
    other.set_cursor(&inbox(), Some("new"));
    commit(&other).await.unwrap();

    commit(&paused).await.unwrap();
    let view = mailbox(store.clone(), 3).view().await.unwrap();
    let model = contents(&view).await;
    assert_eq!(model["a"], (item("a", "inbox", 2), mime("new")));
    assert!(
        model.contains_key("gone"),
        "what only one of them saw is kept"
    );
    let third = mailbox(store, 4).writer().await.unwrap();
    assert!(
        !third.cursors().contains_key(&inbox()),
        "the folder is listed anew: nobody knows which of them saw more"
    );
}

#[tokio::test]
async fn a_paused_writer_with_the_newer_state_wins_and_a_disputed_removal_waits() {
    let (store, _) = new_mailbox();
    let base = mailbox(store.clone(), 1).writer().await.unwrap();
    put(&base, item("a", "inbox", 1), &mime("1")).await.unwrap();
    put(&base, item("b", "inbox", 1), &mime("1")).await.unwrap();
    commit(&base).await.unwrap();
    let paused = mailbox(store.clone(), 2).writer().await.unwrap();
    put(&paused, item("a", "inbox", 9), &mime("9"))
        .await
        .unwrap();
    paused.remove_item(&ItemId("b".into()));
    put(&base, item("a", "inbox", 5), &mime("5")).await.unwrap();
    put(&base, item("b", "inbox", 5), &mime("5")).await.unwrap();
    base.set_cursor(&inbox(), Some("c"));
    commit(&base).await.unwrap();
    commit(&paused).await.unwrap();
    let view = mailbox(store.clone(), 3).view().await.unwrap();
    let model = contents(&view).await;
    assert_eq!(model["a"].1, mime("9"));
    assert_eq!(model["b"].1, mime("5"));
    let versions = view.versions(base.key(&ItemId("a".into()))).await.unwrap();
    assert_eq!(versions.len(), 3, "both are in the history");
    assert!(
        mailbox(store, 4)
            .writer()
            .await
            .unwrap()
            .cursors()
            .is_empty()
    );
}

/// All interleavings of two writers with three commits each.
#[tokio::test]
async fn every_interleaving_of_commits_ends_alike() {
    every_interleaving(&|store, seed| mailbox(store, seed)).await;
}

/// The same over stores that `open` makes a mailbox over.
pub(super) async fn every_interleaving(open: &dyn Fn(Arc<MemoryStore>, u64) -> Mailbox) {
    for order in 0..64_u32 {
        if order.count_ones() != 3 {
            continue;
        }
        let (store, _) = new_mailbox();
        let writers = [
            small_writer(&open(store.clone(), 1)).await.unwrap(),
            small_writer(&open(store.clone(), 2)).await.unwrap(),
        ];
        let mut rounds = [0_i64; 2];
        // Both stage before either commits: every commit may race.
        stage(&writers[0], 0, 0).await;
        stage(&writers[1], 1, 0).await;
        for turn in 0..6 {
            let who = usize::from(order & (1 << turn) != 0);
            commit(&writers[who]).await.unwrap();
            rounds[who] += 1;
            if rounds[who] < 3 {
                stage(&writers[who], who, rounds[who]).await;
            }
        }
        let mut expected = Model::new();
        for who in 0..2 {
            for round in 0..3 {
                let id = format!("own{who}-{round}");
                expected.insert(id.clone(), (item(&id, "inbox", round), mime(&id)));
            }
        }
        expected.insert(
            "shared".into(),
            (item("shared", "inbox", 2), mime("shared 2")),
        );
        let view = mailbox(store.clone(), 3).view().await.unwrap();
        assert_eq!(contents(&view).await, expected, "order {order:06b}");
        assert_eq!(view.sequence(), 6);
        assert_eq!(view.counts().items, 7);
    }
}

/// Both writers read the same source: the shared item gets newer with every round.
async fn stage(writer: &MailboxWriter, who: usize, round: i64) {
    let id = format!("own{who}-{round}");
    put(writer, item(&id, "inbox", round), &mime(&id))
        .await
        .unwrap();
    let shared = item("shared", "inbox", round);
    put(writer, shared, &mime(&format!("shared {round}")))
        .await
        .unwrap();
}

/// Writers in tasks of their own, over a store that conflicts, loses requests and answers.
#[tokio::test]
async fn racing_writers_over_a_bad_store_lose_and_double_nothing() {
    for seed in 0..12 {
        let inner: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::new(TestClock::default())));
        let rates = FaultRates {
            busy: 20,
            conflict: 150,
            answer_lost: 80,
            request_lost: 50,
            ..FaultRates::default()
        };
        let tasks = (0..3_u64).map(|who| {
            let store = FaultStore::new(inner.clone()).by_chance(seed * 10 + who, rates);
            let mailbox = mailbox(Arc::new(store), seed * 100 + who);
            tokio::spawn(async move {
                let writer = persist(|| small_writer(&mailbox)).await;
                for round in 0..5 {
                    let id = format!("w{who}r{round}");
                    let message = mime(&id);
                    persist(|| put(&writer, item(&id, "inbox", round), &message)).await;
                    persist(|| commit(&writer)).await;
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let view = mailbox(inner, 999).view().await.unwrap();
        assert_eq!(contents(&view).await.len(), 15, "seed {seed}");
        assert_eq!(view.counts().versions, 15, "seed {seed}");
        assert_eq!(view.sequence(), 15, "seed {seed}: no commit twice");
    }
}
