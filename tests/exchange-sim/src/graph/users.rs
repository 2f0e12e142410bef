//! The directory.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::call::Call;
use super::cursor::{open, seal};
use super::failure::Failure;
use super::json::put;
use super::odata;
use super::reply::Reply;
use crate::numbers::locked;
use crate::store::users::{Account, AccountKind};
use crate::tenant::Tenant;

/// Everything that can be selected of a user.
pub(crate) const FIELDS: &[&str] = &[
    "id",
    "displayName",
    "givenName",
    "surname",
    "mail",
    "userPrincipalName",
    "accountEnabled",
    "userType",
    "assignedPlans",
    "assignedLicenses",
    "proxyAddresses",
    "createdDateTime",
    "jobTitle",
    "department",
    "preferredLanguage",
    "businessPhones",
    "mobilePhone",
    "officeLocation",
    "otherMails",
    "companyName",
    "city",
    "state",
    "country",
    "usageLocation",
    "employeeType",
    "onPremisesExtensionAttributes",
];

/// Given without `$select`.
const DEFAULT_FIELDS: &[&str] = &[
    "id",
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];

/// Where a page of accounts goes on.
#[derive(Serialize, Deserialize)]
pub(crate) struct PageToken {
    pub(crate) after: usize,
    pub(crate) top: usize,
    pub(crate) select: Option<Vec<String>>,
}

/// The token of a link that goes on, if the call has one.
pub(crate) fn page_token(tenant: &Tenant, call: &Call) -> Result<Option<PageToken>, Failure> {
    let Some((_, text)) = call.query.iter().find(|(name, _)| name == "$skiptoken") else {
        return Ok(None);
    };
    if call.query.iter().any(|(name, _)| name != "$skiptoken") {
        return Err(Failure::bad("Follow the nextLink as it is."));
    }
    let token = open(&tenant.key, text).ok_or_else(|| {
        Failure::new(
            400,
            "Directory_ExpiredPageToken",
            "The specified page token value has expired.",
        )
    })?;
    Ok(Some(token))
}

/// One page of accounts; `path` is where the next one is.
pub(crate) fn page_of(
    tenant: &Tenant,
    all: &[Arc<Account>],
    page: PageToken,
    path: &str,
    mut answer: Value,
) -> Reply {
    let values: Vec<Value> = all
        .iter()
        .skip(page.after)
        .take(page.top)
        .map(|account| user_json(account, page.select.as_deref()))
        .collect();
    let after = page.after + page.top;
    if after < all.len() {
        let token = seal(&tenant.key, &PageToken { after, ..page });
        let next = format!("{}/v1.0{path}?$skiptoken={token}", tenant.base_url());
        put(&mut answer, "@odata.nextLink", json!(next));
    }
    put(&mut answer, "value", values);
    Reply::json(answer)
}

/// `GET /users`.
pub(crate) fn list(tenant: &Tenant, call: &Call) -> Result<Reply, Failure> {
    let page = match page_token(tenant, call)? {
        Some(page) => page,
        None => {
            let options = odata::options(call, &["$select", "$top"], FIELDS, 999)?;
            PageToken {
                after: 0,
                top: options.top.unwrap_or(100),
                select: options.select,
            }
        }
    };
    let answer = json!({
        "@odata.context": format!("{}/v1.0/$metadata#users", tenant.base_url()),
    });
    let all = tenant.visible_accounts();
    Ok(page_of(tenant, &all, page, "/users", answer))
}

/// `GET /users/{id}`.
pub(crate) fn get(call: &Call, account: &Account) -> Result<Reply, Failure> {
    let options = odata::options(call, &["$select"], FIELDS, 0)?;
    Ok(Reply::json(user_json(account, options.select.as_deref())))
}

fn user_json(account: &Account, select: Option<&[String]>) -> Value {
    let mut out = Map::new();
    let names: Vec<&str> = match select {
        Some(names) => names.iter().map(String::as_str).collect(),
        None => DEFAULT_FIELDS.to_vec(),
    };
    for name in names {
        let value = match name {
            "id" => json!(account.id),
            "displayName" => json!(account.name),
            "mail" => json!(account.mail),
            "userPrincipalName" => json!(account.principal_name),
            "accountEnabled" => json!(account.is_enabled),
            "userType" => json!(if account.kind == AccountKind::Guest {
                "Guest"
            } else {
                "Member"
            }),
            "assignedPlans" => plans(account),
            "assignedLicenses" | "otherMails" | "businessPhones" => json!([]),
            "proxyAddresses" => match &account.mail {
                Some(mail) => json!([format!("SMTP:{mail}")]),
                None => json!([]),
            },
            "createdDateTime" => json!("2021-04-06T07:08:09Z"),
            "onPremisesExtensionAttributes" => extensions(account),
            other => match locked(&account.attributes).get(other) {
                Some(value) => json!(value),
                None => Value::Null,
            },
        };
        out.insert(name.to_owned(), value);
    }
    Value::Object(out)
}

/// All fifteen are always there.
fn extensions(account: &Account) -> Value {
    let attributes = locked(&account.attributes);
    let fields = (1..=15).map(|number| {
        let name = format!("extensionAttribute{number}");
        let value = attributes
            .get(&name)
            .map_or(Value::Null, |value| json!(value));
        (name, value)
    });
    Value::Object(fields.collect())
}

fn plans(account: &Account) -> Value {
    let exchange = |status: &str| {
        json!({
            "assignedDateTime": "2021-04-06T07:08:09Z",
            "capabilityStatus": status,
            "service": "exchange",
            "servicePlanId": "efb87545-963c-4e0d-99df-69c6916d9eb0",
        })
    };
    match account.kind {
        AccountKind::User => json!([exchange("Enabled"), exchange("Deleted")]),
        AccountKind::Unlicensed => json!([exchange("Deleted")]),
        _ => json!([]),
    }
}

/// `GET …/mailboxSettings`.
pub(crate) fn settings(call: &Call, account: &Account) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    let language = crate::content::plan::home_language(account.number).tag();
    Ok(Reply::json(json!({
        "archiveFolder": Value::Null,
        "timeZone": "W. Europe Standard Time",
        "userPurpose": account.kind.purpose(),
        "dateFormat": "dd.MM.yyyy",
        "timeFormat": "HH:mm",
        "language": {"locale": language, "displayName": language},
        "automaticRepliesSetting": {"status": "disabled"},
    })))
}

/// `GET …/mailboxSettings/userPurpose`.
pub(crate) fn purpose(call: &Call, account: &Account) -> Result<Reply, Failure> {
    odata::options(call, &[], &[], 0)?;
    Ok(Reply::json(json!({"value": account.kind.purpose()})))
}
