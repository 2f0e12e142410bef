//! What is special about a store that is a folder.
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use mailkeep_local::{FolderStore, SystemRng};
use mailkeep_ports::{
    Condition, GetOptions, Key, ListOptions, MemoryStore, PutOptions, Store, StoreCapabilities,
    StoreErrorKind, TestClock, probe,
};
use proptest::prelude::*;

fn open(root: &Path) -> FolderStore {
    FolderStore::open(root, Arc::new(SystemRng)).unwrap()
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

async fn put(store: &dyn Store, name: &str) {
    let (key, body) = (key(name), Bytes::from(name.to_owned()));
    store.put(&key, body, PutOptions::default()).await.unwrap();
}

/// All entries of a listing, page by page.
async fn entries(store: &dyn Store, mut options: ListOptions) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let page = store.list(options.clone()).await.unwrap();
        let objects = page.objects.into_iter().map(|o| o.key.to_string());
        let mut entries: Vec<_> = objects.chain(page.prefixes).collect();
        entries.sort();
        all.extend(entries);
        match page.next {
            Some(next) => options.start_after = Some(next),
            None => return all,
        }
    }
}

#[tokio::test]
async fn an_object_is_a_file_of_its_name() {
    let root = tempfile::tempdir().unwrap();
    put(&open(root.path()), "m/x/log/01").await;
    let content = fs::read(root.path().join("m/x/log/01")).unwrap();
    assert_eq!(content, b"m/x/log/01");
}

#[tokio::test]
async fn nobody_else_gets_permissions() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("new/vault");
    let store = FolderStore::create(&root, Arc::new(SystemRng)).unwrap();
    put(&store, "m/x/log").await;
    store
        .put(&key("m/x/c"), Bytes::new(), PutOptions::if_absent())
        .await
        .unwrap();
    let mode = |path: &str| fs::metadata(root.join(path)).unwrap().permissions().mode() & 0o7777;
    for folder in ["", "../../new", "m", "m/x", "~work"] {
        assert_eq!(mode(folder), 0o700, "{folder}");
    }
    for file in ["m/x/log", "m/x/c", "~work/in-use"] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
}

#[tokio::test]
async fn opening_needs_a_folder_and_reading_writes_nothing() {
    let root = tempfile::tempdir().unwrap();
    let error_of = |path: &Path| FolderStore::open(path, Arc::new(SystemRng)).err().unwrap();
    let missing = error_of(&root.path().join("absent"));
    assert_eq!(missing.kind, StoreErrorKind::Missing);
    assert!(!root.path().join("absent").exists());
    fs::write(root.path().join("file"), b"x").unwrap();
    let file = root.path().join("file");
    assert_eq!(error_of(&file).kind, StoreErrorKind::Invalid);
    let below = FolderStore::create(file.join("x"), Arc::new(SystemRng));
    assert_eq!(below.err().unwrap().kind, StoreErrorKind::Invalid);

    let store = open(root.path());
    store
        .get(&key("file"), GetOptions::default())
        .await
        .unwrap();
    store.list(ListOptions::default()).await.unwrap();
    store.delete(&key("absent"), Condition::None).await.unwrap();
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn what_is_no_object_is_not_listed() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    put(&store, "m/a").await;
    for folder in ["empty", "m/empty/deeper", "~work/m"] {
        fs::create_dir_all(root.path().join(folder)).unwrap();
    }
    for file in ["m/new file", "m/copy~", "~work/new-1-2", "~work/m/x"] {
        fs::write(root.path().join(file), b"x").unwrap();
    }
    std::os::unix::fs::symlink("/", root.path().join("m/link")).unwrap();
    assert_eq!(entries(&store, ListOptions::default()).await, ["m/a"]);
    for (prefix, expected) in [("", &["m/"][..]), ("m/", &["m/a"]), ("m/empty/", &[])] {
        let delimited = ListOptions {
            delimited: true,
            ..ListOptions::prefix(prefix)
        };
        assert_eq!(entries(&store, delimited).await, expected, "{prefix}");
    }
    let link = store.get(&key("m/link"), GetOptions::default()).await;
    assert_eq!(link.unwrap_err().kind, StoreErrorKind::Missing);
    // An empty folder does not block a name; its own objects do.
    put(&store, "empty").await;
    let nested = store
        .put(&key("m"), Bytes::new(), PutOptions::if_absent())
        .await;
    assert_eq!(nested.unwrap_err().kind, StoreErrorKind::Invalid);
}

