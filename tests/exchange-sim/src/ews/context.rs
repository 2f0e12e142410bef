//! One call: who makes it, for whom, and which mailboxes, folders and items it may touch.

use std::sync::{Arc, MutexGuard};

use super::error::{EwsError, Fault};
use super::exchange::{Exchange, Login};
use super::ids;
use super::options::Dialect;
use super::out::{Out, Prefixes};
use super::xml::Node;
use crate::numbers::locked;
use crate::store::mailbox::Mailbox;
use crate::store::users::{Account, MailboxState};
use crate::tenant::Tenant;

/// How the answer is written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    pub(crate) dialect: Dialect,
    pub(crate) prefixes: Prefixes,
}

/// How calls to public folders have to be routed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Routing {
    /// To the mailbox with the hierarchy.
    Hierarchy,
    /// To the mailbox with the folder's content.
    Content,
    /// To either.
    Either,
    /// The operation is not offered.
    Refused,
}

/// One call.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) tenant: Arc<Tenant>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) login: Arc<Login>,
    /// The account that the call acts for.
    pub(crate) acting: Option<Arc<Account>>,
    pub(crate) is_impersonated: bool,
    pub(crate) anchor: Option<String>,
    pub(crate) public_mailbox: Option<String>,
    pub(crate) routing: Routing,
    pub(crate) style: Style,
}

type Found<T> = Result<T, EwsError>;

/// The data of a mailbox.
pub(crate) fn data(account: &Account) -> Found<MutexGuard<'_, Mailbox>> {
    account.mailbox.as_ref().map(locked).ok_or_else(|| {
        EwsError::new(
            "ErrorNonExistentMailbox",
            "The SMTP address has no mailbox associated with it.",
        )
    })
}

impl Context {
    /// An empty answer in the right style.
    pub(crate) fn out(&self) -> Out {
        Out::new(self.style.prefixes)
    }

    /// Whether this account holds the public folders.
    pub(crate) fn is_public(&self, account: &Account) -> bool {
        account.number == self.exchange.public.number
    }

    /// The account whose mailbox is meant when none is named.
    pub(crate) fn own(&self) -> Found<Arc<Account>> {
        let account = self.acting.clone().ok_or_else(|| {
            EwsError::new(
                "ErrorMissingEmailAddress",
                "When making a request as an account that does not have a mailbox, you must specify the mailbox primary SMTP address for any distinguished folder Ids.",
            )
        })?;
        self.may_open(&account)?;
        Ok(account)
    }

    /// Whether the caller may open a mailbox.
    fn may_open(&self, account: &Arc<Account>) -> Found<()> {
        let is_own = self
            .acting
            .as_ref()
            .is_some_and(|acting| acting.number == account.number);
        let rights = locked(&self.exchange.options).rights;
        let has_access = self.login.is_service && !self.is_impersonated && rights.full_access;
        if !is_own && !has_access && !self.is_public(account) {
            return Err(EwsError::denied());
        }
        match account.state() {
            MailboxState::Available => Ok(()),
            MailboxState::Denied => Err(EwsError::denied()),
            MailboxState::Moving => Err(EwsError::new(
                "ErrorMailboxMoveInProgress",
                "Mailbox move in progress. Try again later.",
            )),
            MailboxState::NotEnabled => Err(EwsError::new(
                "ErrorNonExistentMailbox",
                "The SMTP address has no mailbox associated with it.",
            )),
        }
    }

    /// All accounts whose ids may come in a request.
    fn accounts(&self) -> Vec<Arc<Account>> {
        let mut all = self.tenant.visible_accounts();
        all.push(Arc::clone(&self.exchange.public));
        all
    }

    /// The item of an id.
    pub(crate) fn item(&self, id: &str) -> Found<(Arc<Account>, u32)> {
        let found = self
            .accounts()
            .into_iter()
            .find_map(|account| Some((ids::parse_item(account.key, id)?, account)));
        let Some(((number, joined), account)) = found else {
            return Err(EwsError::malformed_id());
        };
        self.may_open(&account)?;
        let folder = {
            let data = data(&account)?;
            match data.slot(number) {
                Some(slot) if slot.joined == joined => slot.folder,
                _ => return Err(EwsError::item_not_found()),
            }
        };
        self.check_public(&account, folder)?;
        Ok((account, number))
    }

    /// The item of a `t:ItemId`.
    pub(crate) fn item_node(&self, node: &Node) -> Found<(Arc<Account>, u32)> {
        match node.name.as_str() {
            "t:ItemId" => self.item(node.attribute("Id").unwrap_or_default()),
            _ => Err(EwsError::new(
                "ErrorInvalidRequest",
                "Occurrences cannot be addressed here.",
            )),
        }
    }

