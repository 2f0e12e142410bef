//! Jobs over groups and attributes, and starts of a part.

use std::collections::BTreeSet;

use exchange_sim::MailboxState;

use crate::support::{World, files_below};
use crate::{end, serve, serve_with, tasks, tenant, wait_for, write};

fn job(scope: &str) -> String {
    format!(
        "name = \"Some\"\nconnection = \"simulated\"\nstorage = \"main\"\nidle_time = \"00:00:01\"\n\
         [scope]\n{scope}\n"
    )
}

/// Waits for a run whose tasks are these mailboxes, all done.
async fn run_of(world: &World, wanted: &[&String]) {
    let wanted: BTreeSet<String> = wanted.iter().map(|one| (*one).clone()).collect();
    let mut seen = BTreeSet::new();
    for _ in 0..300 {
        let job = crate::named(world, "Some").await;
        let run = job["runs"].as_u64().unwrap();
        if run == 0 {
            continue;
        }
        let found = tasks(world, "Some", run).await;
        let is_done = found.values().all(|state| state == "completed");
        seen = found.into_keys().collect();
        if is_done && seen == wanted {
            return;
        }
    }
    panic!("{seen:?} instead of {wanted:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_a_group_join_and_leave_from_cycle_to_cycle() {
    let world = World::ready(tenant(6, 2)).await;
    let (admin, who) = (world.tenant.admin(), world.addresses());
    let sales = admin.new_group("Sales", Some("sales@sim.example"));
    let north = admin.new_group("Sales north", None);
    admin.add_member(&sales, &who[0]).unwrap();
    admin.add_member(&sales, &north).unwrap();
    for member in [&who[1], &who[2], &who[5]] {
        admin.add_member(&north, member).unwrap();
    }
    // The third is left out by name, and the sixth is a room.
    let scope = format!(
        "mailboxes = {{ group = \"sales@sim.example\" }}\nexclude = [\"{}\"]\nrooms = false",
        who[2]
    );
    let file = write(&world, "job.toml", &job(&scope));
    world.run(&["apply", "-f", &file]).await.expect(0);
    world.run(&["job", "start", "Some"]).await.expect(0);
    let logs = world.path("logs");
    let child = serve_with(&world, "60", &["--log", logs.to_str().unwrap()]);
    run_of(&world, &[&who[0], &who[1]]).await;
    let new = admin.new_mailbox(1);
    admin.add_member(&north, &new).unwrap();
    admin.remove_member(&sales, &who[0]).unwrap();
    let new = admin.mailboxes().into_iter().find(|one| one.id == new);
    let new = new.unwrap().address.unwrap();
    run_of(&world, &[&who[1], &new]).await;
    end(child).await;
    // Who left keeps the backup.
    let kept = world.json(&["snapshots", "--mailbox", &who[0]]).await;
    assert!(!kept.expect(0).objects("snapshot").is_empty());
    // Each run has its log, with mailboxes, folders and the number of the worker.
    let files = files_below(&logs);
    assert!(files.len() >= 2, "{files:?}");
    let first = std::fs::read_to_string(&files[0]).unwrap();
    // It begins with the start of the run and ends with how it ended.
    let lines: Vec<_> = first.lines().collect();
    assert!(lines[1].contains(",planner,run_started,"), "{first}");
    let last = lines.last().unwrap();
    assert!(
        last.contains(",planner,run_finished,") && last.contains(",completed,"),
        "{first}"
    );
    let row = first
        .lines()
        .find(|line| line.contains(",folder_finished,"));
    let cells: Vec<_> = row.expect(&first).split(',').collect();
    assert!(
        cells[0].ends_with('Z') && cells[1].starts_with(['1', '2', '3']),
        "{cells:?}"
    );
    assert!(who[..2].iter().any(|one| cells[3] == one), "{cells:?}");
    assert!(
        !cells[4].is_empty() && cells[6].parse::<u64>().unwrap() > 0,
        "{cells:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_right_to_read_groups_is_tried_when_a_job_names_one() {
    let world = World::ready(tenant(1, 1)).await;
    let admin = world.tenant.admin();
    admin.new_group("Sales", None);
    admin.set_roles(&[
        "User.Read.All",
        "Mail.Read",
        "Mail.ReadWrite",
        "Contacts.Read",
        "Calendars.Read",
        "Tasks.Read.All",
        "MailboxSettings.Read",
    ]);
    let words = ["connection", "test", "simulated"];
    let tried = |run: &crate::support::Run| {
        let all = run.objects("permission").into_iter();
        all.filter(|one| one["permission"] == "GroupMember.Read.All")
            .collect::<Vec<_>>()
    };
    let without = world.json(&words).await.expect(0);
    assert!(tried(&without).is_empty());
    let file = write(
        &world,
        "job.toml",
        &job("mailboxes = { group = \"Sales\" }"),
    );
    world.run(&["apply", "-f", &file]).await.expect(0);
    let missing = tried(&world.json(&words).await.expect(4));
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert_eq!(missing[0]["granted"], false);
    assert!(missing[0]["purpose"].as_str().unwrap().contains("Some"));
    admin.set_roles(&[
        "User.Read.All",
        "Mail.Read",
        "Mail.ReadWrite",
        "Contacts.Read",
        "Calendars.Read",
        "Tasks.Read.All",
        "MailboxSettings.Read",
        "GroupMember.Read.All",
    ]);
    let granted = tried(&world.json(&words).await.expect(0));
    assert_eq!(granted[0]["granted"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attribute_chooses_mailboxes() {
    let world = World::ready(tenant(3, 1)).await;
    let (admin, who) = (world.tenant.admin(), world.addresses());
    admin
        .set_attribute(&who[1], "extensionAttribute9", "Keep")
        .unwrap();
    let scope = "mailboxes = { rule = { any = [{ attribute = \"extension_attribute9\", equals = \"keep\" }, \
                 { attribute = \"city\", starts_with = \"Nowhere\" }] } }";
    let file = write(&world, "job.toml", &job(scope));
    world.run(&["apply", "-f", &file]).await.expect(0);
    world.run(&["job", "start", "Some"]).await.expect(0);
    let child = serve(&world);
    run_of(&world, &[&who[1]]).await;
    admin
        .set_attribute(&who[2], "extensionAttribute9", "KEEP")
        .unwrap();
    run_of(&world, &[&who[1], &who[2]]).await;
    // What is not there waits for a person, who is told what to do.
    let nobody = job("mailboxes = { group = \"Nobody\" }");
    let nowhere = job("").replace("simulated", "nowhere");
    for (number, text) in (2_u64..).zip([nobody, nowhere]) {
        let file = write(&world, "job.toml", &text);
        let words = ["apply", "--stop-first", "-f", &file];
        world.run(&words).await.expect(0);
        let waits = |job: &serde_json::Value| {
            job["definition"] == number && job["state"]["code"] == "waiting_for_person"
        };
        let job = wait_for(&world, "Some", waits).await;
        assert_eq!(job["state"]["reason"], "configuration");
        assert!(!job["state"]["action"].as_str().unwrap().is_empty());
    }
    end(child).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_may_concern_a_part() {
    let world = World::ready(tenant(3, 1)).await;
    let (admin, who) = (world.tenant.admin(), world.addresses());
    admin
        .set_mailbox_state(&who[1], MailboxState::Denied)
        .unwrap();
    let file = job("mailboxes = \"all\"").replace("00:00:01", "90:00:00");
    let file = write(&world, "job.toml", &file);
    world.run(&["apply", "-f", &file]).await.expect(0);
    let child = serve(&world);
    let runs = |count: u64| {
        move |job: &serde_json::Value| job["runs"] == count && job["last"]["cycle"] == count
    };
    world.run(&["job", "start", "Some"]).await.expect(0);
    let first = wait_for(&world, "Some", runs(1)).await;
    assert_eq!(first["state"]["reason"], "some_mailboxes");
    let listed = tasks(&world, "Some", 1).await;
    assert_eq!((listed.len(), listed[&who[1]].as_str()), (3, "failed"));
    admin
        .set_mailbox_state(&who[1], MailboxState::Available)
        .unwrap();
    world
        .run(&["job", "start", "Some", "--failed"])
        .await
        .expect(0);
    wait_for(&world, "Some", runs(2)).await;
    let listed = tasks(&world, "Some", 2).await;
    assert_eq!((listed.len(), listed[&who[1]].as_str()), (1, "completed"));
    world
        .run(&["job", "start", "Some", "--mailbox", &who[2]])
        .await
        .expect(0);
    wait_for(&world, "Some", runs(3)).await;
    assert_eq!(
        tasks(&world, "Some", 3)
            .await
            .into_keys()
            .collect::<Vec<_>>(),
        [who[2].clone()]
    );
    end(child).await;
}
