//! Words, names and sentences in several languages.

use super::draw::Draw;
use super::lexicon::ENGLISH;
pub(crate) use super::lexicon::{DEPARTMENTS, FIRST_NAMES, LAST_NAMES};
use super::lexicon_foreign::{ARABIC, FRENCH, GERMAN, JAPANESE, POLISH, RUSSIAN};

/// A language that mail is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
    French,
    Polish,
    Russian,
    Japanese,
    Arabic,
}

impl Language {
    /// Mostly the mailbox's own language.
    pub(crate) fn draw(draw: &mut Draw, home: Language) -> Self {
        match draw.below(100) {
            0..=69 => home,
            70..=84 => Self::English,
            85..=90 => Self::German,
            91..=93 => Self::French,
            94..=95 => Self::Polish,
            96..=97 => Self::Russian,
            98 => Self::Japanese,
            _ => Self::Arabic,
        }
    }

    /// The tag, as in `Content-Language`.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::English => "en-GB",
            Self::German => "de-DE",
            Self::French => "fr-FR",
            Self::Polish => "pl-PL",
            Self::Russian => "ru-RU",
            Self::Japanese => "ja-JP",
            Self::Arabic => "ar-SA",
        }
    }

    pub(crate) fn words(self) -> &'static [&'static str] {
        match self {
            Self::English => ENGLISH,
            Self::German => GERMAN,
            Self::French => FRENCH,
            Self::Polish => POLISH,
            Self::Russian => RUSSIAN,
            Self::Japanese => JAPANESE,
            Self::Arabic => ARABIC,
        }
    }
}

/// Appends a sentence.
pub(crate) fn sentence(draw: &mut Draw, language: Language, out: &mut String) {
    let words = language.words();
    let count = draw.between(5, 17);
    for n in 0..count {
        let word = if draw.one_in(23) {
            out.push_str(&(draw.below(99_999) + 1).to_string());
            ""
        } else if draw.one_in(3) {
            draw.word(words)
        } else {
            draw.common(words)
        };
        if n == 0 {
            let mut letters = word.chars();
            if let Some(first) = letters.next() {
                out.extend(first.to_uppercase());
                out.push_str(letters.as_str());
            }
        } else {
            out.push_str(word);
        }
        if n + 1 < count {
            if draw.one_in(9) {
                out.push(',');
            }
            if language != Language::Japanese {
                out.push(' ');
            }
        }
    }
    out.push_str(if language == Language::Japanese {
        "。"
    } else {
        ". "
    });
}

/// A subject line.
pub(crate) fn subject(draw: &mut Draw, language: Language) -> String {
    let mut text = String::new();
    let words = language.words();
    for n in 0..draw.between(2, 7) {
        if n > 0 && language != Language::Japanese {
            text.push(' ');
        }
        text.push_str(draw.word(words));
    }
    match draw.below(12) {
        0 => text.push_str(" – 2026"),
        1 => text.push_str(&format!(" #{}", draw.below(100_000))),
        2 => text.push_str(" 🚀"),
        3 => text.push_str(" (Überprüfung)"),
        _ => {}
    }
    text
}
