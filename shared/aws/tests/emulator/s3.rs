//! The store.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use bytes::Bytes;
use mailkeep_aws::{ColdClass, S3Location, S3Store};
use mailkeep_ports::conformance::{self, StoreUnderTest, StoreWays};
use mailkeep_ports::{
    Condition, GetOptions, Key, ListOptions, PutOptions, SeededRng, StorageClass, Store,
    StoreCapabilities, StoreErrorKind, TestClock, probe,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{RealTime, config, endpoint, fresh_name};

const WAYS: StoreWays = StoreWays {
    refuses_nesting: false,
    marks_tell_rewrites: false,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Keeps {
    Nothing,
    Versions,
    Locks,
}

async fn client() -> Client {
    let config = aws_sdk_s3::config::Builder::from(&config().await);
    Client::from_conf(config.force_path_style(true).build())
}

async fn bucket(keeps: Keeps) -> String {
    let (client, name) = (client().await, fresh_name("bucket"));
    let create = client.create_bucket().bucket(&name);
    let create = create.object_lock_enabled_for_bucket(keeps == Keeps::Locks);
    create.send().await.unwrap();
    if keeps == Keeps::Versions {
        let versions = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled);
        let put = client.put_bucket_versioning().bucket(&name);
        put.versioning_configuration(versions.build())
            .send()
            .await
            .unwrap();
    }
    name
}

fn location(bucket: &str, prefix: &str) -> S3Location {
    format!("s3://{bucket}/{prefix}?endpoint={}", endpoint())
        .parse()
        .unwrap()
}

async fn store(keeps: Keeps) -> S3Store {
    S3Store::with_config(
        location(&bucket(keeps).await, "some/vault"),
        &config().await,
    )
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

async fn keeps_the_contract(keeps: Keeps) {
    let (bucket, config) = (bucket(keeps).await, config().await);
    let test = StoreUnderTest {
        fresh: Box::new(move || {
            let location = location(&bucket, &fresh_name("vault"));
            Arc::new(S3Store::with_config(location, &config))
        }),
        capabilities: StoreCapabilities {
            conditional_create: true,
            conditional_replace: true,
            object_lock: keeps == Keeps::Locks,
            checksums: true,
        },
        clock: None,
        ways: WAYS,
    };
    conformance::store(&test).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn the_store_keeps_the_contract_in_a_plain_bucket() {
    keeps_the_contract(Keeps::Nothing).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn the_store_keeps_the_contract_in_a_bucket_with_object_lock() {
    keeps_the_contract(Keeps::Locks).await;
}

#[tokio::test]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn probing_finds_what_the_bucket_can() {
    for (keeps, locks) in [(Keeps::Nothing, false), (Keeps::Locks, true)] {
        let store = store(keeps).await;
        let found = probe(&store, &RealTime, "scratch").await.unwrap();
        let expected = StoreCapabilities {
            conditional_create: true,
            conditional_replace: true,
            object_lock: locks,
            checksums: true,
        };
        assert_eq!(found, expected);
        let left = store.list(ListOptions::default()).await.unwrap();
        assert!(left.objects.is_empty(), "{left:?}");
    }
}

#[tokio::test]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn a_deleted_object_leaves_no_version() {
    let (store, client) = (store(Keeps::Versions).await, client().await);
    let (name, longer) = (key("m/x/key/1"), key("m/x/key/10"));
    for body in ["first", "second"] {
        let put = store.put(&name, Bytes::from(body), PutOptions::default());
        put.await.unwrap();
    }
    // A marker between versions, as somebody else would leave one.
    let full = format!("some/vault/{name}");
    let bucket = &store.location().bucket;
    let delete = client.delete_object().bucket(bucket).key(&full);
    delete.send().await.unwrap();
    let third = store.put(&name, Bytes::from("third"), PutOptions::default());
    let third = third.await.unwrap();
    let other = store.put(&longer, Bytes::from("other"), PutOptions::default());
    other.await.unwrap();

    let condition = Condition::IfMatch(third);
    store.delete(&name, condition).await.unwrap();
    let left = client.list_object_versions().bucket(bucket).send();
    let left = left.await.unwrap();
    let names: Vec<_> = left.versions().iter().filter_map(|v| v.key()).collect();
    assert_eq!(names, [format!("some/vault/{longer}")]);
    assert!(left.delete_markers().is_empty());
    let read = store.get(&longer, GetOptions::default()).await.unwrap();
    assert_eq!(read.body, "other");
}

#[tokio::test]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn packs_get_the_class_that_was_asked_for() {
    let mut location = location(&bucket(Keeps::Nothing).await, "v");
    location.cold_class = ColdClass::GlacierInstant;
    let store = S3Store::with_config(location.clone(), &config().await);
    for (class, expected) in [
        (StorageClass::Hot, None),
        (StorageClass::Cold, Some("GLACIER_IR")),
    ] {
        let options = PutOptions {
            class,
            ..PutOptions::default()
        };
        store
            .put(&key("x"), Bytes::from("x"), options)
            .await
            .unwrap();
        let head = client()
            .await
            .head_object()
            .bucket(&location.bucket)
            .key("v/x");
        let head = head.send().await.unwrap();
        let found = head.storage_class().map(|class| class.as_str());
        assert_eq!(found.filter(|class| *class != "STANDARD"), expected);
    }
}

#[tokio::test]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn a_link_needs_no_credentials() {
    let store = store(Keeps::Nothing).await;
    let name = key("export");
    let put = store.put(&name, Bytes::from("mail"), PutOptions::default());
    put.await.unwrap();
    let hour = Duration::from_secs(3_600);
    let link = store.link(&name, hour, "mail.mbox").await.unwrap();
    assert!(link.contains("X-Amz-Expires=3600"), "{link}");
    let rest = link.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(
        answer.contains("200") && answer.ends_with("mail"),
        "{answer}"
    );
    assert!(answer.contains("mail.mbox"), "{answer}");

    for (seconds, file) in [(0, "a"), (700_000, "a"), (9, "a\"b"), (9, "")] {
        let link = store.link(&name, Duration::from_secs(seconds), file);
        let error = link.await.unwrap_err();
        assert_eq!(error.kind, StoreErrorKind::Invalid, "{seconds} {file}");
    }
}

#[tokio::test]
#[ignore = "needs an AWS emulator: run ./check aws"]
async fn a_bucket_that_is_not_there_is_not_an_empty_vault() {
    let location = location("no-such-bucket", "v");
    let (clock, rng) = (Arc::new(TestClock::default()), Arc::new(SeededRng::new(1)));
    let config = config().await;
    let opened = S3Store::open_with(location.clone(), &config, clock, rng).await;
    let error = opened.err().unwrap();
    assert_eq!(error.kind, StoreErrorKind::Invalid, "{error}");
    assert!(error.to_string().contains("no-such-bucket"), "{error}");
    let store = S3Store::with_config(location, &config);
    let get = store.get(&key("vault"), GetOptions::default()).await;
    assert_eq!(get.unwrap_err().kind, StoreErrorKind::Invalid);
}
