//! What a job calls before and after a backup.

use serde::{Deserialize, Serialize};

use crate::FieldErrors;

/// Longest time that a hook may be given.
const MAX_TIMEOUT_SECONDS: u32 = 24 * 3_600;

/// What a job calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Hooks {
    /// Before the backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Hook>,
    /// After the backup, also after a failed one; not when the hook before it failed the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Hook>,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// What is called.
    pub call: HookKind,
    /// Whether the job waits for its end.
    #[serde(default = "super::yes")]
    pub wait: bool,
    /// What its failure means: it ends with an error, cannot start, or takes too long.
    #[serde(default)]
    pub on_failure: HookFailure,
    /// How long it may take; an hour unless given.
    #[serde(default = "an_hour")]
    pub timeout_seconds: u32,
}

/// What is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HookKind {
    /// A program of the machine that runs the jobs: the interpreter or program, then its arguments.
    Exec(Vec<String>),
    /// An address that is posted to.
    Webhook(String),
}

/// What the failure of a hook means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum HookFailure {
    /// Nothing for the job.
    #[default]
    Continue,
    /// The job has failed. Before the backup: it is not made.
    FailJob,
}

fn an_hour() -> u32 {
    3_600
}

impl Hooks {
    pub(super) fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        for (field, hook) in [("before", &self.before), ("after", &self.after)] {
            if let Some(hook) = hook {
                errors.add_part(field, hook.problems());
            }
        }
        errors
    }
}

impl Hook {
    fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        match &self.call {
            HookKind::Exec(words) => errors.require(
                words
                    .first()
                    .is_some_and(|program| !program.trim().is_empty()),
                "call.exec",
                "empty; name the program, for example [\"bash\", \"/opt/script.sh\"]",
            ),
            HookKind::Webhook(address) => errors.require(
                is_safe_address(address),
                "call.webhook",
                "no https:// address (http:// only for this machine itself)",
            ),
        }
        super::check_range(
            &mut errors,
            "timeout_seconds",
            self.timeout_seconds,
            MAX_TIMEOUT_SECONDS,
        );
        errors
    }
}

/// True for `https://` addresses, and for `http://` ones of this machine itself.
pub(crate) fn is_safe_address(address: &str) -> bool {
    let is_clean = !address.chars().any(|c| c.is_whitespace() || c.is_control());
    let host = |rest: &str| {
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        rest.split_at(end).0.to_owned()
    };
    is_clean
        && match (
            address.strip_prefix("https://"),
            address.strip_prefix("http://"),
        ) {
            (Some(rest), _) => !host(rest).is_empty(),
            (_, Some(rest)) => is_loopback_host(&host(rest)),
            _ => false,
        }
}

/// True for names of this machine itself, with a port or without.
pub(crate) fn is_loopback_host(host: &str) -> bool {
    let name = ["localhost", "127.0.0.1", "[::1]"]
        .into_iter()
        .find_map(|name| host.strip_prefix(name));
    name.is_some_and(|port| {
        port.is_empty()
            || port
                .strip_prefix(':')
                .is_some_and(|port| port.chars().all(|c| c.is_ascii_digit()))
    })
}
