//! Lists of mail addresses, as people type them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most addresses of a list.
pub const MAX_ADDRESSES: usize = 100;

/// Mail addresses, written with `;` between them. Empty places and repetitions are dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct AddressList(Vec<String>);

impl AddressList {
    /// The addresses, in the order in which they were given.
    #[must_use]
    pub fn addresses(&self) -> &[String] {
        &self.0
    }
}

/// What is wrong with an address, if anything.
fn problem(address: &str) -> Option<&'static str> {
    if address.contains(',') {
        return Some("has a comma; put `;` between addresses");
    }
    let is_sound = address.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && domain.contains('.')
            && domain.split('.').all(|label| !label.is_empty())
            && domain
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
            && !local
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || "<>()[]\"".contains(c))
    });
    (!is_sound || address.len() > 254).then_some("is no mail address; write name@domain")
}

impl FromStr for AddressList {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut list: Vec<String> = vec![];
        let mut problems = vec![];
        for address in text
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
        {
            if let Some(problem) = problem(address) {
                problems.push(format!("`{address}` {problem}"));
            } else if !list.iter().any(|known| known.eq_ignore_ascii_case(address)) {
                list.push(address.to_owned());
            }
        }
        if list.len() > MAX_ADDRESSES {
            problems.push(format!("more than {MAX_ADDRESSES} addresses"));
        }
        if problems.is_empty() {
            Ok(Self(list))
        } else {
            Err(problems.join("; "))
        }
    }
}

impl fmt::Display for AddressList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("; "))
    }
}

impl TryFrom<String> for AddressList {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<AddressList> for String {
    fn from(list: AddressList) -> Self {
        list.to_string()
    }
}
