//! Jobs as typed: definitions in files, `serve` beside a second terminal, and `serve` killed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod active;
mod definitions;
mod hooks;
mod scope;
#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::process::Stdio;

use exchange_sim::{MailProfile, SimTenant, SimTenantBuilder};
use serde_json::Value;
use support::World;
use tokio::process::Child;

const JOB: &str = "
[[job]]
name = \"All mail\"
type = \"one_time\"
connection = \"simulated\"
storage = \"main\"

[job.items]
sensitive_items = true
";

pub(crate) fn tenant(mailboxes: u32, items: u32) -> SimTenantBuilder {
    let builder = SimTenant::builder()
        .mailboxes(mailboxes)
        .items_per_mailbox(items);
    let builder = builder.profile(MailProfile::Small).unusual_mail(false);
    builder.other_accounts(false).rebuild_mime(false)
}

pub(crate) fn write(world: &World, name: &str, text: &str) -> String {
    let path = world.path(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

pub(crate) fn serve(world: &World) -> Child {
    serve_with(world, "2", &[])
}

/// `lease` is short where a process is killed, and long where it must not count as killed.
pub(crate) fn serve_with(world: &World, lease: &str, more: &[&str]) -> Child {
    let mut command = world.command(&["serve", "--workers", "3", "--lease", lease, "--quiet"]);
    command.args(more);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

async fn job(world: &World) -> Value {
    let mut all = world.json(&["job", "ls"]).await.expect(0).objects("job");
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// Waits for the job to be in a state; other processes do the work.
async fn until(world: &World, state: &str) -> Value {
    for _ in 0..400 {
        let job = job(world).await;
        if job["state"]["code"] == state {
            return job;
        }
    }
    let tasks = world.json(&["job", "tasks", "All mail"]).await;
    panic!(
        "it does not become {state}: {}\n{}",
        job(world).await,
        tasks.text()
    );
}

/// The job of this name.
pub(crate) async fn named(world: &World, name: &str) -> Value {
    let all = world.json(&["job", "ls"]).await.expect(0).objects("job");
    let found = all.into_iter().find(|job| job["name"] == name);
    found.unwrap_or_else(|| panic!("there is no job {name}"))
}

/// Waits until a job fits; other processes do the work.
pub(crate) async fn wait_for(world: &World, name: &str, fits: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let job = named(world, name).await;
        if fits(&job) {
            return job;
        }
    }
    let shown = world.run(&["job", "show", name]).await;
    panic!("{name} does not become what it should:\n{}", shown.text());
}

/// How the tasks of a run stand, by address.
pub(crate) async fn tasks(world: &World, name: &str, run: u64) -> BTreeMap<String, String> {
    let run = run.to_string();
    let listed = world.json(&["job", "tasks", name, "--run", &run]).await;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tasks = listed.expect(0).objects("task").into_iter();
    tasks
        .map(|task| (word(&task["address"]), word(&task["state"]["code"])))
        .collect()
}

pub(crate) async fn end(mut child: Child) {
    terminate(&child);
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

fn terminate(child: &Child) {
    let id = child.id().unwrap().to_string();
    let status = std::process::Command::new("kill")
        .args(["-TERM", &id])
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_defined_in_a_file_and_run_by_serve() {
    let world = World::ready(tenant(2, 10)).await;
    let file = write(&world, "jobs.toml", JOB);
    world.run(&["job", "diff", "-f", &file]).await.expect(3);
    world.run(&["apply", "-f", &file]).await.expect(0);
    world.run(&["job", "diff", "-f", &file]).await.expect(0);
    // What is exported is what was applied.
    let exported = world.run(&["job", "export"]).await.expect(0).text();
    let again = write(&world, "again.toml", &exported);
    world.run(&["job", "diff", "-f", &again]).await.expect(0);
    let preview = world.json(&["job", "preview", "all mail"]).await.expect(0);
    assert_eq!(preview.objects("activity_period").len(), 1);

    let mut child = serve(&world);
    world.run(&["job", "start", "ALL MAIL"]).await.expect(0);
    let done = until(&world, "completed").await;
    assert_eq!(done["words"], "finished");
    assert_eq!(
        (&done["job_type"], &done["storage"]),
        (&"one_time".into(), &"main".into())
    );
    let progress = &done["progress"];
    assert_eq!(progress["counters"]["items_stored"], 20, "{progress}");
    assert_eq!(progress["mailboxes"], serde_json::json!([2, 0, 0]));
    // Each guide has its own words for the same.
    for (list, words) in [
        ("list", "finished"),
        ("card", "finished"),
        ("health", "Disabled"),
        ("account", "Completed"),
        ("backup", "Completed"),
    ] {
        let shown = world.json(&["job", "ls", "--words", list]).await.expect(0);
        let shown = shown.object("job");
        assert!(
            shown["words"].as_str().unwrap().starts_with(words),
            "{list}: {shown}"
        );
    }
    terminate(&child);
    assert_eq!(child.wait().await.unwrap().code(), Some(0));

    let runs = world
        .json(&["job", "runs", "All mail"])
        .await
        .expect(0)
        .objects("run");
    assert_eq!((runs.len(), &runs[0]["ended"]), (1, &Value::from(2)));
    let tasks = world
        .json(&["job", "tasks", "All mail"])
        .await
        .expect(0)
        .objects("task");
    assert_eq!(tasks.len(), 2);
    assert!(
        tasks
            .iter()
            .all(|task| task["state"]["code"] == "completed")
    );
    let shown = world.json(&["job", "show", "All mail"]).await.expect(0);
    assert_eq!(
        shown.object("job_definition")["definition"]["items"]["sensitive_items"],
        true
    );
    assert!(shown.objects("job_event").len() >= 4);
    world.run(&["verify", "--source"]).await.expect(0);

    // A one-time job that is done is not started again; what is wrong has its own exit codes.
    let refused = world.run(&["job", "start", "All mail"]).await.expect(1);
    assert!(
        refused.stderr.contains("one-time job and done"),
        "{}",
        refused.stderr
    );
    world.run(&["job", "start", "Nothing"]).await.expect(1);
    let wrong = write(&world, "wrong.toml", &JOB.replace("All mail", " "));
    let wrong = world.run(&["apply", "-f", &wrong]).await.expect(2);
    assert!(
        wrong.stderr.contains("wrong.toml:3: name: empty"),
        "{}",
        wrong.stderr
    );
    world.run(&["job", "rm", "All mail"]).await.expect(0);
    assert!(
        world
            .json(&["job", "ls"])
            .await
            .expect(0)
            .objects("job")
            .is_empty()
    );
    world.run(&["verify"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serve_is_killed_again_and_again_and_the_job_is_done_all_the_same() {
    let world = World::ready(tenant(3, 60)).await;
    let file = write(&world, "jobs.toml", JOB);
    world.run(&["apply", "-f", &file]).await.expect(0);
    world.run(&["job", "start", "All mail"]).await.expect(0);
    let mut kills = 0;
    for objects in [1, 3, 6] {
        let before = support::files_below(&world.vault()).len();
        let mut child = serve(&world);
        while child.try_wait().unwrap().is_none() {
            let is_over = job(&world).await["state"]["code"] == "completed";
            if is_over || support::files_below(&world.vault()).len() >= before + objects {
                kills += u32::from(!is_over);
                // SIGKILL: nothing is tidied up.
                child.kill().await.unwrap();
                break;
            }
        }
    }
    assert!(kills >= 1, "it was never killed at work");
    let mut child = serve(&world);
    let done = until(&world, "completed").await;
    assert_eq!(done["runs"], 1, "it is still the one cycle");
    terminate(&child);
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
    world.run(&["verify", "--full", "--source"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_serves_on_one_database_share_the_work_and_do_nothing_twice() {
    let world = World::ready(tenant(6, 5)).await;
    let file = write(&world, "jobs.toml", JOB);
    world.run(&["apply", "-f", &file]).await.expect(0);
    let both = [serve_with(&world, "60", &[]), serve_with(&world, "60", &[])];
    world.run(&["job", "start", "All mail"]).await.expect(0);
    let done = until(&world, "completed").await;
    assert_eq!(done["runs"], 1);
    assert_eq!(done["progress"]["counters"]["items_stored"], 30, "{done}");
    for child in both {
        end(child).await;
    }
    assert_eq!(tasks(&world, "All mail", 1).await.len(), 6);
    // One restore point each, and one event for each state.
    for address in world.addresses() {
        let listed = world.json(&["snapshots", "--mailbox", &address]).await;
        assert_eq!(listed.expect(0).objects("snapshot").len(), 1, "{address}");
    }
    let shown = world.json(&["job", "show", "All mail"]).await.expect(0);
    let events = shown.objects("job_event").into_iter();
    let states: Vec<_> = events
        .filter(|event| event["event"]["event"]["what"] == "run_state")
        .collect();
    assert_eq!(states.len(), 3, "queued, running, completed: {states:?}");
}
