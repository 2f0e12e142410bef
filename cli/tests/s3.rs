//! A vault in a bucket, with the program as users run it, on an AWS emulator that `./check aws` starts.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod support;

use std::path::Path;

use exchange_sim::{MailProfile, SimTenant};
use support::{CONNECTION, World, files_below, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

fn endpoint() -> String {
    let name = "MAILKEEP_TEST_AWS_ENDPOINT";
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set; `./check aws` starts an emulator"))
}

/// The emulator does not look at signatures, so plain HTTP will do.
async fn make_bucket(name: &str, has_lock: bool) {
    let endpoint = endpoint();
    let host = endpoint.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!(
        "PUT /{name} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\
         x-amz-bucket-object-lock-enabled: {has_lock}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// The program on a machine that has nothing but this folder and AWS credentials.
fn on_machine(world: &World, home: &Path) -> Command {
    let mut command = world.bare();
    command.env("HOME", home).current_dir(home);
    command.env("AWS_ACCESS_KEY_ID", "test");
    command.env("AWS_SECRET_ACCESS_KEY", "test");
    command.env("AWS_REGION", "us-east-1");
    command
}

/// A whole backup on one machine; then the machine, its keys and its settings are gone, and a bucket and
/// a recovery key must be enough on another one.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn bucket_and_recovery_key_are_enough_when_all_else_is_gone() {
    let builder = SimTenant::builder().mailboxes(2).items_per_mailbox(12);
    let world = World::start(builder.profile(MailProfile::Small)).await;
    let admin = world.tenant.admin();
    let addresses = world.addresses();
    let ann = addresses[0].as_str();
    let bucket = format!("mail-{}", std::process::id());
    make_bucket(&bucket, false).await;
    let place = format!("s3://{bucket}/some/vault?endpoint={}", endpoint());

    let first = tempfile::tempdir().unwrap();
    let server = |words: &[&str]| {
        let mut command = on_machine(&world, first.path());
        command.args(words).env("MAILKEEP_VAULT", &place);
        command.env("MAILKEEP_KEY_FILE", first.path().join("vault.key"));
        command
    };
    let mut init = server(&["init", "--new-key-file", "vault.key"]);
    init.args(["--recovery-key-file", "recovery.key"]);
    init.env_remove("MAILKEEP_KEY_FILE");
    let made = run(init).await.expect(0);
    assert!(
        made.text().contains(&format!("'{place}'")),
        "{}",
        made.text()
    );
    let mut again = server(&["init", "--recovery-key-file", "other.key"]);
    again.arg("--json");
    let again = run(again).await.expect(1);
    assert!(
        again.stderr.contains("there is a vault here"),
        "{}",
        again.stderr
    );

    let mut connect = server(&["connection", "add", CONNECTION]);
    connect.args(["--tenant", &world.tenant.tenant_id]);
    connect.args(["--client-id", &world.tenant.client_id]);
    connect.args(["--login-url", world.tenant.base_url()]);
    connect.args(["--graph-url", world.tenant.base_url()]);
    connect.env("MAILKEEP_CLIENT_SECRET", &world.tenant.client_secret);
    run(connect).await.expect(0);
    let backup = run(server(&["backup", "--json"])).await.expect(0);
    assert_eq!(backup.object("run_finished")["outcome"], "complete");
    run(server(&["verify", "--full"])).await.expect(0);

    // Disaster: the mailbox is emptied and the machine is lost. Somebody kept the recovery key.
    let held = admin.items(ann).unwrap();
    for item in &held {
        admin.delete_mail(ann, &item.id).unwrap();
    }
    let second = tempfile::tempdir().unwrap();
    let kept = second.path().join("recovery.key");
    std::fs::copy(first.path().join("recovery.key"), &kept).unwrap();
    drop(first);

    let laptop = |words: &[&str]| {
        let mut command = on_machine(&world, second.path());
        command.args(words).args(["--vault", &place, "--json"]);
        command.args(["--recovery-key-file", "recovery.key"]);
        run(command)
    };
    let drill = laptop(&["drill"]).await.expect(0).object("drill");
    assert_eq!(drill["mailboxes"], 2);
    let mailboxes = laptop(&["mailbox", "ls"]).await.expect(0);
    assert_eq!(mailboxes.objects("mailbox").len(), 2);
    let export = ["export", "--mailbox", ann, "--output", "ann"];
    laptop(&export).await.expect(0);
    let files = files_below(&second.path().join("ann")).len();
    let restore = ["restore", "--mailbox", ann, "--placement", "original"];
    let restored = laptop(&restore).await.expect(0);
    let restored = restored.object("restore_summary")["restored"].clone();
    assert_eq!(restored, files);
    assert_eq!(admin.items(ann).unwrap().len(), files);
    assert!(files > 0 && admin.sent().is_empty());
}

#[tokio::test]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn a_bucket_that_is_not_there_is_named_before_a_key_is_asked_for() {
    let world = World::start(SimTenant::builder().mailboxes(1).items_per_mailbox(1)).await;
    let place = format!("s3://no-such-bucket/x?endpoint={}", endpoint());
    let mut stats = on_machine(&world, world.folder.path());
    stats.args(["stats", "--vault", &place]);
    let stats = run(stats).await.expect(1);
    let named = stats.stderr.contains("no-such-bucket") && stats.stderr.contains("NoSuchBucket");
    assert!(named, "{}", stats.stderr);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn a_bucket_with_object_lock_locks_the_vault_and_another_refuses() {
    let builder = SimTenant::builder().mailboxes(1).items_per_mailbox(5);
    let world = World::start(builder.profile(MailProfile::Small)).await;
    for has_lock in [false, true] {
        let bucket = format!("lock-{has_lock}-{}", std::process::id());
        make_bucket(&bucket, has_lock).await;
        let home = tempfile::tempdir().unwrap();
        let place = format!("s3://{bucket}?endpoint={}", endpoint());
        let machine = |words: &[&str]| {
            let mut command = on_machine(&world, home.path());
            command.args(words).env("MAILKEEP_VAULT", &place);
            command.env("MAILKEEP_KEY_FILE", home.path().join("vault.key"));
            command
        };
        let mut init = machine(&["init", "--new-key-file", "vault.key", "--lock-days", "1"]);
        init.args(["--recovery-key-file", "recovery.key"]);
        init.env_remove("MAILKEEP_KEY_FILE");
        if !has_lock {
            let refused = run(init).await.expect(1);
            assert!(refused.stderr.contains("Object Lock"), "{}", refused.stderr);
            assert!(!home.path().join("vault.key").exists());
            continue;
        }
        run(init).await.expect(0);
        let mut connect = machine(&["connection", "add", CONNECTION]);
        connect.args(["--tenant", &world.tenant.tenant_id]);
        connect.args(["--client-id", &world.tenant.client_id]);
        connect.args(["--login-url", world.tenant.base_url()]);
        connect.args(["--graph-url", world.tenant.base_url()]);
        connect.env("MAILKEEP_CLIENT_SECRET", &world.tenant.client_secret);
        run(connect).await.expect(0);
        run(machine(&["backup"])).await.expect(0);
        // Looks at the lock of every object that a restore needs.
        run(machine(&["verify", "--full"])).await.expect(0);
        // Connections stay outside of the lock.
        run(machine(&["connection", "rm", CONNECTION]))
            .await
            .expect(0);
    }
}

/// A key of KMS, made by plain HTTP.
async fn make_kms_key() -> String {
    let endpoint = endpoint();
    let host = endpoint.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: {host}\r\nX-Amz-Target: TrentService.CreateKey\r\n\
         Content-Type: application/x-amz-json-1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    let body: serde_json::Value = serde_json::from_str(body).expect(body);
    body["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn a_key_of_kms_opens_a_vault_and_another_does_not() {
    let world = World::start(SimTenant::builder().mailboxes(1).items_per_mailbox(1)).await;
    let bucket = format!("kms-{}", std::process::id());
    make_bucket(&bucket, false).await;
    let home = tempfile::tempdir().unwrap();
    let (ours, theirs) = (make_kms_key().await, make_kms_key().await);
    let machine = |key: &str, words: &[&str]| {
        let mut command = on_machine(&world, home.path());
        let place = format!("s3://{bucket}?endpoint={}", endpoint());
        command.env("AWS_ENDPOINT_URL_KMS", endpoint());
        command
            .args(words)
            .args(["--vault", &place, "--kms-key", key]);
        run(command)
    };
    let init = ["init", "--recovery-key-file", "recovery.key"];
    machine(&ours, &init).await.expect(0);
    let listed = machine(&ours, &["key", "ls", "--json"]).await.expect(0);
    let kinds = listed.objects("key");
    assert!(
        kinds.iter().any(|key| key["kind"] == "key of KMS"),
        "{kinds:?}"
    );
    machine(&theirs, &["stats"]).await.expect(4);
    let both = ["key", "add", "--new-kms-key", &theirs];
    machine(&ours, &both).await.expect(0);
    machine(&theirs, &["stats"]).await.expect(0);
    // The new root key is for the key that opened the vault.
    let rotate = ["key", "rotate", "--drop-others"];
    machine(&theirs, &rotate).await.expect(0);
    machine(&ours, &["stats"]).await.expect(4);
    machine(&theirs, &["stats"]).await.expect(0);
}
