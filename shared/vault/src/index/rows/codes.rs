//! The numbers that stand for enumerations in rows and records. Never reused.

use mailkeep_model::{
    FailureClass, FlagStatus, Importance, ItemKind, MailboxOutcome, Sensitivity, WellKnownFolder,
};

/// Item kinds; a number that this version does not know reads as [`ItemKind::Other`].
const KINDS: [(u32, ItemKind); 10] = [
    (0, ItemKind::Message),
    (1, ItemKind::MeetingMessage),
    (2, ItemKind::Event),
    (3, ItemKind::Contact),
    (4, ItemKind::DistributionList),
    (5, ItemKind::Task),
    (6, ItemKind::Note),
    (7, ItemKind::Journal),
    (8, ItemKind::Post),
    (9, ItemKind::Other),
];

/// The number of a kind.
pub(crate) fn kind_code(kind: ItemKind) -> u32 {
    KINDS
        .iter()
        .find(|(_, known)| *known == kind)
        .map_or(9, |(code, _)| *code)
}

/// The kind of a number.
pub(crate) fn kind(code: u32) -> ItemKind {
    KINDS
        .iter()
        .find(|(known, _)| *known == code)
        .map_or(ItemKind::Other, |(_, kind)| *kind)
}

/// Two bits for the follow-up flag.
pub(crate) fn flag_code(status: FlagStatus) -> u32 {
    match status {
        FlagStatus::NotFlagged => 0,
        FlagStatus::Flagged => 1,
        FlagStatus::Complete => 2,
    }
}

/// The follow-up flag of two bits.
pub(crate) fn flag(code: u32) -> FlagStatus {
    match code {
        1 => FlagStatus::Flagged,
        2 => FlagStatus::Complete,
        _ => FlagStatus::NotFlagged,
    }
}

/// Two bits for the importance; normal is 0 because it is ordinary.
pub(crate) fn importance_code(importance: Importance) -> u32 {
    match importance {
        Importance::Normal => 0,
        Importance::Low => 1,
        Importance::High => 2,
    }
}

/// The importance of two bits.
pub(crate) fn importance(code: u32) -> Importance {
    match code {
        1 => Importance::Low,
        2 => Importance::High,
        _ => Importance::Normal,
    }
}

/// Two bits for the sensitivity.
pub(crate) fn sensitivity_code(sensitivity: Sensitivity) -> u32 {
    match sensitivity {
        Sensitivity::Normal => 0,
        Sensitivity::Personal => 1,
        Sensitivity::Private => 2,
        Sensitivity::Confidential => 3,
    }
}

/// The sensitivity of two bits.
pub(crate) fn sensitivity(code: u32) -> Sensitivity {
    match code {
        1 => Sensitivity::Personal,
        2 => Sensitivity::Private,
        3 => Sensitivity::Confidential,
        _ => Sensitivity::Normal,
    }
}

/// A well-known folder by the name that Graph gives it; unknown names read as ordinary folders.
pub(crate) fn well_known(name: &str) -> Option<WellKnownFolder> {
    WellKnownFolder::from_graph_name(name)
}

/// A failure class by its stable code; an unknown one reads as a permanent failure of the item.
pub(crate) fn failure_class(code: &str) -> FailureClass {
    FailureClass::from_code(code).unwrap_or(FailureClass::ItemPermanent)
}

/// The number of an outcome, and its gaps.
pub(crate) fn outcome_code(outcome: &MailboxOutcome) -> u32 {
    match outcome {
        MailboxOutcome::Complete => 0,
        MailboxOutcome::WithGaps { .. } => 1,
        MailboxOutcome::Stopped => 2,
        MailboxOutcome::Failed { .. } => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back() {
        for (code, value) in KINDS {
            assert_eq!(kind_code(value), code);
            assert_eq!(kind(code), value);
        }
        assert_eq!(kind(1000), ItemKind::Other);
    }
}
