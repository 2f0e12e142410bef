//! The Exchange organisation.

use std::sync::Arc;

use serde::Serialize;

use super::Admin;
use super::change::AdminError;
use crate::ews::autodiscover::Redirect;
use crate::ews::exchange::Exchange;
use crate::ews::options::{Dialect, Logins, ServiceRights};
use crate::numbers::locked;

/// How hard clients pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Strain {
    /// The most calls that were tried at once within one budget.
    pub highest: u32,
    /// Calls that came while their budget was to be left alone.
    pub ignored_backoff: u64,
}

type Done<T> = Result<T, AdminError>;

impl Admin {
    fn exchange(&self) -> Done<&Arc<Exchange>> {
        let none = || AdminError::Refused("the tenant has no Exchange".to_owned());
        self.tenant.exchange.as_ref().ok_or_else(none)
    }

    /// Changes how the servers write.
    ///
    /// # Errors
    /// When the tenant has no Exchange.
    pub fn set_dialect(&self, dialect: Dialect) -> Done<()> {
        locked(&self.exchange()?.options).dialect = dialect;
        Ok(())
    }

    /// Changes what the service account may do.
    ///
    /// # Errors
    /// When the tenant has no Exchange.
    pub fn set_service_rights(&self, rights: ServiceRights) -> Done<()> {
        locked(&self.exchange()?.options).rights = rights;
        Ok(())
    }

    /// Changes which logins the servers offer.
    ///
    /// # Errors
    /// When the tenant has no Exchange.
    pub fn set_logins(&self, logins: Logins) -> Done<()> {
        locked(&self.exchange()?.options).logins = logins;
        Ok(())
    }

    /// Lets the next call of Autodiscover be redirected.
    ///
    /// # Errors
    /// When the tenant has no Exchange.
    pub fn redirect_autodiscover(&self, redirect: Redirect) -> Done<()> {
        locked(&self.exchange()?.redirects).push_back(redirect);
        Ok(())
    }

    /// User name and password of the owner of a mailbox.
    ///
    /// # Errors
    /// When there is no such mailbox or no Exchange.
    pub fn login(&self, mailbox: &str) -> Done<(String, String)> {
        let account = self.account(mailbox)?;
        let login = self.exchange()?.login_of(account.number);
        let login = login.ok_or_else(|| AdminError::NoMailbox(mailbox.to_owned()))?;
        Ok((format!("SIM\\{}", login.user), login.password.clone()))
    }

    /// How hard clients pushed.
    ///
    /// # Errors
    /// When the tenant has no Exchange.
    pub fn exchange_strain(&self) -> Done<Strain> {
        let (highest, ignored_backoff) = self.exchange()?.strain();
        Ok(Strain {
            highest,
            ignored_backoff,
        })
    }
}
