//! Restrictions and sort orders.

use std::cmp::Ordering;

use super::error::EwsError;
use super::xml::Node;

/// Gives the value of a field of what is looked at, as text.
pub(crate) type Values<'a> = dyn Fn(&Node) -> Result<Option<String>, EwsError> + 'a;

/// True for the elements that name a field.
pub(crate) fn is_path(node: &Node) -> bool {
    matches!(
        node.name.as_str(),
        "t:FieldURI" | "t:IndexedFieldURI" | "t:ExtendedFieldURI"
    )
}

/// Whether what is looked at fits a `m:Restriction`.
pub(crate) fn fits(node: &Node, values: &Values<'_>) -> Result<bool, EwsError> {
    let mut children = node.children.iter();
    match node.name.as_str() {
        "m:Restriction" => children.next().map_or(Ok(true), |one| fits(one, values)),
        "t:And" => {
            for one in children {
                if !fits(one, values)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        "t:Or" => {
            for one in children {
                if fits(one, values)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        "t:Not" => children
            .next()
            .map_or(Ok(true), |one| fits(one, values).map(|fits| !fits)),
        _ => compare(node, values),
    }
}

fn compare(node: &Node, values: &Values<'_>) -> Result<bool, EwsError> {
    let path = node
        .children
        .iter()
        .find(|child| is_path(child))
        .ok_or_else(|| EwsError::new("ErrorInvalidRestriction", "No field is named."))?;
    let found = values(path)?;
    let constant = |holder: &Node| {
        holder
            .child("t:Constant")
            .and_then(|constant| constant.attribute("Value"))
            .map(str::to_owned)
    };
    let other = match node.child("t:FieldURIOrConstant") {
        Some(holder) => match holder.children.iter().find(|child| is_path(child)) {
            Some(path) => values(path)?,
            None => constant(holder),
        },
        None => constant(node),
    };
    let order = match (&found, &other) {
        (Some(found), Some(other)) => Some(order(found, other)),
        _ => None,
    };
    Ok(match node.name.as_str() {
        "t:Exists" => found.is_some(),
        "t:IsEqualTo" => order == Some(Ordering::Equal),
        "t:IsNotEqualTo" => order != Some(Ordering::Equal),
        "t:IsGreaterThan" => order == Some(Ordering::Greater),
        "t:IsGreaterThanOrEqualTo" => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        "t:IsLessThan" => order == Some(Ordering::Less),
        "t:IsLessThanOrEqualTo" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        "t:Contains" => contains(node, &found.unwrap_or_default(), &other.unwrap_or_default()),
        _ => {
            return Err(EwsError::new(
                "ErrorUnsupportedQueryFilter",
                "This kind of restriction is not supported.",
            ));
        }
    })
}

fn contains(node: &Node, found: &str, wanted: &str) -> bool {
    let is_exact = node
        .attribute("ContainmentComparison")
        .is_none_or(|how| how == "Exact");
    let (found, wanted) = if is_exact {
        (found.to_owned(), wanted.to_owned())
    } else {
        (found.to_lowercase(), wanted.to_lowercase())
    };
    match node.attribute("ContainmentMode") {
        Some("FullString") => found == wanted,
        Some("Prefixed") => found.starts_with(&wanted),
        _ => found.contains(&wanted),
    }
}

/// Compares values as times, as numbers, or as texts.
pub(crate) fn order(a: &str, b: &str) -> Ordering {
    let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok();
    if let (Some(a), Some(b)) = (time(a), time(b)) {
        return a.cmp(&b);
    }
    if let (Ok(a), Ok(b)) = (a.parse::<i64>(), b.parse::<i64>()) {
        return a.cmp(&b);
    }
    let truth = |text: &str| match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    };
    if let (Some(a), Some(b)) = (truth(a), truth(b)) {
        return a.cmp(&b);
    }
    a.cmp(b)
}
