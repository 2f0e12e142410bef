//! News from the event to those who are told, over a table and deliveries that fail.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use mailkeep_model::FailureClass;
use mailkeep_model::job::Notifications;
use mailkeep_model::news::{
    Figures, Frequency, Happening, NewsKind, NotificationSettings, ReportLine, Webhook,
};
use mailkeep_model::state::{CancelReason, End, Reason};
use mailkeep_ports::{
    CallFault, Clock, FaultPlan, FaultTable, MemoryNotify, MemoryTable, NotifyErrorKind, Recipient,
    SeededRng, Table, TestClock,
};

use super::*;

const GOOD: Happening = Happening::Ended(End::Completed);
const BAD: Happening = Happening::Ended(End::Failed(Reason::Failure(FailureClass::Connection)));

struct Rig {
    clock: Arc<TestClock>,
    table: Arc<dyn Table>,
    notify: MemoryNotify,
    desk: Desk,
    settings: NotificationSettings,
}

fn settings() -> NotificationSettings {
    let mut settings = NotificationSettings::new();
    settings.webhooks = vec![Webhook {
        name: "ops".to_owned(),
        url: "https://ops.example".to_owned(),
        secret: "env:KEY".to_owned(),
        ca: None,
    }];
    settings.good_news.mail_to = "good@x.example".parse().unwrap();
    settings.good_news.frequency = Frequency::Each;
    settings.bad_news.mail_to = "a@x.example; b@x.example".parse().unwrap();
    settings.bad_news.webhooks = vec!["ops".to_owned()];
    settings.bad_news.frequency = Frequency::Each;
    settings
}

fn mail(to: &str) -> Recipient {
    Recipient::Mail(to.to_owned())
}

impl Rig {
    fn new() -> Self {
        let clock = Arc::new(TestClock::default());
        Self::on(clock, Arc::new(MemoryTable::new()), 1)
    }

    fn on(clock: Arc<TestClock>, table: Arc<dyn Table>, seed: u64) -> Self {
        Self {
            desk: Desk::new(table.clone(), clock.clone(), &SeededRng::new(seed)),
            clock,
            table,
            notify: MemoryNotify::new(),
            settings: settings(),
        }
    }

    fn event(&self, id: &str, happening: Happening) -> NewsEvent {
        NewsEvent {
            id: id.to_owned(),
            job: "01JOB".to_owned(),
            job_name: "Nightly".to_owned(),
            run: None,
            at: self.clock.now(),
            happening,
            figures: Some(Figures::default()),
            report: None,
        }
    }

    async fn announce(&self, event: &NewsEvent) {
        let write = announce(event).unwrap();
        self.table.transact(vec![write]).await.unwrap();
    }

    async fn happens(&self, id: &str, happening: Happening) {
        self.announce(&self.event(id, happening)).await;
    }

    async fn work(&self) -> Worked {
        self.desk.work(&self.settings, &self.notify).await.unwrap()
    }

    /// Who was told what, in the words of the subject.
    fn told(&self) -> Vec<(String, String)> {
        let delivered = self.notify.delivered().into_iter();
        delivered
            .map(|(to, message)| {
                let to = match to {
                    Recipient::Mail(to) | Recipient::Webhook(to) | Recipient::Topic(to) => to,
                };
                (to, message.subject)
            })
            .collect()
    }
}

#[tokio::test]
async fn news_reach_everybody_once_and_are_listed() {
    let rig = Rig::new();
    rig.happens("run-1", BAD).await;
    let worked = rig.work().await;
    assert_eq!((worked.sorted, worked.delivered, worked.skipped), (1, 3, 0));
    let failed = "[mailkeep] Nightly failed".to_owned();
    let all = ["a@x.example", "b@x.example", "ops"];
    assert_eq!(rig.told(), all.map(|to| (to.to_owned(), failed.clone())));
    assert_eq!(rig.work().await, Worked::default());
    rig.clock.advance(Duration::from_secs(60));
    rig.happens("run-2", GOOD).await;
    rig.work().await;
    let last = rig.told().pop().unwrap();
    assert_eq!(last.0, "good@x.example");
    assert_eq!(last.1, "[mailkeep] Nightly works again");
    let page = rig.desk.news(None, 1).await.unwrap();
    assert_eq!(page.news[0].kind, NewsKind::Recovered);
    let page = rig.desk.news(page.next, 5).await.unwrap();
    assert_eq!(page.news.len(), 1);
    assert_eq!(page.news[0].id, "run-1");
}

#[tokio::test]
async fn an_event_that_is_announced_twice_is_news_once() {
    let rig = Rig::new();
    let event = rig.event("run-1", BAD);
    for _ in 0..3 {
        rig.announce(&event).await;
        rig.work().await;
    }
    assert_eq!(rig.told().len(), 3);
    assert_eq!(rig.desk.news(None, 9).await.unwrap().news.len(), 1);
}

