//! Faults on request.

use super::Admin;
use super::change::AdminError;
use crate::faults::{Fault, TokenLoss};
use crate::numbers::locked;

impl Admin {
    /// Makes coming calls fail.
    pub fn inject(&self, fault: Fault) {
        locked(&self.tenant.faults).waiting.push(fault);
    }

    /// Removes all faults that still wait, and stops random ones.
    pub fn clear_faults(&self) {
        let mut faults = locked(&self.tenant.faults);
        faults.waiting.clear();
        faults.random_permille = 0;
        faults.refused_login = None;
    }

    /// Makes this many calls out of a thousand fail in some way, depending on the seed.
    pub fn set_random_faults(&self, permille: u64) {
        locked(&self.tenant.faults).random_permille = permille;
    }

    /// Makes all delta tokens of a mailbox, or of one folder, worth nothing.
    ///
    /// # Errors
    /// When there is no such mailbox or folder.
    pub fn expire_delta_tokens(
        &self,
        mailbox: &str,
        folder: Option<&str>,
        answer: TokenLoss,
    ) -> Result<(), AdminError> {
        locked(&self.tenant.faults).token_loss = answer;
        self.with(mailbox, |data| {
            match folder {
                None => data.token_epoch += 1,
                Some(folder) => {
                    let number = Self::folder(data, folder)?;
                    if let Some(folder) = data
                        .folders
                        .get_mut(crate::numbers::index(u64::from(number)))
                    {
                        folder.token_epoch += 1;
                    }
                }
            }
            Ok(())
        })
    }

    /// Makes an item corrupt: pages that would contain more than its id fail with
    /// `ErrorCorruptData`, and so does every read of it.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn corrupt_item(&self, mailbox: &str, item: &str) -> Result<(), AdminError> {
        let key = self.item_key(mailbox, item)?;
        locked(&self.tenant.faults).corrupt.insert(key);
        Ok(())
    }

    /// Makes the MIME conversion of an item fail; its JSON and attachments still work.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn break_mime(&self, mailbox: &str, item: &str) -> Result<(), AdminError> {
        let key = self.item_key(mailbox, item)?;
        locked(&self.tenant.faults).no_mime.insert(key);
        Ok(())
    }

    /// Makes the next reads of an item fail with a transient error.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn fail_item_for_now(
        &self,
        mailbox: &str,
        item: &str,
        times: u32,
    ) -> Result<(), AdminError> {
        let key = self.item_key(mailbox, item)?;
        locked(&self.tenant.faults).transient.insert(key, times);
        Ok(())
    }

    /// Makes an item whole again.
    ///
    /// # Errors
    /// When there is no such item.
    pub fn heal_item(&self, mailbox: &str, item: &str) -> Result<(), AdminError> {
        let key = self.item_key(mailbox, item)?;
        let mut faults = locked(&self.tenant.faults);
        faults.corrupt.remove(&key);
        faults.no_mime.remove(&key);
        faults.transient.remove(&key);
        Ok(())
    }

    fn item_key(&self, mailbox: &str, item: &str) -> Result<(u32, u32), AdminError> {
        let number = self.account(mailbox)?.number;
        self.with(mailbox, |data| Ok((number, Self::item(data, item)?)))
    }

    /// Refuses all tokens that were issued so far.
    pub fn revoke_tokens(&self) {
        locked(&self.tenant.registration).generation += 1;
    }

    /// Lets the client secret expire (AADSTS7000222), or makes it valid again.
    pub fn expire_secret(&self, is_expired: bool) {
        locked(&self.tenant.registration).secret_expired = is_expired;
    }

    /// Refuses logins with this AADSTS number, for example 53003; `None` accepts them again.
    pub fn refuse_logins(&self, aadsts: Option<u32>) {
        locked(&self.tenant.faults).refused_login = aadsts;
    }

    /// Grants exactly these roles; tokens that were issued keep theirs.
    pub fn set_roles(&self, roles: &[&str]) {
        locked(&self.tenant.registration).roles =
            roles.iter().map(|role| (*role).to_owned()).collect();
    }

    /// Chooses how long new tokens last.
    pub fn set_token_lifetime(&self, seconds: u32) {
        locked(&self.tenant.registration).token_seconds = i64::from(seconds);
    }

    /// Registers a certificate (DER) of the application.
    pub fn register_certificate(&self, der: &[u8]) {
        locked(&self.tenant.registration)
            .certificates
            .push(der.to_vec());
    }
}
