//! What people hear of jobs.

use mailkeep_engine::StopSignal;
use mailkeep_engine::news::Desk;
use mailkeep_engine::work::{Outcome, Worked};
use mailkeep_model::FailureClass;
use mailkeep_model::news::{Frequency, NewsKind, NotificationSettings};
use mailkeep_ports::{CallFault, FaultPlan, MemoryNotify, SeededRng};

use crate::rig::{World, one_time};

fn settings() -> NotificationSettings {
    let mut settings = NotificationSettings::new();
    for card in [&mut settings.good_news, &mut settings.bad_news] {
        card.frequency = Frequency::Each;
        card.mail_to = "admin@x.example".parse().unwrap();
    }
    settings
}

fn failed(class: FailureClass) -> Outcome {
    Outcome::Failed {
        class,
        retry_after: None,
    }
}

impl World {
    async fn tell(&self, notify: &MemoryNotify) -> Vec<NewsKind> {
        let desk = Desk::new(self.table.clone(), self.clock.clone(), &SeededRng::new(9));
        desk.work(&settings(), notify).await.unwrap();
        let page = desk.news(None, 100).await.unwrap();
        page.news.iter().rev().map(|news| news.kind).collect()
    }
}

#[tokio::test]
async fn the_end_of_a_cycle_is_news_and_is_reported_to_whom_the_job_names() {
    let world = World::new(&["ann", "bob"]);
    let process = world.process();
    let gone = vec![failed(FailureClass::MailboxGone); 9];
    world.site.tell("bob", gone);
    let mut job = one_time("All");
    job.notifications.report_to = "boss@x.example".parse().unwrap();
    job.notifications.name_mailboxes = true;
    let id = process.jobs.create(&job).await.unwrap().id;
    process.start(&id).await;
    process.settle().await;
    let notify = MemoryNotify::new();
    assert_eq!(world.tell(&notify).await, [NewsKind::Partial]);
    let delivered = notify.delivered();
    assert_eq!(delivered.len(), 2);
    let report = delivered
        .iter()
        .find(|(_, message)| message.id.starts_with("report-"));
    let (_, report) = report.unwrap();
    assert!(
        report.text.contains("Mailboxes: 2, 1 failed"),
        "{}",
        report.text
    );
    let line = report.text.lines().last().unwrap();
    assert!(
        line.starts_with("- bob") && line.contains("mailbox_gone"),
        "{line}"
    );
    // Again: nothing new.
    world.tell(&notify).await;
    assert_eq!(notify.delivered().len(), 2);
}

#[tokio::test]
async fn waiting_for_a_person_is_news_and_the_end_of_an_activity_period_is_none() {
    let world = World::new(&["ann"]);
    let process = world.process();
    world
        .site
        .tell("ann", vec![failed(FailureClass::AuthCredential)]);
    let id = process.jobs.create(&one_time("All")).await.unwrap().id;
    process.start(&id).await;
    process.settle().await;
    let notify = MemoryNotify::new();
    assert_eq!(world.tell(&notify).await, [NewsKind::NeedsPerson]);
    world.wait(60);
    process.start(&id).await;
    process.settle().await;
    let told = world.tell(&notify).await;
    assert_eq!(told, [NewsKind::NeedsPerson, NewsKind::Recovered]);
}

/// Whatever call of planner and worker fails: the end of the cycle is news exactly once.
#[tokio::test]
async fn a_crash_of_the_planner_loses_no_news_and_makes_none_twice() {
    for fault in [
        CallFault::DieBefore,
        CallFault::DieAfter,
        CallFault::AnswerLost,
    ] {
        for number in 1.. {
            let world = World::new(&["ann"]);
            let process = world.process();
            let id = process.jobs.create(&one_time("All")).await.unwrap().id;
            process.start(&id).await;
            let plan = FaultPlan::new().at(number, fault);
            let failing = world.failing_process(&plan);
            for _ in 0..4 {
                let _ = failing.planner.tick().await;
                loop {
                    match failing.worker.work_once(&StopSignal::new()).await {
                        Ok(Worked::Nothing) | Err(_) => break,
                        Ok(_) => {}
                    }
                }
            }
            let was_hit = plan.faults() > 0;
            for _ in 0..6 {
                world.wait(600);
                process.settle().await;
            }
            let notify = MemoryNotify::new();
            let told = world.tell(&notify).await;
            assert_eq!(told, [NewsKind::Completed], "{fault:?} at call {number}");
            assert_eq!(notify.delivered().len(), 1);
            if !was_hit {
                assert!(number > 10, "only {number} calls were tried");
                break;
            }
        }
    }
}
