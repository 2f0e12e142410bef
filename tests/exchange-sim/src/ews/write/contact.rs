//! What the server adds to contacts and distribution lists.

use super::defaults::{Fields, put, put_missing, text};
use crate::ews::xml::Node;
use crate::numbers::mix;

/// Completes a contact; gives its subject.
pub(super) fn complete_contact(fields: &mut Fields) -> String {
    let parts = ["GivenName", "MiddleName", "Surname"].map(|name| text(fields, name).to_owned());
    let full = parts
        .iter()
        .filter(|part| !part.is_empty())
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ");
    put_missing(fields, "DisplayName", &full);
    put_missing(fields, "FileAs", &full);
    let names = [
        ("t:FirstName", &parts[0]),
        ("t:MiddleName", &parts[1]),
        ("t:LastName", &parts[2]),
        ("t:FullName", &full),
    ];
    let names: Vec<Node> = names
        .iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| Node::with_text(name, text.as_str()))
        .collect();
    fields.remove("CompleteName");
    if !names.is_empty() {
        fields.insert(
            "CompleteName".to_owned(),
            Node::with("t:CompleteName", names),
        );
    }
    for entry in fields
        .get_mut("EmailAddresses")
        .iter_mut()
        .flat_map(|node| &mut node.children)
    {
        for (name, value) in [
            ("Name", entry.text.clone()),
            ("RoutingType", "SMTP".to_owned()),
            ("MailboxType", "Contact".to_owned()),
        ] {
            if entry.attribute(name).is_none() {
                entry.attributes.push((name.to_owned(), value));
            }
        }
    }
    put(fields, "HasPicture", "false");
    put_missing(fields, "ContactSource", "Store");
    text(fields, "DisplayName").to_owned()
}

/// Completes a distribution list; gives its subject.
pub(super) fn complete_list(fields: &mut Fields) -> String {
    let display = text(fields, "DisplayName").to_owned();
    put_missing(fields, "FileAs", &display);
    put_missing(fields, "ContactSource", "Store");
    let members = fields.get_mut("Members");
    for (place, member) in (0_u64..).zip(members.into_iter().flat_map(|node| &mut node.children)) {
        if member.attribute("Key").is_none() {
            let key = format!("{:016X}", mix(&[place, 0x6d65_6d62]));
            member.attributes.push(("Key".to_owned(), key));
        }
        if member.child("t:Status").is_none() {
            member.children.push(Node::with_text("t:Status", "Normal"));
        }
    }
    display
}
