//! The words of news: plain text for people, a document for programs.

use std::fmt::Write;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::{Figures, News, NewsKind, Report, ReportLine, Tone};

/// Version of the document. It is raised when something in it changes its meaning or goes away; what
/// is new only comes on top.
pub const SCHEMA: u32 = 1;

/// Longest name that is shown.
const LONGEST_NAME: usize = 100;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// One line.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// News as programs get them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Document<'a> {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The message's id; repeated deliveries have the same.
    pub id: &'a str,
    /// When the message was written.
    pub written_at: DateTime<Utc>,
    /// Each piece of news.
    pub news: Vec<DocumentEntry<'a>>,
    /// True for a message that only tests the channel; it has no news.
    pub is_test: bool,
}

/// One piece of news as programs get it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DocumentEntry<'a> {
    /// Good or bad.
    pub tone: Tone,
    /// Everything else.
    #[serde(flatten)]
    pub news: &'a News,
    /// The stable code of the reason.
    pub code: Option<&'static str>,
    /// What a person does about it.
    pub action: Option<&'static str>,
}

impl<'a> Document<'a> {
    /// The document of some news.
    #[must_use]
    pub fn new(id: &'a str, written_at: DateTime<Utc>, news: &'a [News]) -> Self {
        let entry = |news: &'a News| DocumentEntry {
            tone: news.kind.tone(),
            news,
            code: news.reason.map(|reason| reason.code()),
            action: news.reason.map(|reason| reason.action()),
        };
        Self {
            schema: SCHEMA,
            id,
            written_at,
            news: news.iter().map(entry).collect(),
            is_test: news.is_empty(),
        }
    }
}

/// News for people; `more` pieces beyond those given are counted only.
#[must_use]
pub fn write_news(news: &[News], more: u64) -> Written {
    match (news, more) {
        ([one], 0) => Written {
            subject: subject(one),
            text: paragraph(one),
        },
        _ => digest(news, more),
    }
}

fn digest(news: &[News], more: u64) -> Written {
    let bad = news.iter().filter(|news| news.kind.tone() == Tone::Bad);
    let all = u64::try_from(news.len())
        .unwrap_or(u64::MAX)
        .saturating_add(more);
    let words = match (bad.count(), news.len()) {
        (0, _) => "pieces of good news",
        (bad, listed) if bad == listed => "pieces of bad news",
        _ => "pieces of news",
    };
    let mut text = String::new();
    for (index, one) in news.iter().enumerate() {
        if index > 0 {
            text.push('\n');
        }
        text.push_str(&paragraph(one));
    }
    if more > 0 {
        let _ = writeln!(text, "\nAnd {more} more; see the list of news.");
    }
    Written {
        subject: format!("[mailkeep] {all} {words}"),
        text,
    }
}

/// The report of a run for people.
#[must_use]
pub fn write_report(report: &Report) -> Written {
    let mut text = paragraph(&report.news);
    if !report.lines.is_empty() {
        text.push_str("\nMailboxes that are not complete:\n");
    }
    for line in &report.lines {
        let _ = writeln!(text, "- {}", line_of(line));
    }
    if report.more > 0 {
        let _ = writeln!(text, "- and {} more", report.more);
    }
    Written {
        subject: format!("{} (report)", subject(&report.news)),
        text,
    }
}

/// A message that only shows that messages arrive.
#[must_use]
pub fn write_test(at: DateTime<Utc>) -> Written {
    Written {
        subject: "[mailkeep] Test".to_owned(),
        text: format!(
            "This message was sent to test the notifications of mailkeep, at {}.\n\
             Nothing has happened and nothing is to be done.\n",
            moment(at)
        ),
    }
}

fn line_of(line: &ReportLine) -> String {
    let name = match (&line.address, line.vault_mailbox.as_str()) {
        (Some(address), _) if !address.is_empty() => clean(address),
        (_, "") => "a mailbox that is not in the vault yet".to_owned(),
        (_, id) => format!("mailbox {}", clean(id)),
    };
    let gaps = match line.gaps {
        0 => String::new(),
        1 => " 1 item is missing.".to_owned(),
        gaps => format!(" {gaps} items are missing."),
    };
    match line.reason {
        Some(reason) => format!("{name}: {}: {}.{gaps}", reason.code(), reason.action()),
        None => format!("{name}: stopped before its end."),
    }
}

fn subject(news: &News) -> String {
    format!("[mailkeep] {} {}", clean(&news.job_name), news.kind.words())
}

fn paragraph(news: &News) -> String {
    let mut text = format!("Job {} {}.\n", clean(&news.job_name), news.kind.words());
    let _ = writeln!(text, "  When: {}", moment(news.at));
    if let Some(run) = &news.run {
        let _ = writeln!(text, "  Run: {}", clean(&run.0));
    }
    if let Some((attempt, attempts)) = news.attempt {
        let _ = writeln!(text, "  Attempt: {attempt} of {attempts}");
    }
    if let Some(reason) = news.reason {
        let _ = writeln!(text, "  Reason: {}", reason.code());
        let _ = writeln!(text, "  What to do: {}", reason.action());
    }
    if let Some(figures) = &news.figures
        && news.kind != NewsKind::AttemptFailed
    {
        text.push_str(&figures_of(figures));
    }
    text
}

fn figures_of(figures: &Figures) -> String {
    let mut text = format!("  Mailboxes: {}", figures.mailboxes);
    for (count, words) in [
        (figures.mailboxes_failed, "failed"),
        (figures.mailboxes_with_gaps, "with gaps"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {words}");
        }
    }
    let _ = write!(
        text,
        "\n  Items: {} scanned, {} stored, {} failed\n  Bytes: {} read, {} stored\n  Time: {}\n",
        figures.items_scanned,
        figures.items_stored,
        figures.items_failed,
        size(figures.bytes_read),
        size(figures.bytes_stored),
        duration(figures.seconds),
    );
    text
}

fn moment(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn duration(seconds: u64) -> String {
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}", seconds % 60)
}

/// Bytes with a unit and one digit.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut tenths = u128::from(bytes) * 10;
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut unit = "";
    for next in UNITS {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// Text from outside on one line: nothing in it can end a line or steer a terminal.
fn clean(text: &str) -> String {
    let safe = text.chars().map(|c| {
        if c.is_control() || is_format(c) {
            ' '
        } else {
            c
        }
    });
    let text: String = safe.take(LONGEST_NAME).collect();
    text.trim().to_owned()
}

/// Characters that change the direction of text, or end lines without being control characters.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
