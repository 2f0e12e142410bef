//! Mailboxes by group and by attribute.

use mailkeep_model::FailureClass;
use mailkeep_model::job::{Attribute, Rule};
use serde::Deserialize;
use url::Url;

use super::call::Call;
use super::client::GraphClient;
use super::error_map::{Asked, Operation};
use super::message_json::{Object, text};
use super::users::{LIST_USERS, PAGE, SELECT};
use crate::{Cursor, MailboxPage, SourceError};

pub(crate) const FIND_GROUP: Operation =
    Operation::new("find group", Asked::Directory, "GroupMember.Read.All");
const LIST_MEMBERS: Operation = Operation::new(
    "list members of a group",
    Asked::Directory,
    "GroupMember.Read.All",
);

/// The property of an account that has the fifteen extension attributes.
const EXTENSIONS: &str = "onPremisesExtensionAttributes";

#[derive(Deserialize)]
struct Groups {
    value: Vec<Object>,
}

impl GraphClient {
    /// One page of the members of a group, those of groups inside it included.
    pub(crate) async fn member_page(
        &self,
        group: &str,
        next: Option<&Cursor>,
    ) -> Result<MailboxPage, SourceError> {
        let url = match next {
            Some(link) => self.links.check(&LIST_MEMBERS, &link.0)?,
            None => {
                let id = self.group_id(group).await?;
                let path = ["groups", &id, "transitiveMembers", "microsoft.graph.user"];
                let query = [("$select", SELECT), ("$top", PAGE), ("$count", "true")];
                self.links.url(&path, &query)
            }
        };
        let call = Call::get(&LIST_MEMBERS, None, url).eventual();
        self.profiles(&call, |_| true).await.map_err(|error| {
            match error.class {
                // Not a mailbox: the group went away between two pages.
                FailureClass::MailboxGone => no_group(group),
                _ => error,
            }
        })
    }

    /// One page of the mailboxes whose account a rule fits. The service can filter
    /// by some attributes only, so all are read.
    pub(crate) async fn matching_page(
        &self,
        rule: &Rule,
        next: Option<&Cursor>,
    ) -> Result<MailboxPage, SourceError> {
        let url = match next {
            Some(link) => self.links.check(&LIST_USERS, &link.0)?,
            None => {
                let select = selection(rule);
                let query = [("$select", select.as_str()), ("$top", PAGE)];
                self.links.url(&["users"], &query)
            }
        };
        let fits = |user: &Object| rule.fits(&|attribute| value(user, attribute));
        self.profiles(&Call::get(&LIST_USERS, None, url), fits)
            .await
    }

    /// The id of a group by its id, address or display name.
    async fn group_id(&self, group: &str) -> Result<String, SourceError> {
        let group = group.trim();
        if is_guid(group) {
            let url = self.links.url(&["groups", group], &[("$select", "id")]);
            let found = self
                .json::<Object>(&Call::get(&FIND_GROUP, None, url))
                .await;
            return match found {
                Ok(found) => Ok(text(&found, "id")),
                Err(error) if error.class == FailureClass::MailboxGone => Err(no_group(group)),
                Err(error) => Err(error),
            };
        }
        let quoted = group.replace('\'', "''");
        let filter = if group.contains('@') {
            format!("mail eq '{quoted}' or proxyAddresses/any(x:x eq 'smtp:{quoted}')")
        } else {
            format!("displayName eq '{quoted}'")
        };
        let query = [
            ("$filter", filter.as_str()),
            ("$select", "id"),
            ("$top", "2"),
        ];
        let url: Url = self.links.url(&["groups"], &query);
        let found: Groups = self.json(&Call::get(&FIND_GROUP, None, url)).await?;
        match found.value.as_slice() {
            [only] => Ok(text(only, "id")),
            [] => Err(no_group(group)),
            _ => Err(FIND_GROUP.error(
                FailureClass::Configuration,
                "several_groups",
                "several groups have the name that the job gives; name the group by its address or id",
            )),
        }
    }
}

/// The properties of accounts that are asked for, each once.
fn selection(rule: &Rule) -> String {
    let mut select = SELECT.to_owned();
    for attribute in rule.attributes() {
        let property = match attribute {
            Attribute::Address | Attribute::DisplayName => continue,
            it if it.is_extension() => EXTENSIONS,
            it => it.directory_name(),
        };
        if !select.split(',').any(|known| known == property) {
            select.push(',');
            select.push_str(property);
        }
    }
    select
}

/// The value of an attribute of an account.
fn value(user: &Object, attribute: Attribute) -> String {
    let name = attribute.directory_name();
    if attribute.is_extension() {
        let holder = user.get(EXTENSIONS).and_then(|value| value.as_object());
        return holder.map(|holder| text(holder, name)).unwrap_or_default();
    }
    text(user, name)
}

fn no_group(group: &str) -> SourceError {
    // An address is not for logs; a name or id may be shown.
    let shown = if group.contains('@') {
        "of this address"
    } else {
        group
    };
    FIND_GROUP.error(
        FailureClass::Configuration,
        "no_such_group",
        &format!("the tenant has no group {shown}; correct the job's scope (dynamic distribution lists cannot be read)"),
    )
}

fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12]) && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_from_names() {
        assert!(is_guid("11111111-2222-3333-4444-5555555555aF"));
        for name in [
            "",
            "Sales",
            "11111111-2222-3333-4444-5555555555",
            "1111111g-2222-3333-4444-555555555555",
        ] {
            assert!(!is_guid(name), "{name}");
        }
    }

    #[test]
    fn an_address_is_not_shown() {
        assert!(!no_group("sales@contoso.example").to_string().contains('@'));
        assert!(no_group("Sales").to_string().contains("Sales"));
    }
}
