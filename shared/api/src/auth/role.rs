//! What people and programs may do.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A role. Some roles include others.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees jobs, runs, mailboxes and restore points. Never what is in mail, not even subjects.
    Viewer,
    /// Also makes, changes and runs jobs.
    Operator,
    /// As a viewer, and sees what is in mail, searches, downloads messages, restores and exports.
    RestoreOperator,
    /// Everything, also connections and the audit log.
    Administrator,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [
        Self::Viewer,
        Self::Operator,
        Self::RestoreOperator,
        Self::Administrator,
    ];

    /// True when whoever has this role may do what `other` may do.
    #[must_use]
    pub fn includes(self, other: Self) -> bool {
        self == other || self == Self::Administrator || other == Self::Viewer
    }

    /// Its name in JSON, in tokens and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::RestoreOperator => "restore_operator",
            Self::Administrator => "administrator",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Role {
    type Err = String;

    /// Case makes no difference, nor whether words are joined by `_`, `-` or `.`, nor a leading
    /// `mailkeep`: directories have rules of their own for the names of roles.
    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text
            .trim()
            .to_ascii_lowercase()
            .replace(['-', '.', ' '], "_");
        let name = lower.strip_prefix("mailkeep_").unwrap_or(&lower);
        let fits = |role: &Self| role.name() == name || role.name().replace('_', "") == name;
        Self::ALL.into_iter().find(fits).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.into_iter().map(Self::name).collect();
            format!("there is no such role; the roles are {}", names.join(", "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_include_each_other_as_documented() {
        use Role::{Administrator as A, Operator as O, RestoreOperator as R, Viewer as V};
        for (role, included) in [
            (V, vec![V]),
            (O, vec![V, O]),
            (R, vec![V, R]),
            (A, vec![V, O, R, A]),
        ] {
            for other in Role::ALL {
                assert_eq!(
                    role.includes(other),
                    included.contains(&other),
                    "{role} {other}"
                );
            }
        }
    }

    #[test]
    fn names_are_read_as_directories_write_them() {
        for text in [
            "restore_operator",
            "Restore-Operator",
            "Mailkeep.RestoreOperator",
        ] {
            assert_eq!(text.parse(), Ok(Role::RestoreOperator), "{text}");
        }
        assert!("root".parse::<Role>().unwrap_err().contains("viewer"));
    }
}