    /// The folder of a `t:FolderId` or `t:DistinguishedFolderId`.
    pub(crate) fn folder(&self, node: &Node) -> Found<(Arc<Account>, u32)> {
        let id = node.attribute("Id").unwrap_or_default();
        let (account, number) = if node.name == "t:DistinguishedFolderId" {
            self.well_known(node, id)?
        } else {
            let stored = ids::parse_folder(id).ok_or_else(EwsError::malformed_id)?;
            let found = self.accounts().into_iter().find_map(|account| {
                let number = {
                    let data = data(&account).ok()?;
                    *data.folder_numbers.get(&stored)?
                };
                Some((account, number))
            });
            found.ok_or_else(EwsError::malformed_id)?
        };
        self.may_open(&account)?;
        if data(&account)?.folder(number).is_none() {
            return Err(EwsError::folder_not_found());
        }
        self.check_public(&account, number)?;
        Ok((account, number))
    }

    fn well_known(&self, node: &Node, id: &str) -> Found<(Arc<Account>, u32)> {
        let named = node.path(&["t:Mailbox", "t:EmailAddress"]);
        let account = if id == "publicfoldersroot" {
            self.acting.as_ref().ok_or_else(EwsError::denied)?;
            Arc::clone(&self.exchange.public)
        } else if let Some(address) = named {
            let found = self.tenant.account(&address.text);
            found
                .filter(|account| account.mailbox.is_some())
                .ok_or_else(|| {
                    EwsError::new(
                        "ErrorNonExistentMailbox",
                        "The SMTP address has no mailbox associated with it.",
                    )
                })?
        } else {
            self.own()?
        };
        self.may_open(&account)?;
        let number = data(&account)?.well_known(id);
        let number = number.ok_or_else(EwsError::folder_not_found)?;
        Ok((account, number))
    }

    /// Checks the operation, the route and the rights of a call to public folders.
    fn check_public(&self, account: &Account, folder: u32) -> Found<()> {
        if !self.is_public(account) {
            return Ok(());
        }
        let (content, is_denied) = {
            let data = data(account)?;
            let folder = data.folder(folder).ok_or_else(EwsError::folder_not_found)?;
            (folder.content_mailbox, folder.is_denied)
        };
        let is_routed = match self.routing {
            Routing::Refused => {
                return Err(EwsError::new(
                    "ErrorInvalidOperation",
                    "The operation is not supported on public folders.",
                ));
            }
            Routing::Hierarchy => self.is_routed_to(0),
            Routing::Content => self.is_routed_to(content),
            Routing::Either => self.is_routed_to(0) || self.is_routed_to(content),
        };
        if !is_routed {
            return Err(EwsError::new(
                "ErrorPublicFolderOperationFailed",
                "The public folder operation failed: the request did not reach the mailbox that holds the folder.",
            ));
        }
        if is_denied && self.routing == Routing::Content {
            return Err(EwsError::denied());
        }
        Ok(())
    }

    /// With one mailbox for all public folders every call reaches it; with more, the headers decide.
    fn is_routed_to(&self, number: u32) -> bool {
        if locked(&self.exchange.options).public_mailboxes <= 1 {
            return true;
        }
        let (id, address) = self.exchange.public_mailbox(number);
        let is_anchored = self
            .anchor
            .as_deref()
            .is_some_and(|anchor| anchor.eq_ignore_ascii_case(&address));
        let is_named = self.public_mailbox.as_deref().is_some_and(|name| {
            name.eq_ignore_ascii_case(&address)
                || name.eq_ignore_ascii_case(&format!("{id}@sim.example"))
        });
        is_anchored && is_named
    }
}

/// The account of a `t:ExchangeImpersonation`.
pub(crate) fn impersonated(
    tenant: &Tenant,
    exchange: &Exchange,
    login: &Login,
    node: &Node,
) -> Result<Arc<Account>, Fault> {
    let rights = locked(&exchange.options).rights;
    if !login.is_service || !rights.impersonation {
        return Err(Fault::new(
            "ErrorImpersonateUserDenied",
            "The account does not have permission to impersonate the requested user.",
        ));
    }
    let sid = node
        .path(&["t:ConnectingSID"])
        .and_then(|sid| sid.children.first());
    let name = sid.map(|sid| sid.text.trim()).unwrap_or_default();
    let is_address = sid.is_some_and(|sid| sid.name != "t:PrincipalName");
    let account = tenant
        .account(name)
        .filter(|_| name.contains('@'))
        .filter(|account| account.mailbox.is_some());
    let code = if is_address {
        "ErrorNonExistentMailbox"
    } else {
        "ErrorInvalidUserPrincipalName"
    };
    account.ok_or_else(|| Fault::new(code, "The SMTP address has no mailbox associated with it."))
}
