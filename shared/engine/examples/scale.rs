//! Counts what large tenants ask of the table, the queue and the store.
//!
//! `cargo run --release -p mailkeep-engine --example scale -- [MAILBOXES OF A TICK] [MAILBOXES WITH 1 % CHANGING]`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    dead_code,
    missing_docs
)]

#[path = "../tests/scale/rig.rs"]
mod rig;
#[path = "../tests/scale/town.rs"]
mod town;

use mailkeep_ports::UsageCounts;

use rig::{Counted, PAGE, Rig};
use town::Town;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut sizes = std::env::args().skip(1).map(|arg| arg.parse().unwrap());
    fan_out(sizes.next().unwrap_or(100_000)).await;
    one_percent(sizes.next().unwrap_or(10_000)).await;
}

/// Every mailbox gets a task, and as many as may be worked on at once are handed out.
async fn fan_out(mailboxes: usize) {
    let rig = Rig::new(Town::new(mailboxes, 0, PAGE), 1_000).await;
    rig.start().await;
    let mut counted = Counted::default();
    while !is_listed(&rig).await {
        rig.tick(&mut counted).await;
    }
    println!("{mailboxes} mailboxes, listed and 1,000 of them handed out");
    show("ticks", counted.ticks);
    show_counts(counted.planned);
}

async fn is_listed(rig: &Rig) -> bool {
    let job = rig.ledger.job(&rig.job).await.unwrap().unwrap().value;
    job.cycle > 0 && rig.run().await.listing.is_done
}

/// A first backup of three mails each, then a pass for which every hundredth mailbox has one new mail.
async fn one_percent(mailboxes: usize) {
    let rig = Rig::new(Town::new(mailboxes, 3, PAGE), 1_000).await;
    let first = rig.pass().await;
    println!("\n{mailboxes} mailboxes, first backup of 3 mails each");
    show_pass(&first);
    let changed = rig.town.deliver(100, 1);
    let second = rig.pass().await;
    println!("\n{mailboxes} mailboxes, of which {changed} have one new mail");
    show_pass(&second);
}

fn show_pass(counted: &Counted) {
    show("ticks", counted.ticks);
    show("mailboxes worked on", counted.tasks);
    println!("  planner:");
    show_counts(counted.planned);
    println!("  workers:");
    show_counts(counted.worked);
}

fn show(name: &str, number: u64) {
    println!("  {name:<28} {number:>12}");
}

fn show_counts(counts: UsageCounts) {
    for (name, number) in [
        ("objects written", counts.store_puts),
        ("objects read", counts.store_gets + counts.store_heads),
        ("objects listed", counts.store_lists),
        ("reads of the table", counts.table_reads),
        ("read units", counts.table_read_units),
        ("writes of the table", counts.table_writes),
        ("write units", counts.table_write_units),
        ("requests to the queue", counts.queue_requests),
        ("messages", counts.queue_messages),
    ] {
        show(name, number);
    }
}
