//! What came with which version of the schema.

use super::error::Fault;
use super::options::{ExchangeVersion, schema_rank};
use super::xml::Node;

/// Operations that are younger than Exchange 2007.
const OPERATIONS: &[(&str, &str)] = &[
    ("ExportItems", "Exchange2010_SP1"),
    ("UploadItems", "Exchange2010_SP1"),
    ("GetServerTimeZones", "Exchange2010"),
];
/// Elements that are younger.
const ELEMENTS: &[(&str, &str)] = &[
    ("t:Flag", "Exchange2013"),
    ("t:MimeContentUTF8", "Exchange2013_SP1"),
    ("t:TextBody", "Exchange2013"),
    ("t:ReferenceAttachment", "Exchange2016"),
    ("m:SyncScope", "Exchange2010"),
    ("t:StartTimeZone", "Exchange2010"),
    ("t:EndTimeZone", "Exchange2010"),
    ("t:TimeZoneContext", "Exchange2010"),
    ("t:DateTimePrecision", "Exchange2010_SP2"),
];
/// Fields that are younger.
const FIELDS: &[(&str, &str)] = &[
    ("item:Flag", "Exchange2013"),
    ("item:TextBody", "Exchange2013"),
    ("item:Preview", "Exchange2013"),
    ("item:InstanceKey", "Exchange2013"),
    ("item:ConversationId", "Exchange2010"),
    ("item:UniqueBody", "Exchange2010"),
    ("folder:DistinguishedFolderId", "Exchange2013"),
];

/// The version that brought a well-known folder.
fn folder_version(name: &str) -> &'static str {
    match name {
        "calendar" | "contacts" | "deleteditems" | "drafts" | "inbox" | "journal" | "notes"
        | "outbox" | "sentitems" | "tasks" | "msgfolderroot" | "publicfoldersroot" | "root"
        | "junkemail" | "searchfolders" | "voicemail" => "Exchange2007",
        "archive" => "V2017_04_14",
        "mecontact"
        | "personmetadata"
        | "recoverableitemsdiscoveryholds"
        | "archiverecoverableitemsdiscoveryholds" => "Exchange2016",
        "syncissues"
        | "conflicts"
        | "localfailures"
        | "serverfailures"
        | "recipientcache"
        | "quickcontacts"
        | "conversationhistory"
        | "adminauditlogs"
        | "todosearch"
        | "mycontacts"
        | "directory"
        | "imcontactlist"
        | "peopleconnect"
        | "favorites" => "Exchange2013",
        _ if name.starts_with("archive") || name.starts_with("recoverable") => "Exchange2010_SP1",
        _ => "V2017_04_14",
    }
}

/// The rank of the schema that a request asks for.
pub(crate) fn requested(header: Option<&Node>, server: ExchangeVersion) -> Result<usize, Fault> {
    let Some(node) = header.and_then(|header| header.child("t:RequestServerVersion")) else {
        return Ok(0);
    };
    let asked = node.attribute("Version").unwrap_or_default();
    let newest = schema_rank(server.newest_schema()).unwrap_or(0);
    match schema_rank(asked) {
        Some(rank) if rank <= newest => Ok(rank),
        _ => Err(Fault::new(
            "ErrorInvalidServerVersion",
            "The specified server version is invalid.",
        )),
    }
}

/// Refuses what is younger than the schema that the request asks for.
pub(crate) fn check(document: &[u8], node: &Node, rank: usize) -> Result<(), Fault> {
    let is_younger = |version: &str| schema_rank(version).is_some_and(|needed| needed > rank);
    let found = |table: &[(&str, &'static str)], name: &str| {
        let found = table.iter().find(|(one, _)| *one == name);
        found.is_some_and(|(_, version)| is_younger(version))
    };
    if let Some(name) = node.name.strip_prefix("m:")
        && found(OPERATIONS, name)
    {
        return Err(Fault::new(
            "ErrorIncorrectSchemaVersion",
            "The request is not valid for the requested server version.",
        ));
    }
    let value = match node.name.as_str() {
        "t:FieldURI" => node.attribute("FieldURI").filter(|uri| found(FIELDS, uri)),
        "t:DistinguishedFolderId" => node
            .attribute("Id")
            .filter(|name| is_younger(folder_version(name))),
        _ => None,
    };
    if found(ELEMENTS, &node.name) || value.is_some() {
        let why = format!(
            "The element '{}' is not known to the requested server version.",
            node.local()
        );
        return Err(Fault::schema(document, node.at, &why));
    }
    node.children
        .iter()
        .try_for_each(|child| check(document, child, rank))
}
