//! Secrets from a prompt, a file or the environment; never from an argument.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::Arc;

use mailkeep_local::LocalSecrets;
use mailkeep_ports::{SecretError, Secrets};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::CliError;

/// The variable with the vault's passphrase.
pub const PASSPHRASE_VARIABLE: &str = "MAILKEEP_PASSPHRASE";
/// The variable with a passphrase that is to be added to a vault.
pub const NEW_PASSPHRASE_VARIABLE: &str = "MAILKEEP_NEW_PASSPHRASE";
/// The variable with a connection's client secret.
pub const CLIENT_SECRET_VARIABLE: &str = "MAILKEEP_CLIENT_SECRET";

/// The variable with the password of an Exchange service account.
pub const EXCHANGE_PASSWORD_VARIABLE: &str = "MAILKEEP_EXCHANGE_PASSWORD";

/// Asks a person for a secret.
type Prompt = Box<dyn Fn(&str) -> io::Result<String> + Send + Sync>;

/// Where secrets come from.
pub struct SecretInput {
    secrets: LocalSecrets,
    prompt: Option<Prompt>,
}

impl SecretInput {
    /// The process's environment and files, and the terminal when there is one.
    #[must_use]
    pub fn of_process() -> Self {
        let prompt: Option<Prompt> = io::stdin()
            .is_terminal()
            .then(|| Box::new(|text: &str| rpassword::prompt_password(text)) as Prompt);
        Self {
            secrets: LocalSecrets::new(Arc::new(|warning| eprintln!("mailkeep: {warning}"))),
            prompt,
        }
    }

    /// Secrets by the names of their places.
    #[must_use]
    pub fn secrets(&self) -> &dyn Secrets {
        &self.secrets
    }

    /// A secret from the first line of `file`, else from the variable, else from the prompt.
    ///
    /// # Errors
    /// When it is nowhere, empty, or the file cannot be read.
    pub async fn read(
        &self,
        what: &'static str,
        file: Option<&Path>,
        variable: &'static str,
    ) -> Result<SecretString, CliError> {
        match self.given(what, file, variable).await? {
            Some(secret) => Ok(secret),
            None => self.ask(what, variable, &format!("{what}: ")),
        }
    }

    /// Like [`read`](Self::read), for a new secret: a prompt asks twice.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when the two answers differ.
    pub async fn read_new(
        &self,
        what: &'static str,
        file: Option<&Path>,
        variable: &'static str,
    ) -> Result<SecretString, CliError> {
        if let Some(secret) = self.given(what, file, variable).await? {
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

    /// The bytes of a small secret file.
    ///
    /// # Errors
    /// When it cannot be read or is too large.
    pub async fn file(&self, path: &Path) -> Result<Zeroizing<Vec<u8>>, CliError> {
        let name = format!("file:{}", path.display());
        Ok(self.secrets.read(&name).await?)
    }

    /// The text of a small secret file.
    ///
    /// # Errors
    /// When it cannot be read, is too large or is not text.
    pub async fn text_file(
        &self,
        what: &'static str,
        path: &Path,
    ) -> Result<SecretString, CliError> {
        text(&self.file(path).await?, what)
    }

    async fn given(
        &self,
        what: &'static str,
        file: Option<&Path>,
        variable: &'static str,
    ) -> Result<Option<SecretString>, CliError> {
        let bytes = match file {
            Some(path) => self.file(path).await?,
            None => match self.secrets.read(&format!("env:{variable}")).await {
                Ok(bytes) => bytes,
                Err(SecretError::Missing { .. }) => return Ok(None),
                Err(error) => return Err(error.into()),
            },
        };
        let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        text(line, what).map(Some)
    }

    fn ask(
        &self,
        what: &'static str,
        variable: &'static str,
        question: &str,
    ) -> Result<SecretString, CliError> {
        let Some(prompt) = &self.prompt else {
            return Err(CliError::Key(format!(
                "no {what} was given and there is no terminal to ask at; \
                 set {variable} or name a file (see --help)"
            )));
        };
        let answer = prompt(question)
            .map(Zeroizing::new)
            .map_err(|error| CliError::Key(format!("the {what} could not be asked: {error}")))?;
        text(answer.as_bytes(), what)
    }
}

fn text(bytes: &[u8], what: &str) -> Result<SecretString, CliError> {
    match std::str::from_utf8(bytes) {
        Ok("") => Err(CliError::Usage(format!("the {what} is empty"))),
        Ok(text) => Ok(SecretString::from(text.to_owned())),
        Err(_) => Err(CliError::Usage(format!("the {what} is not text in UTF-8"))),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn input(variable: Option<&str>, answers: &[&str]) -> SecretInput {
        let answers: Vec<String> = answers.iter().rev().map(|s| (*s).to_owned()).collect();
        let has_terminal = !answers.is_empty();
        let next = Mutex::new(answers);
        let variables = variable.map(|value| (PASSPHRASE_VARIABLE.to_owned(), value.into()));
        SecretInput {
            secrets: LocalSecrets::with_environment(variables, Arc::new(|_| {})),
            prompt: has_terminal.then(|| {
                Box::new(move |_: &str| {
                    let answer = next.lock().unwrap().pop();
                    answer.ok_or_else(|| io::Error::other("asked too often"))
                }) as Prompt
            }),
        }
    }

    async fn read(input: &SecretInput, file: Option<&Path>) -> Result<String, CliError> {
        let secret = input.read("passphrase", file, PASSPHRASE_VARIABLE).await?;
        Ok(secret.expose_secret().to_owned())
    }

    #[tokio::test]
    async fn a_file_wins_over_the_variable_and_that_over_the_prompt() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "from file\r\nsecond line\n").unwrap();
        let all = input(Some("from variable"), &["from prompt"]);
        assert_eq!(read(&all, Some(&path)).await.unwrap(), "from file");
        assert_eq!(read(&all, None).await.unwrap(), "from variable");
        let prompt = input(None, &["from prompt"]);
        assert_eq!(read(&prompt, None).await.unwrap(), "from prompt");
    }

    #[tokio::test]
    async fn a_new_secret_is_asked_for_twice() {
        let same = input(None, &["alpha", "alpha"]);
        let secret = same.read_new("passphrase", None, PASSPHRASE_VARIABLE).await;
        assert_eq!(secret.unwrap().expose_secret(), "alpha");
        let differs = input(None, &["alpha", "beta"]);
        let error = differs
            .read_new("passphrase", None, PASSPHRASE_VARIABLE)
            .await;
        let error = error.unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(!error.to_string().contains("alpha"), "{error}");
    }

    #[tokio::test]
    async fn nothing_and_emptiness_are_refused() {
        let nothing = read(&input(None, &[]), None).await.unwrap_err();
        assert_eq!(nothing.exit_code(), 4);
        let empty = read(&input(Some(""), &[]), None).await.unwrap_err();
        assert_eq!(empty.exit_code(), 1);
        let missing = input(None, &[]).file(Path::new("/nonexistent/key")).await;
        assert_eq!(missing.unwrap_err().exit_code(), 1);
    }
}
