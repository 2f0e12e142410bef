//! The suite of [`Queue`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use super::{Broken, broken, check, equal};
use crate::Clock;
use crate::queue::{
    MAX_BATCH, MAX_DELAY, MAX_MESSAGE_BYTES, Outgoing, Queue, QueueError, QueueErrorKind as Kind,
    Received,
};

/// What the suite needs to know of an adapter.
pub struct QueueUnderTest {
    /// Makes an empty queue, one that shares nothing with those made before, for messages that become
    /// dead letters after so many receives.
    pub fresh: Box<dyn Fn(u32) -> Arc<dyn Queue> + Send + Sync>,
    /// The clock by which the queue hides messages: one of a test, or the real one.
    pub clock: Arc<dyn Clock>,
    /// For how long the suite hides and delays messages: some seconds, as short as the queue is exact.
    pub unit: Duration,
}

/// Every clause of the contract of [`Queue`]. Needs a Tokio runtime, best one with several threads.
///
/// # Errors
/// The first clause that does not hold.
pub async fn queue(test: &QueueUnderTest) -> Result<(), Broken> {
    delivery(test).await?;
    hiding(test).await?;
    delays(test).await?;
    dead_letters(test).await?;
    bounds(test).await?;
    racing_receivers(test).await
}

fn done<T>(result: Result<T, QueueError>, clause: &str) -> Result<T, Broken> {
    result.map_err(|error| broken(clause, format!("{:?}: {error}", error.kind)))
}

fn refused<T>(result: Result<T, QueueError>, kind: Kind, clause: &str) -> Result<(), Broken> {
    match result {
        Ok(_) => Err(broken(clause, format!("expected {kind:?}, it succeeded"))),
        Err(error) => check(kind == error.kind, clause, || {
            format!("expected {kind:?}, got {:?}: {error}", error.kind)
        }),
    }
}

fn body(number: usize) -> String {
    format!("message {number} \u{1f600}\t\"<&>\"\n")
}

async fn send(queue: &dyn Queue, count: usize, clause: &str) -> Result<(), Broken> {
    let numbers: Vec<usize> = (0..count).collect();
    for batch in numbers.chunks(MAX_BATCH) {
        let messages = batch.iter().map(|number| Outgoing::now(body(*number)));
        done(queue.send(messages.collect()).await, clause)?;
    }
    Ok(())
}

/// Receives until `count` are there, or for a tenth of the unit: an empty answer does not mean that
/// there is nothing.
async fn receive(
    test: &QueueUnderTest,
    queue: &dyn Queue,
    count: usize,
    clause: &str,
) -> Result<Vec<Received>, Broken> {
    let mut received = vec![];
    for _ in 0..20 {
        let found = done(queue.receive(MAX_BATCH, test.unit).await, clause)?;
        check(found.len() <= MAX_BATCH, clause, || {
            "more than asked for".to_owned()
        })?;
        received.extend(found);
        if received.len() >= count {
            break;
        }
        test.clock.sleep(test.unit / 200).await;
    }
    equal(&received.len(), &count, clause)?;
    Ok(received)
}

async fn delivery(test: &QueueUnderTest) -> Result<(), Broken> {
    let queue = (test.fresh)(5);
    let queue = queue.as_ref();
    let clause = "an empty queue gives nothing";
    equal(
        &done(queue.receive(10, test.unit).await, clause)?,
        &vec![],
        clause,
    )?;
    let clause = "every message is received as it was sent";
    send(queue, 5, clause).await?;
    let received = receive(test, queue, 5, clause).await?;
    let bodies: BTreeSet<_> = received
        .iter()
        .map(|message| message.body.clone())
        .collect();
    equal(&bodies, &(0..5).map(body).collect(), clause)?;
    check(received.iter().all(|m| m.receives == 1), clause, || {
        "they count as received more than once".to_owned()
    })?;
    let clause = "no more is received than asked for";
    send(queue, 3, clause).await?;
    let two = done(queue.receive(2, test.unit).await, clause)?;
    check(two.len() <= 2, clause, || format!("{} for 2", two.len()))?;
    let clause = "what was acknowledged does not come back";
    for message in received.iter().chain(&two) {
        done(queue.acknowledge(&message.receipt).await, clause)?;
    }
    test.clock.sleep(test.unit * 3 / 2).await;
    let rest = receive(test, queue, 3 - two.len(), clause).await?;
    let clause = "acknowledging twice succeeds";
    for message in rest.iter().chain(&rest) {
        done(queue.acknowledge(&message.receipt).await, clause)?;
    }
    let clause = "an acknowledged message cannot be hidden";
    if let Some(message) = rest.first() {
        let extended = queue.extend(&message.receipt, test.unit).await;
        refused(extended, Kind::Gone, clause)?;
    }
    Ok(())
}

