//! What is counted, and that the counted things behave as before.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::{
    GetOptions, ItemKey, Key, ListOptions, MemoryQueue, MemoryStore, MemoryTable, Outgoing,
    PutOptions, Query, Queue, Store, Table, TestClock, Write,
};

#[tokio::test]
async fn requests_and_bytes_of_a_store_are_counted() {
    let usage = Arc::new(Usage::new());
    let memory = MemoryStore::new(Arc::new(TestClock::default()));
    let store = UsageStore::new(Arc::new(memory), Arc::clone(&usage));
    let key = Key::new("a").unwrap();
    let body = Bytes::from_static(b"123");
    store
        .put(&key, body.clone(), PutOptions::if_absent())
        .await
        .unwrap();
    // A lost race is paid for, and is no failure.
    store
        .put(&key, body, PutOptions::if_absent())
        .await
        .unwrap_err();
    store.get(&key, GetOptions::default()).await.unwrap();
    store.list(ListOptions::prefix("")).await.unwrap();
    let counts = usage.take();
    assert_eq!((counts.store_puts, counts.store_bytes_written), (2, 6));
    assert_eq!((counts.store_gets, counts.store_bytes_read), (1, 3));
    assert_eq!((counts.store_requests(), counts.failures), (4, 0));
    assert_eq!(usage.counts(), UsageCounts::default());
}

#[tokio::test]
async fn units_of_a_table_are_counted_as_they_are_paid_for() {
    let usage = Arc::new(Usage::new());
    let table = UsageTable::new(Arc::new(MemoryTable::new()), Arc::clone(&usage));
    let key = |sort: &str| ItemKey::new("p", sort).unwrap();
    table
        .write(Write::create(key("a"), vec![0; 5_000]))
        .await
        .unwrap();
    assert_eq!(usage.take().table_write_units, 5);
    let both = vec![
        Write::create(key("b"), "x"),
        Write::create(key("c"), vec![0; 1_500]),
    ];
    table.transact(both).await.unwrap();
    let counts = usage.take();
    assert_eq!((counts.table_writes, counts.table_write_units), (1, 6));
    table.get(&key("a")).await.unwrap();
    table.get(&key("z")).await.unwrap();
    table.query(&Query::prefix("p", "")).await.unwrap();
    let counts = usage.take();
    assert_eq!((counts.table_reads, counts.table_read_units), (3, 5));
}

#[tokio::test]
async fn requests_to_a_queue_are_counted_by_call_and_by_message() {
    let usage = Arc::new(Usage::new());
    let clock = Arc::new(TestClock::default());
    let queue = UsageQueue::new(Arc::new(MemoryQueue::new(clock, 5)), Arc::clone(&usage));
    queue
        .send(vec![Outgoing::now("a"), Outgoing::now("b")])
        .await
        .unwrap();
    let received = queue.receive(1, Duration::from_secs(9)).await.unwrap();
    queue.acknowledge(&received[0].receipt).await.unwrap();
    let counts = usage.take();
    assert_eq!((counts.queue_requests, counts.queue_messages), (3, 2));
}
