//! People as XML.

use crate::content::people::Person;
use crate::ews::xml::Node;

/// A `t:Mailbox`. Listings give the name only.
pub(super) fn mailbox(person: &Person, with_address: bool) -> Node {
    let mut children = vec![];
    if !person.name.is_empty() || !with_address {
        let name = if person.name.is_empty() {
            &person.address
        } else {
            &person.name
        };
        children.push(Node::with_text("t:Name", name));
    }
    if with_address && !person.address.is_empty() {
        children.push(Node::with_text("t:EmailAddress", &person.address));
        children.push(Node::with_text("t:RoutingType", "SMTP"));
    }
    Node::with("t:Mailbox", children)
}

/// One person under an element's name.
pub(super) fn one(name: &str, person: Option<&Person>, with_address: bool) -> Option<Node> {
    let person = person?;
    Some(Node::with(
        &format!("t:{name}"),
        vec![mailbox(person, with_address)],
    ))
}

/// People under an element's name; nothing when there are none.
pub(super) fn many(name: &str, people: &[Person]) -> Option<Node> {
    if people.is_empty() {
        return None;
    }
    let children = people.iter().map(|one| mailbox(one, true)).collect();
    Some(Node::with(&format!("t:{name}"), children))
}

/// Names of people in one line.
pub(super) fn line(people: &[Person]) -> String {
    let names: Vec<&str> = people
        .iter()
        .map(|one| match one.name.as_str() {
            "" => one.address.as_str(),
            name => name,
        })
        .collect();
    names.join("; ")
}
