//! Definitions of jobs in TOML files. What is wrong is told all at once, with file, line and field.

use std::path::Path;

use mailkeep_model::FieldErrors;
use mailkeep_model::job::{JobDefinition, name_key};
use serde::de::IntoDeserializer as _;
use serde::{Deserialize as _, Serialize};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::CliError;

/// Largest file.
const MAX_BYTES: u64 = 16 << 20;

/// What `job export` writes.
#[derive(Serialize)]
struct File<'a> {
    job: &'a [JobDefinition],
}

/// Definitions as a file.
///
/// # Errors
/// Never, as far as we know.
pub fn write(definitions: &[JobDefinition]) -> Result<String, CliError> {
    let file = File { job: definitions };
    toml::to_string(&file).map_err(|error| CliError::Usage(error.to_string()))
}

/// What else is to be found wrong with a definition.
pub type Check<'a> = &'a dyn Fn(&JobDefinition) -> FieldErrors;

/// Reads a file with one definition, or one with a list of them.
///
/// # Errors
/// When it cannot be read, and `Usage` with everything that is wrong.
pub fn read(path: &Path, check: Check<'_>) -> Result<Vec<JobDefinition>, CliError> {
    parse(&path.display().to_string(), &text(path)?, check)
}

/// Reads a file that must hold exactly one definition.
///
/// # Errors
/// As [`read`].
pub fn read_one(path: &Path, check: Check<'_>) -> Result<JobDefinition, CliError> {
    let mut all = read(path, check)?;
    match (all.pop(), all.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(CliError::Usage(format!(
            "{}: holds several jobs, and one is wanted; `mailkeep apply` takes several",
            path.display()
        ))),
    }
}

fn text(path: &Path) -> Result<String, CliError> {
    use std::io::Read as _;
    let wrong = CliError::file("reading", path);
    let mut text = String::new();
    let result = if path == Path::new("-") {
        std::io::stdin().take(MAX_BYTES).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
    };
    result.map_err(wrong)?;
    Ok(text)
}

/// Reads definitions; `name` stands for the file.
///
/// # Errors
/// `Usage` with everything that is wrong.
pub fn parse(name: &str, text: &str, check: Check<'_>) -> Result<Vec<JobDefinition>, CliError> {
    let line = |offset: usize| {
        let before = text.get(..offset).unwrap_or(text);
        before.matches('\n').count() + 1
    };
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(1, |span| line(span.start));
        CliError::Usage(format!("{name}:{at}: {}", error.message()))
    })?;
    let mut problems = vec![];
    let mut definitions: Vec<JobDefinition> = vec![];
    for entry in entries(&document) {
        let start = entry.span().start;
        match JobDefinition::deserialize(entry.clone().into_deserializer()) {
            Ok(definition) => {
                let (own, others) = (definition.problems(), check(&definition));
                for error in own.list().iter().chain(others.list()) {
                    let at = line(place(&entry, &error.field).unwrap_or(start));
                    problems.push(format!("{name}:{at}: {error}"));
                }
                let key = name_key(&definition.name);
                if definitions.iter().any(|other| name_key(&other.name) == key) {
                    let at = line(place(&entry, "name").unwrap_or(start));
                    problems.push(format!("{name}:{at}: name: the file has this name twice"));
                }
                definitions.push(definition);
            }
            Err(error) => {
                let at = line(error.span().map_or(start, |span| span.start));
                let message = error.message().replace('\n', " ");
                problems.push(format!("{name}:{at}: {message}"));
            }
        }
    }
    if problems.is_empty() {
        Ok(definitions)
    } else {
        Err(CliError::Usage(problems.join("\n")))
    }
}

/// The tables that stand for jobs.
fn entries<'a>(document: &Spanned<DeTable<'a>>) -> Vec<Spanned<DeValue<'a>>> {
    let root = document.get_ref();
    match root.get("job").map(Spanned::get_ref) {
        Some(DeValue::Array(list)) if root.len() == 1 => list.iter().cloned().collect(),
        _ => vec![Spanned::new(document.span(), DeValue::Table(root.clone()))],
    }
}

/// Where the field of this path stands, or the nearest that there is above it.
fn place(table: &Spanned<DeValue<'_>>, path: &str) -> Option<usize> {
    let mut found = None;
    let mut here = table.get_ref();
    for part in path.split('.') {
        let (name, index) = match part.split_once('[') {
            Some((name, rest)) => (name, rest.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        let DeValue::Table(table) = here else {
            break;
        };
        let Some((key, value)) = table.get_key_value(name) else {
            break;
        };
        found = Some(key.span().start);
        here = value.get_ref();
        if let (Some(index), DeValue::Array(list)) = (index, here)
            && let Some(entry) = list.get(index)
        {
            found = Some(entry.span().start);
            here = entry.get_ref();
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none(_: &JobDefinition) -> FieldErrors {
        FieldErrors::default()
    }

    #[test]
    fn what_is_wrong_is_told_at_once_with_file_line_and_field() {
        let text = "[[job]]\nname = \"a\"\nconnection = \"c\"\nstorage = \"s\"\npriority = 9\n\n\
            [job.schedule.pattern.weekly]\ndays = []\n\n\
            [[job]]\nname = \"A \"\nconnection = \"\"\nstorage = \"s\"\n\n\
            [[job]]\nname = \"b\"\nconnection = \"c\"\nstorage = \"s\"\n\
            [[job.blackouts]]\ndays = [\"friday\"]\nhours = {}\nzone = \"Nowhere/Else\"\n\n\
            [[job]]\nname = \"d\"\ncolour = 1\n";
        let CliError::Usage(report) = parse("jobs.toml", text, &none).unwrap_err() else {
            panic!("another error");
        };
        let lines: Vec<&str> = report.lines().collect();
        for (line, start) in lines.iter().zip([
            "jobs.toml:5: priority:",
            "jobs.toml:8: schedule.pattern.weekly.days:",
            "jobs.toml:12: connection:",
            "jobs.toml:11: name:",
            "jobs.toml:22: ",
            "jobs.toml:26: unknown field `colour`",
        ]) {
            assert!(line.starts_with(start), "{start}\n{report}");
        }
        assert_eq!(lines.len(), 6, "{report}");
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut one = JobDefinition::new("one", "c", "s");
        one.priority = 1;
        let both = [one, JobDefinition::new("two", "c", "s")];
        let text = write(&both).unwrap();
        assert_eq!(parse("x", &text, &none).unwrap(), both);
        let single = "name = \"one\"\nconnection = \"c\"\nstorage = \"s\"\npriority = 1\n";
        assert_eq!(parse("x", single, &none).unwrap(), both[..1]);
        let error = parse("x", "name = \n", &none).unwrap_err().to_string();
        assert!(error.starts_with("x:1: "), "{error}");
    }
}
