//! The figures as a table.

use std::io::{self, Write};

use serde::Serialize;

use crate::corpus::CorpusFacts;
use crate::peers::Peer;
use crate::steps::Figures;

/// Everything that was measured.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) corpus: CorpusFacts,
    pub(crate) steps: Vec<Figures>,
    pub(crate) peers: Vec<Peer>,
}

impl Report {
    pub(crate) fn new(corpus: CorpusFacts) -> Self {
        Self {
            corpus,
            steps: vec![],
            peers: vec![],
        }
    }

    /// Bytes of mail that a repository holds after this step.
    fn raw_bytes(&self, step: &str) -> u64 {
        match step {
            "source" | "initial" | "unchanged" => self.corpus.bytes,
            _ => self.corpus.bytes + self.corpus.added_bytes,
        }
    }

    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let corpus = &self.corpus;
        writeln!(
            out,
            "{} mailboxes, {} messages, {} MB of raw mail; median {:.1} KB, 95th percentile {:.0} KB; \
             {:.0} % of it is text\n\
             increment: {} new messages with {:.1} MB, {} with another flag, {} removed\n",
            corpus.mailboxes,
            corpus.items,
            corpus.bytes / 1_000_000,
            thousandths(corpus.median_bytes),
            thousandths(corpus.p95_bytes),
            percent(corpus.text_bytes, corpus.bytes + corpus.added_bytes),
            corpus.added_items,
            thousandths(corpus.added_bytes / 1000),
            corpus.flagged_items,
            corpus.removed_items,
        )?;
        writeln!(
            out,
            "| mailkeep | CPU s | wall s | memory MB | stored MB | of raw | objects | put/get/list |\n\
             |---|--:|--:|--:|--:|--:|--:|--:|"
        )?;
        for step in &self.steps {
            self.row(out, &step.step, &cost_of(step))?;
            writeln!(out, " {}/{}/{} |", step.puts, step.gets, step.lists)?;
        }
        if let Some(item) = self.steps.iter().find(|step| step.step == "item") {
            writeln!(out)?;
            for (name, value) in &item.facts {
                writeln!(out, "item: {} {value}", name.replace('_', " "))?;
            }
        }
        for peer in &self.peers {
            writeln!(out)?;
            if let Some(why) = &peer.left_out {
                writeln!(out, "{why}")?;
                continue;
            }
            writeln!(
                out,
                "| {} | CPU s | wall s | memory MB | stored MB | of raw | objects | CPU, times ours | stored, times ours |\n\
                 |---|--:|--:|--:|--:|--:|--:|--:|--:|",
                peer.version
            )?;
            for step in &peer.steps {
                let cost = Cost {
                    cpu_ms: step.cpu_ms,
                    wall_ms: step.wall_ms,
                    memory_kib: step.peak_memory_kib,
                    stored: step.stored_bytes,
                    objects: step.objects,
                };
                self.row(out, step.step, &cost)?;
                let ours = self.steps.iter().find(|ours| ours.step == step.step);
                let ours = ours.map(cost_of).unwrap_or_default();
                writeln!(
                    out,
                    " {:.1} | {:.2} |",
                    percent(cost.cpu_ms, ours.cpu_ms) / 100.0,
                    percent(cost.stored, ours.stored) / 100.0
                )?;
            }
        }
        Ok(())
    }

    /// A line of a table but its last columns.
    fn row(&self, out: &mut impl Write, step: &str, cost: &Cost) -> io::Result<()> {
        write!(
            out,
            "| {step} | {:.2} | {:.1} | {:.0} | {:.1} | {:.1} % | {} |",
            thousandths(cost.cpu_ms),
            thousandths(cost.wall_ms),
            thousandths(cost.memory_kib),
            thousandths(cost.stored / 1000),
            percent(cost.stored, self.raw_bytes(step)),
            cost.objects,
        )
    }
}

#[derive(Default)]
struct Cost {
    cpu_ms: u64,
    wall_ms: u64,
    memory_kib: u64,
    stored: u64,
    objects: u64,
}

fn cost_of(step: &Figures) -> Cost {
    Cost {
        cpu_ms: step.cpu_ms,
        wall_ms: step.wall_ms,
        memory_kib: step.peak_memory_kib,
        stored: step.stored_bytes,
        objects: step.objects,
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "figures for people, far below 2^52"
)]
fn thousandths(number: u64) -> f64 {
    number as f64 / 1000.0
}

fn percent(part: u64, whole: u64) -> f64 {
    thousandths(part) / thousandths(whole.max(1)) * 100.0
}
