//! Public folders with the program as users run it: by hand and by a job, beside mailboxes and alone, with
//! an Exchange organisation and with a tenant that has none.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use std::process::Stdio;

use exchange_sim::{ExchangeOptions, MailProfile, SimTenant};
use support::World;

const PUBLIC: &str = "public-folders";

/// An organisation with public folders in two mailboxes, and a connection `hq` to it.
async fn world() -> World {
    let builder = SimTenant::builder().mailboxes(2).items_per_mailbox(6);
    let builder = builder.profile(MailProfile::Small).unusual_mail(false);
    let world = World::start(builder.other_accounts(false).exchange(ExchangeOptions {
        public_mailboxes: 2,
        samples: true,
        ..ExchangeOptions::default()
    }))
    .await;
    world.init().await.expect(0);
    let access = world.tenant.exchange().unwrap();
    let list = world.path("addresses.txt");
    std::fs::write(&list, world.addresses().join("\n")).unwrap();
    let reader = &world.addresses()[0];
    let mut add = world.command(&["connection", "add", "hq", "--ews-url", &access.url]);
    add.args([
        "--user",
        &access.service_user,
        "--public-folders-as",
        reader,
    ]);
    add.arg("--mailboxes-file").arg(&list);
    add.env("MAILKEEP_EXCHANGE_PASSWORD", &access.service_password);
    support::run(add).await.expect(0);
    world
}

