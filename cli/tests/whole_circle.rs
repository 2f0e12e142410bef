//! The way of a mailbox through every verb, with the program as users run it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use exchange_sim::SimTenant;
use support::{CONNECTION, World, files_below};

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_goes_through_every_verb() {
    let world = World::ready(SimTenant::builder().mailboxes(2).items_per_mailbox(25)).await;
    let admin = world.tenant.admin();
    let addresses = world.addresses();
    let (ann, bob) = (addresses[0].as_str(), addresses[1].as_str());

    // Connection and mailboxes.
    let test = world
        .json(&["connection", "test", CONNECTION])
        .await
        .expect(0);
    let permissions = test.objects("permission");
    assert!(
        permissions.iter().all(|one| one["granted"] == true),
        "{permissions:?}"
    );
    let listed = world.json(&["connection", "ls"]).await.expect(0);
    assert_eq!(listed.object("connection")["name"], CONNECTION);
    let at_tenant = world
        .json(&["mailbox", "ls", "--connection", CONNECTION])
        .await
        .expect(0);
    assert!(
        at_tenant
            .objects("mailbox")
            .iter()
            .any(|one| one["address"] == ann)
    );
    assert_eq!(
        world.json(&["mailbox", "ls"]).await.expect(0).lines().len(),
        0
    );

    // Backup, change, backup.
    let first = world.json(&["backup"]).await.expect(0);
    assert_eq!(first.object("run_finished")["outcome"], "complete");
    assert_eq!(first.objects("mailbox_finished").len(), 2);
    let before = admin.items(ann).unwrap();
    admin.add_mail(ann, "inbox").unwrap();
    admin
        .set_read(ann, &before[0].id, !before[0].is_read)
        .unwrap();
    admin.move_mail(ann, &before[1].id, "deleteditems").unwrap();
    admin.delete_mail(ann, &before[2].id).unwrap();
    let second = world.json(&["backup"]).await.expect(0);
    let counters = &second.object("run_finished")["counters"];
    assert_eq!(counters["items_stored"], 1, "{counters}");
    assert_eq!(counters["items_deleted"], 1, "{counters}");
    assert_eq!(
        world
            .json(&["mailbox", "ls"])
            .await
            .expect(0)
            .objects("mailbox")
            .len(),
        2
    );

    // Restore points and what differs.
    assert_eq!(
        world
            .json(&["snapshots"])
            .await
            .expect(0)
            .objects("run")
            .len(),
        2
    );
    let points = world.json(&["snapshots", "--mailbox", ann]).await.expect(0);
    let points = points.objects("snapshot");
    assert_eq!(points.len(), 2);
    let oldest = points[1]["sequence"].to_string();
    let diff = world
        .json(&["diff", "--mailbox", ann, &oldest])
        .await
        .expect(0);
    let count = |change: &str| {
        let all = diff.objects("difference");
        all.iter().filter(|one| one["change"] == change).count()
    };
    assert_eq!(
        (count("added"), count("removed"), count("changed")),
        (1, 1, 2)
    );
    let backwards = world
        .run(&["diff", "--mailbox", ann, "latest", &oldest])
        .await;
    backwards.expect(2);

    // Looking for mail.
    let folders = world
        .json(&["ls", "--mailbox", ann])
        .await
        .expect(0)
        .objects("folder");
    assert!(folders.iter().any(|one| one["well_known"] == "inbox"));
    let all = world
        .json(&["find", "--mailbox", ann])
        .await
        .expect(0)
        .objects("item");
    let visible = admin.mailboxes()[0].items;
    assert_eq!(all.len() as u64, visible);
    let wanted = all.iter().find(|one| one["subject"] != "").unwrap();
    let (item, subject) = (
        wanted["item"].as_str().unwrap(),
        wanted["subject"].as_str().unwrap(),
    );
    let folder = wanted["folder"].as_str().unwrap();
    let found = world
        .json(&["find", "--subject", subject, "--mailbox", ann])
        .await
        .expect(0);
    assert!(found.objects("item").iter().any(|one| one["item"] == item));
    let inside = world
        .json(&["ls", "--mailbox", ann, folder])
        .await
        .expect(0);
    assert!(inside.objects("item").iter().any(|one| one["item"] == item));
    let none = world
        .json(&["find", "--until", "1990-01-01"])
        .await
        .expect(0);
    assert_eq!(none.objects("item").len(), 0);
    let deleted = world
        .json(&["find", "--mailbox", ann, "--deleted"])
        .await
        .expect(0);
    let gone = deleted
        .objects("item")
        .into_iter()
        .filter(|one| one["deleted"] == true);
    assert_eq!(gone.count(), 1);

    // The message, its headers, its metadata, its export.
    let message = world.run(&["cat", "--mailbox", ann, item]).await.expect(0);
    let headers = world
        .run(&["cat", "--mailbox", ann, item, "--headers"])
        .await
        .expect(0);
    assert!(!headers.stdout.is_empty() && message.stdout.starts_with(&headers.stdout));
    let metadata = world
        .json(&["cat", "--mailbox", ann, item])
        .await
        .expect(0)
        .object("item");
    assert_eq!(metadata["content_bytes"], message.stdout.len());
    let one = world.path("one");
    let to_one = [
        "export",
        "--mailbox",
        ann,
        "--item",
        item,
        "--output",
        one.to_str().unwrap(),
    ];
    world.run(&to_one).await.expect(0);
    let written = files_below(&one);
    assert_eq!(written.len(), 1);
    assert_eq!(std::fs::read(&written[0]).unwrap(), message.stdout);
    world.run(&to_one).await.expect(2);
    let boxes = world.path("boxes");
    let mbox = ["export", "--mailbox", ann, "--format", "mbox", "--output"];
    let mbox: Vec<_> = mbox.into_iter().chain([boxes.to_str().unwrap()]).collect();
    let summary = world.json(&mbox).await.expect(0).object("export_summary");
    assert_eq!(summary["exported"], visible);

    // Restore: plan, do, repeat.
    let held = admin.items(bob).unwrap().len();
    let restore = ["restore", "--mailbox", ann, "--folder", folder, "--to", bob];
    let with = |more: &[&'static str]| -> Vec<&str> {
        restore
            .iter()
            .copied()
            .chain(more.iter().copied())
            .collect()
    };
    let plan = world
        .json(&with(&["--dry-run"]))
        .await
        .expect(0)
        .object("restore_plan");
    assert_eq!(admin.items(bob).unwrap().len(), held);
    let named = with(&["--folder-name", "From the vault"]);
    let done = world.json(&named).await.expect(0).object("restore_summary");
    assert_eq!(done["restored"], plan["items"]);
    let after = admin.items(bob).unwrap().len();
    assert_eq!(
        after - held,
        usize::try_from(plan["items"].as_u64().unwrap()).unwrap()
    );
    let again = world.json(&named).await.expect(0).object("restore_summary");
    assert_eq!(
        (&again["restored"], &again["already_there"]),
        (&0.into(), &plan["items"])
    );
    assert_eq!(admin.items(bob).unwrap().len(), after);
    assert!(admin.sent().is_empty(), "a restore sent mail");

    // The vault is sound. (The mailbox that was restored into differs by what it got.)
    let report = world
        .json(&["verify", "--full"])
        .await
        .expect(0)
        .object("verify_report");
    assert_eq!(report["damaged"], 0);
    assert!(report["items_read"].as_u64().unwrap() >= visible);
    world
        .run(&["verify", "--source", "--mailbox", ann])
        .await
        .expect(0);
    world
        .run(&["verify", "--source", "--mailbox", bob])
        .await
        .expect(3);
    let stats = world.json(&["stats"]).await.expect(0);
    assert_eq!(stats.objects("mailbox_stats").len(), 2);
    assert!(
        stats.object("vault_stats")["stored_bytes"]
            .as_u64()
            .unwrap()
            > 0
    );
    world.run(&["connection", "rm", CONNECTION]).await.expect(0);
    world.run(&["backup"]).await.expect(1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_is_restored_into_its_own_folders_and_into_another_tenant() {
    let world = World::ready(SimTenant::builder().mailboxes(1).items_per_mailbox(15)).await;
    let ann = world.addresses().remove(0);
    world.run(&["backup"]).await.expect(0);
    let held = world.tenant.admin().items(&ann).unwrap().len();
    let restore = |more: &'static [&'static str]| {
        let (world, ann) = (&world, &ann);
        async move {
            let base = ["restore", "--mailbox", ann, "--folder", "Inbox"];
            let words: Vec<_> = base.into_iter().chain(more.iter().copied()).collect();
            world.json(&words).await
        }
    };
    let skipped = restore(&["--placement", "original"]).await.expect(0);
    let skipped = skipped.object("restore_summary");
    assert_eq!(skipped["restored"], 0, "{skipped}");
    assert_eq!(world.tenant.admin().items(&ann).unwrap().len(), held);
    let copied = restore(&["--placement", "original", "--on-conflict", "copy"])
        .await
        .expect(0);
    let copied = copied.object("restore_summary")["restored"]
        .as_u64()
        .unwrap();
    assert!(copied > 0);
    let now = world.tenant.admin().items(&ann).unwrap().len();
    assert_eq!(now - held, usize::try_from(copied).unwrap());
    restore(&["--placement", "original", "--folder-name", "x"])
        .await
        .expect(2);

    let other = World::start(
        SimTenant::builder()
            .seed(9)
            .mailboxes(1)
            .items_per_mailbox(10),
    )
    .await;
    let bob = other.addresses().remove(0);
    let held = other.tenant.admin().items(&bob).unwrap().len();
    let mut add = world.command(&["connection", "add", "other"]);
    add.args([
        "--tenant",
        &other.tenant.tenant_id,
        "--client-id",
        &other.tenant.client_id,
    ]);
    add.args([
        "--login-url",
        other.tenant.base_url(),
        "--graph-url",
        other.tenant.base_url(),
    ]);
    add.env("MAILKEEP_CLIENT_SECRET", &other.tenant.client_secret);
    support::run(add).await.expect(0);
    restore(&["--to-connection", "other"]).await.expect(2);
    let words = [
        "restore",
        "--mailbox",
        &ann,
        "--to-connection",
        "other",
        "--to",
        &bob,
    ];
    let done = world.json(&words).await.expect(0).object("restore_summary");
    let now = other.tenant.admin().items(&bob).unwrap().len();
    assert_eq!(done["restored"], now - held);
    // Two connections: a backup must say which.
    world.run(&["backup"]).await.expect(2);
    world
        .run(&["backup", "--connection", CONNECTION])
        .await
        .expect(0);
}

/// Text goes to people: every verb that lists something says something without `--json` as well.
#[tokio::test(flavor = "multi_thread")]
async fn text_output_is_a_table_and_piped_output_has_no_colours() {
    let world = World::ready(SimTenant::builder().mailboxes(1).items_per_mailbox(12)).await;
    let ann = world.addresses().remove(0);
    let backup = world.run(&["backup"]).await.expect(0);
    assert!(backup.text().contains("MAILBOX") && backup.text().contains("Complete: 1 mailbox"));
    assert_eq!(backup.stderr, "");
    let verbs: [&[&str]; 8] = [
        &["mailbox", "ls"],
        &["connection", "ls"],
        &["connection", "test", CONNECTION],
        &["snapshots"],
        &["ls", "--mailbox", &ann],
        &["find"],
        &["verify"],
        &["stats"],
    ];
    for verb in verbs {
        let run = world.run(verb).await.expect(0);
        assert!(run.text().lines().count() >= 1, "{verb:?}");
        assert!(!run.stdout.contains(&0x1b), "{verb:?}");
        assert_eq!(run.stderr, "", "{verb:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_hold_no_address_no_subject_and_no_secret() {
    let world = World::ready(SimTenant::builder().mailboxes(2).items_per_mailbox(20)).await;
    let admin = world.tenant.admin();
    let addresses = world.addresses();
    let items = admin.items(&addresses[0]).unwrap();
    admin.corrupt_item(&addresses[0], &items[3].id).unwrap();
    admin.set_random_faults(20);
    let mut logs = String::new();
    let to = addresses[1].as_str();
    let runs: [&[&str]; 4] = [
        &["connection", "test", CONNECTION],
        &["backup"],
        &["verify", "--full", "--source"],
        &["restore", "--mailbox", &addresses[0], "--to", to],
    ];
    for words in runs {
        let mut command = world.command(words);
        command.args(["--log-level", "trace"]);
        let run = support::run(command).await;
        assert!([0, 3].contains(&run.code), "{words:?}: {}", run.stderr);
        logs.push_str(&run.stderr);
    }
    assert!(
        logs.contains("mailbox finished") && logs.contains("an item could not"),
        "{logs}"
    );
    let subjects = items.iter().map(|item| item.subject.clone());
    let words = subjects
        .filter(|subject| subject.len() > 8)
        .chain(addresses);
    for word in words.chain([world.tenant.client_secret.clone()]) {
        assert!(!logs.contains(&word), "{word:?} is in the logs");
    }
    assert!(
        !logs.contains("Bearer ") && !logs.contains("eyJ"),
        "a token is in the logs"
    );
}

/// On a terminal there are bars, and they are gone at the end. `script` makes a terminal.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_gets_bars() {
    if tokio::process::Command::new("script")
        .arg("--version")
        .output()
        .await
        .is_err()
    {
        eprintln!("not tested: this machine has no `script` to make a terminal with");
        return;
    }
    let world = World::ready(SimTenant::builder().mailboxes(2).items_per_mailbox(60)).await;
    let program = world.command(&[]);
    let program = program.as_std().get_program().to_str().unwrap().to_owned();
    let mut command = tokio::process::Command::new("script");
    command.args([
        "-qec",
        &format!("stty cols 120 rows 40; {program} backup"),
        "/dev/null",
    ]);
    command.env("MAILKEEP_VAULT", world.vault());
    command.env("MAILKEEP_KEY_FILE", world.path("vault.key"));
    command
        .env("TERM", "xterm")
        .stdin(std::process::Stdio::null());
    let run = support::run(command).await.expect(0);
    let text = run.text();
    assert!(
        text.contains("items/s") && text.contains("mailboxes done"),
        "no bars: {text}"
    );
    let (_, last) = text
        .rsplit_once("Complete: 2 mailboxes")
        .expect("a closing line");
    assert!(!last.contains("items/s"), "a bar stayed: {last}");
}
