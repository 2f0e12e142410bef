//! One error for everything that a vault can answer: which object, what is wrong, what to do next.

use mailkeep_ports::{KeyServiceError, KeyServiceErrorKind, StoreError, StoreErrorKind};

/// Why a vault operation failed. Never holds a secret, an address or a subject.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The object was damaged or tampered with, or is not the object its name says.
    #[error(
        "object {object} is damaged: {what}; restore it from a replica or an older version of the bucket"
    )]
    Corrupt {
        /// The object's name.
        object: String,
        /// What does not fit.
        what: String,
    },
    /// The object is not there.
    #[error("object {object} is missing: {what}")]
    Missing {
        /// The object's name.
        object: String,
        /// What it is needed for, and what to do.
        what: String,
    },
    /// What was asked for was lost to damage, and a repair has recorded that.
    #[error("{object} was lost: {what}")]
    Lost {
        /// What is lost.
        object: String,
        /// Since when it is known, and what to do.
        what: String,
    },
    /// A newer mailkeep wrote the object. Not damage.
    #[error(
        "object {object} needs a newer mailkeep (format {needs}, this one reads up to {})",
        crate::format::FORMAT
    )]
    NewerThanMe {
        /// The object's name.
        object: String,
        /// The format that a reader must know.
        needs: u32,
    },
    /// The passphrase, key file or recovery key does not open the object.
    #[error("{object} cannot be opened with this key: {what}")]
    WrongKey {
        /// The object's name.
        object: String,
        /// What does not fit, and what to do.
        what: String,
    },
    /// The key service did not seal or open a key.
    #[error("the key service failed: {0}")]
    KeyService(#[from] KeyServiceError),
    /// The mailbox was erased on request. Not damage.
    #[error(
        "mailbox {mailbox} was erased on request: {}",
        if *.is_finished {
            "its keys were destroyed, nobody can read it any more; a new backup must be asked for explicitly"
        } else {
            "some of its keys are still there; repeat the erasure to finish it"
        }
    )]
    Erased {
        /// Its id in the vault.
        mailbox: String,
        /// False while keys of it are left.
        is_finished: bool,
    },
    /// The mailbox went on while the caller waited: retention took away what it counted on.
    #[error("mailbox {mailbox} went on while this program waited: {what}; run it again")]
    Stale {
        /// Its id in the vault.
        mailbox: String,
        /// What is no longer so.
        what: String,
    },
    /// The store refused access.
    #[error("object {object}: access denied ({cause}); check the permissions on the store")]
    Denied {
        /// The object's name.
        object: String,
        /// The store's words.
        cause: String,
        /// The store's error.
        #[source]
        source: Box<StoreError>,
    },
    /// The store did not answer or asks to slow down.
    #[error("object {object}: the store is not available ({cause}); try again later")]
    Busy {
        /// The object's name.
        object: String,
        /// The store's words.
        cause: String,
        /// The store's error.
        #[source]
        source: Box<StoreError>,
    },
    /// The store has no room left.
    #[error("object {object}: the store is full; make room and run again")]
    Full {
        /// The object's name.
        object: String,
    },
    /// Something by that name exists already.
    #[error("{object} exists already: {what}")]
    AlreadyExists {
        /// The object's name.
        object: String,
        /// What to do.
        what: String,
    },
    /// Another error of the store.
    #[error("the store failed: {0}; check the store and its settings")]
    Store(#[source] Box<StoreError>),
    /// What the caller gave cannot be used.
    #[error("{what}")]
    Invalid {
        /// What, and what to do.
        what: String,
    },
    /// Our own mistake.
    #[error("internal error in the vault: {what}; please report it")]
    Bug {
        /// What happened.
        what: String,
    },
}

impl VaultError {
    pub(crate) fn corrupt(object: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Corrupt {
            object: object.into(),
            what: what.into(),
        }
    }

    pub(crate) fn missing(object: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Missing {
            object: object.into(),
            what: what.into(),
        }
    }

    pub(crate) fn lost(object: impl Into<String>) -> Self {
        Self::Lost {
            object: object.into(),
            what: "an object of the vault was damaged, and a repair has recorded it; the next backup fetches it again if the source still has it".into(),
        }
    }

    pub(crate) fn wrong_key(object: impl Into<String>, what: impl Into<String>) -> Self {
        Self::WrongKey {
            object: object.into(),
            what: what.into(),
        }
    }

    pub(crate) fn invalid(what: impl Into<String>) -> Self {
        Self::Invalid { what: what.into() }
    }

    pub(crate) fn stale(mailbox: &crate::ids::MailboxId, what: impl Into<String>) -> Self {
        Self::Stale {
            mailbox: mailbox.to_string(),
            what: what.into(),
        }
    }

    pub(crate) fn bug(what: impl Into<String>) -> Self {
        Self::Bug { what: what.into() }
    }

    /// True when the same call may succeed later without anybody doing anything.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Busy { .. } => true,
            Self::KeyService(error) => error.kind == KeyServiceErrorKind::Unavailable,
            _ => false,
        }
    }
}

impl From<StoreError> for VaultError {
    fn from(error: StoreError) -> Self {
        let object = error.key.clone();
        let cause = error.cause.clone();
        match error.kind {
            StoreErrorKind::Missing => {
                Self::missing(object, "the store has no object by this name")
            }
            StoreErrorKind::Denied | StoreErrorKind::Locked => Self::Denied {
                object,
                cause,
                source: Box::new(error),
            },
            StoreErrorKind::Busy | StoreErrorKind::Unavailable | StoreErrorKind::Conflict => {
                Self::Busy {
                    object,
                    cause,
                    source: Box::new(error),
                }
            }
            StoreErrorKind::Full => Self::Full { object },
            StoreErrorKind::Corrupt => Self::Corrupt {
                object,
                what: cause,
            },
            _ => Self::Store(Box::new(error)),
        }
    }
}

/// Why content could not be stored: the source of the bytes failed, or the vault did.
#[derive(Debug, thiserror::Error)]
pub enum StoreContentError<E> {
    /// The stream of bytes failed. Nothing of the item is referenced.
    #[error("the content could not be read")]
    Source(E),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
}
