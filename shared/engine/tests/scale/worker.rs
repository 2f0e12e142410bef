//! Steps of a worker and of retention.

use mailkeep_engine::estimate::costs;
use mailkeep_engine::retain;

use crate::rig::{PAGE, Rig, requests};
use crate::town::Town;

#[tokio::test]
async fn a_pass_costs_the_same_for_each_mailbox() {
    for mailboxes in [10, 20] {
        let rig = Rig::new(Town::new(mailboxes, 3, PAGE), 100).await;
        let first = rig.pass().await;
        let number = mailboxes as u64;
        assert_eq!(first.tasks, number);
        let unchanged = rig.pass().await;
        let expected = costs::UNCHANGED_MAILBOX.times(number);
        assert_eq!(requests(unchanged.worked), expected);
        rig.town.deliver(1, 2);
        let changed = rig.pass().await;
        let expected = costs::CHANGED_MAILBOX.times(number);
        assert_eq!(requests(changed.worked), expected);

        // Records of names of ordinary length.
        let (bytes, tasks) = rig.held("task/");
        assert_eq!(tasks, 3 * number);
        assert_eq!(bytes.div_ceil(tasks), costs::TASK_BYTES);
        let (bytes, _) = rig.held("mailbox/");
        assert_eq!(bytes.div_ceil(number), costs::MAILBOX_BYTES);
    }
}

#[tokio::test]
async fn opening_a_mailbox_of_many_commits_reads_as_many_as_estimates_say() {
    const PASSES: u32 = 32;
    let rig = Rig::new(Town::new(1, 3, PAGE), 100).await;
    // Until the rhythm of checkpoints is found.
    for _ in 0..PASSES {
        rig.town.deliver(1, 1);
        rig.pass().await;
    }
    let mut reads = 0;
    for _ in 0..PASSES {
        rig.town.deliver(1, 1);
        reads += rig.pass().await.worked.store_gets;
    }
    let plain = costs::CHANGED_MAILBOX.store_gets * u64::from(PASSES);
    let beside = f64::from(u32::try_from(reads - plain).unwrap()) / f64::from(PASSES);
    let expected = costs::CHECKPOINTS_READ;
    assert!((beside - expected).abs() < 0.5, "{beside}, not {expected}");
}

#[tokio::test]
async fn retention_costs_the_same_for_each_mailbox() {
    let mut before = None;
    for mailboxes in [10, 20, 30] {
        let rig = Rig::new(Town::new(mailboxes, 3, PAGE), 100).await;
        rig.pass().await;
        rig.usage.take();
        let runs = retain::run(&rig.engine, &[], 14).await.unwrap();
        assert_eq!(runs.len(), mailboxes);
        let counted = requests(rig.usage.take());
        if let Some(before) = before {
            assert_eq!(counted.since(before), costs::RETAINED_MAILBOX.times(10));
        }
        before = Some(counted);
    }
}
