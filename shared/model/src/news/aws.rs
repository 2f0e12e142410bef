//! Telling news by services of AWS.

use serde::{Deserialize, Serialize};

use crate::FieldErrors;
use crate::job::AddressList;

/// Mail by Amazon SES, with the credentials of whoever sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SesSender {
    /// Address of the sender, which SES has verified, itself or its domain.
    pub from: String,
    /// The configuration set to send with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_set: Option<String>,
}

/// A topic of Amazon SNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// Its name in these settings.
    pub name: String,
    /// Its ARN.
    pub arn: String,
}

impl SesSender {
    pub(super) fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        check_from(&mut errors, &self.from);
        let is_name = |name: &String| is_name(name, 64);
        errors.require(
            self.configuration_set.as_ref().is_none_or(is_name),
            "configuration_set",
            "use 1 to 64 of A-Z a-z 0-9 _ -",
        );
        errors
    }
}

impl Topic {
    pub(super) fn problems(&self) -> FieldErrors {
        let mut errors = FieldErrors::default();
        check_name(&mut errors, &self.name);
        let mut parts = self.arn.split(':');
        let is_arn = parts.next() == Some("arn")
            && parts
                .next()
                .is_some_and(|partition| partition.starts_with("aws"))
            && parts.next() == Some("sns")
            && parts.clone().count() == 3
            && parts.all(|part| !part.is_empty());
        errors.require(
            is_arn,
            "arn",
            "no ARN of a topic; write arn:aws:sns:REGION:ACCOUNT:NAME",
        );
        errors
    }
}

fn is_name(name: &str, longest: usize) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    (1..=longest).contains(&name.len()) && name.chars().all(is_plain)
}

/// Names that settings give to webhooks and topics.
pub(super) fn check_name(errors: &mut FieldErrors, name: &str) {
    errors.require(is_name(name, 40), "name", "use 1 to 40 of A-Z a-z 0-9 _ -");
}

/// The address of a sender.
pub(super) fn check_from(errors: &mut FieldErrors, from: &str) {
    let list = from.parse::<AddressList>();
    errors.require(
        list.is_ok_and(|list| list.addresses().len() == 1),
        "from",
        "no mail address; write name@domain",
    );
}
