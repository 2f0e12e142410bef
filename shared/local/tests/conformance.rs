//! The adapters of this crate against the suites of their traits.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use mailkeep_local::{FolderStore, LocalSecrets, SystemClock, SystemRng};
use mailkeep_ports::conformance::{self, KnownSecrets, StoreUnderTest, StoreWays};
use mailkeep_ports::{Clock, StoreCapabilities};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_folder_store_keeps_the_contract() {
    let parent = tempfile::tempdir().unwrap();
    let (path, number) = (parent.path().to_owned(), AtomicU32::new(0));
    let test = StoreUnderTest {
        fresh: Box::new(move || {
            let name = number.fetch_add(1, Ordering::Relaxed).to_string();
            Arc::new(FolderStore::create(path.join(name), Arc::new(SystemRng)).unwrap())
        }),
        capabilities: StoreCapabilities {
            conditional_create: true,
            conditional_replace: true,
            object_lock: false,
            checksums: true,
        },
        clock: None,
        ways: StoreWays::STRICT,
    };
    conformance::store(&test).await.unwrap();
}

#[tokio::test]
async fn the_system_clock_keeps_the_contract() {
    conformance::clock(&SystemClock::new()).await.unwrap();
    let year = SystemClock::new().now().format("%Y").to_string();
    assert!(year.as_str() >= "2026", "{year}");
}

#[test]
fn the_system_rng_keeps_the_contract() {
    conformance::rng(&SystemRng).unwrap();
}

#[tokio::test]
async fn local_secrets_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, mode, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        format!("file:{}", path.display())
    };
    let largest = vec![b'x'; mailkeep_local::secrets::MAX_SECRET_BYTES];
    let private = file("private", 0o600, b"p\xffss word \n");
    let open = file("open", 0o644, b"two\n\n");
    let windows = file("windows", 0o600, b"line\r\n");
    let large = file("large", 0o600, &[&largest[..], b"\r\n"].concat());
    let too_large = file("too-large", 0o600, &[&largest[..], b"x\n"].concat());
    let empty = file("empty", 0o600, b"\n");
    let absent = format!("file:{}/absent", folder.path().display());
    let below_a_file = format!("{private}/absent");
    let a_folder = format!("file:{}", folder.path().display());

    let warnings = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&warnings);
    let environment = [("TOKEN", "from env\n"), ("EMPTY", "")]
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let on_warning: mailkeep_local::secrets::OnWarning =
        Arc::new(move |warning: &str| heard.lock().unwrap().push(warning.to_owned()));
    let secrets = LocalSecrets::with_environment(environment, on_warning);
    let known = KnownSecrets {
        present: &[
            ("env:TOKEN", b"from env"),
            (&private, b"p\xffss word "),
            (&open, b"two\n"),
            (&windows, b"line"),
            (&large, &largest),
        ],
        missing: &["env:NOT_SET", &absent, &below_a_file],
        invalid: &[
            "",
            "TOKEN",
            "env:",
            "file:",
            "vault:x",
            "env:EMPTY",
            &empty,
            &too_large,
            &a_folder,
        ],
    };
    conformance::secrets(&secrets, &known).await.unwrap();

    let warnings = warnings.lock().unwrap();
    assert_eq!(
        warnings.len(),
        2,
        "once per reading of the open file: {warnings:?}"
    );
    assert!(warnings[0].contains("open") && warnings[0].contains("chmod 600"));
}
