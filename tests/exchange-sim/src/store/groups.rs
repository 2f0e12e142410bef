//! Groups of the directory.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::users::Account;

/// A group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) mail: Option<String>,
    /// Ids of accounts and of groups, in the order in which they were added.
    pub(crate) members: Vec<String>,
}

/// The accounts that are members of a group or of one inside it, in the directory's order. Groups may be
/// members of each other in a circle.
pub(crate) fn transitive(
    groups: &[Group],
    id: &str,
    accounts: &[Arc<Account>],
) -> Vec<Arc<Account>> {
    let mut seen = BTreeSet::new();
    let mut open = vec![id.to_owned()];
    let mut found = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id.clone()) {
            continue;
        }
        match groups.iter().find(|group| group.id == id) {
            Some(group) => open.extend(group.members.iter().cloned()),
            None => {
                found.insert(id);
            }
        }
    }
    let accounts = accounts
        .iter()
        .filter(|account| found.contains(&account.id));
    accounts.cloned().collect()
}
