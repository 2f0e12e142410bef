//! Settings of a function, as its template puts them into its environment.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::FunctionError;

/// What all variables of ours begin with.
const PREFIX: &str = "MAILKEEP_";

/// The variables whose names begin with `MAILKEEP_`. An empty one counts as missing: a template cannot leave
/// one out by a condition without repeating all others.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    values: BTreeMap<String, String>,
}

impl Environment {
    /// That of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of(std::env::vars())
    }

    /// Given ones.
    pub fn of<K: Into<String>, V: Into<String>>(values: impl IntoIterator<Item = (K, V)>) -> Self {
        let values = values
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        Self {
            values: values
                .filter(|(name, value): &(String, String)| {
                    name.starts_with(PREFIX) && !value.is_empty()
                })
                .collect(),
        }
    }

    /// A setting, if it is there. `name` is without the prefix.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values
            .get(&format!("{PREFIX}{name}"))
            .map(String::as_str)
    }

    /// A setting that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn needed(&self, name: &str) -> Result<&str, FunctionError> {
        self.text(name).ok_or_else(|| FunctionError::Environment {
            name: format!("{PREFIX}{name}"),
            cause: "is missing".to_owned(),
        })
    }

    /// A setting that is a number or the like.
    ///
    /// # Errors
    /// When it is there and none.
    pub fn parsed<T: FromStr>(&self, name: &str, usual: T) -> Result<T, FunctionError> {
        let Some(text) = self.text(name) else {
            return Ok(usual);
        };
        text.parse().map_err(|_| FunctionError::Environment {
            name: format!("{PREFIX}{name}"),
            cause: format!("cannot be read: {text}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_what_is_wrong_is_named() {
        let environment = Environment::of([
            ("MAILKEEP_TABLE", "jobs"),
            ("MAILKEEP_EMPTY", ""),
            ("MAILKEEP_LEASE_SECONDS", "soon"),
            ("TABLE", "other"),
        ]);
        assert_eq!(environment.needed("TABLE").unwrap(), "jobs");
        assert_eq!(environment.text("EMPTY"), None);
        assert_eq!(environment.parsed("CAPACITY", 16_u32).unwrap(), 16);
        let missing = environment.needed("EMPTY").unwrap_err().to_string();
        assert!(missing.contains("MAILKEEP_EMPTY is missing"), "{missing}");
        let wrong = environment.parsed("LEASE_SECONDS", 1_u64).unwrap_err();
        assert!(
            wrong.to_string().contains("MAILKEEP_LEASE_SECONDS"),
            "{wrong}"
        );
    }
}
