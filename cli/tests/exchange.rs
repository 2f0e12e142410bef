//! An Exchange organisation beside a tenant, with the program as users run it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use exchange_sim::{ExchangeOptions, SimTenant};
use support::World;

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_organisation_is_backed_up_and_restored_to() {
    let builder = SimTenant::builder().mailboxes(2).items_per_mailbox(20);
    let builder = builder.other_accounts(false);
    let world = World::start(builder.exchange(ExchangeOptions {
        tls: true,
        ..ExchangeOptions::default()
    }))
    .await;
    world.init().await.expect(0);
    let access = world.tenant.exchange().unwrap();
    let addresses = world.addresses();
    let (ann, bob) = (addresses[0].to_lowercase(), addresses[1].to_lowercase());
    let list = world.path("addresses.txt");
    std::fs::write(&list, format!("# people\n{ann}\n\n{bob}\n")).unwrap();
    let authority = world.path("authority.pem");
    std::fs::write(&authority, access.authority_pem.unwrap()).unwrap();
    let add = |more: &[&str]| {
        let mut command = world.command(&["connection", "add", "hq", "--ews-url", &access.url]);
        command.args(["--user", &access.service_user]);
        command.arg("--mailboxes-file").arg(&list).args(more);
        command.env("MAILKEEP_EXCHANGE_PASSWORD", &access.service_password);
        support::run(command)
    };
    let authority = authority.to_str().unwrap();
    add(&["--authority-file", authority]).await.expect(0);
    let tested = world.json(&["connection", "test", "hq"]).await.expect(0);
    assert!(
        tested
            .objects("permission")
            .iter()
            .all(|one| one["granted"] == true)
    );
    let listed = world.json(&["connection", "ls"]).await.expect(0);
    assert_eq!(listed.object("connection")["protocol"], "exchange");
    assert!(!listed.text().contains(&access.service_password));

    let first = world.json(&["backup"]).await.expect(0);
    assert_eq!(first.object("run_finished")["outcome"], "complete");
    let admin = world.tenant.admin();
    let before = admin.items(&ann).unwrap();
    admin.delete_mail(&ann, &before[0].id).unwrap();
    admin.add_mail(&ann, "inbox").unwrap();
    let second = world.json(&["backup"]).await.expect(0);
    let counters = &second.object("run_finished")["counters"];
    assert_eq!(counters["items_stored"], 1, "{counters}");
    a_job_does_the_same(&world, &ann, &bob).await;
    let restore = ["restore", "--mailbox", &ann, "--to", &bob];
    let held = admin.items(&bob).unwrap().len();
    let done = world.run(&restore).await;
    assert_eq!(done.code, 0, "{}{}", done.text(), done.stderr);
    assert!(admin.items(&bob).unwrap().len() > held + 10);
    assert_eq!(admin.sent(), []);
}

/// Jobs work over Exchange servers, too, by all that a server can tell.
async fn a_job_does_the_same(world: &World, ann: &str, bob: &str) {
    let job = |name: &str, scope: &str| {
        format!(
            "[[job]]\nname = \"{name}\"\ntype = \"one_time\"\nconnection = \"hq\"\nstorage = \"main\"\n\
             start_on_create = true\nscope = {{ mailboxes = {scope} }}\n"
        )
    };
    let admin = world.tenant.admin();
    let people = admin.new_group("People", Some("people@sim.example"));
    let inner = admin.new_group("Inner", Some("inner@sim.example"));
    for (group, member) in [(&people, &inner), (&inner, &people)] {
        admin.add_member(group, member).unwrap();
    }
    admin.add_member(&inner, bob).unwrap();
    // All but one, so that no job waits for another one's mailbox.
    let all = job("All", &format!("\"all\", exclude = [\"{bob}\"]"));
    let group = job("Group", "{ group = \"People@sim.example\" }");
    let rule = job(
        "Rule",
        "{ rule = { attribute = \"city\", equals = \"x\" } }",
    );
    let file = world.path("jobs.toml");
    std::fs::write(&file, format!("{all}{group}{rule}")).unwrap();
    let apply = ["apply", "-f", file.to_str().unwrap()];
    world.run(&apply).await.expect(0);
    let mut serve = world.command(&["serve", "--lease", "2", "--quiet"]);
    let mut serve = serve.stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut states = std::collections::BTreeMap::new();
    for _ in 0..300 {
        for job in world.json(&["job", "ls"]).await.expect(0).objects("job") {
            let code = job["state"]["code"].as_str().unwrap().to_owned();
            states.insert(job["name"].as_str().unwrap().to_owned(), code);
        }
        let is_over = |state: &String| state.starts_with("completed") || state.starts_with("wait");
        if states.values().all(is_over) {
            break;
        }
    }
    // A server knows groups that have an address, and no attributes.
    assert_eq!(states["Rule"], "waiting_for_person", "{states:?}");
    for (name, wanted) in [("All", ann), ("Group", bob)] {
        let tasks = world.json(&["job", "tasks", name]).await.expect(0);
        let tasks = tasks.objects("task");
        assert_eq!(tasks.len(), 1, "{name}");
        assert_eq!(tasks[0]["address"], wanted, "{name}");
    }
    serve.kill().await.unwrap();
}
