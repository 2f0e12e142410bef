//! `mailkeep snapshots` and `mailkeep diff`.

use chrono::{DateTime, Utc};
use mailkeep_engine::{Engine, browse};
use mailkeep_model::{Counters, MailboxOutcome, RunOutcome, RunSummary};
use mailkeep_vault::{ChangeKinds, Difference, IndexCounts, ItemVersion};
use serde::Serialize;

use super::folders::FolderNames;
use super::{PAGE, snapshot_selector};
use crate::args::{DiffArgs, SnapshotsArgs};
use crate::output::table::cut_start;
use crate::output::{Column, Output, Table, human};
use crate::session::Session;
use crate::view::items::ItemObject;
use crate::{CliError, Exit};

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Run {
        run: &'a str,
        connection: &'a str,
        outcome: RunOutcome,
        started_at: DateTime<Utc>,
        finished_at: DateTime<Utc>,
        mailboxes: usize,
        counters: Counters,
    },
    Snapshot {
        mailbox: &'a str,
        sequence: u64,
        run: &'a str,
        committed_at: DateTime<Utc>,
        outcome: Option<&'a MailboxOutcome>,
        counters: Option<&'a Counters>,
        items: u64,
        versions: u64,
        content_bytes: u64,
        stored_bytes: u64,
    },
    Difference {
        change: &'static str,
        moved: bool,
        content: bool,
        metadata: bool,
        from_folder: Option<&'a str>,
        now: ItemObject<'a>,
    },
}

/// Carries out `snapshots`.
///
/// # Errors
/// When the vault cannot be read.
pub(super) async fn run(session: &Session, args: &SnapshotsArgs) -> Result<Exit, CliError> {
    let engine = session.engine(&args.unlock).await?;
    let mut output = session.output();
    match args.mailbox.as_deref() {
        Some(wanted) => of_mailbox(&engine, &mut output, wanted, args.limit).await?,
        None => of_vault(&mut output, engine.vault().runs(args.limit).await?)?,
    }
    output.flush()?;
    Ok(Exit::Done)
}

fn of_vault(output: &mut Output, runs: Vec<RunSummary>) -> Result<(), CliError> {
    let mut table = Table::new([
        Column::left("RUN", 26),
        Column::left("STARTED", 17),
        Column::right("TOOK", 9),
        Column::right("MAILBOXES", 9),
        Column::right("NEW", 8),
        Column::right("STORED", 9),
        Column::left("RESULT", 0),
    ]);
    for run in &runs {
        let counters = run.counters();
        let took = run.finished_at.signed_duration_since(run.started_at);
        output.object(&Line::Run {
            run: &run.run.0,
            connection: &run.connection,
            outcome: run.outcome(),
            started_at: run.started_at,
            finished_at: run.finished_at,
            mailboxes: run.mailboxes.len(),
            counters: counters.clone(),
        })?;
        let cells = [
            run.run.0.clone(),
            human::time(run.started_at),
            human::duration(took.to_std().unwrap_or_default().as_secs_f64()),
            human::count(run.mailboxes.len() as u64),
            human::count(counters.items_stored),
            human::size(counters.bytes_stored),
            outcome_words(run.outcome()).to_owned(),
        ];
        output.row(&mut table, cells)?;
    }
    if runs.is_empty() {
        output.line("No restore point yet; `mailkeep backup` makes one.")?;
    }
    Ok(())
}

async fn of_mailbox(
    engine: &Engine,
    output: &mut Output,
    wanted: &str,
    limit: usize,
) -> Result<(), CliError> {
    let mailbox = browse::find_mailbox(engine, wanted).await?;
    let view = mailbox.view().await?;
    let snapshots = browse::snapshots(&view, false, None, limit).await?;
    let mut table = Table::new([
        Column::right("NO.", 6),
        Column::left("TIME", 17),
        Column::right("ITEMS", 9),
        Column::right("NEW", 8),
        Column::right("UPDATED", 8),
        Column::right("DELETED", 8),
        Column::left("RESULT", 0),
    ]);
    for snapshot in &snapshots {
        let IndexCounts {
            items,
            versions,
            content_bytes,
            stored_bytes,
            ..
        } = snapshot.counts;
        let end = snapshot.end.as_ref();
        output.object(&Line::Snapshot {
            mailbox: &mailbox.profile().address,
            sequence: snapshot.sequence,
            run: &snapshot.run.0,
            committed_at: snapshot.committed_at,
            outcome: end.map(|end| &end.outcome),
            counters: end.map(|end| &end.counters),
            items,
            versions,
            content_bytes,
            stored_bytes,
        })?;
        let counters = end.map(|end| end.counters.clone()).unwrap_or_default();
        let result = match end.map(|end| &end.outcome) {
            None => "unfinished".to_owned(),
            Some(MailboxOutcome::Complete) => "complete".to_owned(),
            Some(MailboxOutcome::WithGaps { gaps }) => human::plural(*gaps, "gap"),
            Some(MailboxOutcome::Stopped) => "stopped".to_owned(),
            Some(MailboxOutcome::Failed { class, .. }) => format!("failed: {}", class.code()),
        };
        let cells = [
            snapshot.sequence.to_string(),
            human::time(snapshot.committed_at),
            human::count(items),
            human::count(counters.items_stored),
            human::count(counters.items_updated),
            human::count(counters.items_deleted),
            result,
        ];
        output.row(&mut table, cells)?;
    }
    if snapshots.is_empty() {
        output.line("No restore point yet; `mailkeep backup` makes one.")?;
    }
    Ok(())
}

