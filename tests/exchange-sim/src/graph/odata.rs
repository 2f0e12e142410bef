//! Query options. What is not known is refused.

use super::call::Call;
use super::failure::Failure;
use super::svep;

/// Query options of a call that are allowed there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) select: Option<Vec<String>>,
    pub(crate) top: Option<usize>,
    pub(crate) skip: usize,
    pub(crate) expand: Expand,
    pub(crate) filter: Option<String>,
    pub(crate) order_by: Option<String>,
    pub(crate) include_hidden: bool,
    pub(crate) count: bool,
}

/// What is expanded.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expand {
    /// Normalised ids of extended properties.
    pub(crate) properties: Vec<String>,
    /// Fields of attachments; an empty list means all.
    pub(crate) attachments: Option<Vec<String>>,
    /// The changed occurrences of a series.
    pub(crate) exceptions: bool,
    /// What a task is linked with.
    pub(crate) links: bool,
}

/// Reads the options; `allowed` names those that the resource has, `fields` what can be selected.
pub(crate) fn options(
    call: &Call,
    allowed: &[&str],
    fields: &[&str],
    highest_top: usize,
) -> Result<Options, Failure> {
    let mut result = Options::default();
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in &call.query {
        if !allowed.contains(&name.as_str()) {
            return Err(Failure::bad(format!(
                "The query parameter '{name}' is not supported."
            )));
        }
        if seen.contains(&name.as_str()) {
            return Err(Failure::bad(format!(
                "Query option '{name}' was specified more than once."
            )));
        }
        seen.push(name);
        match name.as_str() {
            "$select" => result.select = Some(select(value, fields)?),
            "$top" => result.top = Some(number(name, value, 1, highest_top)?),
            "$skip" => result.skip = number(name, value, 0, usize::MAX)?,
            "$expand" => {
                result.expand = expand(value)?;
                let wanted = [
                    (result.expand.exceptions, "exceptionOccurrences"),
                    (result.expand.links, "linkedResources"),
                ];
                for (_, name) in wanted.iter().filter(|(is_wanted, _)| *is_wanted) {
                    if !allowed.contains(name) {
                        return Err(Failure::bad(format!(
                            "Property '{name}' cannot be expanded."
                        )));
                    }
                }
            }
            "$filter" => result.filter = Some(value.clone()),
            "$orderby" => result.order_by = Some(value.clone()),
            "includeHiddenFolders" => result.include_hidden = boolean(name, value)?,
            "$count" => result.count = boolean(name, value)?,
            _ => {}
        }
    }
    Ok(result)
}

/// Reads a `$select`.
pub(crate) fn select(text: &str, fields: &[&str]) -> Result<Vec<String>, Failure> {
    let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    for name in &names {
        if !fields.contains(&name.as_str()) {
            return Err(Failure::new(
                400,
                "RequestBroker--ParseUri",
                format!("Could not find a property named '{name}' on this type."),
            ));
        }
    }
    Ok(names)
}

fn number(name: &str, value: &str, low: usize, high: usize) -> Result<usize, Failure> {
    match value.parse::<usize>() {
        Ok(number) if number >= low && number <= high => Ok(number),
        _ => Err(Failure::bad(format!(
            "Invalid value '{value}' for the query option '{name}'. The value must be between {low} and {high}."
        ))),
    }
}

fn boolean(name: &str, value: &str) -> Result<bool, Failure> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Failure::bad(format!("Invalid value for '{name}'."))),
    }
}

/// Reads an `$expand` of messages.
pub(crate) fn expand(text: &str) -> Result<Expand, Failure> {
    let mut result = Expand::default();
    for part in split_outside_parentheses(text) {
        let (name, inner) = match part.split_once('(') {
            Some((name, rest)) => (
                name,
                rest.strip_suffix(')')
                    .ok_or_else(|| Failure::bad("Unbalanced parentheses in $expand."))?,
            ),
            None => (part, ""),
        };
        match name {
            "singleValueExtendedProperties" => {
                let filter = inner.strip_prefix("$filter=").ok_or_else(|| {
                    Failure::invalid("Extended properties can only be expanded with a $filter.")
                })?;
                for term in filter.split(" or ") {
                    let id = term
                        .trim()
                        .strip_prefix("id eq '")
                        .and_then(|rest| rest.strip_suffix('\''))
                        .ok_or_else(|| Failure::bad(format!("Invalid filter clause: {term}")))?;
                    result.properties.push(svep::normalised(id)?);
                }
            }
            "attachments" => {
                result.attachments = Some(match inner.strip_prefix("$select=") {
                    Some(list) => select(list, super::attachments::FIELDS)?,
                    None if inner.is_empty() => Vec::new(),
                    None => return Err(Failure::bad("Unknown option inside $expand.")),
                });
            }
            "exceptionOccurrences" if inner.is_empty() => result.exceptions = true,
            "linkedResources" if inner.is_empty() => result.links = true,
            other => {
                return Err(Failure::bad(format!(
                    "Property '{other}' cannot be expanded."
                )));
            }
        }
    }
    Ok(result)
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0_i32;
    let mut start = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts
}
