//! Progress bars on standard error: one per mailbox that is worked on, and a total below.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use mailkeep_engine::Progress;
use mailkeep_ports::Clock;

use crate::output::{human, table};

/// Whether there are bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Bars that move.
    Moving,
    /// Nothing.
    None,
}

impl Style {
    /// Bars on a terminal, nothing elsewhere or when `quiet`.
    #[must_use]
    pub fn for_process(quiet: bool) -> Self {
        if quiet || !std::io::stderr().is_terminal() {
            Self::None
        } else {
            Self::Moving
        }
    }
}

/// A row of bars, by key. All methods may be called from several tasks.
pub struct Bars {
    clock: Arc<dyn Clock>,
    multi: MultiProgress,
    total: ProgressBar,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: HashMap<String, Row>,
    started: Option<Duration>,
    finished_rows: u64,
    expected_rows: Option<u64>,
    finished_items: u64,
    finished_bytes: u64,
}

struct Row {
    bar: ProgressBar,
    started: Duration,
    items: u64,
    bytes: u64,
}

impl Bars {
    /// No row yet.
    #[must_use]
    pub fn new(style: Style, clock: Arc<dyn Clock>) -> Self {
        let target = match style {
            Style::Moving => ProgressDrawTarget::stderr_with_hz(8),
            Style::None => ProgressDrawTarget::hidden(),
        };
        let multi = MultiProgress::with_draw_target(target);
        let total = multi.add(ProgressBar::no_length());
        total.set_style(style_of("  {msg}"));
        Self {
            clock,
            multi,
            total,
            state: Mutex::default(),
        }
    }

    /// How many rows there will be altogether, when known.
    pub fn expect_rows(&self, rows: Option<u64>) {
        let mut state = self.lock();
        state.started.get_or_insert(self.clock.monotonic());
        state.expected_rows = rows;
    }

    /// Adds a row. Adding it again keeps it.
    pub fn start(&self, key: &str, label: &str, expected: Option<u64>) {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        state.started.get_or_insert(now);
        if state.rows.contains_key(key) {
            return;
        }
        let bar = self
            .multi
            .insert_before(&self.total, ProgressBar::no_length());
        bar.set_style(style_of("  {prefix} {bar:24.cyan/blue} {msg}"));
        let label = table::cut(&human::printable(label), 28);
        let padding = 28_usize.saturating_sub(unicode_width::UnicodeWidthStr::width(&*label));
        bar.set_prefix(format!("{label}{}", " ".repeat(padding)));
        if let Some(expected) = expected {
            bar.set_length(expected);
        }
        state.rows.insert(
            key.to_owned(),
            Row {
                bar,
                started: now,
                items: 0,
                bytes: 0,
            },
        );
    }

    /// Shows how far a row has come.
    pub fn update(&self, key: &str, progress: &Progress) {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        if let Some(row) = state.rows.get_mut(key) {
            row.items = progress.items_done;
            row.bytes = progress.bytes_done;
            if let Some(expected) = progress.items_expected {
                row.bar.set_length(expected.max(progress.items_done));
            }
            row.bar.set_position(progress.items_done);
            let mut text = figures(progress.items_done, progress.items_expected, "item");
            text.push_str(&rates(
                progress.items_done,
                progress.bytes_done,
                now.saturating_sub(row.started),
            ));
            if let Some(until) = progress.throttled_until {
                let wait = until.signed_duration_since(self.clock.now());
                let seconds = wait.num_seconds().max(0) + 1;
                text.push_str(&format!("  · throttled, waits {seconds} s"));
            } else if progress.counters.throttles > 0 {
                text.push_str(&format!("  · throttled {}×", progress.counters.throttles));
            }
            row.bar.set_message(text);
        }
        self.show_total(&state, now);
    }

    /// Shows something else than items: objects checked, a step that has no count.
    pub fn tell(&self, key: &str, done: u64, expected: Option<u64>, unit: &str) {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        if let Some(row) = state.rows.get_mut(key) {
            if let Some(expected) = expected {
                row.bar.set_length(expected.max(done));
            }
            row.bar.set_position(done);
            row.bar.set_message(figures(done, expected, unit));
        }
        self.show_total(&state, now);
    }

    /// Takes a row away.
    pub fn finish(&self, key: &str) {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        state.finished_rows += 1;
        if let Some(row) = state.rows.remove(key) {
            state.finished_items += row.items;
            state.finished_bytes += row.bytes;
            row.bar.finish_and_clear();
            self.multi.remove(&row.bar);
        }
        self.show_total(&state, now);
    }

    /// Runs something that prints, with the bars out of the way.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.multi.suspend(print)
    }

    /// Takes everything away.
    pub fn clear(&self) {
        let mut state = self.lock();
        for (_, row) in state.rows.drain() {
            row.bar.finish_and_clear();
        }
        self.total.finish_and_clear();
    }

    fn show_total(&self, state: &State, now: Duration) {
        let items = state.finished_items + state.rows.values().map(|row| row.items).sum::<u64>();
        let bytes = state.finished_bytes + state.rows.values().map(|row| row.bytes).sum::<u64>();
        let elapsed = now.saturating_sub(state.started.unwrap_or(now));
        if state.expected_rows == Some(1) {
            return;
        }
        let mut text = format!(
            "{} done",
            figures(state.finished_rows, state.expected_rows, "mailbox")
        );
        if items > 0 {
            text.push_str(&format!(" · {}", human::plural(items, "item")));
            text.push_str(&rates(items, bytes, elapsed));
        }
        text.push_str(&format!(" · {}", human::duration(elapsed.as_secs_f64())));
        self.total.set_message(text);
        self.total.tick();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.clear();
    }
}

fn style_of(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// `12/345 items`, or `12 items` when the end is not known.
fn figures(done: u64, expected: Option<u64>, unit: &str) -> String {
    let plural = if unit.ends_with('x') { "es" } else { "s" };
    match expected {
        Some(expected) => {
            let expected = expected.max(done);
            let ending = if expected == 1 { "" } else { plural };
            format!(
                "{}/{} {unit}{ending}",
                human::count(done),
                human::count(expected)
            )
        }
        None => {
            let ending = if done == 1 { "" } else { plural };
            format!("{} {unit}{ending}", human::count(done))
        }
    }
}

/// `  12 MiB  3.0 MiB/s  240 items/s`
fn rates(items: u64, bytes: u64, elapsed: Duration) -> String {
    let seconds = elapsed.as_secs_f64().max(0.1);
    let per_second = |amount: u64| {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate that is shown with two digits"
        )]
        let rate = (amount as f64 / seconds) as u64;
        rate
    };
    format!(
        "  {}  {}/s  {}/s",
        human::size(bytes),
        human::size(per_second(bytes)),
        human::plural(per_second(items), "item"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_tell_the_end_when_it_is_known() {
        assert_eq!(figures(3, Some(1200), "item"), "3/1,200 items");
        assert_eq!(figures(1, None, "mailbox"), "1 mailbox");
        assert_eq!(figures(2, Some(8), "mailbox"), "2/8 mailboxes");
        // More turned up than expected: never more than all.
        assert_eq!(figures(7, Some(5), "item"), "7/7 items");
    }

    #[test]
    fn rates_count_whole_seconds() {
        let text = rates(100, 10 << 20, Duration::from_secs(10));
        assert_eq!(text, "  10 MiB  1.0 MiB/s  10 items/s");
    }
}
