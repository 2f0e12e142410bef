//! Every call that changes the store fails once, in every way. What was acknowledged is there
//! afterwards, what was not is there whole or not at all, and the next run completes it.

use std::sync::Arc;

use mailkeep_model::{FolderId, ItemId};
use mailkeep_ports::{Fault, FaultStore, MemoryStore, StoreErrorKind, TestClock};

use crate::error::VaultError;
use crate::index::tests::world::{
    Model, big_mime, commit, contents, folder, item, mailbox, mime, persist, put, small_writer,
};
use crate::index::writer::MailboxWriter;
use crate::mailbox::Mailbox;

/// Commits of the scenario.
const ROUNDS: usize = 8;

/// What round `round` does to the model.
fn model_step(model: &mut Model, round: usize) {
    let minute = i64::try_from(round).unwrap();
    for n in 0..6 {
        let id = format!("r{round}i{n}");
        // Every other round is too big for its segment.
        let message = if round % 2 == 1 {
            big_mime(&id, 1500)
        } else {
            mime(&id)
        };
        model.insert(id.clone(), (item(&id, "inbox", minute), message));
    }
    if round > 0 {
        let moved = format!("r{}i0", round - 1);
        let changed = format!("r{}i1", round - 1);
        let gone = format!("r{}i2", round - 1);
        model.get_mut(&moved).unwrap().0.folder = FolderId("archive".into());
        model.get_mut(&changed).unwrap().1 = mime("changed");
        model.remove(&gone);
    }
    if round > 1 {
        // Comes back.
        let id = format!("r{}i2", round - 2);
        model.insert(id.clone(), (item(&id, "inbox", 99), mime("returned")));
    }
}

fn models() -> Vec<Model> {
    let mut model = Model::new();
    let mut models = vec![model.clone()];
    for round in 0..ROUNDS {
        model_step(&mut model, round);
        models.push(model.clone());
    }
    models
}

/// Makes the mailbox what the model says, however it is now.
async fn apply(writer: &MailboxWriter, from: &Model, to: &Model) -> Result<(), VaultError> {
    writer.put_folder(folder("inbox", None));
    writer.put_folder(folder("archive", None));
    for (id, (item, message)) in to {
        let is_same = writer
            .known(&item.id)
            .is_some_and(|known| known.is_same_version(item));
        if !is_same || from.get(id).map(|it| &it.1) != Some(message) {
            put(writer, item.clone(), message).await?;
        }
    }
    for id in from.keys().filter(|id| !to.contains_key(*id)) {
        writer.remove_item(&ItemId(id.clone()));
    }
    writer.set_cursor(&FolderId("inbox".into()), Some(&to.len().to_string()));
    Ok(())
}

/// Runs rounds `first..`, returns how many are acknowledged in the end.
async fn run(mailbox: &Mailbox, models: &[Model], first: usize) -> (usize, Result<(), VaultError>) {
    let writer = match small_writer(mailbox).await {
        Ok(writer) => writer,
        Err(error) => return (first, Err(error)),
    };
    for round in first..ROUNDS {
        let result = async {
            apply(&writer, &models[round], &models[round + 1]).await?;
            commit(&writer).await
        };
        if let Err(error) = result.await {
            return (round, Err(error));
        }
    }
    (ROUNDS, Ok(()))
}

fn new_store() -> Arc<MemoryStore> {
    Arc::new(MemoryStore::new(Arc::new(TestClock::default())))
}

async fn check(store: &Arc<MemoryStore>, models: &[Model], acknowledged: usize, what: &str) {
    let mailbox = mailbox(store.clone(), 77);
    let view = mailbox.view().await.unwrap();
    let found = contents(&view).await;
    let is_old = found == models[acknowledged];
    let is_new = models.get(acknowledged + 1) == Some(&found);
    assert!(
        is_old || is_new,
        "{what}: neither before nor after round {acknowledged}"
    );
    // The cursor belongs to what is there.
    let cursors = mailbox.writer().await.unwrap().cursors();
    let cursor = cursors.get(&FolderId("inbox".into())).cloned();
    let expected = (!found.is_empty()).then(|| found.len().to_string());
    assert_eq!(cursor, expected, "{what}");

    let first = if is_new {
        acknowledged + 1
    } else {
        acknowledged
    };
    let (done, result) = run(&mailbox, models, first).await;
    result.unwrap();
    assert_eq!(done, ROUNDS);
    let view = crate::index::tests::world::mailbox(store.clone(), 78)
        .view()
        .await
        .unwrap();
    assert!(
        contents(&view).await == models[ROUNDS],
        "{what}: after the next run"
    );
    // Each round is one commit: what was in doubt was neither lost nor written twice.
    let commits = u64::try_from(ROUNDS).unwrap();
    assert_eq!(view.sequence(), commits, "{what}: commits");
    let mut harmful = vec![];
    view.check_objects(|finding| {
        if finding.is_harmful() {
            harmful.push(finding);
        }
    })
    .await
    .unwrap();
    assert!(harmful.is_empty(), "{what}: {harmful:?}");
    // Every round is a point in time that still shows what it showed.
    for snapshot in view.snapshots(None, 100).await.unwrap() {
        let old = mailbox.view_at(snapshot.sequence).await.unwrap();
        let found = contents(&old).await;
        assert!(
            models.contains(&found),
            "{what}: commit {}",
            snapshot.sequence
        );
    }
}