/// Names of the folders in the vault that hold something.
async fn folders(world: &World) -> Vec<String> {
    let found = world.json(&["find", "--mailbox", PUBLIC]).await.expect(0);
    let mut names: Vec<String> = found
        .objects("item")
        .into_iter()
        .map(|item| item["folder"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names.dedup();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn public_folders_are_chosen_backed_up_and_restored_by_hand() {
    let world = world().await;
    let admin = world.tenant.admin();
    let tested = world.json(&["connection", "test", "hq"]).await.expect(0);
    let named = |name: &str| {
        let all = tested.objects("permission");
        all.into_iter()
            .any(|one| one["permission"] == name && one["granted"] == true)
    };
    assert!(named("Public folders") && named("ApplicationImpersonation"));
    let listed = world
        .json(&["mailbox", "ls", "--connection", "hq"])
        .await
        .expect(0);
    let kinds = listed
        .objects("mailbox")
        .into_iter()
        .map(|one| one["kind"].clone());
    assert_eq!(kinds.filter(|kind| kind == "public_folders").count(), 1);

    // Only what was named, now and later.
    let some = ["backup", "--public-folder", "company/sales \\/ emea"];
    world.json(&some).await.expect(0);
    let sales = [
        "Company/Sales \\/ EMEA",
        "Company/Sales \\/ EMEA/Größere Kunden",
    ];
    assert_eq!(folders(&world).await, sales);
    let kept = world
        .json(&["mailbox", "ls"])
        .await
        .expect(0)
        .objects("mailbox");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0]["kind"], "public_folders");

    // Everything: mailboxes, too. The folder that may not be opened is told.
    let all = world.json(&["backup"]).await.expect(3);
    let finished = all.objects("mailbox_finished");
    assert_eq!(finished.len(), 3, "{}", all.text());
    assert!(all.text().contains("Company/Board"), "{}", all.text());
    assert_eq!(folders(&world).await.len(), 6);
    let again = world.json(&["backup", "--mailbox", PUBLIC]).await.expect(3);
    let counters = &again.object("run_finished")["counters"];
    assert_eq!(counters["items_stored"], 0, "{counters}");

    // Into another public folder, into a mailbox, and a mailbox into a public folder.
    let before = admin.items(PUBLIC).unwrap().len();
    let below = ["--folder-name", "Kopie", "--below", "Company/Announcements"];
    let sales = [
        "restore",
        "--mailbox",
        PUBLIC,
        "--folder",
        "Company/Sales \\/ EMEA",
    ];
    let plan = [&sales[..], &below[..], &["--dry-run"]].concat();
    world.run(&plan).await.expect(0);
    assert_eq!(admin.items(PUBLIC).unwrap().len(), before);
    for _ in 0..2 {
        world
            .run(&[&sales[..], &below[..]].concat())
            .await
            .expect(0);
        assert_eq!(admin.items(PUBLIC).unwrap().len(), before + 4);
    }
    let ann = world.addresses()[0].to_lowercase();
    let held = admin.items(&ann).unwrap().len();
    world
        .run(&[&sales[..], &["--to", &ann]].concat())
        .await
        .expect(0);
    assert_eq!(admin.items(&ann).unwrap().len(), held + 4);
    let over = [
        "restore",
        "--mailbox",
        &ann,
        "--folder",
        "Inbox",
        "--to",
        PUBLIC,
    ];
    world.run(&[&over[..], &below[..]].concat()).await.expect(0);
    assert!(admin.items(PUBLIC).unwrap().len() > before + 4);
    assert_eq!(admin.sent(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_backs_up_public_folders_with_future_subfolders_where_wanted() {
    let world = world().await;
    let admin = world.tenant.admin();
    let file = world.path("job.toml");
    std::fs::write(
        &file,
        "name = \"Public\"\ntype = \"one_time\"\nconnection = \"hq\"\nstorage = \"main\"\n\
         start_on_create = true\n[scope]\nmailboxes = \"none\"\n\
         [[scope.public_folders.chosen]]\npath = 'Company/Sales \\/ EMEA'\nwith_subfolders = true\n\
         [[scope.public_folders.chosen]]\npath = \"Company/Announcements\"\n",
    )
    .unwrap();
    let all = admin.folders(PUBLIC).unwrap();
    let id = |name: &str| all.iter().find(|one| one.name == name).unwrap().id.clone();
    for parent in ["Größere Kunden", "Announcements"] {
        let new = admin
            .add_public_folder(&id(parent), "Neu", "IPF.Note", 1)
            .unwrap();
        admin.add_mail(PUBLIC, &new).unwrap();
    }
    let file = file.to_str().unwrap();
    world
        .run(&["job", "create", "--file", file])
        .await
        .expect(0);
    let mut serve = world.command(&["serve", "--workers", "1", "--lease", "2", "--quiet"]);
    serve.stdout(Stdio::null()).stderr(Stdio::null());
    let mut serve = serve.spawn().unwrap();
    let mut state = String::new();
    for _ in 0..400 {
        let jobs = world.json(&["job", "ls"]).await.expect(0).objects("job");
        state = jobs[0]["state"]["code"].to_string();
        if state.contains("completed") {
            break;
        }
    }
    let tasks = world.json(&["job", "tasks", "Public"]).await.expect(0);
    assert!(state.contains("completed"), "{state}: {}", tasks.text());
    serve.start_kill().unwrap();
    let expected = [
        "Company/Announcements",
        "Company/Sales \\/ EMEA",
        "Company/Sales \\/ EMEA/Größere Kunden",
        "Company/Sales \\/ EMEA/Größere Kunden/Neu",
    ];
    assert_eq!(folders(&world).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_public_folders_say_so() {
    let world = World::ready(SimTenant::builder().mailboxes(1).items_per_mailbox(1)).await;
    let refused = world.run(&["backup", "--public-folder", "Company"]).await;
    assert_ne!(refused.code, 0);
    assert!(
        refused.text().contains("no_public_folders"),
        "{}{}",
        refused.text(),
        refused.stderr
    );
    let words = "reaches no public folders";
    world.run(&["backup"]).await.expect(0);
    let ann = world.addresses()[0].to_lowercase();
    let refused = world
        .run(&["restore", "--mailbox", &ann, "--to", PUBLIC])
        .await;
    assert_ne!(refused.code, 0);
    assert!(refused.stderr.contains(words), "{}", refused.stderr);
}
