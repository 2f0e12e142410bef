//! Whole passes against whole estimates.

use mailkeep_engine::estimate::costs;
use mailkeep_ports::UsageCounts;

use crate::rig::{Counted, PAGE, Rig};
use crate::town::Town;

/// What estimates say that this pass asks.
fn expected(counted: &Counted, changed: u64) -> UsageCounts {
    let tasks = counted.tasks;
    // Shares of a thousand and of ten, without fractions.
    let share = |counts: UsageCounts, of: u64| {
        let all = counts.times(tasks);
        UsageCounts {
            table_reads: all.table_reads / of,
            table_writes: all.table_writes / of,
            table_read_units: all.table_read_units / of,
            table_write_units: all.table_write_units / of,
            queue_requests: all.queue_requests / of,
            queue_messages: all.queue_messages / of,
            ..UsageCounts::NOTHING
        }
    };
    share(costs::LISTED_THOUSAND, 1_000)
        .plus(share(costs::HANDED_OUT_TEN, 10))
        .plus(costs::UNCHANGED_MAILBOX.times(tasks - changed))
        .plus(costs::CHANGED_MAILBOX.times(changed))
        .plus(costs::RUN)
        .plus(costs::TICK.times(counted.ticks))
}

fn assert_near(counted: u64, expected: u64, what: &str) {
    let apart = counted.abs_diff(expected);
    assert!(apart * 50 <= expected, "{what}: {counted}, not {expected}");
}

#[tokio::test]
async fn a_pass_with_one_percent_changed_asks_what_estimates_say() {
    let rig = Rig::new(Town::new(300, 1, PAGE), 50).await;
    rig.pass().await;
    let changed = rig.town.deliver(100, 1);
    let pass = rig.pass().await;
    assert_eq!((pass.tasks, changed), (300, 3));
    let (counted, expected) = (pass.all(), expected(&pass, changed));
    assert_eq!(counted.store_puts, expected.store_puts);
    assert_eq!(counted.store_lists, expected.store_lists);
    assert_near(counted.store_gets, expected.store_gets, "store_gets");
    assert_near(counted.table_reads, expected.table_reads, "table_reads");
    assert_near(counted.table_writes, expected.table_writes, "table_writes");
    assert_near(
        counted.table_write_units,
        expected.table_write_units,
        "table_write_units",
    );
    assert_near(
        counted.queue_messages,
        expected.queue_messages,
        "queue_messages",
    );
}
