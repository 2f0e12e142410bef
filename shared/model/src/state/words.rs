//! The words that lists show for a state. Different lists have different words for the same thing;
//! none of them has a state that the machine lacks.

use super::{CancelReason, End, Reason, State};
use crate::FailureClass;

/// A kind of list with words of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vocabulary {
    /// The dashboard's card of jobs: active, inactive, finished, error.
    JobCard,
    /// The list of jobs, which tells apart how they finished.
    JobList,
    /// The list of accounts, with their last backup.
    Account,
    /// The system status of a backup.
    Backup,
    /// An export that is downloaded.
    Download,
    /// A restore or a migration.
    Restore,
}

impl Vocabulary {
    /// Every vocabulary.
    pub const ALL: [Self; 6] = [
        Self::JobCard,
        Self::JobList,
        Self::Account,
        Self::Backup,
        Self::Download,
        Self::Restore,
    ];
}

/// The words that a list shows for a state. What is not a success has its reason and action beside
/// them ([`State::reason`]).
#[must_use]
pub fn words(vocabulary: Vocabulary, state: State) -> &'static str {
    match vocabulary {
        Vocabulary::JobCard => job_card(state),
        Vocabulary::JobList => job_list(state),
        _ => status(vocabulary, state),
    }
}

fn job_card(state: State) -> &'static str {
    match state {
        State::Queued | State::Running | State::Retrying(_) | State::Idle(_) | State::Stopping => {
            "active"
        }
        State::OutOfWindow | State::Stopped | State::WaitingForPerson(Reason::Confirmation) => {
            "inactive"
        }
        State::Ended(End::Completed | End::CompletedWithWarnings(_))
        | State::LinkReady
        | State::Expired
        | State::Cancelled(CancelReason::Superseded) => "finished",
        State::AttemptFailed(_)
        | State::WaitingForPerson(_)
        | State::Ended(End::Partial(_) | End::Failed(_))
        | State::Cancelled(_) => "error",
    }
}

fn job_list(state: State) -> &'static str {
    match state {
        State::Ended(End::CompletedWithWarnings(_)) => "finished with warnings",
        other => match job_card(other) {
            "error" => "not finished (errors)",
            words => words,
        },
    }
}

/// The words of the lists of accounts, backups, downloads and restores.
fn status(list: Vocabulary, state: State) -> &'static str {
    use Vocabulary as V;
    let running = if list == V::Account {
        "Running"
    } else {
        "In Progress/Running"
    };
    let waiting = match list {
        V::Account | V::Backup => "Preparing Backup",
        _ => "On Queue",
    };
    match state {
        State::Queued | State::OutOfWindow | State::WaitingForPerson(Reason::Confirmation) => {
            waiting
        }
        State::Running | State::Stopping => running,
        State::Retrying(_) if list == V::Account => running,
        State::Retrying(_) => "Retrying",
        State::Idle(end) | State::Ended(end) => ended(list, end),
        State::AttemptFailed(reason) | State::WaitingForPerson(reason) => failed(list, reason),
        State::Stopped => "Stopped",
        State::Cancelled(_) => "Cancelled",
        State::LinkReady => "Completed/Link",
        State::Expired => "Expired",
    }
}

fn ended(list: Vocabulary, end: End) -> &'static str {
    match (list, end) {
        // These lists have no words for warnings; the reason beside them tells.
        (_, End::Completed | End::CompletedWithWarnings(_)) => "Completed",
        (Vocabulary::Restore, End::Partial(_)) => "Partially Complete",
        (_, End::Partial(_)) => "Partially Completed",
        (list, End::Failed(reason)) => failed(list, reason),
    }
}

fn failed(list: Vocabulary, reason: Reason) -> &'static str {
    let Reason::Failure(class) = reason else {
        return "Failed";
    };
    match class {
        // A download has the one word only.
        _ if list == Vocabulary::Download => "Failed",
        class if class.is_authentication() => "Authentication Error",
        FailureClass::Connection | FailureClass::Transient | FailureClass::Throttled => {
            "Connection Error"
        }
        FailureClass::TargetFull if list == Vocabulary::Restore => "Partially Complete",
        _ => "Failed",
    }
}
