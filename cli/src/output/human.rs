//! Numbers, times and foreign text in a form that people can read and a terminal can take.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

/// A size: `512 B`, `3.4 KiB`, `12 MiB`.
#[must_use]
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
    let mut value = bytes as f64 / 1024.0;
    let mut unit = UNITS[0];
    for next in &UNITS[1..] {
        if value < 999.5 {
            break;
        }
        value /= 1024.0;
        unit = next;
    }
    if value < 9.95 {
        format!("{value:.1} {unit}")
    } else {
        format!("{value:.0} {unit}")
    }
}

/// A whole number with thousands apart: `12,345`.
#[must_use]
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 item`, `2 items`.
#[must_use]
pub fn plural(number: u64, one: &str) -> String {
    let many = if number == 1 { "" } else { "s" };
    format!("{} {one}{many}", count(number))
}

/// A time in UTC, to the minute.
#[must_use]
pub fn time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%MZ").to_string()
}

/// A time in UTC, to the second.
#[must_use]
pub fn precise_time(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A duration: `0.4 s`, `12 s`, `3 min 4 s`, `2 h 5 min`.
#[must_use]
pub fn duration(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    if seconds < 59.5 {
        return format!("{seconds:.0} s");
    }
    let minutes = (seconds / 60.0).floor();
    if minutes < 60.0 {
        format!("{minutes:.0} min {:.0} s", (seconds % 60.0).floor())
    } else {
        format!(
            "{:.0} h {:.0} min",
            (minutes / 60.0).floor(),
            minutes % 60.0
        )
    }
}

/// A share in per cent; `-` of nothing.
#[must_use]
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with three digits")]
    let share = part as f64 * 100.0 / whole as f64;
    format!("{share:.0} %")
}

/// Text from a mail, safe for a terminal: a control character becomes `^X` or its code, a line
/// break a space. Characters that turn the writing direction are shown by code, too.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => safe.push(' '),
            '\r' => {}
            c => push_safe(&mut safe, c),
        }
    }
    Cow::Owned(safe)
}

/// A piece of a message, safe for a terminal: like [`printable`], but lines and tabs stay, and bytes
/// that are not UTF-8 become replacement characters.
#[must_use]
pub fn printable_message(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => safe.push(c),
            '\r' => {}
            c => push_safe(&mut safe, c),
        }
    }
    safe
}

fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_safe(text: &mut String, c: char) {
    match c {
        '\u{7f}' => text.push_str("^?"),
        '\0'..='\u{1f}' => {
            text.push('^');
            text.push(char::from_u32(u32::from(c) + 64).unwrap_or('?'));
        }
        c if is_unsafe(c) => text.push_str(&format!("<U+{:04X}>", u32::from(c))),
        c => text.push(c),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    #[test]
    fn sizes_keep_two_digits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (150 << 20, "150 MiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16384 PiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn numbers_and_times_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(plural(1, "item"), "1 item");
        assert_eq!(plural(1000, "item"), "1,000 items");
        assert_eq!(duration(0.44), "0.4 s");
        assert_eq!(duration(59.4), "59 s");
        assert_eq!(duration(184.0), "3 min 4 s");
        assert_eq!(duration(7500.0), "2 h 5 min");
        assert_eq!(percent(1, 0), "-");
        assert_eq!(percent(2, 5), "40 %");
        let at = Utc.with_ymd_and_hms(2026, 3, 1, 14, 30, 5).unwrap();
        assert_eq!(time(at), "2026-03-01 14:30Z");
        assert_eq!(precise_time(at), "2026-03-01 14:30:05Z");
    }

    #[test]
    fn a_subject_cannot_steer_the_terminal() {
        assert_eq!(printable("plain ü 漢"), "plain ü 漢");
        assert_eq!(printable("a\u{1b}]0;x\u{7}\r\nb"), "a^[]0;x^G b");
        assert_eq!(printable("\u{9b}31m\u{202e}x"), "<U+009B>31m<U+202E>x");
        assert_eq!(
            printable_message(b"A: b\r\n\x1b[2J\xff"),
            "A: b\n^[[2J\u{fffd}"
        );
    }
}