async fn hiding(test: &QueueUnderTest) -> Result<(), Broken> {
    let queue = (test.fresh)(5);
    let queue = queue.as_ref();
    let clause = "a received message is hidden, and comes back when it is not acknowledged";
    send(queue, 1, clause).await?;
    let first = receive(test, queue, 1, clause).await?;
    receive(test, queue, 0, clause).await?;
    equal(
        &done(queue.receive(10, test.unit).await, clause)?.len(),
        &0,
        clause,
    )?;
    test.clock.sleep(test.unit * 3 / 2).await;
    let again = receive(test, queue, 1, clause).await?;
    equal(&again.first().map(|m| m.receives), &Some(2), clause)?;
    let receipts: BTreeSet<_> = first.iter().chain(&again).map(|m| &m.receipt.0).collect();
    equal(&receipts.len(), &2, "every receive has its own receipt")?;
    let clause = "a message can be kept hidden";
    for message in &again {
        done(queue.extend(&message.receipt, test.unit * 4).await, clause)?;
    }
    test.clock.sleep(test.unit * 2).await;
    equal(
        &done(queue.receive(10, test.unit).await, clause)?.len(),
        &0,
        clause,
    )?;
    let clause = "a message can be given back at once";
    for message in &again {
        done(queue.extend(&message.receipt, Duration::ZERO).await, clause)?;
    }
    let third = receive(test, queue, 1, clause).await?;
    equal(&third.first().map(|m| m.receives), &Some(3), clause)
}

async fn delays(test: &QueueUnderTest) -> Result<(), Broken> {
    let queue = (test.fresh)(5);
    let queue = queue.as_ref();
    let clause = "a delayed message is received after its delay, not before";
    let later = Outgoing {
        delay: test.unit,
        ..Outgoing::now("later")
    };
    done(queue.send(vec![later, Outgoing::now("now")]).await, clause)?;
    let now = receive(test, queue, 1, clause).await?;
    equal(&now.first().map(|m| m.body.as_str()), &Some("now"), clause)?;
    for message in &now {
        done(queue.acknowledge(&message.receipt).await, clause)?;
    }
    test.clock.sleep(test.unit * 3 / 2).await;
    let later = receive(test, queue, 1, clause).await?;
    equal(
        &later.first().map(|m| m.body.as_str()),
        &Some("later"),
        clause,
    )
}

