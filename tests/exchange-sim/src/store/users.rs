//! The directory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use super::mailbox::Mailbox;
use crate::content::draw::guid;
use crate::content::people::member;
use crate::graph::gate::Gate;

/// What kind of account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    /// A person with a licence.
    User,
    /// A shared mailbox; the account is disabled and has no licence.
    Shared,
    /// A meeting room.
    Room,
    /// A device.
    Equipment,
    /// Somebody of another tenant; no mailbox.
    Guest,
    /// A person without mail address.
    NoMail,
    /// A person with mail address and without licence; no mailbox.
    Unlicensed,
}

impl AccountKind {
    /// The value of `userPurpose`.
    pub(crate) fn purpose(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Room => "room",
            Self::Equipment => "equipment",
            _ => "user",
        }
    }
}

/// Why a mailbox cannot be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum MailboxState {
    /// It can.
    Available = 0,
    /// 403 `ErrorAccessDenied`.
    Denied = 1,
    /// 503 `ErrorMailboxMoveInProgress`.
    Moving = 2,
    /// 404 `MailboxNotEnabledForRESTAPI`.
    NotEnabled = 3,
}

/// An account.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) number: u32,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) mail: Option<String>,
    pub(crate) principal_name: String,
    pub(crate) kind: AccountKind,
    pub(crate) is_enabled: bool,
    pub(crate) is_removed: AtomicBool,
    /// What the directory knows of the person, by the names of the properties.
    pub(crate) attributes: Mutex<BTreeMap<String, String>>,
    state: AtomicU8,
    pub(crate) gate: Gate,
    pub(crate) mailbox: Option<Mutex<Mailbox>>,
    /// The mailbox's key; 0 without one.
    pub(crate) key: u64,
}

impl Account {
    /// An account; `mailbox` for those kinds that have one.
    pub(crate) fn new(
        seed: u64,
        number: u32,
        kind: AccountKind,
        mailbox: Option<Mailbox>,
    ) -> Arc<Self> {
        let person = member(seed, number);
        let id = guid(&[seed, 0x7573_6572, u64::from(number)]);
        let (mail, principal_name) = match kind {
            AccountKind::Guest => (
                Some(format!("guest{number}@fabrikam.example")),
                format!("guest{number}_fabrikam.example#EXT#@sim.example"),
            ),
            AccountKind::NoMail => (None, person.address),
            _ => (Some(person.address.clone()), person.address),
        };
        Arc::new(Self {
            number,
            id,
            name: match kind {
                AccountKind::Shared => format!("Shared mailbox {number}"),
                AccountKind::Room => format!("Room {number} – Großer Saal"),
                AccountKind::Equipment => format!("Beamer {number}"),
                _ => person.name,
            },
            mail,
            principal_name,
            kind,
            is_enabled: !matches!(
                kind,
                AccountKind::Shared | AccountKind::Room | AccountKind::Equipment
            ),
            is_removed: AtomicBool::new(false),
            attributes: Mutex::default(),
            state: AtomicU8::new(0),
            gate: Gate::default(),
            key: mailbox.as_ref().map_or(0, |mailbox| mailbox.key),
            mailbox: mailbox.map(Mutex::new),
        })
    }

    /// Whether the mailbox can be used.
    pub(crate) fn state(&self) -> MailboxState {
        match self.state.load(Ordering::SeqCst) {
            1 => MailboxState::Denied,
            2 => MailboxState::Moving,
            3 => MailboxState::NotEnabled,
            _ => MailboxState::Available,
        }
    }

    /// Makes the mailbox usable or not.
    pub(crate) fn set_state(&self, state: MailboxState) {
        let number = match state {
            MailboxState::Available => 0,
            MailboxState::Denied => 1,
            MailboxState::Moving => 2,
            MailboxState::NotEnabled => 3,
        };
        self.state.store(number, Ordering::SeqCst);
    }
}
