//! The tests that `docs/behaviours.md` and `docs/fidelity.md` name.

use std::collections::BTreeSet;

use crate::tree::{assert_none, files, text};

const PAGE: &str = "docs/behaviours.md";
const FIDELITY: &str = "docs/fidelity.md";

/// Where the lines begin that have a reason instead of a test.
const MISSING: &str = "## Not here yet";

/// The numbers of the statements of each guide, from 1 on.
const GUIDES: [(&str, u32); 5] = [
    ("000", 58),
    ("001", 29),
    ("002", 24),
    ("003", 24),
    ("004", 39),
];

/// The numbers that a line names: `000-1 to 000-3, 001-2a`.
fn numbers(statement: &str) -> Vec<(String, u32)> {
    let number = |text: &str| {
        let (guide, rest) = text.split_once('-')?;
        let digits = rest.trim_end_matches(|c: char| c.is_ascii_lowercase());
        Some((guide.to_owned(), digits.parse::<u32>().ok()?))
    };
    let mut found = vec![];
    for part in statement.split(", ") {
        let mut ends = part.split(" to ").map(number);
        if let Some(Some((guide, first))) = ends.next() {
            let last = ends.next().flatten().map_or(first, |(_, last)| last);
            found.extend((first..=last).map(|number| (guide.clone(), number)));
        }
    }
    found
}

/// Statements that the page says nothing about.
fn unmentioned(page: &str) -> Vec<String> {
    let known: BTreeSet<_> = rows(page)
        .iter()
        .flat_map(|(statement, _)| numbers(statement))
        .collect();
    let all = GUIDES
        .iter()
        .flat_map(|(guide, last)| (1..=*last).map(|number| ((*guide).to_owned(), number)));
    let missing = all.filter(|one| !known.contains(one));
    missing
        .map(|(guide, number)| format!("nothing is said about {guide}-{number}"))
        .collect()
}

/// The statement and the test (or the reason) of each line of the page's tables.
fn rows(page: &str) -> Vec<(String, String)> {
    let cells = |line: &str| -> Vec<String> {
        let line = line.trim().trim_matches('|');
        line.split('|').map(|cell| cell.trim().to_owned()).collect()
    };
    page.lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("| ---"))
        .map(cells)
        .filter(|cells| cells.first().is_none_or(|cell| cell != "statement"))
        .map(|cells| {
            let cell = |at: usize| cells.get(at).cloned().unwrap_or_default();
            (cell(0), cell(2).trim_matches('`').to_owned())
        })
        .collect()
}

/// What comes before the tests of a file: its crate's folder and its modules. `None` for files that
/// belong to no crate.
fn module(file: &str) -> Option<String> {
    let inside = file.strip_suffix(".rs")?;
    let (folder, inside) = inside
        .split_once("/src/")
        .or_else(|| inside.rsplit_once("/tests/"))?;
    let crate_ = folder.rsplit('/').next()?;
    let mut modules: Vec<_> = std::iter::once(crate_).chain(inside.split('/')).collect();
    modules.pop_if(|last| matches!(*last, "mod" | "lib" | "main"));
    Some(modules.join("::"))
}

/// Names of the tests of a file: functions that are marked as tests.
fn tests(module: &str, text: &str) -> Vec<String> {
    let mut found = vec![];
    let (mut inner, mut is_test) = ("", false);
    for line in text.lines() {
        let code = line.trim();
        if let Some(name) = line
            .strip_prefix("mod ")
            .and_then(|rest| rest.strip_suffix(" {"))
        {
            inner = name;
        }
        is_test |= code == "#[test]" || code.starts_with("#[tokio::test");
        let code = code.strip_prefix("async ").unwrap_or(code);
        if let Some(rest) = code.strip_prefix("fn ") {
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            let inner = if inner.is_empty() {
                String::new()
            } else {
                format!("{inner}::")
            };
            if std::mem::take(&mut is_test) {
                found.push(format!("{module}::{inner}{name}"));
            }
        }
    }
    found
}

