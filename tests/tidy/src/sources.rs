//! What may be written where.

use crate::tree::{assert_none, files, root, text};

const LONGEST: usize = 600;
const LONGEST_TESTS: usize = 1_200;

/// Rust files, with their text.
fn rust_files() -> Vec<(String, String)> {
    let names = files().into_iter().filter(|name| name.ends_with(".rs"));
    names
        .map(|name| (text(&name).unwrap(), name))
        .map(|(text, name)| (name, text))
        .collect()
}

/// Files that hold tests only.
fn is_test_file(name: &str) -> bool {
    let mut parts = name.split('/').rev();
    let file = parts.next().unwrap();
    file == "tests.rs"
        || file.ends_with("_tests.rs")
        || file.starts_with("test_")
        || name.starts_with("tests/e2e/")
        || parts.any(|folder| folder == "tests") && !name.starts_with("tests/")
        || name.match_indices("tests/").count() > 1
}

/// The text before the tests module.
fn without_tests(text: &str) -> &str {
    let mut at = 0;
    let mut lines = text.split_inclusive('\n').peekable();
    while let Some(line) = lines.next() {
        let next = lines.peek().copied().unwrap_or_default();
        if line.starts_with("#[cfg(test)]") && next.starts_with("mod ") && next.contains('{') {
            break;
        }
        at += line.len();
    }
    &text[..at]
}

/// Lines of code: no comments, no tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = without_tests(text).lines().enumerate();
    let lines = lines.map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()));
    lines.filter(|(_, line)| !line.trim().is_empty())
}

/// True where `word` stands by itself and not inside a longer name. A word that ends in `_` or `:`
/// may go on.
fn names(line: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let ends_open = !word.ends_with(char::is_alphanumeric);
        !before.is_some_and(is_part) && (ends_open || !after.is_some_and(is_part))
    })
}

/// Findings of words in the code of the files below some folders.
fn forbidden(folders: &[&str], words: &[&str]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut seen = 0;
    for (name, text) in rust_files() {
        if is_test_file(&name) || !folders.iter().any(|folder| name.starts_with(folder)) {
            continue;
        }
        seen += 1;
        for (number, line) in code(&text) {
            let found = words.iter().filter(|word| names(line, word));
            findings.extend(found.map(|word| format!("{name}:{number} names {word}")));
        }
    }
    assert!(seen > 0, "no sources in {folders:?}");
    findings
}

#[test]
fn the_engine_names_no_adapter() {
    let words = [
        "reqwest",
        "hyper",
        "http::",
        "rusqlite",
        "sqlite",
        "Sqlite",
        "aws_",
        "aws::",
        "aws_sdk",
        "aws_config",
        "std::path",
        "PathBuf",
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "tokio::fs",
        "tokio::net",
        "tokio::process",
        "graph::",
        "GraphSource",
        "GraphTarget",
        "mailkeep_local",
        "mailkeep_aws",
    ];
    assert_none(
        "the engine knows ports only",
        &forbidden(&["shared/engine/src"], &words),
    );
}

#[test]
fn pure_crates_do_no_io_and_know_no_async_runtime() {
    let words = [
        "async",
        "await",
        "tokio",
        "futures",
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "SystemTime",
        "Instant",
        "Utc::now",
        "Local::now",
        "File",
    ];
    let folders = ["shared/model/src", "shared/content/src"];
    assert_none("model and content are pure", &forbidden(&folders, &words));
}

