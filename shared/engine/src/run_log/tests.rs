use async_trait::async_trait;
use chrono::{DateTime, Utc};
use mailkeep_model::{
    Counters, FailureClass, FolderId, Gap, ItemFailure, ItemId, MailboxOutcome, MailboxSummary,
    RunId, SourceMailboxId,
};
use mailkeep_ports::{LogErrorKind, LogInfo, MemoryLogs, TestClock};

use super::*;

fn mailbox() -> SourceMailboxId {
    SourceMailboxId("id-1".to_owned())
}

fn events() -> Vec<Event> {
    let at: DateTime<Utc> = "2026-02-03T10:20:30Z".parse().unwrap();
    let counters = Counters {
        items_scanned: 7,
        items_stored: 5,
        items_failed: 1,
        bytes_read: 900,
        ..Counters::default()
    };
    vec![
        Event::RunStarted {
            run: RunId("01RUN".to_owned()),
            mailboxes: None,
        },
        Event::MailboxStarted {
            mailbox: mailbox(),
            address: "ann@contoso.example".to_owned(),
            folders: 3,
            items_expected: None,
        },
        Event::FolderFinished {
            mailbox: mailbox(),
            folder: "=cmd|' /C calc'!A0, \"Inbox\"".to_owned(),
            counters: counters.clone(),
        },
        Event::Throttled {
            mailbox: mailbox(),
            until: at,
        },
        Event::Gap {
            mailbox: mailbox(),
            gap: Gap {
                item: ItemId("item-9".to_owned()),
                folder: FolderId("folder-1".to_owned()),
                failure: ItemFailure {
                    class: FailureClass::ItemPermanent,
                    code: "ErrorCorruptData".to_owned(),
                    request_id: Some("req-1".to_owned()),
                },
                attempts: 1,
                first_failed_at: at,
                last_failed_at: at,
            },
        },
        Event::MailboxFinished {
            summary: MailboxSummary {
                mailbox: mailbox(),
                address: "ann@contoso.example".to_owned(),
                vault_mailbox: "v1".to_owned(),
                sequence: 4,
                outcome: MailboxOutcome::WithGaps { gaps: 1 },
                counters,
                incomplete_folders: 0,
                warnings: vec![],
            },
        },
    ]
}

