//! Secrets from a prompt, a file or the environment; never from an argument.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::CliError;

/// The variable with the vault's passphrase.
pub const PASSPHRASE_VARIABLE: &str = "MAILKEEP_PASSPHRASE";
/// The variable with a connection's client secret.
pub const CLIENT_SECRET_VARIABLE: &str = "MAILKEEP_CLIENT_SECRET";

/// A secret or a key file is not larger than this.
const LARGEST: u64 = 64 * 1024;

/// Asks a person for a secret.
type Prompt = Box<dyn Fn(&str) -> io::Result<String> + Send + Sync>;
/// Reads an environment variable.
type Lookup = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Where secrets are asked for.
pub struct SecretInput {
    lookup: Lookup,
    prompt: Option<Prompt>,
}

impl SecretInput {
    /// The process's environment, and the terminal when there is one.
    #[must_use]
    pub fn of_process() -> Self {
        let prompt: Option<Prompt> = io::stdin()
            .is_terminal()
            .then(|| Box::new(|text: &str| rpassword::prompt_password(text)) as Prompt);
        Self {
            lookup: Box::new(|name| std::env::var(name).ok()),
            prompt,
        }
    }

    /// A secret from `file`, else from the variable, else from the prompt.
    ///
    /// # Errors
    /// When it is nowhere, empty, or the file cannot be read.
    pub fn read(
        &self,
        what: &'static str,
        file: Option<&Path>,
        variable: &'static str,
    ) -> Result<SecretString, CliError> {
        if let Some(secret) = self.given(what, file, variable)? {
            return Ok(secret);
        }
        self.ask(what, variable, &format!("{what}: "))
    }

    /// Like [`read`](Self::read), for a new secret: a prompt asks twice.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when the two answers differ.
    pub fn read_new(
        &self,
        what: &'static str,
        file: Option<&Path>,
        variable: &'static str,
    ) -> Result<SecretString, CliError> {
        if let Some(secret) = self.given(what, file, variable)? {
            return Ok(secret);
        }
        let first = self.ask(what, variable, &format!("New {what}: "))?;
        let second = self.ask(what, variable, &format!("Repeat the {what}: "))?;
        if first.expose_secret() != second.expose_secret() {
            return Err(CliError::Usage(format!(
                "the two entries of the {what} differ; nothing was done, try again"
            )));
        }
        Ok(first)
    }

    fn given(
        &self,
        what: &'static str,
        file: Option<&Path>,
        variable: &'static str,
    ) -> Result<Option<SecretString>, CliError> {
        if let Some(path) = file {
            let text = read_text(path)?;
            let line = text.lines().next().unwrap_or_default();
            return non_empty(line, what).map(Some);
        }
        match (self.lookup)(variable).map(Zeroizing::new) {
            Some(text) => non_empty(&text, what).map(Some),
            None => Ok(None),
        }
    }

    fn ask(
        &self,
        what: &'static str,
        variable: &'static str,
        text: &str,
    ) -> Result<SecretString, CliError> {
        let Some(prompt) = &self.prompt else {
            return Err(CliError::Key(format!(
                "no {what} was given and there is no terminal to ask at; \
                 set {variable} or name a file (see --help)"
            )));
        };
        let answer = prompt(text)
            .map(Zeroizing::new)
            .map_err(|error| CliError::Key(format!("the {what} could not be asked: {error}")))?;
        non_empty(&answer, what)
    }
}

fn non_empty(text: &str, what: &str) -> Result<SecretString, CliError> {
    if text.is_empty() {
        return Err(CliError::Usage(format!("the {what} is empty")));
    }
    Ok(SecretString::from(text.to_owned()))
}

/// Reads a small text file that holds something secret.
///
/// # Errors
/// When it cannot be read, is too large or is not text.
pub fn read_text(path: &Path) -> Result<Zeroizing<String>, CliError> {
    let bytes = read_bytes(path)?;
    std::str::from_utf8(&bytes)
        .map(|text| Zeroizing::new(text.to_owned()))
        .map_err(|_| CliError::file("reading", path)(io::Error::other("not a text file in UTF-8")))
}

/// Reads a small file that holds something secret.
///
/// # Errors
/// When it cannot be read or is too large.
pub fn read_bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let file = fs::File::open(path).map_err(CliError::file("reading", path))?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(LARGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(CliError::file("reading", path))?;
    if bytes.len() as u64 > LARGEST {
        let error = io::Error::other("too large to be a secret or a key");
        return Err(CliError::file("reading", path)(error));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn input(variable: Option<&str>, answers: &[&str]) -> SecretInput {
        let variable = variable.map(str::to_owned);
        let mut answers: Vec<String> = answers.iter().rev().map(|s| (*s).to_owned()).collect();
        let has_terminal = !answers.is_empty();
        let next = Mutex::new(std::mem::take(&mut answers));
        SecretInput {
            lookup: Box::new(move |_| variable.clone()),
            prompt: has_terminal.then(|| {
                Box::new(move |_: &str| {
                    next.lock()
                        .unwrap()
                        .pop()
                        .ok_or_else(|| io::Error::other("asked too often"))
                }) as Prompt
            }),
        }
    }

    fn read(input: &SecretInput, file: Option<&Path>) -> Result<String, CliError> {
        input
            .read("passphrase", file, PASSPHRASE_VARIABLE)
            .map(|secret| secret.expose_secret().to_owned())
    }

    #[test]
    fn a_file_wins_over_the_variable_and_that_over_the_prompt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "from file\r\nsecond line\n").unwrap();
        let all = input(Some("from variable"), &["from prompt"]);
        assert_eq!(read(&all, Some(&path)).unwrap(), "from file");
        assert_eq!(read(&all, None).unwrap(), "from variable");
        assert_eq!(
            read(&input(None, &["from prompt"]), None).unwrap(),
            "from prompt"
        );
    }

    #[test]
    fn a_new_secret_is_asked_for_twice() {
        let same = input(None, &["alpha", "alpha"]);
        let secret = same
            .read_new("passphrase", None, PASSPHRASE_VARIABLE)
            .unwrap();
        assert_eq!(secret.expose_secret(), "alpha");
        let differs = input(None, &["alpha", "beta"]);
        let error = differs
            .read_new("passphrase", None, PASSPHRASE_VARIABLE)
            .unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(!error.to_string().contains("alpha"), "{error}");
    }

    #[test]
    fn nothing_and_emptiness_are_refused() {
        assert_eq!(read(&input(None, &[]), None).unwrap_err().exit_code(), 4);
        assert_eq!(
            read(&input(Some(""), &[]), None).unwrap_err().exit_code(),
            2
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("huge");
        fs::write(&path, vec![b'x'; 65_537]).unwrap();
        assert!(read_bytes(&path).is_err());
        assert_eq!(
            read_bytes(&folder.path().join("none"))
                .unwrap_err()
                .exit_code(),
            1
        );
    }
}
