//! Making, editing, deleting jobs.

use mailkeep_engine::job::EditWhen;
use mailkeep_engine::ledger::{JobError, JobEvent};
use mailkeep_model::state::{End, State};

use crate::rig::{World, daily, one_time, plain};

#[tokio::test]
async fn a_name_is_unique_whatever_its_case_and_free_again_after_deletion() {
    let world = World::new(&["ann"]);
    let process = world.process();
    let first = process.jobs.create(&plain("Nightly")).await.unwrap();
    for name in ["nightly", " NIGHTLY ", "Nightly"] {
        let second = process.jobs.create(&plain(name)).await;
        assert!(matches!(second, Err(JobError::NameTaken { .. })), "{name}");
    }
    let other = process.jobs.create(&plain("Weekly")).await.unwrap();
    let renamed = plain("NIGHTLY");
    let taken = process
        .jobs
        .edit(&other.id, &renamed, EditWhen::NotActive)
        .await;
    assert!(matches!(taken, Err(JobError::NameTaken { .. })));
    assert_eq!(process.jobs.find(" weekly").await.unwrap().id, other.id);
    assert_eq!(process.jobs.find(&other.id.0).await.unwrap().id, other.id);

    // Another writing of its own name is no conflict; the old name of a renamed job is free.
    process
        .jobs
        .edit(&first.id, &renamed, EditWhen::NotActive)
        .await
        .unwrap();
    process
        .jobs
        .edit(&first.id, &plain("Daily"), EditWhen::NotActive)
        .await
        .unwrap();
    process.jobs.create(&plain("Nightly")).await.unwrap();
    process.jobs.delete(&other.id, false).await.unwrap();
    assert!(process.jobs.find("weekly").await.is_err());
    process.jobs.create(&plain("weekly")).await.unwrap();
    let jobs = process.jobs.all().await.unwrap().into_iter();
    let mut names: Vec<_> = jobs.map(|job| job.name).collect();
    names.sort();
    assert_eq!(names, ["Daily", "Nightly", "weekly"]);
}

#[tokio::test]
async fn of_racing_creators_of_one_name_one_wins() {
    let world = World::new(&[]);
    let process = world.process();
    let makers = (0..8).map(|number| {
        let jobs = process.jobs.clone();
        let name = if number % 2 == 0 { "Race" } else { "race " };
        tokio::spawn(async move { jobs.create(&plain(name)).await.is_ok() })
    });
    let won: Vec<bool> = futures::future::try_join_all(makers).await.unwrap();
    assert_eq!(won.iter().filter(|won| **won).count(), 1);
    assert_eq!(process.jobs.all().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_wrong_definition_is_refused_with_all_its_mistakes() {
    let world = World::new(&[]);
    let process = world.process();
    let mut wrong = plain(" ");
    wrong.priority = 9;
    let Err(JobError::Invalid(problems)) = process.jobs.create(&wrong).await else {
        panic!("it was taken");
    };
    assert_eq!(problems.list().len(), 2);
    assert!(process.jobs.all().await.unwrap().is_empty());
}

#[tokio::test]
async fn every_edit_is_a_version_and_a_cycle_keeps_its_own() {
    let world = World::new(&["ann", "bob"]);
    let process = world.process();
    let id = process.jobs.create(&plain("All")).await.unwrap().id;
    process.start(&id).await;
    process.tick().await;
    let mut edited = plain("All");
    edited.priority = 1;
    let refused = process.jobs.edit(&id, &edited, EditWhen::NotActive).await;
    assert!(matches!(refused, Err(JobError::Active { .. })));

    let job = process
        .jobs
        .edit(&id, &edited, EditWhen::AfterCycle)
        .await
        .unwrap();
    assert_eq!((job.version, job.newest), (1, 2));
    // Saying the same again is no edit.
    let same = process
        .jobs
        .edit(&id, &edited, EditWhen::AfterCycle)
        .await
        .unwrap();
    assert_eq!(same.newest, 2);
    process.settle().await;
    assert_eq!(process.run(&id, 1).await.version, 1);
    assert_eq!(process.job(&id).await.version, 2);
    world.wait(60);
    process.settle().await;
    assert_eq!(process.run(&id, 2).await.version, 2);
    assert_eq!(
        process
            .jobs
            .definition_of(&process.job(&id).await, 1)
            .await
            .unwrap()
            .priority,
        3
    );
}

#[tokio::test]
async fn an_edit_may_stop_the_cycle_and_the_job_goes_on_with_it() {
    let world = World::new(&["ann", "bob"]);
    let process = world.process();
    let id = process.jobs.create(&plain("All")).await.unwrap().id;
    process.start(&id).await;
    process.tick().await;
    let mut edited = plain("All");
    edited.priority = 1;
    process
        .jobs
        .edit(&id, &edited, EditWhen::StopFirst)
        .await
        .unwrap();
    process.settle().await;
    assert_eq!(process.run(&id, 1).await.state, State::Stopped);
    assert!(
        world.site.done().is_empty(),
        "nothing was begun after the stop"
    );
    world.wait(60);
    process.settle().await;
    let second = process.run(&id, 2).await;
    assert_eq!(
        (second.version, second.state),
        (2, State::Ended(End::Completed))
    );
}

#[tokio::test]
async fn a_job_at_work_is_deleted_after_its_work_and_its_record_stays() {
    let world = World::new(&["ann"]);
    let process = world.process();
    let id = process.jobs.create(&plain("All")).await.unwrap().id;
    process.start(&id).await;
    process.tick().await;
    let refused = process.jobs.delete(&id, false).await;
    assert!(matches!(refused, Err(JobError::Active { .. })));
    process.jobs.delete(&id, true).await.unwrap();
    // Deleting: the name is not free yet.
    assert!(process.jobs.create(&plain("all")).await.is_err());
    process.settle().await;
    let job = process.job(&id).await;
    assert!(job.deleted_at.is_some() && !job.is_open);
    let events = process.events(&id).await;
    assert!(events.iter().any(|event| event.event == JobEvent::Deleted));
    process.jobs.create(&plain("all")).await.unwrap();
    world.wait(3_600);
    process.settle().await;
    assert_eq!(
        process.job(&id).await.cycle,
        1,
        "a deleted job never starts"
    );
}

#[tokio::test]
async fn a_scheduled_job_starts_by_itself_and_another_when_a_person_says_so() {
    let world = World::new(&["ann"]);
    let process = world.process();
    let scheduled = process
        .jobs
        .create(&daily("scheduled", 7, 9))
        .await
        .unwrap()
        .id;
    let manual = process.jobs.create(&one_time("manual")).await.unwrap().id;
    process.settle().await;
    assert_eq!(process.job(&scheduled).await.cycle, 1);
    assert_eq!(process.job(&manual).await.cycle, 0);
    process.start(&manual).await;
    process.settle().await;
    assert_eq!(process.job(&manual).await.cycle, 1);
}