#[tokio::test]
async fn deleting_leaves_no_empty_folders() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    put(&store, "a/b/c/d").await;
    put(&store, "a/x").await;
    store
        .delete(&key("a/b/c/d"), Condition::None)
        .await
        .unwrap();
    assert!(!root.path().join("a/b").exists() && root.path().join("a/x").exists());
    store.delete(&key("a/x"), Condition::None).await.unwrap();
    assert!(!root.path().join("a").exists() && root.path().exists());
}

/// A disk that is not mounted must not look like an empty vault, nor be written below.
#[tokio::test]
async fn a_folder_that_is_gone_is_unavailable() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("vault");
    for has_written in [false, true] {
        let store = FolderStore::create(&root, Arc::new(SystemRng)).unwrap();
        if has_written {
            put(&store, "a").await;
        }
        fs::remove_dir_all(&root).unwrap();
        let write = store
            .put(&key("m/b"), Bytes::new(), PutOptions::if_absent())
            .await;
        for error in [
            store
                .get(&key("a"), GetOptions::default())
                .await
                .err()
                .unwrap(),
            store.head(&key("a")).await.err().unwrap(),
            store.list(ListOptions::default()).await.err().unwrap(),
            store
                .delete(&key("a"), Condition::None)
                .await
                .err()
                .unwrap(),
            write.err().unwrap(),
        ] {
            assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error}");
        }
        assert!(!root.exists());
    }
}

