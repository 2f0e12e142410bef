//! Other tools on the same mail, written out as one `.eml` file per message.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use mailkeep_local::SystemClock;
use mailkeep_ports::Clock;
use serde::Serialize;
use tokio::process::Command;

use crate::Failure;
use crate::corpus::{Change, FOLDERS, MAILBOXES, Place};
use crate::layout::{Layout, disk_use};
use crate::measure::{children_cpu, peak_memory};

const PASSWORD: &str = "benchmark";

/// A tool that keeps encrypted, deduplicated, compressed repositories.
struct Tool {
    name: &'static str,
    install: &'static str,
    repository_variable: &'static str,
    password_variable: &'static str,
    cache_variable: &'static str,
    init: &'static [&'static str],
    backup: &'static [&'static str],
    /// One file to standard output; its path is appended to the last word.
    dump: &'static [&'static str],
    restore: &'static [&'static str],
    check: &'static [&'static str],
}

const TOOLS: [Tool; 2] = [
    Tool {
        name: "restic",
        install: "apt-get install restic",
        repository_variable: "RESTIC_REPOSITORY",
        password_variable: "RESTIC_PASSWORD",
        cache_variable: "RESTIC_CACHE_DIR",
        // Version 2 is the one that compresses.
        init: &["init", "--quiet", "--repository-version", "2"],
        backup: &["backup", "--quiet"],
        dump: &["dump", "latest", ""],
        restore: &["restore", "latest", "--quiet", "--target"],
        check: &["check", "--quiet", "--read-data"],
    },
    Tool {
        name: "rustic",
        install: "cargo install rustic-rs",
        repository_variable: "RUSTIC_REPOSITORY",
        password_variable: "RUSTIC_PASSWORD",
        cache_variable: "RUSTIC_CACHE_DIR",
        init: &["init"],
        backup: &["backup"],
        dump: &["dump", "latest:"],
        restore: &["restore", "latest"],
        check: &["check", "--read-data"],
    },
];

/// What a tool cost, or why it was left out.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Peer {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) left_out: Option<String>,
    pub(crate) steps: Vec<PeerStep>,
}

/// One step of a tool. Names are those of our own steps.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct PeerStep {
    pub(crate) step: &'static str,
    pub(crate) wall_ms: u64,
    pub(crate) cpu_ms: u64,
    pub(crate) peak_memory_kib: u64,
    pub(crate) objects: u64,
    pub(crate) stored_bytes: u64,
}

/// Runs every tool that is there.
pub(crate) async fn run_all(layout: &Layout) -> Result<Vec<Peer>, Failure> {
    let mut peers = vec![];
    for tool in &TOOLS {
        let version = Command::new(tool.name).arg("version").output().await;
        let version = match version {
            Ok(output) => output,
            Err(_) => {
                peers.push(Peer {
                    name: tool.name.into(),
                    left_out: Some(format!(
                        "{} is not installed; to compare with it: {}",
                        tool.name, tool.install
                    )),
                    ..Peer::default()
                });
                continue;
            }
        };
        let text = String::from_utf8_lossy(&version.stdout);
        let mut peer = Peer {
            name: tool.name.into(),
            version: text.lines().next().unwrap_or_default().into(),
            ..Peer::default()
        };
        eprintln!("the same mail with {}", tool.name);
        peer.steps = Run { tool, layout }.all().await?;
        peers.push(peer);
    }
    Ok(peers)
}

struct Run<'a> {
    tool: &'a Tool,
    layout: &'a Layout,
}

