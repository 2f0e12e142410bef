//! What is wrong with a definition that a person wrote: all of it at once, each with its field.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{field}: {problem}")]
pub struct FieldError {
    /// Path of the field, for example `schedule.blackouts[1].to`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// Everything that is wrong with a definition.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Notes a problem of one field.
    pub fn add(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        self.0.push(FieldError {
            field: field.into(),
            problem: problem.into(),
        });
    }

    /// Notes a problem unless `holds`.
    pub fn require(&mut self, holds: bool, field: &str, problem: impl Into<String>) {
        if !holds {
            self.add(field, problem);
        }
    }

    /// Takes over the problems of a part that stands in the field `prefix`.
    pub fn add_part(&mut self, prefix: &str, part: Self) {
        for FieldError { field, problem } in part.0 {
            let field = match field.as_str() {
                "" => prefix.to_owned(),
                list if list.starts_with('[') => format!("{prefix}{list}"),
                _ => format!("{prefix}.{field}"),
            };
            self.add(field, problem);
        }
    }

    /// All problems, in the order of the fields.
    #[must_use]
    pub fn list(&self) -> &[FieldError] {
        &self.0
    }

    /// True when nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Ok` when nothing is wrong.
    ///
    /// # Errors
    /// All problems.
    pub fn into_result(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for FieldErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for FieldErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_get_the_path_of_their_field() {
        let mut inner = FieldErrors::default();
        inner.add("to", "x");
        inner.add("", "y");
        inner.add("[2].zone", "z");
        let mut outer = FieldErrors::default();
        outer.require(true, "a", "not noted");
        outer.require(false, "b", "w");
        outer.add_part("list", inner);
        assert_eq!(
            outer.to_string(),
            "b: w\nlist.to: x\nlist: y\nlist[2].zone: z"
        );
        assert!(outer.into_result().is_err());
        assert!(FieldErrors::default().into_result().is_ok());
    }
}
