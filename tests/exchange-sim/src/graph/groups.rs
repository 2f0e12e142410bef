//! Groups of the directory.

use serde_json::{Map, Value, json};

use super::call::Call;
use super::failure::Failure;
use super::odata;
use super::reply::Reply;
use super::users::{self, PageToken, page_of, page_token};
use crate::numbers::locked;
use crate::store::groups::{Group, transitive};
use crate::tenant::Tenant;

/// Everything that can be selected of a group.
const FIELDS: &[&str] = &[
    "id",
    "displayName",
    "mail",
    "groupTypes",
    "mailEnabled",
    "securityEnabled",
];

/// `GET /groups` with a filter.
pub(crate) fn list(tenant: &Tenant, call: &Call) -> Result<Reply, Failure> {
    let options = odata::options(call, &["$select", "$top", "$filter"], FIELDS, 999)?;
    let filter = match &options.filter {
        Some(text) => Some(read_filter(text)?),
        None => None,
    };
    let groups = locked(&tenant.groups);
    let found = groups.iter().filter(|group| {
        let fits = |term: &Term| term.fits(group);
        filter.as_ref().is_none_or(|terms| terms.iter().any(fits))
    });
    let values: Vec<Value> = found
        .take(options.top.unwrap_or(100))
        .map(|group| group_json(group, options.select.as_deref()))
        .collect();
    Ok(Reply::json(json!({
        "@odata.context": format!("{}/v1.0/$metadata#groups", tenant.base_url()),
        "value": values,
    })))
}

/// `GET /groups/{id}`.
pub(crate) fn get(tenant: &Tenant, call: &Call, id: &str) -> Result<Reply, Failure> {
    let options = odata::options(call, &["$select"], FIELDS, 0)?;
    let group = find(tenant, id)?;
    Ok(Reply::json(group_json(&group, options.select.as_deref())))
}

/// `GET /groups/{id}/transitiveMembers/microsoft.graph.user`. A cast needs the index of the directory
/// that is some seconds old, and a count.
pub(crate) fn members(tenant: &Tenant, call: &Call, id: &str) -> Result<Reply, Failure> {
    let is_eventual = call
        .header("consistencylevel")
        .is_some_and(|level| level.eq_ignore_ascii_case("eventual"));
    let unsupported = || {
        Failure::new(
            400,
            "Request_UnsupportedQuery",
            "OData cast is not supported without ConsistencyLevel: eventual and $count=true.",
        )
    };
    if !is_eventual {
        return Err(unsupported());
    }
    let group = find(tenant, id)?;
    let page = match page_token(tenant, call)? {
        Some(page) => page,
        None => {
            let allowed = ["$select", "$top", "$count"];
            let options = odata::options(call, &allowed, users::FIELDS, 999)?;
            if !options.count {
                return Err(unsupported());
            }
            PageToken {
                after: 0,
                top: options.top.unwrap_or(100),
                select: options.select,
            }
        }
    };
    let groups = locked(&tenant.groups).clone();
    let all = transitive(&groups, &group.id, &tenant.visible_accounts());
    let answer = json!({
        "@odata.context": format!("{}/v1.0/$metadata#users", tenant.base_url()),
        "@odata.count": all.len(),
    });
    let path = format!(
        "/groups/{}/transitiveMembers/microsoft.graph.user",
        group.id
    );
    Ok(page_of(tenant, &all, page, &path, answer))
}

fn find(tenant: &Tenant, id: &str) -> Result<Group, Failure> {
    let groups = locked(&tenant.groups);
    let found = groups
        .iter()
        .find(|group| group.id.eq_ignore_ascii_case(id));
    found.cloned().ok_or_else(|| {
        Failure::new(
            404,
            "Request_ResourceNotFound",
            format!("Resource '{id}' does not exist or one of its queried reference-property objects are not present."),
        )
    })
}

fn group_json(group: &Group, select: Option<&[String]>) -> Value {
    let all = FIELDS.iter().map(|name| (*name).to_owned()).collect();
    let names: Vec<String> = select.map_or(all, <[String]>::to_vec);
    let fields = names.into_iter().map(|name| {
        let value = match name.as_str() {
            "id" => json!(group.id),
            "displayName" => json!(group.name),
            "mail" => json!(group.mail),
            "groupTypes" => json!([]),
            "mailEnabled" => json!(group.mail.is_some()),
            _ => json!(true),
        };
        (name, value)
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

/// A part of a filter.
enum Term {
    Mail(String),
    Name(String),
    Proxy(String),
}

impl Term {
    fn fits(&self, group: &Group) -> bool {
        let mail = group.mail.as_deref().unwrap_or_default();
        match self {
            Self::Mail(text) => !mail.is_empty() && mail.eq_ignore_ascii_case(text),
            Self::Name(text) => group.name.to_lowercase() == text.to_lowercase(),
            Self::Proxy(text) => {
                !mail.is_empty() && format!("smtp:{mail}").eq_ignore_ascii_case(text)
            }
        }
    }
}

/// Reads `property eq 'text' or …`.
fn read_filter(text: &str) -> Result<Vec<Term>, Failure> {
    let unsupported = || {
        Failure::new(
            400,
            "Request_UnsupportedQuery",
            format!("Unsupported or invalid query filter clause: {text}"),
        )
    };
    let quoted = |term: &str, before: &str, after: &str| {
        let rest = term.strip_prefix(before)?.strip_suffix(after)?;
        let inner = rest.strip_prefix('\'')?.strip_suffix('\'')?;
        let plain = inner.replace("''", "\0");
        (!plain.contains('\'')).then(|| plain.replace('\0', "'"))
    };
    let read = |term: &str| {
        let mail = quoted(term, "mail eq ", "").map(Term::Mail);
        let name = quoted(term, "displayName eq ", "").map(Term::Name);
        let proxy = quoted(term, "proxyAddresses/any(x:x eq ", ")").map(Term::Proxy);
        mail.or(name).or(proxy).ok_or_else(unsupported)
    };
    text.split(" or ").map(|term| read(term.trim())).collect()
}