impl Run<'_> {
    async fn all(&self) -> Result<Vec<PeerStep>, Failure> {
        let mail = self.layout.peer("mail");
        let restored = self.layout.peer("restored");
        for folder in [&mail, &restored] {
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
        }
        write_mail(self.layout, &mail, 0)?;
        let mut steps = vec![];
        self.run("create", self.tool.init, None).await?;
        steps.push(self.run("initial", self.tool.backup, Some(&mail)).await?);
        steps.push(self.run("unchanged", self.tool.backup, Some(&mail)).await?);
        write_mail(self.layout, &mail, 1)?;
        steps.push(self.run("increment", self.tool.backup, Some(&mail)).await?);
        steps.push(self.dump(&mail).await?);
        let restore = self.tool.restore;
        steps.push(self.run("export", restore, Some(&restored)).await?);
        steps.push(self.run("verify", self.tool.check, None).await?);
        fs::remove_dir_all(&restored)?;
        fs::remove_dir_all(&mail)?;
        Ok(steps)
    }

    /// Reads one message of the mailbox that our own step reads from.
    async fn dump(&self, mail: &Path) -> Result<PeerStep, Failure> {
        let (folder, _) = FOLDERS.first().ok_or("no folder")?;
        let folder = mail.join(format!("mailbox{}", MAILBOXES - 1)).join(folder);
        let mut files: Vec<_> = fs::read_dir(folder)?.flatten().map(|f| f.path()).collect();
        files.sort();
        let file = files.get(files.len() / 2).ok_or("no message")?;
        let (last, words) = self.tool.dump.split_last().ok_or("no command")?;
        let last = format!("{last}{}", file.display());
        let words: Vec<&str> = words.iter().copied().chain([last.as_str()]).collect();
        self.run("item", &words, None).await
    }

    async fn run(
        &self,
        step: &'static str,
        arguments: &[&str],
        path: Option<&Path>,
    ) -> Result<PeerStep, Failure> {
        let repository = self.layout.peer(self.tool.name);
        let clock = SystemClock::new();
        let cpu = children_cpu()?;
        let start = clock.monotonic();
        let mut child = Command::new(self.tool.name)
            .args(arguments)
            .args(path)
            .env(self.tool.repository_variable, &repository)
            .env(self.tool.password_variable, PASSWORD)
            .env(self.tool.cache_variable, self.layout.peer("cache"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let process = child.id().map(|id| id.to_string()).unwrap_or_default();
        let mut peak = 0;
        let status = loop {
            peak = peak_memory(&process).unwrap_or(0).max(peak);
            let pause = clock.sleep(Duration::from_millis(20));
            tokio::select! {
                status = child.wait() => break status?,
                () = pause => {}
            }
        };
        if !status.success() {
            return Err(format!("{} {step} failed", self.tool.name).into());
        }
        let (objects, stored_bytes) = disk_use(&repository)?;
        Ok(PeerStep {
            step,
            wall_ms: u64::try_from(clock.monotonic().saturating_sub(start).as_millis())?,
            cpu_ms: u64::try_from(children_cpu()?.saturating_sub(cpu).as_millis())?,
            peak_memory_kib: peak,
            objects,
            stored_bytes,
        })
    }
}

/// Writes the mail of one stage as files: mailbox, folder, message. What a stage removes is
/// removed; flags have no place in a file.
fn write_mail(layout: &Layout, to: &Path, stage: usize) -> Result<(), Failure> {
    for number in 0..MAILBOXES {
        let from = layout.mailbox(number);
        let mail = fs::read(from.join("mail"))?;
        for (index, (name, _)) in FOLDERS.iter().enumerate() {
            let folder = to.join(format!("mailbox{number}")).join(name);
            fs::create_dir_all(&folder)?;
            for line in fs::read_to_string(from.join(format!("{index}.{stage}")))?.lines() {
                let (id, is_present) = match serde_json::from_str(line)? {
                    Change::Present { item, .. } => (item.id, true),
                    Change::Removed(id) => (id, false),
                };
                let file = folder.join(id.as_str().get(..48).unwrap_or_default());
                let file = file.with_extension("eml");
                if !is_present {
                    fs::remove_file(&file)?;
                } else if !file.exists() {
                    let place = Place::of(&id).ok_or("bad id")?;
                    let start = usize::try_from(place.offset)?;
                    let end = start + usize::try_from(place.length)?;
                    fs::write(&file, mail.get(start..end).ok_or("bad place")?)?;
                }
            }
        }
    }
    Ok(())
}
