use std::os::unix::fs::PermissionsExt;

use bytes::Bytes;
use mailkeep_local::FolderLogs;
use mailkeep_ports::conformance;
use mailkeep_ports::{LogName, LogSink};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_in_a_folder_keep_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let logs = FolderLogs::open(&folder.path().join("a/b")).unwrap();
    conformance::logs(&logs).await.unwrap();
}

#[tokio::test]
async fn only_the_owner_reads_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs");
    let logs = FolderLogs::open(&path).unwrap();
    let name = LogName::new("x.csv").unwrap();
    logs.create(&name, Bytes::from_static(b"a\r\n"))
        .await
        .unwrap();
    let mode = |path: &std::path::Path| {
        let metadata = std::fs::metadata(path).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!(mode(&path), 0o700);
    assert_eq!(mode(&path.join("x.csv")), 0o600);
}