#[test]
fn only_adapters_reach_the_machine() {
    let words = [
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "std::thread",
        "tokio::fs",
        "tokio::net",
        "tokio::process",
        "tokio::time",
        // The bare word is also a type of Exchange's extended properties.
        "time::SystemTime",
        "SystemTime::",
        "Instant",
        "Utc::now",
        "Local::now",
        "getrandom",
        "thread_rng",
        "from_os_rng",
        "OsRng",
        "SystemRandom",
    ];
    let folders = [
        "shared/ports/src",
        "shared/vault/src",
        "shared/exchange/src",
        "shared/engine/src",
        "shared/api/src",
    ];
    // The API is served on a socket that it is given.
    let is_serving = |finding: &String| {
        let is_network = finding.ends_with("tokio::net") || finding.ends_with("std::net");
        finding.starts_with("shared/api/src/serve.rs") && is_network
    };
    // NTLM logs a connection in, so this connector opens its connections itself, with time limits.
    let wire = "shared/exchange/src/ews/wire/";
    let is_wire = |finding: &String| {
        let is_network = finding.ends_with("tokio::net") || finding.ends_with("tokio::time");
        finding.starts_with(wire) && is_network
    };
    let mut findings = forbidden(&folders, &words);
    findings.retain(|finding| !is_wire(finding) && !is_serving(finding));
    assert_none("the world is reached through ports", &findings);
}

#[test]
fn files_are_short() {
    let mut findings = Vec::new();
    for (name, text) in rust_files() {
        let (lines, most) = if is_test_file(&name) {
            (text.lines().count(), LONGEST_TESTS)
        } else {
            (without_tests(&text).lines().count(), LONGEST)
        };
        if lines > most {
            findings.push(format!("{name} has {lines} lines"));
        }
    }
    assert_none("files that should be split", &findings);
}

#[test]
fn nothing_is_left_for_later() {
    // Put together, so that this file does not find itself.
    let words = [
        concat!("to", "do!"),
        concat!("unimpl", "emented!"),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("XX", "X"),
        concat!("HA", "CK"),
    ];
    let mut findings = Vec::new();
    for (name, text) in rust_files() {
        for (number, line) in text.lines().enumerate() {
            let found = words.iter().filter(|word| names(line, word));
            findings.extend(found.map(|word| format!("{name}:{} has {word}", number + 1)));
        }
    }
    assert_none("unfinished work", &findings);
}

#[test]
fn no_file_names_a_path_of_a_machine() {
    let mut paths = vec![
        concat!("/ro", "ot/").to_owned(),
        concat!("C:\\", "Users\\").to_owned(),
    ];
    let home = std::env::var("HOME").unwrap_or_default();
    for own in [root().display().to_string(), home] {
        // A path of one part, as in a container, may well mean something else.
        if own.matches('/').count() > 1 {
            paths.push(own);
        }
    }
    let mut findings = Vec::new();
    for name in files() {
        let bytes = std::fs::read(root().join(&name)).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let found = paths.iter().filter(|path| text.contains(path.as_str()));
        findings.extend(found.map(|path| format!("{name} names {path}")));
    }
    assert_none("paths of a machine", &findings);
}

#[test]
fn words_are_found_whole_and_outside_of_comments_and_tests() {
    assert!(names("use std::path::Path;", "std::path"));
    assert!(names("aws_lc_rs::x()", "aws_"));
    assert!(!names("laws_of", "aws_") && !names("draws", "aws::"));
    assert!(names("async fn x()", "async") && !names("asynchronous", "async"));
    let text = "a // async\n/// tokio\nb\n#[cfg(test)]\nmod tests {\n tokio\n}\n";
    assert_eq!(code(text).collect::<Vec<_>>(), [(1, "a "), (3, "b")]);
    assert_eq!(
        without_tests("a\n#[cfg(test)]\nmod tests;\nb\n")
            .lines()
            .count(),
        4
    );
    for name in [
        "shared/x/tests/a.rs",
        "shared/x/src/split_tests.rs",
        "tests/sim/tests/a.rs",
    ] {
        assert!(is_test_file(name), "{name}");
    }
    for name in [
        "shared/x/src/a.rs",
        "tests/sim/src/a.rs",
        "cli/src/latests.rs",
    ] {
        assert!(!is_test_file(name), "{name}");
    }
}
