//! The suite of [`LogSink`].

use bytes::Bytes;
use futures::future::join_all;

use super::{Broken, broken, check, equal};
use crate::{LogError, LogErrorKind, LogName, LogSink};

const WRITERS: usize = 4;
const LINES: usize = 50;

/// Every clause of the contract of [`LogSink`]. The sink must be empty.
///
/// # Errors
/// The first clause that does not hold.
pub async fn logs(sink: &dyn LogSink) -> Result<(), Broken> {
    let first = name("job-1.run_A.csv")?;
    let second = name("job-1.run_B.csv")?;
    creating(sink, &first).await?;
    appending(sink, &first, &second).await?;
    reading(sink, &second).await?;
    removing(sink, &first, &second).await
}

async fn creating(sink: &dyn LogSink, log: &LogName) -> Result<(), Broken> {
    let clause = "a log is made once";
    let made = done(
        sink.create(log, Bytes::from_static(b"head\n")).await,
        clause,
    )?;
    equal(&made, &true, clause)?;
    let again = done(
        sink.create(log, Bytes::from_static(b"other\n")).await,
        clause,
    )?;
    equal(&again, &false, clause)?;
    equal(&whole(sink, log).await?, &b"head\n".to_vec(), clause)?;
    let clause = "a log is listed as soon as it is made";
    let listed = done(sink.list().await, clause)?;
    let listed: Vec<_> = listed
        .into_iter()
        .map(|log| (log.name, log.bytes))
        .collect();
    equal(&listed, &vec![(log.clone(), 5)], clause)
}

async fn appending(sink: &dyn LogSink, first: &LogName, second: &LogName) -> Result<(), Broken> {
    let clause = "what several writers append is there in whole";
    done(sink.create(second, Bytes::new()).await, clause)?;
    let writers = (0..WRITERS).map(|writer| async move {
        for line in 0..LINES {
            let line = format!("{writer} {line} {}\n", "x".repeat(line * 20));
            sink.append(second, Bytes::from(line)).await?;
        }
        Ok::<_, LogError>(())
    });
    for result in join_all(writers).await {
        done(result, clause)?;
    }
    let text = String::from_utf8(whole(sink, second).await?).unwrap_or_default();
    for writer in 0..WRITERS {
        let mine = text.lines().filter_map(|line| {
            let mut words = line.split(' ');
            let is_mine = words.next() == Some(&writer.to_string());
            let number: usize = words.next()?.parse().ok()?;
            (is_mine && words.next()?.len() == number * 20).then_some(number)
        });
        equal(&mine.collect(), &(0..LINES).collect::<Vec<_>>(), clause)?;
    }
    let clause = "a log that is not there is not appended to";
    let missing = name("nothing.csv")?;
    let error = sink.append(&missing, Bytes::from_static(b"x\n")).await;
    expect_missing(error, clause)?;
    equal(
        &whole(sink, first).await?,
        &b"head\n".to_vec(),
        "logs are apart",
    )
}

async fn reading(sink: &dyn LogSink, log: &LogName) -> Result<(), Broken> {
    let clause = "a log is read in pieces";
    let all = whole(sink, log).await?;
    let piece = done(sink.read(log, 3, 7).await, clause)?;
    let expected = all.get(3..10).unwrap_or_default().to_vec();
    equal(&piece.to_vec(), &expected, clause)?;
    let end = u64::try_from(all.len()).unwrap_or(u64::MAX);
    for offset in [end, end + 1_000] {
        let piece = done(sink.read(log, offset, 7).await, clause)?;
        equal(&piece.len(), &0, "nothing is behind the end")?;
    }
    let read = sink.read(&name("nothing.csv")?, 0, 7).await;
    expect_missing(read, "a log that is not there is Missing")
}

async fn removing(sink: &dyn LogSink, first: &LogName, second: &LogName) -> Result<(), Broken> {
    let clause = "a removed log is gone, and removing it again is no error";
    for _ in 0..2 {
        done(sink.remove(first).await, clause)?;
    }
    let listed = done(sink.list().await, clause)?;
    let listed: Vec<_> = listed.into_iter().map(|log| log.name).collect();
    equal(&listed, &vec![second.clone()], clause)?;
    done(sink.remove(second).await, clause)
}

async fn whole(sink: &dyn LogSink, log: &LogName) -> Result<Vec<u8>, Broken> {
    let read = sink.read(log, 0, 1 << 20).await;
    Ok(done(read, "a log is read")?.to_vec())
}

fn name(text: &str) -> Result<LogName, Broken> {
    done(LogName::new(text), "valid names are accepted")
}

fn done<T>(result: Result<T, LogError>, clause: &str) -> Result<T, Broken> {
    result.map_err(|error| broken(clause, format!("{:?}: {error}", error.kind)))
}

fn expect_missing<T>(result: Result<T, LogError>, clause: &str) -> Result<(), Broken> {
    let kind = result.err().map(|error| error.kind);
    check(kind == Some(LogErrorKind::Missing), clause, || {
        format!("got {kind:?}")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{MemoryLogs, TestClock};

    #[tokio::test]
    async fn logs_in_memory_keep_the_contract() {
        let sink = MemoryLogs::new(Arc::new(TestClock::default()));
        logs(&sink).await.unwrap();
    }

    #[test]
    fn names_lead_nowhere_else() {
        for bad in ["", ".", "..", "../x", "a/b", "a b", ".hidden", "a\0b", "ä"] {
            assert!(LogName::new(bad).is_err(), "{bad:?}");
        }
        assert!(LogName::new("x".repeat(151)).is_err());
    }
}
