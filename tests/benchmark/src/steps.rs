//! The steps with our own engine.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;

use async_trait::async_trait;
use clap::ValueEnum;
use futures::StreamExt;
use mailkeep_engine::backup::{BackupRequest, backup};
use mailkeep_engine::export::{self, ExportFormat, ExportRequest, ExportSink, SinkError};
use mailkeep_engine::verify::{self, VerifyLevel, VerifyRequest};
use mailkeep_engine::{Engine, Quiet, Selection, StopSignal};
use mailkeep_exchange::{FolderCursor, ItemChange, Source, SyncRequest};
use mailkeep_local::{FolderStore, SystemClock, SystemRng};
use mailkeep_model::{FolderPath, MailboxOutcome, SourceMailboxId};
use mailkeep_ports::{Clock, RecordStore, Store, Verb};
use mailkeep_vault::{ItemFilter, Recipient, Unlock, Vault, VaultContext};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::Failure;
use crate::corpus::{FOLDERS, MAILBOXES};
use crate::layout::{Layout, disk_use};
use crate::mail_source::MailSource;
use crate::measure::{own_cpu, peak_memory};

const REALM: &str = "benchmark";

/// What is measured, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    Source,
    Initial,
    Unchanged,
    Increment,
    Item,
    Export,
    Verify,
}

impl Step {
    pub(crate) const ALL: [Self; 7] = [
        Self::Source,
        Self::Initial,
        Self::Unchanged,
        Self::Increment,
        Self::Item,
        Self::Export,
        Self::Verify,
    ];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Source => "reading the corpus alone",
            Self::Initial => "first backup",
            Self::Unchanged => "backup, nothing changed",
            Self::Increment => "backup, 1 % changed",
            Self::Item => "one item, cold",
            Self::Export => "export of everything",
            Self::Verify => "full verification",
        }
    }

    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// What a step cost.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) step: String,
    pub(crate) wall_ms: u64,
    pub(crate) cpu_ms: u64,
    pub(crate) peak_memory_kib: u64,
    /// Calls to the store.
    pub(crate) puts: u64,
    pub(crate) gets: u64,
    pub(crate) lists: u64,
    /// What the vault holds afterwards.
    pub(crate) objects: u64,
    pub(crate) stored_bytes: u64,
    /// What else is worth knowing.
    pub(crate) facts: BTreeMap<String, u64>,
}

