//! The folder store among processes, killed ones included.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use mailkeep_local::{FolderStore, SystemRng};
use mailkeep_ports::{
    GetOptions, Key, ListOptions, Object, PutOptions, Store, StoreError, StoreErrorKind,
};

const ROLE: &str = "MAILKEEP_TEST_CHILD_ROLE";
const FOLDER: &str = "MAILKEEP_TEST_CHILD_FOLDER";
const CHILDREN: usize = 4;
const ROUNDS: u64 = 40;

fn spawn(role: &str, folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test by itself: what the other processes run.
#[test]
fn child() {
    let (Ok(role), Ok(folder)) = (std::env::var(ROLE), std::env::var(FOLDER)) else {
        return;
    };
    let store = FolderStore::open(folder, Arc::new(SystemRng)).unwrap();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(async {
        match role.as_str() {
            "count" => count(&store).await,
            "create" => create(&store).await,
            _ => write_for_ever(&store).await,
        }
    });
}

fn key(name: &str) -> Key {
    Key::new(name).unwrap()
}

async fn read(store: &FolderStore, name: &str) -> Result<Object, StoreError> {
    store.get(&key(name), GetOptions::default()).await
}

fn number(object: &Object) -> u64 {
    String::from_utf8_lossy(&object.body).parse().unwrap()
}

/// Adds one, many times, by reading and replacing what was read.
async fn count(store: &FolderStore) {
    for _ in 0..ROUNDS {
        loop {
            let object = read(store, "state/counter").await.unwrap();
            let next = (number(&object) + 1).to_string();
            let options = PutOptions::if_match(object.info.etag);
            match store
                .put(&key("state/counter"), Bytes::from(next), options)
                .await
            {
                Ok(_) => break,
                Err(error) => assert_eq!(error.kind, StoreErrorKind::Changed, "{error}"),
            }
        }
    }
}

/// Tries to create each of the same objects and notes its wins.
async fn create(store: &FolderStore) {
    let me = std::process::id();
    for round in 0..ROUNDS {
        let (name, body) = (key(&format!("log/{round:03}")), Bytes::from(me.to_string()));
        match store.put(&name, body, PutOptions::if_absent()).await {
            Ok(_) => {
                let won = key(&format!("won/{round:03}-{me}"));
                store
                    .put(&won, Bytes::new(), PutOptions::default())
                    .await
                    .unwrap();
            }
            Err(error) => assert_eq!(error.kind, StoreErrorKind::AlreadyExists, "{error}"),
        }
    }
}

async fn write_for_ever(store: &FolderStore) {
    for number in 0_u64.. {
        let body = Bytes::from(vec![7; 3_000_000]);
        let name = key(&format!("pack/{number:06}"));
        store
            .put(&name, body, PutOptions::if_absent())
            .await
            .unwrap();
    }
}

fn run_children(role: &str, folder: &Path) {
    let children: Vec<_> = (0..CHILDREN).map(|_| spawn(role, folder)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
}

#[tokio::test]
async fn no_replacement_of_another_process_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path(), Arc::new(SystemRng)).unwrap();
    let (counter, zero) = (key("state/counter"), Bytes::from_static(b"0"));
    store
        .put(&counter, zero, PutOptions::default())
        .await
        .unwrap();
    run_children("count", folder.path());
    let total = number(&read(&store, "state/counter").await.unwrap());
    assert_eq!(total, ROUNDS * u64::try_from(CHILDREN).unwrap());
}

#[tokio::test]
async fn of_racing_processes_one_creates() {
    let folder = tempfile::tempdir().unwrap();
    run_children("create", folder.path());
    let store = FolderStore::open(folder.path(), Arc::new(SystemRng)).unwrap();
    let won = store
        .list(ListOptions::prefix("won/"))
        .await
        .unwrap()
        .objects;
    assert_eq!(u64::try_from(won.len()).unwrap(), ROUNDS);
    for (round, object) in won.iter().enumerate() {
        let winner = read(&store, &format!("log/{round:03}")).await.unwrap();
        let winner = String::from_utf8_lossy(&winner.body).into_owned();
        assert_eq!(object.key.as_str(), format!("won/{round:03}-{winner}"));
    }
}

#[tokio::test]
async fn a_killed_writer_leaves_whole_objects_only() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path(), Arc::new(SystemRng)).unwrap();
    let half_written = || {
        let entries = std::fs::read_dir(folder.path().join("~work")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("new-")).count()
    };
    let packs = || store.list(ListOptions::prefix("pack/"));
    let mut seen_half_written = false;
    // A kill nearly always meets a half-written file; a few rounds make it certain.
    for _ in 0..20 {
        let before = packs().await.unwrap().objects.len();
        let _ = std::fs::remove_dir_all(folder.path().join("pack"));
        let mut child = spawn("write", folder.path());
        while packs().await.unwrap().objects.len() < 3 {
            assert!(
                child.try_wait().unwrap().is_none(),
                "after {before} objects"
            );
            tokio::task::yield_now().await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for object in packs().await.unwrap().objects {
            assert_eq!(object.size_bytes, 3_000_000, "{}", object.key);
            let object = read(&store, object.key.as_str()).await.unwrap();
            assert!(object.body.iter().all(|byte| *byte == 7));
        }
        if half_written() > 0 {
            seen_half_written = true;
            break;
        }
    }
    assert!(seen_half_written);
    let next = FolderStore::open(folder.path(), Arc::new(SystemRng)).unwrap();
    next.put(&key("next"), Bytes::new(), PutOptions::default())
        .await
        .unwrap();
    assert_eq!(half_written(), 0);
}
