//! Restore points.

use chrono::{DateTime, Utc};
use mailkeep_vault::{Mailbox, MailboxView, Snapshot};

use crate::EngineError;

/// Commits read from the index at once.
const PAGE: usize = 500;

/// A page of the mailbox's restore points, newest first: the ends of runs, or every commit. `before`
/// is the number of the last one of the page before. Those that retention took something from are left out.
///
/// # Errors
/// When the mailbox cannot be read.
pub async fn snapshots(
    view: &MailboxView,
    every: bool,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<Snapshot>, EngineError> {
    let mut found = vec![];
    let mut before = before;
    while found.len() < limit {
        let page = view.snapshots(before, PAGE).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.sequence);
        let is_shown = |s: &Snapshot| !s.is_thinned && (every || s.is_end_of_run());
        let fitting = page.into_iter().filter(is_shown);
        found.extend(fitting.take(limit - found.len()));
    }
    Ok(found)
}

/// How many restore points there are.
pub(super) async fn ends_of_runs(view: &MailboxView) -> Result<usize, EngineError> {
    let (mut count, mut before) = (0, None);
    loop {
        let page = view.snapshots(before, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(count);
        };
        before = Some(last.sequence);
        let is_shown = |s: &&Snapshot| !s.is_thinned && s.is_end_of_run();
        count += page.iter().filter(is_shown).count();
    }
}

/// Looks at a mailbox as it was. `wanted` is `latest`, a run's id, a commit's number, or an RFC 3339
/// time (the newest restore point that is not later).
///
/// # Errors
/// [`EngineError::NoSuchSnapshot`] when there is none.
pub async fn open(mailbox: &Mailbox, wanted: &str) -> Result<MailboxView, EngineError> {
    let view = mailbox.view().await?;
    let sequence = resolve(&view, wanted).await?;
    if sequence == view.sequence() {
        Ok(view)
    } else {
        Ok(mailbox.view_at(sequence).await?)
    }
}

/// The number of the commit that `wanted` means (see [`open`]).
///
/// # Errors
/// [`EngineError::NoSuchSnapshot`] when there is none.
pub async fn resolve(view: &MailboxView, wanted: &str) -> Result<u64, EngineError> {
    let missing = || EngineError::NoSuchSnapshot {
        wanted: wanted.to_owned(),
    };
    let search = match Search::parse(wanted) {
        Search::Latest => return Ok(view.sequence()),
        Search::Sequence(sequence) => {
            let snapshot = view.snapshot(sequence).await?;
            return snapshot.map(|s| s.sequence).ok_or_else(missing);
        }
        search => search,
    };
    let (mut second_best, mut before) = (None, None);
    loop {
        let page = view.snapshots(before, PAGE).await?;
        let Some(last) = page.last() else { break };
        before = Some(last.sequence);
        for snapshot in &page {
            match search.fit(snapshot) {
                Fit::Good => return Ok(snapshot.sequence),
                Fit::SecondBest => second_best = second_best.or(Some(snapshot.sequence)),
                Fit::Not => {}
            }
        }
    }
    second_best.ok_or_else(missing)
}

/// What a person asked for.
#[derive(Clone, Debug, PartialEq)]
enum Search {
    Latest,
    Sequence(u64),
    Time(DateTime<Utc>),
    Run(String),
}

/// How well a commit fits, when the newest is looked at first.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fit {
    Good,
    /// A commit in the middle of a run: only when no end of a run fits.
    SecondBest,
    Not,
}

impl Search {
    fn parse(wanted: &str) -> Self {
        let text = wanted.trim();
        if text.is_empty() || text.eq_ignore_ascii_case("latest") {
            Self::Latest
        } else if let Ok(sequence) = text.parse() {
            Self::Sequence(sequence)
        } else if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            Self::Time(time.with_timezone(&Utc))
        } else {
            Self::Run(text.to_owned())
        }
    }

    fn fit(&self, snapshot: &Snapshot) -> Fit {
        match self {
            Self::Latest => Fit::Good,
            Self::Sequence(sequence) if snapshot.sequence == *sequence => Fit::Good,
            Self::Time(time) if snapshot.committed_at <= *time => {
                if snapshot.is_end_of_run() {
                    Fit::Good
                } else {
                    Fit::SecondBest
                }
            }
            Self::Run(run) if snapshot.run.0.eq_ignore_ascii_case(run) => Fit::Good,
            _ => Fit::Not,
        }
    }
}

#[cfg(test)]
mod tests {
    use mailkeep_model::{Counters, MailboxOutcome, RunId};
    use mailkeep_vault::{EndOfRun, IndexCounts};

    use super::*;

    fn snapshot(sequence: u64, run: &str, hour: u32, is_end: bool) -> Snapshot {
        let time = format!("2026-11-22T{hour:02}:00:00Z");
        Snapshot {
            sequence,
            run: RunId(run.into()),
            committed_at: time.parse().unwrap(),
            end: is_end.then(|| EndOfRun {
                outcome: MailboxOutcome::Complete,
                counters: Counters::default(),
            }),
            counts: IndexCounts::default(),
            is_thinned: false,
        }
    }

    #[test]
    fn a_commit_fits_by_number_time_and_run() {
        let commit = snapshot(2, "01RUNA", 9, false);
        let end = snapshot(3, "01RUNA", 9, true);
        let fit = |wanted: &str, s: &Snapshot| Search::parse(wanted).fit(s);
        assert_eq!(fit("latest", &commit), Fit::Good);
        assert_eq!(fit(" 2 ", &commit), Fit::Good);
        assert_eq!(fit("3", &commit), Fit::Not);
        assert_eq!(fit("01runa", &commit), Fit::Good);
        assert_eq!(fit("2026-11-22T10:30:00+01:00", &end), Fit::Good);
        assert_eq!(fit("2026-11-22T10:30:00+01:00", &commit), Fit::SecondBest);
        assert_eq!(fit("2026-11-22T09:30:00+01:00", &end), Fit::Not);
        assert_eq!(fit("yesterday", &end), Fit::Not);
    }
}
