//! What reaches further on Exchange: Autodiscover, trees beside the visible one, export streams, both kinds
//! of connection in one vault.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    missing_docs
)]

mod support;

use std::collections::BTreeMap;
use std::process::Stdio;

use exchange_sim::{ExchangeOptions, MailProfile, Redirect, SimTenant, SimTenantBuilder};
use serde_json::Value;
use support::{CONNECTION, Run, World};

fn tenant(mailboxes: u32, items: u32, options: ExchangeOptions) -> SimTenantBuilder {
    let builder = SimTenant::builder()
        .mailboxes(mailboxes)
        .items_per_mailbox(items)
        .profile(MailProfile::Small)
        .unusual_mail(false)
        .rebuild_mime(false);
    builder.other_accounts(false).exchange(options)
}

/// Adds the connection `hq`; `place` says how the server is found.
async fn add(world: &World, place: &[&str]) -> Run {
    let access = world.tenant.exchange().unwrap();
    let list = world.path("addresses.txt");
    std::fs::write(&list, world.addresses().join("\n")).unwrap();
    let mut command = world.command(&["connection", "add", "hq"]);
    command.args(place).args(["--user", &access.service_user]);
    command.arg("--mailboxes-file").arg(&list);
    command.env("MAILKEEP_EXCHANGE_PASSWORD", &access.service_password);
    if let Some(pem) = access.authority_pem {
        let file = world.path("authority.pem");
        std::fs::write(&file, pem).unwrap();
        command.arg("--authority-file").arg(&file);
    }
    command.arg("--json");
    support::run(command).await
}

