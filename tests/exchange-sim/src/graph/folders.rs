//! Mail folders.

use serde_json::{Map, Value, json};

use super::call::Call;
use super::failure::Failure;
use super::json::put;
use super::odata;
use super::organizer::shelf::Shelf;
use super::reply::Reply;
use crate::numbers::{index, wide};
use crate::store::folders::ROOT;
use crate::store::mailbox::Mailbox;
use crate::tenant::Tenant;

/// Everything that can be selected of a folder.
pub(crate) const FIELDS: &[&str] = &[
    "id",
    "displayName",
    "parentFolderId",
    "childFolderCount",
    "unreadItemCount",
    "totalItemCount",
    "sizeInBytes",
    "isHidden",
];

/// Whether neither the folder nor one above it is hidden.
pub(crate) fn is_visible(mailbox: &Mailbox, number: u32) -> bool {
    let mut at = Some(number);
    while let Some(current) = at {
        if current == ROOT {
            return true;
        }
        match mailbox.folders.get(index(u64::from(current))) {
            Some(folder) if !folder.is_hidden => at = folder.parent,
            _ => return false,
        }
    }
    false
}

/// Whether it is shown among mail folders: those of contacts, events and tasks are shown elsewhere.
pub(crate) fn is_mail(mailbox: &Mailbox, number: u32) -> bool {
    let folder = mailbox.folders.get(index(u64::from(number)));
    folder.is_some_and(|folder| Shelf::of_class(&folder.class) == Shelf::Mail)
}

/// A folder as JSON.
pub(crate) fn folder_json(mailbox: &Mailbox, number: u32, select: Option<&[String]>) -> Value {
    let Some(folder) = mailbox.folder(number) else {
        return Value::Null;
    };
    let mut out = Map::new();
    if folder.is_search {
        out.insert(
            "@odata.type".into(),
            json!("#microsoft.graph.mailSearchFolder"),
        );
    }
    out.insert("id".into(), json!(folder.id));
    let parent = folder
        .parent
        .and_then(|parent| mailbox.folder(parent))
        .map_or(Value::Null, |parent| json!(parent.id));
    let children = mailbox
        .children(number)
        .filter(|child| mailbox.folder(*child).is_some_and(|one| !one.is_hidden))
        .filter(|child| is_mail(mailbox, *child))
        .count();
    for (name, value) in [
        ("displayName", json!(folder.name)),
        ("parentFolderId", parent),
        ("childFolderCount", json!(children)),
        ("unreadItemCount", json!(folder.unread)),
        (
            "totalItemCount",
            json!(folder.total + u32::from(mailbox.anomalies.counts_one_too_many)),
        ),
        ("sizeInBytes", json!(u64::from(folder.total) * 40_000)),
        ("isHidden", json!(folder.is_hidden)),
    ] {
        let is_wanted =
            select.is_none_or(|names| names.iter().any(|wanted| wanted.as_str() == name));
        if is_wanted {
            out.insert(name.to_owned(), value);
        }
    }
    Value::Object(out)
}

/// `GET …/mailFolders` and `GET …/mailFolders/{id}/childFolders`.
pub(crate) fn list(
    tenant: &Tenant,
    call: &Call,
    mailbox: &Mailbox,
    parent: u32,
) -> Result<Reply, Failure> {
    let options = odata::options(
        call,
        &["$select", "$top", "$skip", "includeHiddenFolders", "$count"],
        FIELDS,
        1000,
    )?;
    let all: Vec<u32> = mailbox
        .children(parent)
        .filter(|number| {
            mailbox
                .folder(*number)
                .is_some_and(|folder| options.include_hidden || !folder.is_hidden)
        })
        .filter(|number| is_mail(mailbox, *number))
        .collect();
    let top = options.top.unwrap_or(10);
    let values: Vec<Value> = all
        .iter()
        .skip(options.skip)
        .take(top)
        .map(|number| folder_json(mailbox, *number, options.select.as_deref()))
        .collect();
    let mut page = json!({
        "@odata.context": format!("{}/v1.0/$metadata#mailFolders", tenant.base_url()),
    });
    if options.count {
        put(&mut page, "@odata.count", json!(all.len()));
    }
    if options.skip.saturating_add(top) < all.len() {
        put(
            &mut page,
            "@odata.nextLink",
            json!(next_by_skip(tenant, call, options.skip + top)),
        );
    }
    put(&mut page, "value", values);
    Ok(Reply::json(page))
}

/// The link to the next page of a list that is paged by `$skip`.
pub(crate) fn next_by_skip(tenant: &Tenant, call: &Call, skip: usize) -> String {
    let (path, _) = call
        .path_and_query
        .split_once('?')
        .unwrap_or((&call.path_and_query, ""));
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in call.query.iter().filter(|(name, _)| name != "$skip") {
        query.append_pair(name, value);
    }
    query.append_pair("$skip", &wide(skip).to_string());
    format!(
        "{}/v1.0{path}?{}",
        tenant.base_url(),
        query.finish().replace('+', "%20")
    )
}

/// `GET …/mailFolders/{id}`.
pub(crate) fn get(call: &Call, mailbox: &Mailbox, number: u32) -> Result<Reply, Failure> {
    let options = odata::options(call, &["$select"], FIELDS, 0)?;
    Ok(Reply::json(folder_json(
        mailbox,
        number,
        options.select.as_deref(),
    )))
}

/// `POST …/mailFolders` and `POST …/childFolders`.
pub(crate) fn create(call: &Call, mailbox: &mut Mailbox, parent: u32) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let body = call.json()?;
    if let Some(name) = body
        .keys()
        .find(|name| !["displayName", "isHidden"].contains(&name.as_str()))
    {
        return Err(Failure::bad(format!(
            "The property '{name}' cannot be set when a folder is created."
        )));
    }
    let name = body
        .get("displayName")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty() && name.chars().count() <= 255)
        .ok_or_else(|| {
            Failure::new(
                400,
                "ErrorInvalidParameter",
                "The folder display name is missing, empty or longer than 255 characters.",
            )
        })?;
    let is_hidden = body.get("isHidden").and_then(Value::as_bool) == Some(true);
    let number = mailbox
        .create_folder(parent, name, is_hidden)
        .ok_or_else(|| {
            Failure::new(
                409,
                "ErrorFolderExists",
                "A folder with the specified name already exists.",
            )
        })?;
    Ok(Reply::with_status(201, folder_json(mailbox, number, None)))
}
