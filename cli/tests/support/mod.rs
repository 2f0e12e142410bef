//! Runs the compiled program on a vault of its own, against a simulated tenant.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use exchange_sim::{SimClock, SimTenant, SimTenantBuilder};
use serde_json::Value;
use tokio::process::Command;

/// The name of the connection.
pub(crate) const CONNECTION: &str = "simulated";

/// A folder for files and a tenant.
pub(crate) struct World {
    pub(crate) tenant: SimTenant,
    pub(crate) folder: tempfile::TempDir,
}

/// What a run of the program left.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Run {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Fails unless the exit code is this one.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Self {
        let (out, err) = (self.text(), &self.stderr);
        assert_eq!(self.code, code, "stdout:\n{out}\nstderr:\n{err}");
        self
    }

    /// The JSON objects of this type.
    #[track_caller]
    pub(crate) fn objects(&self, kind: &str) -> Vec<Value> {
        let mut all = self.lines();
        all.retain(|value| value["type"] == kind);
        all
    }

    /// The one JSON object of this type.
    #[track_caller]
    pub(crate) fn object(&self, kind: &str) -> Value {
        let mut all = self.objects(kind);
        assert_eq!(all.len(), 1, "objects of type {kind} in\n{}", self.text());
        all.remove(0)
    }

    /// Every line as a JSON object with a type.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| -> Value {
            let value: Value = serde_json::from_str(line).expect(line);
            assert!(value["type"].is_string(), "no type: {line}");
            value
        };
        self.text().lines().map(parse).collect()
    }
}

impl World {
    /// A tenant; no vault yet.
    pub(crate) async fn start(builder: SimTenantBuilder) -> Self {
        let tenant = builder.clock(SimClock::real_time()).start().await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self { tenant, folder }
    }

    /// A tenant, a vault with a key file, and a connection.
    pub(crate) async fn ready(builder: SimTenantBuilder) -> Self {
        let world = Self::start(builder).await;
        world.init().await.expect(0);
        world.connect(&[]).await.expect(0);
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn vault(&self) -> PathBuf {
        self.path("vault")
    }

    /// Addresses of the mailboxes.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let mailboxes = self.tenant.admin().mailboxes().into_iter();
        mailboxes
            .filter(|mailbox| mailbox.has_mailbox)
            .filter_map(|mailbox| mailbox.address)
            .collect()
    }

    pub(crate) async fn init(&self) -> Run {
        let (key, recovery) = (self.path("vault.key"), self.path("recovery.key"));
        let mut command = self.bare();
        command.arg("init").arg("--vault").arg(self.vault());
        command.arg("--new-key-file").arg(key);
        command.arg("--recovery-key-file").arg(recovery);
        run(command).await
    }

    pub(crate) async fn connect(&self, more: &[&str]) -> Run {
        let mut command = self.command(&["connection", "add", CONNECTION]);
        command.args(["--tenant", &self.tenant.tenant_id]);
        command.args(["--client-id", &self.tenant.client_id]);
        command.args(["--login-url", self.tenant.base_url()]);
        command.args(["--graph-url", self.tenant.base_url()]);
        command.args(more);
        command.env("MAILKEEP_CLIENT_SECRET", &self.tenant.client_secret);
        run(command).await
    }

    /// The program without any argument, in a clean environment.
    pub(crate) fn bare(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mailkeep"));
        for name in ["VAULT", "KEY_FILE", "PASSPHRASE", "CLIENT_SECRET"] {
            command.env_remove(format!("MAILKEEP_{name}"));
        }
        command.env_remove("RUST_LOG");
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// The program with vault and key.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = self.bare();
        command.args(words);
        command.env("MAILKEEP_VAULT", self.vault());
        command.env("MAILKEEP_KEY_FILE", self.path("vault.key"));
        command
    }

    /// Runs the program with vault and key.
    pub(crate) async fn run(&self, words: &[&str]) -> Run {
        run(self.command(words)).await
    }

    /// Runs the program with vault and key and asks for JSON.
    pub(crate) async fn json(&self, words: &[&str]) -> Run {
        let mut command = self.command(words);
        command.arg("--json");
        run(command).await
    }
}

pub(crate) async fn run(mut command: Command) -> Run {
    Run::of(command.output().await.unwrap())
}

/// Every file below a folder.
pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
