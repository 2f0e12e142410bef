//! Why something about operations could not be done.

use mailkeep_model::FieldErrors;
use mailkeep_ports::{StoreError, TableError};

use super::OperationId;
use crate::ledger::JobError;

/// An error about operations.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// The request is wrong.
    #[error("the request is wrong:\n{0}")]
    Invalid(FieldErrors),
    /// There is none by this id.
    #[error("there is no operation `{wanted}`; `mailkeep operation ls` lists those there are")]
    NoSuchOperation {
        /// What was asked for.
        wanted: String,
    },
    /// Another request was made under this id.
    #[error("the operation {id} is another request; leave the id away to make a new one")]
    IdTaken {
        /// The id.
        id: OperationId,
    },
    /// The operation cannot do this in its state.
    #[error("the operation {id} {why}")]
    Refused {
        /// Its id.
        id: OperationId,
        /// Why, and what to do.
        why: &'static str,
    },
    /// An export has no such file.
    #[error("the export {id} has no part {number}; it has {parts}")]
    NoSuchPart {
        /// Its id.
        id: OperationId,
        /// The number that was asked for.
        number: u32,
        /// How many there are.
        parts: u32,
    },
    /// The store of exports failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The job database failed.
    #[error(transparent)]
    Ledger(#[from] JobError),
}

impl OperationError {
    /// A stable code, as in JSON output.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid_request",
            Self::NoSuchOperation { .. } => "no_such_operation",
            Self::IdTaken { .. } => "id_taken",
            Self::Refused { .. } => "refused",
            Self::NoSuchPart { .. } => "no_such_part",
            Self::Store(_) => "store",
            Self::Ledger(error) => error.code(),
        }
    }
}

impl From<TableError> for OperationError {
    fn from(error: TableError) -> Self {
        Self::Ledger(error.into())
    }
}
