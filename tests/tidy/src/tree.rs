//! Reading the tree.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders that hold what building and running leaves behind.
const SKIPPED: [&str; 5] = [".git", "target", ".venv", "demo-vault", "__pycache__"];

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap().to_owned()
}

/// Names, relative to the top, of all files under version control, or of all when there is none.
pub(crate) fn files() -> Vec<String> {
    let listed = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root())
        .output();
    let mut files = match listed {
        Ok(output) if output.status.success() => {
            let names = String::from_utf8(output.stdout).unwrap();
            names.split_terminator('\0').map(str::to_owned).collect()
        }
        _ => {
            let mut found = Vec::new();
            walk(&root(), "", &mut found);
            found
        }
    };
    // Deleted, but not committed yet.
    files.retain(|name| root().join(name).is_file());
    files.sort();
    assert!(files.len() > 20, "only {} files found", files.len());
    files
}

fn walk(root: &Path, at: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(root.join(at)).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        let kind = entry.file_type().unwrap();
        let path = if at.is_empty() {
            name.clone()
        } else {
            format!("{at}/{name}")
        };
        if kind.is_dir() && !SKIPPED.contains(&name.as_str()) {
            walk(root, &path, found);
        } else if kind.is_file() {
            found.push(path);
        }
    }
}

/// Text of a file; `None` for a binary one.
pub(crate) fn text(name: &str) -> Option<String> {
    String::from_utf8(std::fs::read(root().join(name)).unwrap()).ok()
}

/// A workspace member.
pub(crate) struct Member {
    /// Folder, relative to the top.
    pub(crate) folder: String,
    /// Its `Cargo.toml`.
    pub(crate) manifest: toml::Table,
}

impl Member {
    pub(crate) fn name(&self) -> &str {
        self.manifest["package"]["name"].as_str().unwrap()
    }

    /// Names in one of the tables of dependencies, those for one target included.
    pub(crate) fn dependencies(&self, table: &str) -> Vec<String> {
        let mut names = Vec::new();
        let mut add = |parent: &toml::Table| {
            if let Some(listed) = parent.get(table).and_then(toml::Value::as_table) {
                names.extend(listed.keys().cloned());
            }
        };
        add(&self.manifest);
        if let Some(targets) = self.manifest.get("target").and_then(toml::Value::as_table) {
            targets
                .values()
                .filter_map(toml::Value::as_table)
                .for_each(add);
        }
        names
    }
}

pub(crate) fn manifest(name: &str) -> toml::Table {
    text(name).unwrap().parse().unwrap()
}

pub(crate) fn members() -> Vec<Member> {
    let workspace = manifest("Cargo.toml");
    let folders = workspace["workspace"]["members"].as_array().unwrap();
    let folders = folders
        .iter()
        .map(|folder| folder.as_str().unwrap().to_owned());
    folders
        .map(|folder| Member {
            manifest: manifest(&format!("{folder}/Cargo.toml")),
            folder,
        })
        .collect()
}

/// Output of a cargo command that only reads.
pub(crate) fn cargo(arguments: &[&str]) -> String {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "cargo {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Fails with all findings at once, so that one run shows everything that is to be done.
pub(crate) fn assert_none(rule: &str, findings: &[String]) {
    assert!(
        findings.is_empty(),
        "{rule}:\n  {}\n",
        findings.join("\n  ")
    );
}