/// What is wrong with the page.
fn findings(page: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let (held, missing) = page.split_once(MISSING).unwrap_or((page, ""));
    let missing = rows(missing);
    let rows = rows(held);
    let number = |statement: &str| {
        statement == "A.U"
            || statement
                .split(", ")
                .flat_map(|part| part.split(" to "))
                .all(|part| {
                    let (guide, rest) = part.split_once('-').unwrap_or_default();
                    guide.len() == 3
                        && guide.bytes().all(|byte| byte.is_ascii_digit())
                        && rest.starts_with(|c: char| c.is_ascii_digit())
                })
    };
    let mut findings = vec![];
    for (statement, reason) in &missing {
        if !number(statement) {
            findings.push(format!("`{statement}` is no number of a statement"));
        }
        if reason.is_empty() {
            findings.push(format!("{statement}: there is no reason"));
        }
    }
    for (statement, test) in &rows {
        if !number(statement) {
            findings.push(format!("`{statement}` is no number of a statement"));
        }
        if !tests.contains(test) {
            findings.push(format!("{statement}: there is no test {test}"));
        }
    }
    let distinct: BTreeSet<_> = rows.iter().collect();
    if distinct.len() < rows.len() {
        findings.push("a line stands twice".to_owned());
    }
    findings
}

/// Every test of the repository.
fn all_tests() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for file in files() {
        if let Some(module) = module(&file) {
            all.extend(tests(&module, &text(&file).unwrap_or_default()));
        }
    }
    all
}

/// Tests that a page names in the last column of its tables.
fn in_last_column(page: &str) -> Vec<String> {
    let lines = page.lines().filter(|line| line.starts_with('|'));
    let last = |line: &str| {
        let cell = line.trim().trim_matches('|').rsplit('|').next()?;
        let name = cell.trim().strip_prefix('`')?.strip_suffix('`')?;
        Some(name.to_owned())
    };
    lines.filter_map(last).collect()
}

#[test]
fn every_test_that_a_promise_of_fidelity_names_exists() {
    let (all, named) = (all_tests(), in_last_column(&text(FIDELITY).unwrap()));
    assert!(named.len() > 20, "the tables of {FIDELITY} are not found");
    let missing: Vec<String> = named
        .into_iter()
        .filter(|test| !all.contains(test))
        .collect();
    assert_none("tests that the page of fidelity names", &missing);
}

#[test]
fn every_named_test_exists() {
    let all = all_tests();
    let page = text(PAGE).unwrap();
    assert!(rows(&page).len() > 40, "the tables of {PAGE} are not found");
    assert_none(
        "tests that the page of behaviours names",
        &findings(&page, &all),
    );
    assert_none("statements of the guides", &unmentioned(&page));
}

#[test]
fn what_is_missing_is_found() {
    assert_eq!(module("shared/model/src/job/mod.rs").unwrap(), "model::job");
    assert_eq!(module("shared/model/src/lib.rs").unwrap(), "model");
    assert_eq!(module("tests/tidy/src/tree.rs").unwrap(), "tidy::tree");
    assert_eq!(
        module("cli/tests/exit_codes.rs").unwrap(),
        "cli::exit_codes"
    );
    assert_eq!(module("README.md"), None);

    let source = "fn helper() {}\n#[test]\nfn one() {}\nmod tests {\n    #[test]\n    /// Words.\n    \
                  fn two(x: u8) {}\n    fn three() {}\n    #[tokio::test]\n    async fn four() {}\n}\n";
    let tests: BTreeSet<_> = tests("model", source).into_iter().collect();
    assert_eq!(
        tests.iter().map(String::as_str).collect::<Vec<_>>(),
        ["model::one", "model::tests::four", "model::tests::two"]
    );

    let head = "| statement | in short | test |\n| --- | --- | --- |\n";
    let page = |rows: &str| findings(&format!("{head}{rows}"), &tests);
    assert!(
        page("| 000-1 | x | `model::one` |\n| 000-1 to 003-2, 004-3a | x | `model::one` |\n")
            .is_empty()
    );
    let held = page("| 000-1 | x | `model::one` |\n\n## Not here yet\n| 000-2 | x | later |\n");
    assert!(held.is_empty(), "{held:?}");
    assert_eq!(page("## Not here yet\n| 000-2 | x | |\n").len(), 1);
    let all = GUIDES.map(|(guide, last)| format!("| {guide}-1 to {guide}-{last} | x | y |\n"));
    assert!(unmentioned(&all.concat()).is_empty());
    let but_one = all.concat().replace("003-1 to", "003-1 to 003-6, 003-8 to");
    assert_eq!(unmentioned(&but_one), ["nothing is said about 003-7"]);
    assert_eq!(page("| 000-1 | x | `model::three` |\n").len(), 1);
    assert_eq!(page("| 000-1 | x | |\n").len(), 1);
    assert_eq!(page("| 0-1 | x | `model::one` |\n").len(), 1);
    assert_eq!(
        page("| A.U | x | `model::one` |\n| A.U | x | `model::one` |\n").len(),
        1
    );
}