async fn count_calls(models: &[Model]) -> u64 {
    let store = Arc::new(FaultStore::new(new_store()));
    let (done, result) = run(&mailbox(store.clone(), 5), models, 0).await;
    result.unwrap();
    assert_eq!(done, ROUNDS);
    store.changing_calls()
}

async fn with_fault(fault: Fault) {
    on_each_call(fault, &|store| mailbox(store, 5)).await;
}

/// The same fault at each call that changes the store, which `open` makes a mailbox over.
pub(super) async fn on_each_call(fault: Fault, open: &dyn Fn(Arc<FaultStore>) -> Mailbox) {
    let models = models();
    let calls = count_calls(&models).await;
    assert!(calls > 15, "packs, segments and checkpoints: {calls}");
    for call in 1..=calls {
        let inner = new_store();
        let store = Arc::new(FaultStore::new(inner.clone()).at(call, fault));
        let (acknowledged, _) = run(&open(store.clone()), &models, 0).await;
        assert!(store.faults() > 0, "call {call}");
        check(
            &inner,
            &models,
            acknowledged,
            &format!("{fault:?} at call {call}"),
        )
        .await;
    }
}

#[tokio::test]
async fn dying_before_any_write_loses_nothing() {
    with_fault(Fault::DieBefore).await;
}

#[tokio::test]
async fn dying_after_any_write_loses_nothing() {
    with_fault(Fault::DieAfter).await;
}

#[tokio::test]
async fn a_lost_answer_is_no_lost_commit() {
    with_fault(Fault::AnswerLost).await;
}

#[tokio::test]
async fn a_lost_request_is_repeated() {
    with_fault(Fault::RequestLost).await;
}

#[tokio::test]
async fn a_refused_write_leaves_everything_staged() {
    let models = models();
    let calls = count_calls(&models).await;
    for call in 1..=calls {
        let inner = new_store();
        let store = FaultStore::new(inner.clone()).at(call, Fault::Fail(StoreErrorKind::Full));
        let store = Arc::new(store);
        let mailbox = mailbox(store.clone(), 5);
        let writer = small_writer(&mailbox).await.unwrap();
        for round in 0..ROUNDS {
            // A refused pack shows while content is stored; the item is then stored again.
            persist(|| apply(&writer, &models[round], &models[round + 1])).await;
            persist(|| commit(&writer)).await;
        }
        let view = mailbox.view().await.unwrap();
        assert!(contents(&view).await == models[ROUNDS], "call {call}");
        assert_eq!(
            view.counts().items,
            u64::try_from(models[ROUNDS].len()).unwrap()
        );
    }
}

#[tokio::test]
async fn a_dropped_commit_goes_on_with_the_next() {
    use futures::FutureExt;
    let models = models();
    for polls in 0..12 {
        let inner = new_store();
        let mailbox = mailbox(Arc::new(Slow(inner.clone())), 5);
        let writer = small_writer(&mailbox).await.unwrap();
        for round in 0..ROUNDS {
            apply(&writer, &models[round], &models[round + 1])
                .await
                .unwrap();
            let mut attempt = Box::pin(commit(&writer));
            for _ in 0..polls {
                if attempt.as_mut().now_or_never().is_some() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            drop(attempt);
            commit(&writer).await.unwrap();
            let view = mailbox.view().await.unwrap();
            assert!(
                contents(&view).await == models[round + 1],
                "{polls} polls, round {round}"
            );
        }
    }
}

/// Every call takes a few polls, and has its effect in the middle of them.
struct Slow(Arc<MemoryStore>);

#[async_trait::async_trait]
impl mailkeep_ports::Store for Slow {
    async fn put(
        &self,
        key: &mailkeep_ports::Key,
        body: bytes::Bytes,
        options: mailkeep_ports::PutOptions,
    ) -> Result<mailkeep_ports::ETag, mailkeep_ports::StoreError> {
        tokio::task::yield_now().await;
        let result = self.0.put(key, body, options).await;
        tokio::task::yield_now().await;
        result
    }

    async fn get(
        &self,
        key: &mailkeep_ports::Key,
        options: mailkeep_ports::GetOptions,
    ) -> Result<mailkeep_ports::Object, mailkeep_ports::StoreError> {
        tokio::task::yield_now().await;
        self.0.get(key, options).await
    }

    async fn head(
        &self,
        key: &mailkeep_ports::Key,
    ) -> Result<mailkeep_ports::ObjectInfo, mailkeep_ports::StoreError> {
        self.0.head(key).await
    }

    async fn list(
        &self,
        options: mailkeep_ports::ListOptions,
    ) -> Result<mailkeep_ports::ListPage, mailkeep_ports::StoreError> {
        tokio::task::yield_now().await;
        self.0.list(options).await
    }

    async fn delete(
        &self,
        key: &mailkeep_ports::Key,
        condition: mailkeep_ports::Condition,
    ) -> Result<(), mailkeep_ports::StoreError> {
        self.0.delete(key, condition).await
    }

    async fn extend_retention(
        &self,
        key: &mailkeep_ports::Key,
        retention: mailkeep_ports::Retention,
    ) -> Result<(), mailkeep_ports::StoreError> {
        self.0.extend_retention(key, retention).await
    }
}
