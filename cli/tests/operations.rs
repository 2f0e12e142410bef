//! Restores and exports that are left to `serve`, as typed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use exchange_sim::{MailProfile, SimTenant};
use serde_json::{Value, json};
use support::{CONNECTION, World, files_below, run};
use tokio::process::Child;

/// Two mailboxes that are backed up.
async fn backed_up() -> World {
    let tenant = SimTenant::builder()
        .mailboxes(2)
        .items_per_mailbox(10)
        .profile(MailProfile::Small)
        .unusual_mail(false)
        .other_accounts(false)
        .rebuild_mime(false);
    let world = World::ready(tenant).await;
    world.run(&["backup", "--quiet"]).await.expect(0);
    world
}

/// `mailkeep serve`; killed when it is dropped.
fn serve(world: &World) -> Child {
    let mut command = world.command(&["serve", "--workers", "2", "--lease", "60", "--quiet"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn items(world: &World, address: &str) -> usize {
    let admin = world.tenant.admin();
    let all = admin.mailboxes().into_iter();
    let mut found = all.filter(|it| it.address.as_deref() == Some(address));
    admin.items(&found.next().unwrap().id).unwrap().len()
}

/// Asks, and gives the operation's id.
async fn ask(world: &World, words: &[&str]) -> String {
    let asked = world.json(words).await.expect(0).object("operation");
    asked["id"].as_str().unwrap().to_owned()
}

async fn shown(world: &World, id: &str) -> Value {
    let shown = world.json(&["operation", "show", id]).await;
    shown.expect(0).object("operation")
}

/// Waits until an operation fits; another process does the work.
async fn until(world: &World, id: &str, fits: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..600 {
        last = shown(world, id).await;
        if fits(&last) {
            return last;
        }
    }
    panic!("the operation does not become that: {last}");
}

fn code(operation: &Value) -> &str {
    operation["state"]["code"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_is_left_to_serve_confirmed_and_carried_out() {
    let world = backed_up().await;
    let addresses = world.addresses();
    let (ann, bob) = (addresses[0].as_str(), addresses[1].as_str());
    let before = items(&world, bob);
    let restore = ["restore", "--mailbox", ann, "--to", bob, "--queue"];
    // Nobody works yet: it is written down, and what it would do is not known.
    let why = [&restore[..], &["--reason", "ticket 7"]].concat();
    let id = ask(&world, &why).await;
    let early = world.run(&["operation", "confirm", &id]).await.expect(1);
    assert!(early.stderr.contains("no plan yet"), "{}", early.stderr);
    let cancelled = ask(&world, &restore).await;
    let cancel = world.json(&["operation", "cancel", &cancelled]).await;
    assert_eq!(code(&cancel.expect(0).object("operation")), "cancelled");

    let _service = serve(&world);
    let planned = until(&world, &id, |it| it["waits_for_confirmation"] == true).await;
    let to_create = planned["plan"]["to_create"].as_u64().unwrap();
    assert!(to_create > 0, "{planned}");
    assert_eq!(
        (&planned["purpose"], items(&world, bob)),
        (&json!("ticket 7"), before)
    );
    let words = world
        .run(&["operation", "show", &id])
        .await
        .expect(0)
        .text();
    assert!(
        words.contains("Plan: ") && words.contains(" -> "),
        "{words}"
    );
    // It waits for its plan to be confirmed, and for nothing else.
    let resumed = world.run(&["operation", "resume", &id]).await.expect(1);
    assert!(resumed.stderr.contains("confirmed"), "{}", resumed.stderr);
    // The id may be typed in any case.
    let lower = id.to_lowercase();
    world.run(&["operation", "confirm", &lower]).await.expect(0);
    let done = until(&world, &id, |it| it["ended_at"] != Value::Null).await;
    assert_eq!(code(&done), "completed", "{done}");
    assert_eq!(done["counts"]["created"], to_create);
    let brought = usize::try_from(to_create).unwrap();
    assert_eq!(items(&world, bob), before + brought);
    assert!(world.tenant.admin().sent().is_empty());
    let late = world.run(&["operation", "cancel", &id]).await.expect(1);
    assert!(late.stderr.contains("is over"), "{}", late.stderr);
    // The cancelled one brought nothing, and both are listed, the newer one first.
    assert_eq!(code(&shown(&world, &cancelled).await), "cancelled");
    let listed = world.json(&["operation", "ls"]).await.expect(0);
    let listed = listed.objects("operation").into_iter();
    let ids: Vec<_> = listed.map(|it| it["id"].clone()).collect();
    assert_eq!(ids, [json!(cancelled), json!(id)]);
    let none = ["operation", "show", "01J0000000000000000000000A"];
    world.run(&none).await.expect(1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_is_left_to_serve_and_downloaded_until_it_is_cancelled() {
    let world = backed_up().await;
    let ann = world.addresses().remove(0);
    let _service = serve(&world);
    let id = ask(&world, &["export", "--mailbox", &ann, "--queue", "--yes"]).await;
    let done = until(&world, &id, |it| it["ended_at"] != Value::Null).await;
    assert_eq!(code(&done), "link_ready", "{done}");
    let files = world.path("downloaded");
    let download = |folder: &Path| {
        let mut command = world.command(&["operation", "download", &id, "--json", "--output"]);
        command.arg(folder);
        run(command)
    };
    let parts = download(&files).await.expect(0).objects("export_part");
    assert_eq!(json!(parts.len()), done["parts"]);
    assert_eq!(files_below(&files).len(), parts.len());
    // One archive with every mail, and the list of all files.
    let archives: Vec<_> = files_below(&files)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|it| it == "zip"))
        .collect();
    let bytes = std::fs::read(&archives[0]).unwrap();
    let names = bytes.windows(4).filter(|it| it == b"PK\x01\x02").count();
    assert_eq!(
        (archives.len(), json!(names)),
        (1, done["counts"]["created"].clone())
    );
    // A folder with something in it is not written to.
    download(&files).await.expect(2);

    world.run(&["operation", "cancel", &id]).await.expect(0);
    download(&world.path("late")).await.expect(1);
    // Beside the job database.
    let exports = world.path("vault-jobs-exports");
    assert!(exports.is_dir());
    // The store has files of its own there, too.
    let is_file = |path: &&PathBuf| {
        path.extension()
            .is_some_and(|it| it == "zip" || it == "json")
    };
    let is_there = || files_below(&exports).iter().filter(is_file).count();
    for _ in 0..600 {
        if is_there() == 0 {
            break;
        }
        shown(&world, &id).await;
    }
    assert_eq!(is_there(), 0, "they stay: {:?}", files_below(&exports));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_whose_secret_is_refused_waits_and_is_resumed() {
    let world = backed_up().await;
    let addresses = world.addresses();
    let (ann, bob) = (addresses[0].as_str(), addresses[1].as_str());
    let secret = |secret: &str| {
        let tenant = &world.tenant;
        let mut command = world.command(&["connection", "add", CONNECTION, "--replace"]);
        command.args([
            "--tenant",
            &tenant.tenant_id,
            "--client-id",
            &tenant.client_id,
        ]);
        command.args([
            "--login-url",
            tenant.base_url(),
            "--graph-url",
            tenant.base_url(),
        ]);
        command.env("MAILKEEP_CLIENT_SECRET", secret);
        run(command)
    };
    secret("an old one").await.expect(0);
    let _service = serve(&world);
    let restore = ["restore", "--mailbox", ann, "--to", bob, "--queue", "--yes"];
    let id = ask(&world, &restore).await;
    let waits = until(&world, &id, |it| code(it) == "waiting_for_person").await;
    assert_eq!(waits["waits_for_confirmation"], false, "{waits}");
    let confirmed = world.run(&["operation", "confirm", &id]).await.expect(1);
    assert!(
        confirmed.stderr.contains("no plan yet"),
        "{}",
        confirmed.stderr
    );
    secret(&world.tenant.client_secret).await.expect(0);
    world.run(&["operation", "resume", &id]).await.expect(0);
    let done = until(&world, &id, |it| it["ended_at"] != Value::Null).await;
    assert_eq!(code(&done), "completed", "{done}");
    assert!(done["counts"]["created"].as_u64().unwrap() > 0);
}
