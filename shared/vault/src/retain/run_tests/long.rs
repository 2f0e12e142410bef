//! A mailbox that is backed up for ever opens as fast as a young one: retention closes the log and takes
//! old commits and old checkpoints away. `examples/decade.rs` does the same with ten years of hours.

use std::sync::Arc;

use mailkeep_ports::RecordStore;

use crate::index::tests::world::{contents, folder, item, put};
use crate::retain::run_tests::world::{World, end_run, message, policy, writer};

#[tokio::test]
async fn a_mailbox_opens_with_as_many_requests_after_years_as_after_weeks() {
    let mut world = World::new();
    let mut measured = vec![];
    for day in 0..720_u32 {
        world.pass(24);
        let backup = writer(&world.mailbox).await.unwrap();
        backup.put_folder(folder("inbox", None));
        // The same few items change for ever.
        let id = format!("i{}", day % 7);
        let item = item(&id, "inbox", day.into());
        put(&backup, item, &message(&id, (day % 7).into()))
            .await
            .unwrap();
        end_run(&backup, true).await.unwrap();
        if day % 7 == 6 {
            world.retain(policy(10, None)).await;
        }
        if day % 90 == 89 {
            let store = Arc::new(RecordStore::new(world.memory.clone()));
            let mailbox = world.over(store.clone(), 9);
            let view = mailbox.view().await.unwrap();
            let opening = store.take().len();
            assert_eq!(contents(&view).await.len(), 7);
            measured.push((
                opening,
                world.names("/log/").len(),
                world.names("/ckpt/").len(),
            ));
        }
    }
    let commits = world.truth.points.len();
    assert!(commits > 720, "{commits}");
    for (opening, log, checkpoints) in &measured {
        // A listing, the floor, a checkpoint, and the newest commit.
        assert!(*opening <= 4, "{measured:?}");
        // Those of a grace period, and of the checkpoints that are in use: at most 16 of them.
        assert!(*log < 40 && *checkpoints < 40, "{measured:?}");
    }
}
