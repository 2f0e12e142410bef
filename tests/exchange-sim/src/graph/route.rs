//! Which operation a method and path mean.

use super::call::Call;
use super::failure::Failure;
use super::organizer::operation::{self, Organizer};

/// The operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    ListUsers,
    GetUser,
    ListGroups,
    GetGroup,
    GroupMembers,
    Settings,
    UserPurpose,
    ListFolders,
    CreateFolder,
    FolderDelta,
    GetFolder,
    ListChildren,
    CreateChild,
    ListMessages,
    CreateMessage,
    MessageDelta,
    GetMessage,
    UpdateMessage,
    DeleteMessage,
    MessageMime,
    MimeInFolder,
    MoveMessage,
    ListAttachments,
    AddAttachment,
    CreateUpload,
    GetAttachment,
    AttachmentValue,
    Translate,
    Send,
    Organizer(Organizer),
}

impl Op {
    /// Any one of these roles is enough.
    pub(crate) fn roles(self) -> &'static [&'static str] {
        match self {
            Self::ListUsers | Self::GetUser => {
                &["User.Read.All", "User.ReadBasic.All", "Directory.Read.All"]
            }
            Self::ListGroups | Self::GetGroup | Self::GroupMembers => &[
                "GroupMember.Read.All",
                "Group.Read.All",
                "Directory.Read.All",
            ],
            Self::Settings | Self::UserPurpose => {
                &["MailboxSettings.Read", "MailboxSettings.ReadWrite"]
            }
            Self::CreateFolder
            | Self::CreateChild
            | Self::CreateMessage
            | Self::UpdateMessage
            | Self::DeleteMessage
            | Self::MoveMessage
            | Self::AddAttachment
            | Self::CreateUpload => &["Mail.ReadWrite"],
            Self::Send => &["Mail.Send", "Mail.ReadWrite"],
            Self::Organizer(operation) => operation.roles(),
            _ => &["Mail.Read", "Mail.ReadWrite"],
        }
    }
}

/// An operation and what it is about.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) op: Op,
    /// The path with placeholders, for the request log.
    pub(crate) template: String,
    pub(crate) user: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) folder: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) attachment: Option<String>,
}

const SEND_VERBS: &[&str] = &[
    "send",
    "reply",
    "replyAll",
    "forward",
    "microsoft.graph.send",
];

/// Finds the operation.
pub(crate) fn route(call: &Call) -> Result<Route, Failure> {
    let mut parts: Vec<&str> = call.segments.iter().map(String::as_str).collect();
    let mut route = Route {
        op: Op::ListUsers,
        template: String::new(),
        user: None,
        group: None,
        folder: None,
        message: None,
        attachment: None,
    };
    let method = call.method.as_str();
    if let ["groups", rest @ ..] = parts.as_slice() {
        return group_route(route, method, rest);
    }
    if parts.first() != Some(&"users") {
        return Err(unknown(&parts));
    }
    parts.remove(0);
    if parts.is_empty() {
        return finish(route, method, "/users", &[("GET", Op::ListUsers)]);
    }
    route.user = Some(parts.remove(0).to_owned());
    let prefix = "/users/{id}";
    if let ["mailFolders", rest @ ..] = parts.as_slice() {
        return folder_route(route, method, rest);
    }
    if let ["messages", rest @ ..] = parts.as_slice() {
        return message_route(route, method, prefix, rest);
    }
    if let Some(operation) = operation::route(&mut route, method, &parts) {
        route.op = Op::Organizer(operation?);
        return Ok(route);
    }
    match parts.as_slice() {
        [] => finish(route, method, prefix, &[("GET", Op::GetUser)]),
        ["mailboxSettings"] => finish(
            route,
            method,
            "/users/{id}/mailboxSettings",
            &[("GET", Op::Settings)],
        ),
        ["mailboxSettings", "userPurpose"] => finish(
            route,
            method,
            "/users/{id}/mailboxSettings/userPurpose",
            &[("GET", Op::UserPurpose)],
        ),
        ["translateExchangeIds"] => finish(
            route,
            method,
            "/users/{id}/translateExchangeIds",
            &[("POST", Op::Translate)],
        ),
        ["sendMail" | "microsoft.graph.sendMail"] => {
            finish(route, method, "/users/{id}/sendMail", &[("POST", Op::Send)])
        }
        _ => Err(unknown(&parts)),
    }
}

