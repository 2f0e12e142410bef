//! Progress bars on standard error: one per mailbox that is worked on, and a total below.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use mailkeep_engine::Progress;
use mailkeep_model::progress::{Done, Meter, Spent};
use mailkeep_ports::Clock;

use super::pace::{Pace, all_left, outlook_words, speed_words};
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
    finished: Done,
    finished_time: Duration,
    finished_spent: Spent,
    /// Most rows at a time so far.
    at_once: usize,
    /// The pace of all rows together.
    total: Meter,
}

struct Row {
    bar: ProgressBar,
    pace: Pace,
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
        let pace = Pace::new(now);
        state.rows.insert(key.to_owned(), Row { bar, pace });
        state.at_once = state.at_once.max(state.rows.len());
        let done = state.total.done();
        state.total.sample(now, done);
    }

    /// Shows how far a row has come.
    pub fn update(&self, key: &str, progress: &Progress) {
        let (now, wall) = (self.clock.monotonic(), self.clock.now());
        let mut state = self.lock();
        let is_alone = state.expected_rows == Some(1);
        if let Some(row) = state.rows.get_mut(key) {
            row.pace.sample(now, progress);
            if let Some(expected) = progress.items_expected {
                row.bar.set_length(expected.max(progress.items_done));
            }
            row.bar.set_position(progress.items_done);
            let mut text = figures(progress.items_done, progress.items_expected, "item");
            text.push_str(&row.pace.words());
            // What holds up all of them is told in the total.
            let spent = if is_alone {
                row.pace.spent()
            } else {
                Spent::default()
            };
            text.push_str(&outlook_words(row.pace.time_left(now, wall), &spent));
            if let Some(until) = progress.throttled_until {
                let wait = until.signed_duration_since(wall);
                let seconds = wait.num_seconds().max(0) + 1;
                text.push_str(&format!(" · throttled, waits {seconds} s"));
            } else if progress.counters.throttles > 0 {
                text.push_str(&format!(" · throttled {}×", progress.counters.throttles));
            }
            row.bar.set_message(text);
        }
        self.show_total(&mut state, now);
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
        self.show_total(&mut state, now);
    }

    /// Takes a row away.
    pub fn finish(&self, key: &str) {
        let now = self.clock.monotonic();
        let mut state = self.lock();
        state.finished_rows += 1;
        if let Some(row) = state.rows.remove(key) {
            let done = row.pace.done();
            state.finished.items += done.items;
            state.finished.bytes += done.bytes;
            state.finished_time += row.pace.worked();
            state.finished_spent = state.finished_spent.plus(row.pace.spent());
            row.bar.finish_and_clear();
            self.multi.remove(&row.bar);
        }
        self.show_total(&mut state, now);
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

    fn show_total(&self, state: &mut State, now: Duration) {
        let (mut done, mut spent) = (state.finished, state.finished_spent);
        for row in state.rows.values() {
            done.items += row.pace.done().items;
            done.bytes += row.pace.done().bytes;
            spent = spent.plus(row.pace.spent());
        }
        state.total.sample(now, done);
        if state.expected_rows == Some(1) {
            return;
        }
        let mut text = format!(
            "{} done",
            figures(state.finished_rows, state.expected_rows, "mailbox")
        );
        if done.items > 0 {
            text.push_str(&format!(" · {}", human::plural(done.items, "item")));
            let (recent, average) = (state.total.recent(), state.total.average());
            text.push_str(&speed_words(done, recent, average));
        }
        let at_work = u64::try_from(state.rows.len()).unwrap_or(u64::MAX);
        let waiting = state
            .expected_rows
            .map(|rows| rows.saturating_sub(state.finished_rows + at_work));
        let left = all_left(
            state.rows.values().map(|row| &row.pace),
            waiting,
            (state.finished_rows, state.finished_time),
            state.at_once,
            (now, self.clock.now()),
        );
        text.push_str(&outlook_words(left, &spent));
        let elapsed = now.saturating_sub(state.started.unwrap_or(now));
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
}
