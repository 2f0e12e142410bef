//! Runs `mailkeep` commands inside this process, shown as they would be typed.

use std::path::Path;
use std::time::Duration;

use clap::Parser;
use mailkeep_cli::args::Cli;
use mailkeep_cli::session::Session;
use mailkeep_cli::{Exit, commands};

use crate::Failure;
use crate::place::Place;

/// Types commands on one vault.
pub(crate) struct Shell {
    vault: String,
    key: String,
}

impl Shell {
    /// A shell with `MAILKEEP_VAULT` and `MAILKEEP_KEY_FILE` set, so to speak.
    pub(crate) fn new(place: &Place) -> Self {
        Self {
            vault: place.vault().display().to_string(),
            key: place.key().display().to_string(),
        }
    }

    /// Prints the command, runs it and returns how it ended.
    pub(crate) async fn run(&self, words: &[&str]) -> Result<Exit, Failure> {
        println!("{}", bold(&format!("$ mailkeep {}", typed(words))));
        let exit = self.run_hidden(words, &["--key-file", &self.key]).await?;
        println!();
        Ok(exit)
    }

    /// Prints the command and runs it without a key, as the one that makes the key.
    pub(crate) async fn run_without_key(&self, words: &[&str]) -> Result<Exit, Failure> {
        println!("{}", bold(&format!("$ mailkeep {}", typed(words))));
        let exit = self.run_hidden(words, &[]).await?;
        println!();
        Ok(exit)
    }

    async fn run_hidden(&self, words: &[&str], hidden: &[&str]) -> Result<Exit, Failure> {
        let mut all = vec!["mailkeep"];
        all.extend_from_slice(words);
        all.extend_from_slice(&["--vault", &self.vault]);
        all.extend_from_slice(hidden);
        let cli = Cli::try_parse_from(all)?;
        let session = Session::of_process(cli.global);
        Ok(commands::run(&session, &cli.command).await?)
    }

    /// The session that the commands run in, to look into the vault.
    pub(crate) fn session(&self) -> Result<Session, Failure> {
        let words = [
            "mailkeep",
            "stats",
            "--vault",
            &self.vault,
            "--key-file",
            &self.key,
        ];
        Ok(Session::of_process(Cli::try_parse_from(words)?.global))
    }
}

/// Says what comes next.
pub(crate) fn heading(elapsed: Duration, text: &str) {
    println!(
        "{}",
        bold(&format!("── {text}  [{:.1} s]", elapsed.as_secs_f64()))
    );
}

/// Words as they would be typed in a shell.
pub(crate) fn typed(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| quote(word)).collect();
    quoted.join(" ")
}

/// A path as it would be typed in a shell.
pub(crate) fn typed_path(path: &Path) -> String {
    quote(&path.display().to_string())
}

fn quote(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@=,%+~".contains(c);
    if !word.is_empty() && !word.starts_with('~') && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn bold(text: &str) -> String {
    use std::io::IsTerminal;
    if std::io::stdout().is_terminal() {
        format!("\u{1b}[1m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_typed() {
        assert_eq!(
            typed(&["ls", "--mailbox", "a@b.example"]),
            "ls --mailbox a@b.example"
        );
        assert_eq!(typed(&["ls", "It's here", "$x"]), r"ls 'It'\''s here' '$x'");
        assert_eq!(typed(&["", "~x", "ü"]), "'' '~x' 'ü'");
    }
}