#[tokio::test]
async fn retries_are_listed_and_told_only_when_the_last_one_failed() {
    let rig = Rig::new();
    for attempt in 1..5 {
        let happening = Happening::AttemptFailed {
            reason: Reason::Failure(FailureClass::Connection),
            attempt,
            attempts: 5,
        };
        rig.happens(&format!("run-1.{attempt}"), happening).await;
    }
    rig.work().await;
    assert_eq!(rig.told(), []);
    rig.happens("run-1.5", Happening::Cancelled(CancelReason::RetryLimit))
        .await;
    rig.work().await;
    assert_eq!(rig.told().len(), 3);
    assert_eq!(rig.desk.news(None, 9).await.unwrap().news.len(), 5);
}

#[tokio::test]
async fn collected_news_go_out_together_when_their_hour_is_over() {
    let mut rig = Rig::new();
    rig.settings.bad_news.frequency = Frequency::Hourly;
    for run in 0..250 {
        rig.happens(&format!("run-{run}"), BAD).await;
    }
    rig.work().await;
    assert_eq!(rig.told(), []);
    rig.clock.advance(Duration::from_secs(3_600));
    rig.happens("next", BAD).await;
    rig.work().await;
    let delivered = rig.notify.delivered();
    assert_eq!(delivered.len(), 3);
    let (_, message) = &delivered[0];
    assert_eq!(message.subject, "[mailkeep] 250 pieces of bad news");
    assert!(message.text.contains("And 50 more"));
    assert!(message.json.len() < mailkeep_ports::notify::MAX_MESSAGE_BYTES);
    assert_eq!(
        message.at,
        "2026-01-15T10:00:00Z".parse::<DateTime<Utc>>().unwrap()
    );
    rig.clock.advance(Duration::from_secs(3_600));
    rig.work().await;
    assert_eq!(rig.told()[3].1, "[mailkeep] Nightly failed");
}

#[tokio::test]
async fn what_fails_for_now_is_repeated_to_those_who_do_not_have_it() {
    let rig = Rig::new();
    rig.happens("run-1", BAD).await;
    rig.notify
        .fail_next(mail("b@x.example"), NotifyErrorKind::Busy, false);
    let worked = rig.work().await;
    assert_eq!((worked.delivered, worked.postponed), (2, 1));
    assert_eq!(rig.work().await, Worked::default(), "not at once");
    rig.clock.advance(Duration::from_secs(61));
    assert_eq!(rig.work().await.delivered, 1);
    let ids: Vec<_> = rig
        .notify
        .delivered()
        .into_iter()
        .map(|(_, m)| m.id)
        .collect();
    assert_eq!(ids, ["news-run-1"; 3]);
}

#[tokio::test]
async fn a_mail_server_that_is_down_is_asked_once_in_a_round() {
    let rig = Rig::new();
    for run in 0..4 {
        rig.happens(&format!("run-{run}"), BAD).await;
    }
    rig.notify
        .fail_next(mail("a@x.example"), NotifyErrorKind::Unreachable, false);
    let worked = rig.work().await;
    // Webhooks do not wait for it.
    assert_eq!((worked.delivered, worked.postponed), (4, 8));
    rig.clock.advance(Duration::from_secs(61));
    assert_eq!(rig.work().await.delivered, 8);
}

#[tokio::test]
async fn what_cannot_be_delivered_is_given_up_and_listed() {
    let rig = Rig::new();
    rig.happens("run-1", BAD).await;
    rig.notify
        .fail_next(mail("a@x.example"), NotifyErrorKind::BadAddress, false);
    let worked = rig.work().await;
    assert_eq!(
        (worked.delivered, worked.failed, worked.postponed),
        (2, 1, 0)
    );
    let undelivered = rig.desk.undelivered(9).await.unwrap();
    assert_eq!(undelivered.len(), 1);
    let (to, why) = &undelivered[0].failures[0];
    assert!(
        to == "a@x.example" && why.starts_with("bad_address"),
        "{why}"
    );
    // A server that stays away is given up after a day.
    rig.happens("run-2", BAD).await;
    let mut rounds = 0;
    loop {
        let ops = Recipient::Webhook("ops".to_owned());
        rig.notify.fail_next(ops, NotifyErrorKind::Denied, false);
        let worked = rig.work().await;
        rounds += 1;
        if worked.failed > 0 {
            break;
        }
        assert!(rounds < 100, "it is never given up");
        rig.clock.advance(Duration::from_secs(1_800));
    }
    let tried_for = rig.clock.now() - undelivered[0].at;
    assert!(tried_for >= TimeDelta::hours(24), "{tried_for}");
    assert_eq!(rig.desk.undelivered(9).await.unwrap().len(), 2);
    assert_eq!(rig.work().await, Worked::default());
}

