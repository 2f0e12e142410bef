//! Who sends a request, and what they may do.

pub mod api_key;
pub mod gateway;
mod role;

use std::collections::BTreeSet;

use async_trait::async_trait;
use http::request::Parts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use role::Role;

/// Who sends a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Principal {
    /// Never changes: `key:<id>` for an API key, `entra:<object id>` for an account of Entra ID, the
    /// ARN of an identity of AWS.
    pub id: String,
    /// For people.
    pub name: String,
    /// What they may do.
    pub roles: BTreeSet<Role>,
}

impl Principal {
    /// True when one of the roles includes this one.
    #[must_use]
    pub fn may(&self, role: Role) -> bool {
        self.roles.iter().any(|own| own.includes(role))
    }
}

/// Why a request is not from anybody known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// It says nothing of who sends it.
    #[error("the request has no credentials")]
    Missing,
    /// What it says is wrong, expired or withdrawn. Which of these is not told.
    #[error("the credentials are not valid")]
    Invalid,
    /// Whether it is right cannot be found out now.
    #[error("credentials cannot be checked now: {0}")]
    Unavailable(String),
}

/// Finds out who sends a request.
#[async_trait]
pub trait Authenticate: Send + Sync + 'static {
    /// Who sends it.
    ///
    /// # Errors
    /// When that is nobody known.
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthError>;
}
