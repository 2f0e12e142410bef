//! States, speeds and figures of jobs in a few words.

use mailkeep_engine::job::{JobRecord, Jobs};
use mailkeep_engine::run::RunProgress;
use mailkeep_engine::work::TaskProgress;
use mailkeep_model::state::{Health, State, Vocabulary, health, words};

use crate::CliError;
use crate::args::job::WordsArg;
use crate::output::human;

/// The words that a list of jobs has for their states.
pub(super) async fn words_of(
    jobs: &Jobs,
    record: &JobRecord,
    state: State,
    list: WordsArg,
) -> Result<&'static str, CliError> {
    let vocabulary = match list {
        WordsArg::List => Vocabulary::JobList,
        WordsArg::Card => Vocabulary::JobCard,
        WordsArg::Account => Vocabulary::Account,
        WordsArg::Backup => Vocabulary::Backup,
        WordsArg::Health => return Ok(health_of(jobs, record).await?.words()),
    };
    Ok(words(vocabulary, state))
}

/// How a job fares, by the last tasks of all its mailboxes.
pub(super) async fn health_of(jobs: &Jobs, record: &JobRecord) -> Result<Health, CliError> {
    let (mut all, mut after) = (vec![], None);
    loop {
        let page = jobs.ledger().mailboxes(&record.id, after, 500).await?;
        all.extend(page.records.into_iter().map(|read| read.value.health));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(health(record.is_active && record.is_started, all))
}

/// `3.0 MiB/s`, of a run at work.
pub(super) fn speed(progress: &RunProgress) -> String {
    format!("{}/s", human::size(progress.recent_bytes_per_second))
}

/// What a mailbox at work has done, in a line.
pub(super) fn work_words(progress: &TaskProgress) -> String {
    let of = progress.items_expected;
    let of = of.map_or_else(String::new, |of| format!(" of {}", human::count(of)));
    let mut text = format!(
        "{}{of} items, {}, {}/s (average {}/s)",
        human::count(progress.items_done),
        human::size(progress.bytes_done),
        human::size(progress.recent_bytes_per_second),
        human::size(progress.bytes_per_second),
    );
    text.push_str(&left_words(progress.seconds_left));
    if let Some(what) = &progress.bottleneck {
        text.push_str(&format!(" · held up by {what}"));
    }
    text
}

fn left_words(seconds: Option<u64>) -> String {
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    let left = seconds.map(|seconds| human::duration(seconds as f64));
    left.map_or_else(String::new, |left| format!(" · {left} left"))
}

/// What a run has done, in a line.
pub(super) fn run_words(progress: &RunProgress) -> String {
    let (over, at_work, waiting) = progress.mailboxes;
    let counters = &progress.counters;
    let skipped = counters.items_unchanged + counters.items_left_out;
    format!(
        "{over} mailboxes done, {at_work} at work, {waiting} waiting · {} scanned, {} stored, {} skipped, {} failed · \
         {}/s (average {}/s){}",
        human::plural(counters.items_scanned, "item"),
        human::count(counters.items_stored),
        human::count(skipped),
        human::count(counters.items_failed),
        human::size(progress.recent_bytes_per_second),
        human::size(progress.bytes_per_second),
        left_words(progress.seconds_left),
    )
}