#[tokio::test]
async fn version_marks_never_repeat() {
    let root = tempfile::tempdir().unwrap();
    let (store, name) = (open(root.path()), key("state"));
    let mut seen = HashSet::new();
    for round in 0..300 {
        let etag = store.put(&name, Bytes::from_static(b"same"), PutOptions::default());
        assert!(seen.insert(etag.await.unwrap()), "round {round}");
        if round % 3 == 0 {
            store.delete(&name, Condition::None).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_version_stays_newer_when_the_clock_of_the_disk_goes_back() {
    let root = tempfile::tempdir().unwrap();
    let (store, name) = (open(root.path()), key("state"));
    put(&store, "state").await;
    let file = fs::File::options()
        .write(true)
        .open(root.path().join("state"))
        .unwrap();
    let ahead =
        file.metadata().unwrap().modified().unwrap() + std::time::Duration::from_secs(9_000);
    file.set_modified(ahead).unwrap();
    let before = store.head(&name).await.unwrap();
    put(&store, "state").await;
    let after = store.head(&name).await.unwrap();
    assert!(after.modified_at > before.modified_at);
    assert_ne!(after.etag, before.etag);
}

/// Folders come and go under writers that need them.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writing_survives_folders_that_are_removed_as_empty() {
    let root = tempfile::tempdir().unwrap();
    // One store per task, as separate processes have.
    let tasks: Vec<_> = (0..6)
        .map(|task| {
            let store = open(root.path());
            tokio::spawn(async move {
                let name = key(&format!("d/e/f/{task}"));
                for round in 0..60 {
                    let options = if round % 2 == 0 {
                        PutOptions::if_absent()
                    } else {
                        PutOptions::default()
                    };
                    store
                        .put(&name, Bytes::from_static(b"x"), options)
                        .await
                        .unwrap();
                    store.head(&name).await.unwrap();
                    store.delete(&name, Condition::None).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(!root.path().join("d").exists());
}

/// More entries in a folder than a page keeps, empty folders among them.
#[tokio::test]
async fn a_big_folder_is_listed_in_order_with_small_pages() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let mut names = Vec::new();
    for number in 0..500 {
        // Written straight, to save the flushing.
        fs::create_dir(
            root.path()
                .join(format!("{:04}-empty", number * 7_919 % 9_973)),
        )
        .unwrap();
        let name = format!("{:04}", number * 7_907 % 9_967);
        fs::write(root.path().join(&name), b"x").unwrap();
        names.push(name);
    }
    names.sort();
    for (limit, delimited) in [(1, false), (7, true), (499, false), (500, true), (0, true)] {
        let options = ListOptions {
            limit,
            delimited,
            ..ListOptions::default()
        };
        assert_eq!(entries(&store, options).await, names, "{limit}");
    }
}

#[tokio::test]
async fn the_probe_finds_what_a_folder_can_do() {
    let root = tempfile::tempdir().unwrap();
    let store = open(root.path());
    let found = probe(&store, &TestClock::default(), "probe/1")
        .await
        .unwrap();
    let expected = StoreCapabilities {
        conditional_create: true,
        conditional_replace: true,
        object_lock: false,
        checksums: true,
    };
    assert_eq!(found, expected);
    let left: Vec<_> = fs::read_dir(root.path())
        .unwrap()
        .flatten()
        .map(|e| e.file_name())
        .collect();
    assert_eq!(left, ["~work"]);
}

#[derive(Clone, Debug)]
enum Step {
    Put(String, Condition),
    Delete(String),
    List(ListOptions),
}

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop::sample::select(vec!["a", "b", "a-", "a.", "a0", "B"]),
        1..4,
    )
    .prop_map(|segments| segments.join("/"))
}

fn step() -> impl Strategy<Value = Step> {
    let listing = (
        prop_oneof![Just(String::new()), name(), name().prop_map(|n| n + "/")],
        prop::option::of(prop_oneof![name(), name().prop_map(|n| n + "/")]),
        any::<bool>(),
        0_usize..4,
    );
    prop_oneof![
        4 => name().prop_map(|name| Step::Put(name, Condition::None)),
        2 => name().prop_map(|name| Step::Put(name, Condition::IfAbsent)),
        3 => name().prop_map(Step::Delete),
        4 => listing.prop_map(|(prefix, start_after, delimited, limit)| {
            Step::List(ListOptions { prefix, start_after, delimited, limit })
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is done, a folder answers like the memory store.
    #[test]
    fn a_folder_means_the_same_as_memory(steps in prop::collection::vec(step(), 1..40)) {
        let root = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let memory = MemoryStore::new(Arc::new(TestClock::default()));
            let stores: [&dyn Store; 2] = [&memory, &open(root.path())];
            for (number, step) in steps.iter().enumerate() {
                let mut answers = Vec::new();
                for store in stores {
                    answers.push(match step {
                        Step::Put(name, condition) => {
                            let options = PutOptions {
                                condition: condition.clone(),
                                ..PutOptions::default()
                            };
                            let body = Bytes::from(number.to_string());
                            let put = store.put(&key(name), body, options).await;
                            format!("{:?}", put.map(drop).map_err(|error| error.kind))
                        }
                        Step::Delete(name) => {
                            let delete = store.delete(&key(name), Condition::None).await;
                            format!("{:?}", delete.map_err(|error| error.kind))
                        }
                        Step::List(options) => {
                            let page = store.list(options.clone()).await.unwrap();
                            let names: Vec<_> = page.objects.iter().map(|o| &o.key).collect();
                            format!("{names:?} {:?} {:?}", page.prefixes, page.next)
                        }
                    });
                }
                assert_eq!(answers[0], answers[1], "step {number}, {step:?} of {steps:?}");
            }
            let all = entries(&memory, ListOptions::default()).await;
            assert_eq!(entries(stores[1], ListOptions::default()).await, all);
            for name in all {
                let mut bodies = Vec::new();
                for store in stores {
                    bodies.push(store.get(&key(&name), GetOptions::default()).await.unwrap().body);
                }
                assert_eq!(bodies[0], bodies[1], "{name}");
            }
        });
    }
}