fn group_route(mut route: Route, method: &str, parts: &[&str]) -> Result<Route, Failure> {
    let [group, rest @ ..] = parts else {
        return finish(route, method, "/groups", &[("GET", Op::ListGroups)]);
    };
    route.group = Some((*group).to_owned());
    match rest {
        [] => finish(route, method, "/groups/{id}", &[("GET", Op::GetGroup)]),
        ["transitiveMembers", "microsoft.graph.user"] => finish(
            route,
            method,
            "/groups/{id}/transitiveMembers/microsoft.graph.user",
            &[("GET", Op::GroupMembers)],
        ),
        other => Err(unknown(other)),
    }
}

fn folder_route(mut route: Route, method: &str, parts: &[&str]) -> Result<Route, Failure> {
    let list = "/users/{id}/mailFolders";
    let one = "/users/{id}/mailFolders/{id}";
    match parts {
        [] => finish(
            route,
            method,
            list,
            &[("GET", Op::ListFolders), ("POST", Op::CreateFolder)],
        ),
        ["delta"] => finish(
            route,
            method,
            &format!("{list}/delta"),
            &[("GET", Op::FolderDelta)],
        ),
        [folder, rest @ ..] => {
            route.folder = Some((*folder).to_owned());
            match rest {
                [] => finish(route, method, one, &[("GET", Op::GetFolder)]),
                ["childFolders"] => finish(
                    route,
                    method,
                    &format!("{one}/childFolders"),
                    &[("GET", Op::ListChildren), ("POST", Op::CreateChild)],
                ),
                ["messages", "delta"] => finish(
                    route,
                    method,
                    &format!("{one}/messages/delta"),
                    &[("GET", Op::MessageDelta)],
                ),
                ["messages", message, "$value"] => {
                    route.message = Some((*message).to_owned());
                    finish(
                        route,
                        method,
                        &format!("{one}/messages/{{id}}/$value"),
                        &[("GET", Op::MimeInFolder)],
                    )
                }
                ["messages", rest @ ..] => message_route(route, method, one, rest),
                other => Err(unknown(other)),
            }
        }
    }
}

fn message_route(
    mut route: Route,
    method: &str,
    prefix: &str,
    parts: &[&str],
) -> Result<Route, Failure> {
    let list = format!("{prefix}/messages");
    let [message, rest @ ..] = parts else {
        return finish(
            route,
            method,
            &list,
            &[("GET", Op::ListMessages), ("POST", Op::CreateMessage)],
        );
    };
    route.message = Some((*message).to_owned());
    let one = format!("{list}/{{id}}");
    match rest {
        [] => finish(
            route,
            method,
            &one,
            &[
                ("GET", Op::GetMessage),
                ("PATCH", Op::UpdateMessage),
                ("DELETE", Op::DeleteMessage),
            ],
        ),
        ["$value"] => finish(
            route,
            method,
            &format!("{one}/$value"),
            &[("GET", Op::MessageMime)],
        ),
        ["move"] => finish(
            route,
            method,
            &format!("{one}/move"),
            &[("POST", Op::MoveMessage)],
        ),
        [verb] if SEND_VERBS.contains(verb) => finish(
            route,
            method,
            &format!("{one}/{verb}"),
            &[("POST", Op::Send)],
        ),
        ["attachments"] => finish(
            route,
            method,
            &format!("{one}/attachments"),
            &[("GET", Op::ListAttachments), ("POST", Op::AddAttachment)],
        ),
        ["attachments", "createUploadSession"] => finish(
            route,
            method,
            &format!("{one}/attachments/createUploadSession"),
            &[("POST", Op::CreateUpload)],
        ),
        ["attachments", attachment] => {
            route.attachment = Some((*attachment).to_owned());
            finish(
                route,
                method,
                &format!("{one}/attachments/{{id}}"),
                &[("GET", Op::GetAttachment)],
            )
        }
        ["attachments", attachment, "$value"] => {
            route.attachment = Some((*attachment).to_owned());
            finish(
                route,
                method,
                &format!("{one}/attachments/{{id}}/$value"),
                &[("GET", Op::AttachmentValue)],
            )
        }
        other => Err(unknown(other)),
    }
}

fn finish(
    mut route: Route,
    method: &str,
    template: &str,
    methods: &[(&str, Op)],
) -> Result<Route, Failure> {
    route.op = methods
        .iter()
        .find(|(name, _)| *name == method)
        .map(|(_, op)| *op)
        .ok_or_else(Failure::method)?;
    template.clone_into(&mut route.template);
    Ok(route)
}

fn unknown(parts: &[&str]) -> Failure {
    Failure::bad(format!(
        "Resource not found for the segment '{}'.",
        parts.last().copied().unwrap_or_default()
    ))
}