#[tokio::test]
async fn a_run_is_reported_to_whom_its_job_names_beside_those_who_get_all_news() {
    let mut rig = Rig::new();
    rig.settings.bad_news.frequency = Frequency::Daily;
    let line = ReportLine {
        address: Some("ann@x.example".to_owned()),
        vault_mailbox: "v1".to_owned(),
        reason: Some(Reason::Gaps),
        gaps: 3,
    };
    for (run, name_mailboxes) in [("run-1", false), ("run-2", true)] {
        let job = Notifications {
            report_to: "boss@x.example".parse().unwrap(),
            name_mailboxes,
        };
        let mut event = rig.event(run, BAD);
        event.report = ReportOrder::new(&job, vec![line.clone()], 0);
        rig.announce(&event).await;
    }
    rig.work().await;
    let delivered = rig.notify.delivered();
    assert_eq!(
        delivered.len(),
        2,
        "each run at once, also when news are collected"
    );
    assert!(
        delivered
            .iter()
            .all(|(to, _)| *to == mail("boss@x.example"))
    );
    let texts: Vec<_> = delivered.iter().map(|(_, message)| &message.text).collect();
    assert!(
        texts[0].contains("mailbox v1") && !texts[0].contains("ann@"),
        "{}",
        texts[0]
    );
    assert!(texts[1].contains("ann@x.example"), "{}", texts[1]);
    assert!(
        delivered
            .iter()
            .all(|(_, message)| !message.json.contains("ann@"))
    );
    assert!(ReportOrder::new(&Notifications::default(), vec![], 0).is_none());
}

#[tokio::test]
async fn a_second_process_does_not_deliver_what_the_first_is_delivering() {
    let rig = Rig::new();
    rig.happens("run-1", BAD).await;
    // The first one dies while it holds the message: after the first delivery.
    let plan = FaultPlan::new();
    let table = Arc::new(FaultTable::new(rig.table.clone(), plan.clone()));
    let first = Rig::on(rig.clock.clone(), table, 7);
    let calls = {
        let probe = Rig::new();
        probe.happens("run-1", BAD).await;
        let plan = FaultPlan::new();
        let table = Arc::new(FaultTable::new(probe.table.clone(), plan.clone()));
        Rig::on(probe.clock.clone(), table, 7).work().await;
        plan.calls()
    };
    let plan = plan.at(calls - 2, CallFault::DieBefore);
    let _ = first.desk.work(&first.settings, &first.notify).await;
    assert!(plan.is_dead());
    assert_eq!(rig.work().await.delivered, 0, "it may still be at work");
    rig.clock.advance(Duration::from_secs(901));
    rig.work().await;
    let mut all = first.told();
    all.extend(rig.told());
    for to in ["a@x.example", "b@x.example", "ops"] {
        let times = all.iter().filter(|(whom, _)| whom == to).count();
        assert!((1..=2).contains(&times), "{to} was told {times} times");
    }
}

/// A process that dies at any call of the table, before or after its effect: everybody is told, nobody
/// more than twice, and always with the same id.
#[tokio::test]
async fn a_crash_anywhere_loses_nothing_and_repeats_at_most_once() {
    for fault in CallFault::ALL {
        let mut number = 0;
        loop {
            number += 1;
            let base = Rig::new();
            base.happens("run-1", BAD).await;
            base.happens(
                "run-2",
                Happening::Ended(End::Partial(Reason::SomeMailboxes)),
            )
            .await;
            let plan = FaultPlan::new().at(number, fault);
            let table = Arc::new(FaultTable::new(base.table.clone(), plan.clone()));
            let first = Rig::on(base.clock.clone(), table, 7);
            let _ = first.desk.work(&first.settings, &first.notify).await;
            let was_hit = plan.faults() > 0;
            let mut told = first.notify.delivered();
            for _ in 0..4 {
                base.clock.advance(Duration::from_secs(901));
                base.work().await;
            }
            told.extend(base.notify.delivered());
            for id in ["news-run-1", "news-run-2"] {
                for to in [
                    mail("a@x.example"),
                    mail("b@x.example"),
                    Recipient::Webhook("ops".into()),
                ] {
                    let times = told
                        .iter()
                        .filter(|(whom, m)| *whom == to && m.id == id)
                        .count();
                    assert!(
                        (1..=2).contains(&times),
                        "{fault:?} at call {number}: {to:?} was told {id} {times} times"
                    );
                }
            }
            assert!(
                told.len() <= 7,
                "{fault:?} at call {number}: {} deliveries",
                told.len()
            );
            assert_eq!(base.desk.news(None, 9).await.unwrap().news.len(), 2);
            if !was_hit {
                break;
            }
        }
        assert!(number > 15, "only {number} calls were tried");
    }
}

#[tokio::test]
async fn a_test_message_says_that_it_is_one() {
    let rig = Rig::new();
    let to = mail("a@x.example");
    send_test(&rig.notify, &to, rig.clock.now(), 5)
        .await
        .unwrap();
    let (_, message) = rig.notify.delivered().pop().unwrap();
    assert_eq!(message.id, "test-1768469400-0000000000000005");
    assert!(message.subject.contains("Test") && message.json.contains("\"is_test\":true"));
}

#[test]
fn an_id_that_could_lead_elsewhere_is_refused() {
    let rig = Rig::new();
    for bad in ["", "a/b", "a b", "\u{e4}", &"x".repeat(81)] {
        assert!(announce(&rig.event(bad, GOOD)).is_err(), "{bad:?}");
    }
}