async fn dead_letters(test: &QueueUnderTest) -> Result<(), Broken> {
    let queue = (test.fresh)(2);
    let queue = queue.as_ref();
    let clause = "a message that was received too often is a dead letter";
    send(queue, 1, clause).await?;
    for _ in 0..2 {
        let received = receive(test, queue, 1, clause).await?;
        for message in &received {
            done(queue.extend(&message.receipt, Duration::ZERO).await, clause)?;
        }
    }
    receive(test, queue, 0, clause).await?;
    for _ in 0..3 {
        equal(
            &done(queue.receive(10, test.unit).await, clause)?.len(),
            &0,
            clause,
        )?;
    }
    equal(&done(queue.depth().await, clause)?.dead, &1, clause)?;
    let clause = "dead letters can be looked at, one look at a time";
    let dead = done(queue.dead_letters(10, test.unit).await, clause)?;
    equal(
        &dead.first().map(|m| m.body.clone()),
        &Some(body(0)),
        clause,
    )?;
    equal(
        &done(queue.dead_letters(10, test.unit).await, clause)?.len(),
        &0,
        clause,
    )?;
    equal(&done(queue.depth().await, clause)?.dead, &1, clause)?;
    test.clock.sleep(test.unit * 3 / 2).await;
    let clause = "dead letters brought back are as new";
    equal(&done(queue.redrive(10).await, clause)?, &1, clause)?;
    equal(&done(queue.redrive(10).await, clause)?, &0, clause)?;
    let received = receive(test, queue, 1, clause).await?;
    equal(&received.first().map(|m| m.receives), &Some(1), clause)?;
    for message in &received {
        done(queue.extend(&message.receipt, Duration::ZERO).await, clause)?;
    }
    let clause = "a dead letter can be acknowledged";
    let again = receive(test, queue, 1, clause).await?;
    for message in &again {
        done(queue.extend(&message.receipt, Duration::ZERO).await, clause)?;
    }
    for _ in 0..3 {
        done(queue.receive(10, test.unit).await, clause)?;
    }
    let dead = done(queue.dead_letters(10, test.unit).await, clause)?;
    equal(&dead.len(), &1, clause)?;
    for message in &dead {
        done(queue.acknowledge(&message.receipt).await, clause)?;
    }
    equal(&done(queue.depth().await, clause)?.dead, &0, clause)
}

async fn bounds(test: &QueueUnderTest) -> Result<(), Broken> {
    let queue = (test.fresh)(5);
    let queue = queue.as_ref();
    let clause = "a batch has 1 to 10 messages";
    refused(queue.send(vec![]).await, Kind::Invalid, clause)?;
    let eleven = vec![Outgoing::now("x"); MAX_BATCH + 1];
    refused(queue.send(eleven).await, Kind::Invalid, clause)?;
    let clause = "a batch may have 262,144 bytes, and no more";
    let larger = vec![
        Outgoing::now("x".repeat(MAX_MESSAGE_BYTES)),
        Outgoing::now("x"),
    ];
    refused(queue.send(larger).await, Kind::TooLarge, clause)?;
    let largest = Outgoing::now("\u{e4}".repeat(MAX_MESSAGE_BYTES / 2));
    done(queue.send(vec![largest.clone()]).await, clause)?;
    let received = receive(test, queue, 1, clause).await?;
    check(
        received.iter().all(|m| m.body == largest.body),
        clause,
        || "another body came back".to_owned(),
    )?;
    let clause = "a delay is at most 900 seconds";
    let late = Outgoing {
        delay: MAX_DELAY + Duration::from_secs(1),
        ..Outgoing::now("x")
    };
    refused(queue.send(vec![late]).await, Kind::Invalid, clause)?;
    let clause = "a message is text";
    for wrong in ["", "a\0", "a\u{7f}", "a\u{ffff}"] {
        refused(
            queue.send(vec![Outgoing::now(wrong)]).await,
            Kind::Invalid,
            clause,
        )?;
    }
    Ok(())
}

async fn racing_receivers(test: &QueueUnderTest) -> Result<(), Broken> {
    const MESSAGES: usize = 60;
    let queue = (test.fresh)(5);
    let clause = "racing receivers get all messages, each hidden from the others";
    send(queue.as_ref(), MESSAGES, clause).await?;
    let visibility = test.unit * 6;
    let receivers = (0..4).map(|_| {
        let queue = queue.clone();
        tokio::spawn(async move {
            let mut bodies = vec![];
            for _ in 0..MESSAGES {
                bodies.extend(queue.receive(3, visibility).await?);
            }
            Ok::<_, QueueError>(bodies)
        })
    });
    let mut bodies = vec![];
    for result in join_all(receivers).await {
        let received = result.map_err(|error| broken(clause, error.to_string()))?;
        bodies.extend(
            done(received, clause)?
                .into_iter()
                .map(|message| message.body),
        );
    }
    bodies.sort_unstable();
    let mut expected: Vec<_> = (0..MESSAGES).map(body).collect();
    expected.sort_unstable();
    equal(&bodies, &expected, clause)
}