async fn connected(world: &World) {
    let url = world.tenant.exchange().unwrap().url;
    add(world, &["--ews-url", &url]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn autodiscover_finds_the_server_and_never_follows_a_stranger() {
    let options = ExchangeOptions {
        tls: true,
        ..ExchangeOptions::default()
    };
    let world = World::start(tenant(1, 5, options)).await;
    world.init().await.expect(0);
    let access = world.tenant.exchange().unwrap();
    let base = access.url.replace("/EWS/Exchange.asmx", "");
    let address = world.addresses().remove(0);
    let admin = world.tenant.admin();
    for file in ["autodiscover.svc", "autodiscover.xml"] {
        let at = format!("{base}/autodiscover/{file}");
        let place = [
            "--ews-autodiscover",
            &address,
            "--autodiscover-url",
            &at,
            "--replace",
        ];
        let stranger = "https://evil.example/autodiscover/autodiscover.svc".to_owned();
        for redirect in [
            Redirect::Status(stranger.clone()),
            Redirect::Url(stranger),
            Redirect::Address("ann@evil.example".into()),
        ] {
            admin.redirect_autodiscover(redirect).unwrap();
            let refused = add(&world, &place).await.expect(1);
            assert!(
                refused.stderr.contains("--trust-host evil.example"),
                "{}",
                refused.stderr
            );
        }
        let there = format!("{base}/autodiscover/{file}");
        admin.redirect_autodiscover(Redirect::Url(there)).unwrap();
        let added = add(&world, &place).await.expect(0);
        assert_eq!(added.object("connection")["url"], access.url.as_str());
    }
    world.run(&["connection", "test", "hq"]).await.expect(0);
    world.run(&["backup"]).await.expect(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn archive_recoverable_items_and_export_streams_are_taken_when_asked_for() {
    let world = World::start(tenant(1, 12, ExchangeOptions::default())).await;
    world.init().await.expect(0);
    connected(&world).await;
    let mailbox = world.addresses().remove(0).to_lowercase();
    world.run(&["backup"]).await.expect(0);
    let folders = |run: Run| -> Vec<String> {
        let all = run.expect(0).objects("folder");
        all.iter()
            .map(|one| one["path"].as_str().unwrap().to_owned())
            .collect()
    };
    let list = ["ls", "--mailbox", &mailbox];
    let usual = folders(world.json(&list).await);
    assert!(
        !usual.iter().any(|path| path.contains("In-Place Archive")),
        "{usual:?}"
    );
    let all = [
        "backup",
        "--archive",
        "--recoverable-items",
        "--export-streams",
    ];
    world.run(&all).await.expect(0);
    let more = folders(world.json(&list).await);
    for wanted in ["In-Place Archive/Inbox", "Recoverable Items/Deletions"] {
        assert!(
            more.iter().any(|path| path == wanted),
            "{wanted} in {more:?}"
        );
    }
    let found = world
        .json(&[
            "find",
            "--mailbox",
            &mailbox,
            "--folder",
            "In-Place Archive",
        ])
        .await;
    let items = found.expect(0).objects("item");
    assert!(!items.is_empty());
    let item = items[0]["item"].as_str().unwrap();
    let shown = world
        .json(&["cat", item, "--mailbox", &mailbox])
        .await
        .expect(0);
    let line = &shown.lines()[0];
    assert!(line["export_stream_bytes"].as_u64().unwrap() > 0, "{line}");
    assert_eq!(line["export_stream_server"], "15.2.2562.17");
    world.run(&["verify", "--full"]).await.expect(0);
    let admin = world.tenant.admin();
    admin.reset_counters();
    let restore = ["restore", "--mailbox", &mailbox, "--item", item];
    world.run(&restore).await.expect(0);
    assert_eq!(admin.counters().get("POST /EWS/UploadItems 200"), Some(&1));
    let without = [
        "restore",
        "--mailbox",
        &mailbox,
        "--item",
        item,
        "--without-export-streams",
        "--folder-name",
        "x",
    ];
    world.run(&without).await.expect(0);
    assert_eq!(admin.counters().get("POST /EWS/CreateItem 200"), Some(&1));
    assert_eq!(admin.sent(), []);
}

/// What a person sees of mail, by subject.
fn seen(world: &World, mailbox: &str, only: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let admin = world.tenant.admin();
    let folders = admin.folders(mailbox).unwrap();
    let is_visible = |id: &str| {
        folders
            .iter()
            .any(|one| one.id == id && !one.is_hidden && !one.is_search)
    };
    let mut all = BTreeMap::new();
    for item in admin.items(mailbox).unwrap() {
        if !is_visible(&item.folder) || !only(&item.id) || item.class != "IPM.Note" {
            continue;
        }
        let files = admin.attachments(mailbox, &item.id).unwrap();
        let files: Vec<_> = files.iter().map(|one| (&one.name, &one.blake3)).collect();
        let facts = format!(
            "{} {} {} {} {:?} {files:?}",
            item.received, item.is_read, item.is_flagged, item.is_draft, item.categories
        );
        let key = format!(
            "{} {}",
            item.subject,
            item.internet_message_id.unwrap_or_default()
        );
        all.insert(key, facts);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn items_go_from_servers_to_microsoft_365_and_what_cannot_is_counted() {
    let world = World::start(tenant(2, 25, ExchangeOptions::default())).await;
    world.init().await.expect(0);
    connected(&world).await;
    world.connect(&[]).await.expect(0);
    let (ann, bob) = (world.addresses().remove(0), world.addresses().remove(1));
    world
        .run(&["backup", "--connection", "hq", "--mailbox", &ann])
        .await
        .expect(0);
    let admin = world.tenant.admin();
    let before: Vec<String> = admin
        .items(&bob)
        .unwrap()
        .into_iter()
        .map(|one| one.id)
        .collect();
    let ann_key = ann.to_lowercase();
    let restore = [
        "restore",
        "--mailbox",
        &ann_key,
        "--to",
        &bob,
        "--to-connection",
        CONNECTION,
        "--folder-name",
        "Umzug",
    ];
    let plan = world
        .json(&[&restore[..], &["--dry-run"]].concat())
        .await
        .expect(0);
    let folders = plan.object("restore_plan")["folders"]
        .as_array()
        .unwrap()
        .clone();
    let planned: u64 = folders
        .iter()
        .map(|one| one["not_restorable"].as_u64().unwrap())
        .sum();
    let done = world.json(&restore).await.expect(3);
    let summary = done.object("restore_summary");
    let kinds = summary["not_restorable"].as_object().unwrap();
    assert_eq!(
        kinds.keys().collect::<Vec<_>>(),
        ["distribution_list"],
        "{summary}"
    );
    let refused: u64 = kinds.values().map(|one| one.as_u64().unwrap()).sum();
    assert_eq!(summary["failed"], refused, "{summary}");
    assert_eq!(planned, refused);
    let mut new = seen(&world, &bob, |id| !before.contains(&id.to_owned()));
    let old = seen(&world, &ann, |_| true);
    assert!(old.len() > 15);
    // Posts, notes and messages about meetings have become mail.
    assert!(new.len() > old.len());
    assert!(summary["with_losses"].as_u64().unwrap() > 0, "{summary}");
    new.retain(|name, _| old.contains_key(name));
    assert_eq!(new, old);
    assert_eq!(admin.sent(), []);
    let again = world.json(&restore).await.expect(3);
    assert_eq!(again.object("restore_summary")["restored"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_goes_from_microsoft_365_to_servers() {
    // Microsoft 365 does not show other items among its mail.
    let options = ExchangeOptions {
        samples: false,
        ..ExchangeOptions::default()
    };
    let world = World::start(tenant(2, 25, options)).await;
    world.init().await.expect(0);
    connected(&world).await;
    world.connect(&[]).await.expect(0);
    let (ann, bob) = (world.addresses().remove(0), world.addresses().remove(1));
    world
        .run(&["backup", "--connection", CONNECTION, "--mailbox", &ann])
        .await
        .expect(0);
    let admin = world.tenant.admin();
    let before: Vec<String> = admin
        .items(&bob)
        .unwrap()
        .into_iter()
        .map(|one| one.id)
        .collect();
    let restore = [
        "restore",
        "--mailbox",
        &ann,
        "--to",
        &bob,
        "--to-connection",
        "hq",
        "--folder-name",
        "Zurück",
    ];
    let done = world.json(&restore).await.expect(0);
    assert_eq!(done.object("restore_summary")["failed"], 0);
    let new = seen(&world, &bob, |id| !before.contains(&id.to_owned()));
    let old = seen(&world, &ann, |_| true);
    assert!(old.len() > 15);
    assert_eq!(new, old);
    assert_eq!(admin.sent(), []);
    let again = world.json(&restore).await.expect(0);
    assert_eq!(again.object("restore_summary")["restored"], 0);
}

const JOBS: &str = "
[[job]]
name = \"Online\"
type = \"one_time\"
connection = \"simulated\"
storage = \"main\"

[[job]]
name = \"On premises\"
type = \"one_time\"
connection = \"hq\"
storage = \"main\"

[job.items]
sensitive_items = true

[job.extent]
archive = true
recoverable_items = true
export_streams = true
";

async fn state(world: &World) -> BTreeMap<String, Value> {
    let all = world.json(&["job", "ls"]).await.expect(0).objects("job");
    all.into_iter()
        .map(|job| {
            (
                job["name"].as_str().unwrap().to_owned(),
                job["state"]["code"].clone(),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_serve_runs_jobs_of_both_kinds() {
    let world = World::start(tenant(2, 8, ExchangeOptions::default())).await;
    world.init().await.expect(0);
    connected(&world).await;
    world.connect(&[]).await.expect(0);
    let file = world.path("jobs.toml");
    std::fs::write(&file, JOBS).unwrap();
    let file = file.to_str().unwrap();
    world.run(&["apply", "-f", file]).await.expect(0);
    world.run(&["job", "diff", "-f", file]).await.expect(0);
    let mut serve = world.command(&["serve", "--workers", "3", "--quiet"]);
    serve.stdout(Stdio::null()).stderr(Stdio::null());
    let mut serve = serve.spawn().unwrap();
    for job in ["Online", "On premises"] {
        world.run(&["job", "start", job]).await.expect(0);
    }
    let mut states = state(&world).await;
    for _ in 0..400 {
        if states.values().all(|state| state == "completed") {
            break;
        }
        states = state(&world).await;
    }
    assert!(
        states.values().all(|state| state == "completed"),
        "{states:?}"
    );
    serve.kill().await.unwrap();
    let mailboxes = world
        .json(&["mailbox", "ls"])
        .await
        .expect(0)
        .objects("mailbox");
    assert_eq!(mailboxes.len(), 4, "two of each kind");
    let id = |online: bool| -> String {
        let all = mailboxes.iter();
        let found = all.filter(|one| (one["realm"] == world.tenant.tenant_id.as_str()) == online);
        found
            .map(|one| one["mailbox"].as_str().unwrap().to_owned())
            .min()
            .unwrap()
    };
    let paths = |run: Run| -> Vec<String> {
        let all = run.expect(0).objects("folder");
        all.iter()
            .map(|one| one["path"].as_str().unwrap().to_owned())
            .collect()
    };
    let online = paths(world.json(&["ls", "--mailbox", &id(true)]).await);
    assert!(
        !online.iter().any(|path| path.contains("In-Place Archive")),
        "{online:?}"
    );
    let served = paths(world.json(&["ls", "--mailbox", &id(false)]).await);
    assert!(
        served.iter().any(|path| path.contains("In-Place Archive")),
        "{served:?}"
    );
    world.run(&["verify", "--full"]).await.expect(0);
}

/// Runs the program and gives back the most memory that it took, in MB.
#[cfg(target_os = "linux")]
async fn measured(world: &World, words: &[&str]) -> u64 {
    let mut command = world.command(words);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let path = format!("/proc/{}/status", child.id().unwrap());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(&path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
        most = most.max(number.unwrap_or(0));
        tokio::task::yield_now().await;
    }
    assert_eq!(child.wait().await.unwrap().code(), Some(0), "{words:?}");
    most / 1024
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_of_40_megabytes_is_never_held_whole() {
    let world = World::start(tenant(1, 5, ExchangeOptions::default())).await;
    world.init().await.expect(0);
    connected(&world).await;
    let mailbox = world.addresses().remove(0).to_lowercase();
    let restore = ["restore", "--mailbox", &mailbox, "--folder-name"];
    let backup = ["backup", "--export-streams"];
    let usual = measured(&world, &backup).await;
    let usual = usual.max(measured(&world, &[&restore[..], &["one"]].concat()).await);
    let admin = world.tenant.admin();
    admin.add_giant_mail(&mailbox, "inbox", 40_000_000).unwrap();
    let giant = measured(&world, &backup).await;
    let from_stream = measured(&world, &[&restore[..], &["two"]].concat()).await;
    let without = [&restore[..], &["three", "--without-export-streams"]].concat();
    let from_mime = measured(&world, &without).await;
    for most in [giant, from_stream, from_mime] {
        assert!(
            most < usual + 30,
            "{most} MB, and {usual} MB without the large item"
        );
    }
    let held = admin.items(&mailbox).unwrap();
    let large = held.iter().filter(|item| {
        let files = admin.attachments(&mailbox, &item.id).unwrap();
        files.iter().any(|file| file.bytes == 40_000_000)
    });
    assert_eq!(large.count(), 3);
}