fn outcome_words(outcome: RunOutcome) -> &'static str {
    match outcome {
        RunOutcome::Complete => "complete",
        RunOutcome::WithGaps => "with gaps",
        RunOutcome::Stopped => "stopped",
        RunOutcome::Partial => "in part",
        RunOutcome::Failed => "FAILED",
    }
}

/// Carries out `diff`.
///
/// # Errors
/// When the vault cannot be read or there is no such restore point.
pub(super) async fn diff(session: &Session, args: &DiffArgs) -> Result<Exit, CliError> {
    let engine = session.engine(&args.unlock).await?;
    let mailbox = browse::find_mailbox(&engine, &args.mailbox).await?;
    let now = session.clock.now();
    let from = browse::open(&mailbox, &snapshot_selector(&args.from, now)).await?;
    let to = browse::open(&mailbox, &snapshot_selector(&args.to, now)).await?;
    if from.sequence() > to.sequence() {
        return Err(CliError::Usage(
            "the first restore point is newer than the second; give the older one first".to_owned(),
        ));
    }
    let mut output = session.output();
    let mut view = DiffView {
        address: mailbox.profile().address.clone(),
        before: FolderNames::of(&from),
        after: FolderNames::of(&to),
        table: Table::new([
            Column::left("", 1),
            Column::left("ITEM", 13),
            Column::left("WHAT", 16),
            Column::left("FOLDER", 24),
            Column::left("SUBJECT", 0),
        ]),
        counts: [0; 3],
    };
    let mut after = None;
    loop {
        let (low, high) = (from.sequence(), to.sequence());
        let page = browse::diff(&to, low, high, after.as_ref(), PAGE).await?;
        for difference in &page.differences {
            view.show(&mut output, difference)?;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let [added, removed, changed] = view.counts.map(human::count);
    output.line(format!(
        "From {} to {}: {added} added, {removed} removed, {changed} changed.",
        from.sequence(),
        to.sequence()
    ))?;
    output.flush()?;
    Ok(Exit::Done)
}

struct DiffView {
    address: String,
    before: FolderNames,
    after: FolderNames,
    table: Table<5>,
    /// Added, removed, changed.
    counts: [u64; 3],
}

impl DiffView {
    fn show(&mut self, output: &mut Output, difference: &Difference) -> Result<(), CliError> {
        let none = ChangeKinds::default();
        let [added, removed, changed] = &mut self.counts;
        let (sign, change, before, version, kinds) = match difference {
            Difference::Added(version) => {
                *added += 1;
                ("+", "added", None, version, none)
            }
            Difference::Removed(version) => {
                *removed += 1;
                ("-", "removed", None, version, none)
            }
            Difference::Changed {
                before,
                after,
                kinds,
            } => {
                *changed += 1;
                ("~", "changed", Some(&**before), &**after, *kinds)
            }
        };
        let from_folder = before
            .filter(|_| kinds.moved)
            .map(|before| self.before.path(&before.item.folder));
        let names = if change == "removed" {
            &self.before
        } else {
            &self.after
        };
        let folder = names.path(&version.item.folder);
        self.print(output, (sign, change), version, kinds, &folder, from_folder)
    }

    fn print(
        &mut self,
        output: &mut Output,
        (sign, change): (&'static str, &'static str),
        version: &ItemVersion,
        kinds: ChangeKinds,
        folder: &str,
        from_folder: Option<String>,
    ) -> Result<(), CliError> {
        output.object(&Line::Difference {
            change,
            moved: kinds.moved,
            content: kinds.content,
            metadata: kinds.metadata,
            from_folder: from_folder.as_deref(),
            now: ItemObject::of(&self.address, folder, version),
        })?;
        let place = match &from_folder {
            Some(from) => format!("{} → {}", cut_start(from, 20), cut_start(folder, 20)),
            None => cut_start(folder, 43),
        };
        let cells = [
            sign.to_owned(),
            version.key.to_string(),
            what(change, kinds),
            place,
            version.item.subject.clone(),
        ];
        output.row(&mut self.table, cells)
    }
}

fn what(change: &str, kinds: ChangeKinds) -> String {
    let named: Vec<_> = [
        (kinds.content, "content"),
        (kinds.moved, "moved"),
        (kinds.metadata, "flags"),
    ]
    .into_iter()
    .filter_map(|(is_so, name)| is_so.then_some(name))
    .collect();
    if named.is_empty() {
        change.to_owned()
    } else {
        named.join(", ")
    }
}