/// Runs a step in a process of its own.
pub(crate) async fn run_as_process(step: Step, layout: &Layout) -> Result<Figures, Failure> {
    let child = tokio::process::Command::new(std::env::current_exe()?)
        .args(["--step", &step.name(), "--work"])
        .arg(layout.root())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.wait_with_output().await?;
    if !output.status.success() {
        return Err(format!("step {} failed", step.name()).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Runs a step in this process and prints its figures.
pub(crate) async fn run_here(step: Step, layout: &Layout) -> Result<(), Failure> {
    let rig = Rig::new(layout)?;
    let cpu = own_cpu()?;
    let start = rig.clock.monotonic();
    let facts = match step {
        Step::Source => rig.source().await?,
        Step::Initial => rig.backup(1, true).await?,
        Step::Unchanged => rig.backup(1, false).await?,
        Step::Increment => rig.backup(2, false).await?,
        Step::Item => rig.item().await?,
        Step::Export => rig.export().await?,
        Step::Verify => rig.verify().await?,
    };
    let wall = rig.clock.monotonic().saturating_sub(start);
    let cpu = own_cpu()?.saturating_sub(cpu);
    let (objects, stored_bytes) = disk_use(&layout.vault())?;
    let figures = Figures {
        step: step.name(),
        wall_ms: u64::try_from(wall.as_millis())?,
        cpu_ms: u64::try_from(cpu.as_millis())?,
        peak_memory_kib: peak_memory("self").unwrap_or_default(),
        puts: rig.record.count(Verb::Put).calls,
        gets: rig.record.count(Verb::Get).calls,
        lists: rig.record.count(Verb::List).calls,
        objects,
        stored_bytes,
        facts,
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &figures)?;
    out.flush()?;
    Ok(())
}

type Facts = BTreeMap<String, u64>;

fn facts<const N: usize>(pairs: [(&str, u64); N]) -> Facts {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

struct Rig<'a> {
    layout: &'a Layout,
    clock: Arc<SystemClock>,
    record: Arc<RecordStore>,
}

impl<'a> Rig<'a> {
    fn new(layout: &'a Layout) -> Result<Self, Failure> {
        let store = FolderStore::create(layout.vault(), Arc::new(SystemRng))?;
        Ok(Self {
            layout,
            clock: Arc::new(SystemClock::new()),
            record: Arc::new(RecordStore::new(Arc::new(store))),
        })
    }

    async fn engine(&self, is_new: bool) -> Result<Engine, Failure> {
        let context = VaultContext {
            store: self.record.clone() as Arc<dyn Store>,
            clock: self.clock.clone(),
            rng: Arc::new(SystemRng),
        };
        let key = Zeroizing::new([7; 32]);
        let vault = if is_new {
            let recipients = [Recipient::KeyFile(key)];
            let options = mailkeep_vault::CreateOptions::default();
            Vault::create(context, &recipients, options).await?.0
        } else {
            Vault::open(context, &Unlock::KeyFile(key)).await?
        };
        Ok(Engine::new(vault, self.clock.clone(), Arc::new(SystemRng)))
    }

    /// What the corpus itself costs: lists parsed, messages read and dropped.
    async fn source(&self) -> Result<Facts, Failure> {
        let source = MailSource::open(self.layout, 1)?;
        let (mut items, mut bytes) = (0_u64, 0_u64);
        for number in 0..MAILBOXES {
            let mailbox = SourceMailboxId(number.to_string());
            let cursors = FOLDERS.map(|(name, _)| FolderCursor {
                folder: mailkeep_model::FolderId(name.into()),
                cursor: None,
            });
            let request = SyncRequest {
                folders: cursors.into(),
                ..SyncRequest::default()
            };
            for (folder, page) in source.sync(&mailbox, request).await?.pages {
                let mut page = page?;
                loop {
                    for change in &page.changes {
                        let ItemChange::Present(found) = change else {
                            continue;
                        };
                        items += 1;
                        let mut mime = source.content(&mailbox, &found.item).await?.mime;
                        while let Some(piece) = mime.next().await {
                            bytes += u64::try_from(piece?.len())?;
                        }
                    }
                    if page.is_last {
                        break;
                    }
                    let from = FolderCursor {
                        folder: folder.clone(),
                        cursor: page.cursor,
                    };
                    page = source.changes(&mailbox, &from).await?;
                }
            }
        }
        Ok(facts([("items", items), ("bytes", bytes)]))
    }

    async fn backup(&self, stages: usize, is_new: bool) -> Result<Facts, Failure> {
        let engine = self.engine(is_new).await?;
        let source = Arc::new(MailSource::open(self.layout, stages)?);
        let request = BackupRequest::new(REALM, REALM);
        let run = backup(&engine, source, request, Arc::new(Quiet), StopSignal::new()).await?;
        if run.exit_code() != 0 {
            let outcomes = run.mailboxes.iter().map(|mailbox| &mailbox.outcome);
            let mut bad = outcomes.filter(|outcome| **outcome != MailboxOutcome::Complete);
            return Err(format!("the backup ended with {:?}", bad.next()).into());
        }
        let counters = run.counters();
        Ok(facts([
            ("items_stored", counters.items_stored),
            ("items_updated", counters.items_updated),
            ("items_deleted", counters.items_deleted),
            ("bytes_read", counters.bytes_read),
            ("bytes_stored", counters.bytes_stored),
        ]))
    }

    /// Opens the vault and one mailbox, then reads one item of middle size whose reference is known.
    async fn item(&self) -> Result<Facts, Failure> {
        // Found with another vault, so that nothing is known to the one that is measured.
        let mailbox = SourceMailboxId((MAILBOXES - 1).to_string());
        let engine = self.engine(false).await?;
        let id = engine.vault().mailbox_id(REALM, &mailbox);
        let view = engine.vault().mailbox(&id).await?.view().await?;
        let page = view.items(&ItemFilter::default(), None, 1000).await?;
        let mut items: Vec<_> = page.items.iter().collect();
        items.sort_by_key(|version| version.item.size_bytes);
        let key = items.get(items.len() / 2).ok_or("no item")?.key;
        drop((engine, view));

        self.record.take();
        let reads = || self.record.total_calls();
        let engine = self.engine(false).await?;
        let vault = reads();
        let view = engine.vault().mailbox(&id).await?.view().await?;
        let opened = reads();
        let version = view.item(key).await?.ok_or("the item is gone")?;
        let mut bytes = 0;
        let mut mime = view.content(&version).await?.mime();
        while let Some(piece) = mime.next().await {
            bytes += u64::try_from(piece?.len())?;
        }
        Ok(facts([
            ("requests_to_open_the_vault", vault),
            ("requests_to_open_the_mailbox", opened - vault),
            ("requests_to_read_the_item", reads() - opened),
            ("bytes_fetched", self.record.count(Verb::Get).bytes),
            ("item_bytes", bytes),
        ]))
    }

    async fn export(&self) -> Result<Facts, Failure> {
        let engine = self.engine(false).await?;
        let (mut items, mut bytes) = (0, 0);
        for listing in engine.vault().mailboxes().await? {
            let request = ExportRequest {
                mailbox: listing.id,
                snapshot: "latest".into(),
                selection: Selection::default(),
                format: ExportFormat::Eml,
            };
            let mut sink = Counted::default();
            let observer = Arc::new(Quiet);
            let done =
                export::run(&engine, &request, &mut sink, observer, StopSignal::new()).await?;
            if done.failed > 0 || done.bytes != sink.0 {
                return Err(format!("{} items were not exported", done.failed).into());
            }
            items += done.exported;
            bytes += done.bytes;
        }
        Ok(facts([("items", items), ("bytes", bytes)]))
    }

    async fn verify(&self) -> Result<Facts, Failure> {
        let engine = self.engine(false).await?;
        let request = VerifyRequest::new(VerifyLevel::Full);
        let report = verify::run(&engine, &request, Arc::new(Quiet), StopSignal::new()).await?;
        if report.exit_code() != 0 {
            return Err(format!("verification found {:?}", report.findings.first()).into());
        }
        Ok(facts([
            ("items", report.items_read),
            ("bytes", report.bytes_read),
        ]))
    }
}

/// A sink that counts bytes and drops them.
#[derive(Default)]
struct Counted(u64);

#[async_trait]
impl ExportSink for Counted {
    async fn begin(&mut self, _folder: &FolderPath, _name: &str) -> Result<(), SinkError> {
        Ok(())
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.0 += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    async fn keep(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    async fn undo(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    async fn end(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