async fn text(sink: &MemoryLogs, name: &LogName) -> String {
    let bytes = sink.read(name, 0, 2 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn logs() -> (Arc<MemoryLogs>, Arc<TestClock>, LogName) {
    let clock = Arc::new(TestClock::default());
    let sink = Arc::new(MemoryLogs::new(clock.clone()));
    let name = log_name("01JOB", &RunId("01RUN".to_owned())).unwrap();
    (sink, clock, name)
}

#[tokio::test]
async fn a_log_names_mailboxes_folders_counts_workers_times_and_failures() {
    let (sink, clock, name) = logs();
    let log = RunLog::begin(sink.clone(), clock, name.clone(), "worker-1");
    let log = log.await.unwrap();
    events().iter().for_each(|event| log.event(event));
    log.finish().await.unwrap();
    let text = text(&sink, &name).await;
    let time = "2026-01-15T09:30:00.000Z";
    let lines: Vec<_> = text.split_terminator("\r\n").collect();
    assert_eq!(
        lines,
        [
            "time,worker,event,mailbox,folder,scanned,stored,updated,unchanged,deleted,failed,\
             bytes_read,bytes_stored,code,detail",
            &format!("{time},worker-1,run_started,,,,,,,,,,,,01RUN"),
            &format!("{time},worker-1,mailbox_started,ann@contoso.example,,,,,,,,,,,3 folders"),
            &format!(
                "{time},worker-1,folder_finished,ann@contoso.example,\"'=cmd|' /C calc'!A0, \
                 \"\"Inbox\"\"\",7,5,0,0,0,1,900,0,,"
            ),
            &format!(
                "{time},worker-1,throttled,ann@contoso.example,,,,,,,,,,,until 2026-02-03T10:20:30.000Z"
            ),
            &format!(
                "{time},worker-1,item_failed,ann@contoso.example,folder-1,,,,,,,,,item_permanent,\
                 ErrorCorruptData item item-9 request req-1"
            ),
            &format!(
                "{time},worker-1,mailbox_finished,ann@contoso.example,,7,5,0,0,0,1,900,0,gaps,\
                 1 items are missing"
            ),
        ]
    );
}

#[tokio::test]
async fn two_workers_write_one_log_with_one_head() {
    let (sink, clock, name) = logs();
    for worker in ["a", "b"] {
        let log = RunLog::begin(sink.clone(), clock.clone(), name.clone(), worker);
        let log = log.await.unwrap();
        events().iter().for_each(|event| log.event(event));
        log.finish().await.unwrap();
    }
    let text = text(&sink, &name).await;
    assert_eq!(text.matches("time,worker").count(), 1);
    assert_eq!(text.lines().count(), 13);
    assert_eq!(text.matches(",b,").count(), 6);
}

/// Nothing can be written any more.
struct FullSink(MemoryLogs);

#[async_trait]
impl LogSink for FullSink {
    async fn create(&self, name: &LogName, head: Bytes) -> Result<bool, LogError> {
        self.0.create(name, head).await
    }

    async fn append(&self, name: &LogName, _lines: Bytes) -> Result<(), LogError> {
        Err(LogError::new(LogErrorKind::Full, name, "no room is left"))
    }

    async fn read(&self, name: &LogName, offset: u64, limit: usize) -> Result<Bytes, LogError> {
        self.0.read(name, offset, limit).await
    }

    async fn list(&self) -> Result<Vec<LogInfo>, LogError> {
        self.0.list().await
    }

    async fn remove(&self, name: &LogName) -> Result<(), LogError> {
        self.0.remove(name).await
    }
}

#[tokio::test]
async fn a_full_disk_is_told_at_the_end_and_stops_nothing() {
    let (_, clock, name) = logs();
    let sink = Arc::new(FullSink(MemoryLogs::new(clock.clone())));
    let log = RunLog::begin(sink, clock, name, "w").await.unwrap();
    for _ in 0..10 {
        events().iter().for_each(|event| log.event(event));
        tokio::task::yield_now().await;
    }
    assert_eq!(log.finish().await.unwrap_err().kind, LogErrorKind::Full);
}

#[tokio::test]
async fn lines_beyond_the_room_are_counted() {
    let (sink, clock, name) = logs();
    let log = RunLog::begin(sink.clone(), clock, name.clone(), "w");
    let log = log.await.unwrap();
    // Nobody writes meanwhile: this test does not yield.
    let event = &events()[4];
    let length = 200;
    (0..3 * MAX_WAITING / length).for_each(|_| log.event(event));
    log.finish().await.unwrap();
    let text = text(&sink, &name).await;
    assert!(text.len() < MAX_WAITING + 1_000);
    let last = text.lines().last().unwrap();
    assert!(last.contains("lines_lost"), "{last}");
}

#[tokio::test]
async fn old_logs_are_removed() {
    let (sink, clock, _) = logs();
    for run in ["1", "2", "3"] {
        let name = log_name("job", &RunId(run.to_owned())).unwrap();
        sink.create(&name, Bytes::new()).await.unwrap();
        clock.advance(std::time::Duration::from_secs(1));
    }
    let keep = LogKeep { runs: 2, days: 90 };
    let removed = rotate(&*sink, keep, clock.now()).await.unwrap();
    assert_eq!(removed.len(), 1);
    let left: Vec<_> = sink.list().await.unwrap();
    let left: Vec<_> = left.iter().map(|log| log.name.as_str()).collect();
    assert_eq!(left, ["job.2.csv", "job.3.csv"]);
}
