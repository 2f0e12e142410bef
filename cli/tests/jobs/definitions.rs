//! Definitions in files: what is wrong, what differs, when a job may work. No server is needed.

use crate::support::World;
use crate::{tenant, write};

const THREE: &str = "
[[job]]
name = \"One\"
connection = \"simulated\"
storage = \"main\"

[job.schedule]
zone = \"Europe/Warsaw\"
pattern = { daily = { hours = { from = \"22:00\", to = \"06:00\" }, range = { start = \"2035-03-23\", end = \"2035-03-27\" } } }

[[job]]
name = \"Two\"
connection = \"simulated\"
storage = \"main\"
priority = 5

[[job]]
name = \"Three\"
connection = \"simulated\"
storage = \"main\"
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_is_told_at_once_and_nothing_is_changed() {
    let world = World::ready(tenant(1, 0)).await;
    let wrong = THREE
        .replace("22:00", "24:30")
        .replace("priority = 5", "priority = 6\nconcurrent_mailboxes = 0")
        .replace("\"Three\"", "\"ONE\"");
    let file = write(&world, "wrong.toml", &wrong);
    let report = world.run(&["apply", "-f", &file]).await.expect(2).stderr;
    for line in [
        "wrong.toml:9: ",
        "wrong.toml:15: priority: ",
        "wrong.toml:16: concurrent_mailboxes: ",
    ] {
        assert!(report.contains(line), "{line} in\n{report}");
    }
    assert!(
        world
            .json(&["job", "ls"])
            .await
            .expect(0)
            .objects("job")
            .is_empty()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_changes_what_differs_and_removes_only_when_told() {
    let world = World::ready(tenant(1, 0)).await;
    let file = write(&world, "three.toml", THREE);
    world.run(&["apply", "-f", &file]).await.expect(0);
    world.run(&["job", "diff", "-f", &file]).await.expect(0);
    let changed = THREE.replace("priority = 5", "priority = 1");
    let changed = &changed[..changed.find("[[job]]\nname = \"Three\"").unwrap()];
    let changed = write(&world, "changed.toml", changed);
    let diff = world.json(&["job", "diff", "-f", &changed]).await.expect(3);
    let told: Vec<_> = diff
        .objects("job_difference")
        .into_iter()
        .map(|one| {
            (
                one["name"].as_str().unwrap().to_owned(),
                one["difference"].as_str().unwrap().to_owned(),
                one["fields"].to_string(),
            )
        })
        .collect();
    let of = |name: &str, kind: &str, fields: &str| {
        (name.to_owned(), kind.to_owned(), fields.to_owned())
    };
    assert_eq!(
        told,
        [
            of("Two", "changed", "[\"priority\"]"),
            of("Three", "not_in_file", "[]")
        ]
    );
    world.run(&["apply", "-f", &changed]).await.expect(0);
    assert_eq!(world.json(&["job", "ls"]).await.objects("job").len(), 3);
    world
        .run(&["apply", "--prune", "-f", &changed])
        .await
        .expect(0);
    assert_eq!(world.json(&["job", "ls"]).await.objects("job").len(), 2);
    // Every edit is a version.
    assert_eq!(crate::named(&world, "Two").await["newest_definition"], 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_periods_are_shown_with_the_clock_put_forward() {
    let world = World::ready(tenant(1, 0)).await;
    let file = write(&world, "three.toml", THREE);
    world.run(&["apply", "-f", &file]).await.expect(0);
    let words = ["job", "preview", "One", "--count", "3"];
    let shown = world.json(&words).await.expect(0);
    let periods: Vec<_> = shown
        .objects("activity_period")
        .into_iter()
        .map(|period| {
            (
                period["from"].as_str().unwrap().to_owned(),
                period["to"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    // Summer time begins in the second night, which is an hour shorter.
    let nights = [
        ("2035-03-23T21:00:00Z", "2035-03-24T05:00:00Z"),
        ("2035-03-24T21:00:00Z", "2035-03-25T04:00:00Z"),
        ("2035-03-25T20:00:00Z", "2035-03-26T04:00:00Z"),
    ];
    assert_eq!(
        periods,
        nights.map(|(from, to)| (from.to_owned(), to.to_owned()))
    );
    // A schedule that is switched off: a person starts the job, at any time.
    let off = THREE.replace("[job.schedule]\n", "[job.schedule]\nenabled = false\n");
    let off = write(&world, "off.toml", &off);
    world.run(&["apply", "-f", &off]).await.expect(0);
    let shown = world.run(&words).await.expect(0).text();
    assert!(
        shown.contains("a person starts it") && shown.contains("for ever"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_needs_a_mail_server_in_the_settings() {
    let world = World::ready(tenant(1, 0)).await;
    let text = "name = \"One\"\nconnection = \"simulated\"\nstorage = \"main\"\n\
        [notifications]\nreport_to = \"boss@sim.example\"\n";
    let file = write(&world, "job.toml", text);
    let refused = world
        .run(&["job", "create", "--file", &file])
        .await
        .expect(2)
        .stderr;
    assert!(
        refused.contains("job.toml:5: notifications.report_to: "),
        "{refused}"
    );
    let silent = write(&world, "silent.toml", "tell_retries = true\n");
    let words = ["apply", "-f", &file, "--notifications", &silent];
    let refused = world.run(&words).await.expect(2).stderr;
    assert!(refused.contains("no mail server"), "{refused}");
    let mail = "[mail]\nserver = \"mail.sim.example\"\nfrom = \"mailkeep@sim.example\"\n";
    let mail = write(&world, "mail.toml", mail);
    let words = ["apply", "-f", &file, "--notifications", &mail];
    world.run(&words).await.expect(0);
}
