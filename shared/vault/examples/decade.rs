//! Ten years of hourly runs in one mailbox, with weekly retention and without:
//!
//! ```text
//! cargo run --release -p mailkeep-vault --example decade -- [hours]
//! ```
//!
//! Prints how many requests opening costs as the years go by, and how many objects there are.

#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::DateTime;
use futures::stream;
use mailkeep_model::{
    Counters, Folder, FolderId, Item, ItemId, LicenseState, MailboxKind, MailboxOutcome,
    MailboxProfile, RetentionPolicy, RunId, SourceMailboxId,
};
use mailkeep_ports::{Clock, MemoryStore, RecordStore, SeededRng, TestClock, Verb};
use mailkeep_vault::{
    CommitInfo, ContentHead, CreateOptions, EndOfRun, ItemFilter, Mailbox, MailboxWriter,
    PassphraseCost, PolicyScope, Recipient, Vault, VaultContext,
};
use zeroize::Zeroizing;

const HOURS: u64 = 10 * 365 * 24;
const WEEK: u64 = 7 * 24;

struct Decade {
    clock: Arc<TestClock>,
    memory: Arc<MemoryStore>,
    requests: Arc<RecordStore>,
    vault: Vault,
    mailbox: Mailbox,
}

async fn start() -> Decade {
    let now = DateTime::from_timestamp(1_500_000_000, 0).unwrap();
    let clock = Arc::new(TestClock::new(now));
    let memory = Arc::new(MemoryStore::new(clock.clone()));
    let requests = Arc::new(RecordStore::new(memory.clone()));
    let ctx = VaultContext {
        store: requests.clone(),
        clock: clock.clone(),
        rng: Arc::new(SeededRng::new(1)),
    };
    let options = CreateOptions {
        passphrase_cost: PassphraseCost {
            memory_kib: 64,
            passes: 1,
        },
        ..CreateOptions::default()
    };
    let recipients = [Recipient::KeyFile(Zeroizing::new([9; 32]))];
    let (vault, _) = Vault::create(ctx, &recipients, options).await.unwrap();
    let profile = MailboxProfile {
        id: SourceMailboxId("ada".into()),
        address: "ada@contoso.example".into(),
        display_name: "Ada".into(),
        kind: MailboxKind::User,
        license: LicenseState::Licensed,
        account_enabled: true,
    };
    let policy = RetentionPolicy {
        keep_days: Some(90),
        ..RetentionPolicy::default()
    };
    vault
        .set_policy(&PolicyScope::Default, &policy)
        .await
        .unwrap();
    let mailbox = vault.ensure_mailbox("tenant", &profile).await.unwrap();
    Decade {
        clock,
        memory,
        requests,
        vault,
        mailbox,
    }
}

async fn run(writer: &MailboxWriter, hour: u64, clock: &TestClock) {
    let folder = FolderId("inbox".into());
    let mut item = Item::new(ItemId(format!("item {}", hour % 200)), folder);
    item.change_key = hour.to_string();
    item.received_at = Some(clock.now());
    let message = format!("Subject: {hour}\r\n\r\nHour {hour}\r\n");
    let mime = stream::iter([Ok::<_, Infallible>(Bytes::from(message))]);
    let stored = writer
        .store_content(ContentHead::default(), mime, None)
        .await;
    writer.put_item(item, stored.unwrap());
    let end = Some(EndOfRun {
        outcome: MailboxOutcome::Complete,
        counters: Counters::default(),
    });
    let run = RunId(format!("run {hour}"));
    writer.commit(CommitInfo { run, end }).await.unwrap();
}

impl Decade {
    fn taken(&self) -> String {
        let of = |verb| self.requests.count(verb).calls;
        let line = format!("{} LIST {} GET", of(Verb::List), of(Verb::Get));
        self.requests.take();
        line
    }

    async fn measure(&self, hour: u64) {
        self.requests.take();
        let view = self.mailbox.view().await.unwrap();
        let opening = self.taken();
        view.items(&ItemFilter::default(), None, 100).await.unwrap();
        let page = self.taken();
        let middle = self.mailbox.view_at(view.sequence() - 1).await.is_ok();
        let before = self.taken();
        drop(self.mailbox.writer().await.unwrap());
        let writer = self.taken();
        let names = self.memory.names();
        let count = |part: &str| names.iter().filter(|name| name.contains(part)).count();
        println!(
            "{hour:>6} | {opening} | {page} | {before}{} | {writer} | {} commits, {} checkpoint objects, {:.1} MB",
            if middle { "" } else { " (gone)" },
            count("/log/"),
            count("/ckpt/"),
            u32::try_from(self.memory.total_bytes() >> 10).map_or(0.0, f64::from) / 1024.0
        );
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let hours = std::env::args()
        .nth(1)
        .map_or(HOURS, |text| text.parse().unwrap());
    for retains in [true, false] {
        println!("weekly retention: {retains}");
        println!("   run | open | first page | the run before | open for writing | store");
        let decade = start().await;
        let mut writer = decade.mailbox.writer().await.unwrap();
        writer.put_folder(Folder {
            id: FolderId("inbox".into()),
            parent: None,
            name: "Inbox".into(),
            well_known: None,
            is_hidden: false,
            class: String::new(),
            total_items: None,
        });
        for hour in 1..=hours {
            decade.clock.advance(Duration::from_secs(3600));
            run(&writer, hour, &decade.clock).await;
            if hour % WEEK == 0 {
                if retains {
                    let settings = decade.vault.retention_settings().await.unwrap();
                    let refresh = || decade.vault.retention_settings();
                    decade.mailbox.retain(7, &settings, refresh).await.unwrap();
                }
                writer = decade.mailbox.writer().await.unwrap();
            }
            let is_round = [1, 10, 100, 1_000, 10_000].contains(&hour) || hour % (365 * 24) == 0;
            if is_round || hour == hours {
                decade.measure(hour).await;
            }
            decade.requests.take();
        }
    }
}
