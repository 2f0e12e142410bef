//! The members of a distribution group. A server tells those of one group at a time, so groups inside
//! of it are asked for one after the other. Groups without an address cannot be asked for.

use std::collections::{BTreeMap, HashSet};

use mailkeep_model::FailureClass;

use super::call::Call;
use super::client::EwsClient;
use super::error_map::{Asked, Operation};
use super::xml::{Element, XmlWriter};
use crate::SourceError;

static EXPAND: Operation = Operation::new("list the members of a group", Asked::Mailbox);

/// Groups inside of one another, at most.
const MOST_GROUPS: usize = 2_000;
/// Members, at most.
const MOST_MEMBERS: usize = 100_000;

impl EwsClient {
    /// The mailboxes of a group and of groups inside it, by address, with their names.
    pub(crate) async fn members(
        &self,
        group: &str,
    ) -> Result<BTreeMap<String, String>, SourceError> {
        let group = group.trim();
        if !group.contains('@') {
            return Err(wrong(
                "group_without_address",
                "a group of an Exchange server is named by its mail address; one without cannot be read",
            ));
        }
        let mut found = BTreeMap::new();
        let mut seen = HashSet::from([group.to_lowercase()]);
        let mut open = vec![group.to_owned()];
        while let Some(group) = open.pop() {
            for member in self.direct_members(&group).await? {
                let Some(address) = member.text_of("EmailAddress").map(str::trim) else {
                    continue;
                };
                match member.text_of("MailboxType") {
                    Some("Mailbox") => {
                        let name = member.text_of("Name").unwrap_or(address);
                        found.insert(address.to_lowercase(), name.to_owned());
                    }
                    Some("PublicDL") if seen.insert(address.to_lowercase()) => {
                        open.push(address.to_owned());
                    }
                    // Contacts, public folders and people elsewhere have no mailbox here.
                    _ => {}
                }
            }
            if seen.len() > MOST_GROUPS || found.len() > MOST_MEMBERS {
                return Err(wrong(
                    "group_too_large",
                    "the group has more members than can be listed; split it",
                ));
            }
        }
        Ok(found)
    }

    async fn direct_members(&self, group: &str) -> Result<Vec<Element>, SourceError> {
        let mut writer = XmlWriter::new();
        writer
            .start("m:ExpandDL", &[])
            .start("m:Mailbox", &[])
            .text("t:EmailAddress", group)
            .end()
            .end();
        let call = Call::directory(&EXPAND, writer.finish());
        let message = self.one(&call).await?;
        let members = message.child("DLExpansion");
        Ok(members.map_or_else(Vec::new, |list| list.all("Mailbox").cloned().collect()))
    }
}

fn wrong(code: &str, message: &str) -> SourceError {
    SourceError::new(FailureClass::Configuration, EXPAND.name, code, message)
}
