//! Autodiscover: from a mail address to the address of EWS, by SOAP (`GetUserSettings`) or POX.
//!
//! Credentials go to hosts of the mail address's domain and to hosts that the user named, over TLS, and
//! nowhere else: each place is asked without them first, and wherever a server leads is judged before
//! anything goes there.

mod answer;
mod request;
mod trust;
mod walk;

use std::collections::BTreeMap;
use std::sync::Arc;

use mailkeep_ports::{Clock, Rng};

use super::connection::EwsLogin;
use crate::SourceError;

/// Gives tests the reader of answers.
#[cfg(feature = "fuzzing")]
pub(crate) fn read_answer(document: &super::xml::Element) {
    let _ = answer::read(document);
}

/// What Autodiscover is asked, and whom it may trust.
#[derive(Clone, Debug)]
pub struct EwsAutodiscover {
    /// A mail address of the organisation.
    pub address: String,
    /// The service's address, where the domain's usual ones do not serve: it ends in
    /// `autodiscover.svc` or `autodiscover.xml`. `http` only on this machine.
    pub start: Option<String>,
    /// Hosts beside those of the domain that credentials may go to.
    pub trusted_hosts: Vec<String>,
    /// Login.
    pub login: EwsLogin,
    /// Certificates (PEM) of a private authority.
    pub authority_pem: Option<String>,
}

/// What Autodiscover told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// The address of EWS.
    pub ews_url: String,
    /// The address that answered.
    pub answered_by: String,
    /// Every setting that was told, by the names that SOAP has for them.
    pub settings: BTreeMap<String, String>,
}

/// Asks Autodiscover.
///
/// # Errors
/// Class `Configuration` when no service answers or one leads where credentials must not go,
/// `AuthCredential` when the login is refused.
pub async fn discover(
    asked: &EwsAutodiscover,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
) -> Result<Discovered, SourceError> {
    walk::Walk::new(asked, clock, rng)?.run().await
}
