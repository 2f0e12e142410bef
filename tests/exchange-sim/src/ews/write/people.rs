//! People in requests.

use crate::content::people::Person;
use crate::ews::error::EwsError;
use crate::ews::xml::Node;

/// The people in an element of `t:Mailbox` elements.
pub(super) fn read(node: &Node) -> Result<Vec<Person>, EwsError> {
    node.all("t:Mailbox").map(person).collect()
}

/// A `t:Mailbox`.
fn person(node: &Node) -> Result<Person, EwsError> {
    let person = Person {
        name: node.text_of("t:Name").unwrap_or_default().to_owned(),
        address: node
            .text_of("t:EmailAddress")
            .unwrap_or_default()
            .to_owned(),
    };
    if person.address.is_empty() && node.child("t:ItemId").is_none() {
        return Err(EwsError::new(
            "ErrorInvalidRecipients",
            "At least one recipient is not valid.",
        ));
    }
    Ok(person)
}
