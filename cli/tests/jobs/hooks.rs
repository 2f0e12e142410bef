//! Scripts before and after a backup, called by `serve`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use crate::support::World;
use crate::{end, serve, serve_with, tenant, wait_for, write};

/// Says that it was called, and how it is told the backup went; ends with its second word.
const SCRIPT: &str = "echo \"$1 $MAILKEEP_PHASE ${MAILKEEP_OUTCOME:-none}\" >> \"$3\"\n\
    echo \"output of $1\"\nexit \"$2\"\n";

/// Before or after, waited for or not, continuing or failing the job, the hook's code, and how the job
/// ends after all.
const CASES: [(&str, bool, bool, u8, &str); 10] = [
    ("before", true, false, 7, "completed"),
    ("before", true, true, 7, "hook_before"),
    ("before", false, false, 7, "completed"),
    ("before", false, true, 7, "hook_before"),
    ("after", true, false, 7, "completed"),
    ("after", true, true, 7, "hook_after"),
    ("after", false, false, 7, "completed"),
    ("after", false, true, 7, "hook_after"),
    ("before", true, true, 0, "completed"),
    ("after", true, true, 0, "completed"),
];

fn outcome(job: &Value) -> String {
    let state = &job["state"];
    let word = match &state["reason"] {
        Value::Null => &state["code"],
        reason => reason,
    };
    word.as_str().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_combinations_of_hooks_do_as_they_say() {
    let world = World::ready(tenant(12, 3)).await;
    let script = write(&world, "hook.sh", SCRIPT);
    let calls = world.path("calls");
    let calls = calls.to_str().unwrap();
    let addresses = world.addresses();
    let mut file = String::new();
    for (number, (phase, wait, fails_job, code, _)) in CASES.iter().enumerate() {
        let on_failure = if *fails_job { "fail_job" } else { "continue" };
        let address = &addresses[number];
        writeln!(
            file,
            "[[job]]\nname = \"job {number}\"\ntype = \"one_time\"\nconnection = \"simulated\"\n\
             storage = \"main\"\nstart_on_create = true\nscope = {{ mailboxes = {{ chosen = [\"{address}\"] }} }}\n\
             hooks = {{ {phase} = {{ call = {{ exec = [\"sh\", \"{script}\", \"{number}\", \"{code}\", \"{calls}\"] }}, \
             wait = {wait}, on_failure = \"{on_failure}\" }} }}\n"
        )
        .unwrap();
    }
    let file = write(&world, "jobs.toml", &file);
    world.run(&["apply", "-f", &file]).await.expect(0);
    let child = serve_with(&world, "60", &[]);
    for (number, (.., expected)) in CASES.iter().enumerate() {
        let name = format!("job {number}");
        let is_over = |job: &Value| {
            let is_ended = job["last"].is_object() && job["in_flight"] == 0;
            is_ended && outcome(job) == *expected
        };
        wait_for(&world, &name, is_over).await;
        let shown = world.json(&["job", "hooks", &name]).await.expect(0);
        let hook = shown.object("hook")["hook"].clone();
        assert_eq!(hook["output"], format!("output of {number}\n"));
        let code = CASES[number].3;
        assert_eq!(hook["fault"].is_null(), code == 0, "{hook}");
    }
    end(child).await;
    // Each was called once, and was told what it should know.
    let text = std::fs::read_to_string(calls).unwrap();
    let called: BTreeMap<&str, &str> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .collect();
    assert_eq!(
        (text.lines().count(), called.len()),
        (CASES.len(), CASES.len()),
        "{text}"
    );
    for (number, (phase, ..)) in CASES.iter().enumerate() {
        let told = called[number.to_string().as_str()];
        assert_eq!(
            told,
            if *phase == "before" {
                "before none"
            } else {
                "after completed"
            }
        );
    }
    // No backup where the script before it failed the job and was waited for; a good one wherever the
    // script after it failed.
    for (number, case) in CASES.iter().enumerate() {
        let address = &addresses[number];
        let listed = world.json(&["snapshots", "--mailbox", address]).await;
        match case {
            ("before", true, true, 7, _) => assert_ne!(listed.code, 0, "there is a backup"),
            ("before", false, true, ..) => {}
            _ => assert!(!listed.expect(0).objects("snapshot").is_empty()),
        }
    }
    world.run(&["verify", "--full"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hook_whose_serve_was_killed_is_in_doubt_and_not_called_again() {
    let world = World::ready(tenant(1, 2)).await;
    let calls = world.path("calls");
    let script = write(&world, "hook.sh", "echo called >> \"$1\"\nexec sleep 30\n");
    let file = format!(
        "name = \"All\"\ntype = \"one_time\"\nconnection = \"simulated\"\nstorage = \"main\"\nstart_on_create = true\n\
         [hooks.before]\ncall = {{ exec = [\"sh\", \"{script}\", \"{}\"] }}\non_failure = \"continue\"\n",
        calls.to_str().unwrap()
    );
    let file = write(&world, "job.toml", &file);
    world
        .run(&["job", "create", "--file", &file])
        .await
        .expect(0);
    let mut child = serve(&world);
    while !calls.exists() {
        assert!(child.try_wait().unwrap().is_none());
        tokio::task::yield_now().await;
    }
    child.kill().await.unwrap();
    let child = serve(&world);
    wait_for(&world, "All", |job| job["state"]["code"] == "completed").await;
    end(child).await;
    assert_eq!(std::fs::read_to_string(&calls).unwrap(), "called\n");
    let shown = world.json(&["job", "hooks", "All"]).await.expect(0);
    assert_eq!(shown.object("hook")["hook"]["is_in_doubt"], true);
}
