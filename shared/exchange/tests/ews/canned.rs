//! Answers in the documented shapes, in the prefixes of a server that nobody has seen.

use super::server::{Request, Response};

pub(crate) fn envelope(body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<SOAP:Envelope \
         xmlns:SOAP=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:ty=\"http://schemas.microsoft.com/exchange/services/2006/types\" \
         xmlns:me=\"http://schemas.microsoft.com/exchange/services/2006/messages\">\
         <SOAP:Body>{body}</SOAP:Body></SOAP:Envelope>"
    )
}

/// An answer of these response messages.
pub(crate) fn answer(operation: &str, messages: &str) -> Response {
    Response::xml(envelope(&format!(
        "<me:{operation}Response><me:ResponseMessages>{messages}</me:ResponseMessages>\
         </me:{operation}Response>"
    )))
}

pub(crate) fn success(payload: &str) -> String {
    format!(
        "<me:XResponseMessage ResponseClass=\"Success\"><me:ResponseCode>NoError</me:ResponseCode>\
         {payload}</me:XResponseMessage>"
    )
}

pub(crate) fn error(code: &str) -> String {
    format!(
        "<me:XResponseMessage ResponseClass=\"Error\"><me:MessageText>of ann@corp.example</me:MessageText>\
         <me:ResponseCode>{code}</me:ResponseCode><me:DescriptiveLinkKey>0</me:DescriptiveLinkKey>\
         <me:Items/></me:XResponseMessage>"
    )
}

/// A fault as Exchange sends it; some servers send it with status 200.
pub(crate) fn fault(code: &str, back_off: Option<u64>) -> Response {
    let wait = back_off.map_or(String::new(), |wait| {
        format!("<ty:MessageXml><ty:Value Name=\"BackOffMilliseconds\">{wait}</ty:Value></ty:MessageXml>")
    });
    let body = envelope(&format!(
        "<SOAP:Fault><faultcode>a:{code}</faultcode><faultstring>for ann@corp.example</faultstring>\
         <detail><e:ResponseCode xmlns:e=\"u\">{code}</e:ResponseCode>{wait}</detail></SOAP:Fault>"
    ));
    Response {
        status: 500,
        ..Response::xml(body)
    }
}

pub(crate) fn folder(id: &str, parent: &str, name: &str, count: u64) -> String {
    format!(
        "<ty:Folder><ty:FolderId Id=\"{id}\" ChangeKey=\"c\"/><ty:ParentFolderId Id=\"{parent}\"/>\
         <ty:FolderClass>IPF.Note</ty:FolderClass><ty:DisplayName>{name}</ty:DisplayName>\
         <ty:TotalCount>{count}</ty:TotalCount></ty:Folder>"
    )
}

/// The answer to `GetFolder`: the root is there and the inbox, other well-known folders are not.
pub(crate) fn well_known(request: &Request) -> Response {
    let asked = request.body.split("DistinguishedFolderId Id=\"").skip(1);
    let messages: Vec<String> = asked
        .map(|part| match part.split('"').next().unwrap() {
            "msgfolderroot" => success(&format!(
                "<me:Folders>{}</me:Folders>",
                folder("root", "x", "Top", 0)
            )),
            "inbox" => success(&format!(
                "<me:Folders>{}</me:Folders>",
                folder("f0", "root", "Inbox", 0)
            )),
            _ => error("ErrorFolderNotFound"),
        })
        .collect();
    answer("GetFolder", &messages.concat())
}

pub(crate) fn folders(folders: &str) -> Response {
    answer(
        "FindFolder",
        &success(&format!(
            "<me:RootFolder IncludesLastItemInRange=\"true\"><ty:Folders>{folders}</ty:Folders></me:RootFolder>"
        )),
    )
}

/// A page of `SyncFolderItems`.
pub(crate) fn page(state: &str, is_last: bool, changes: &str) -> Response {
    answer(
        "SyncFolderItems",
        &success(&format!(
            "<me:SyncState>{state}</me:SyncState><me:IncludesLastItemInRange>{is_last}\
             </me:IncludesLastItemInRange><me:Changes>{changes}</me:Changes>"
        )),
    )
}

pub(crate) fn created(element: &str, id: &str) -> String {
    format!("<ty:Create><ty:{element}><ty:ItemId Id=\"{id}\"/></ty:{element}></ty:Create>")
}

/// The message of `GetItem` for a mail.
pub(crate) fn mail(id: &str, size: u64) -> String {
    success(&format!(
        "<me:Items><ty:Message><ty:ItemId Id=\"{id}\" ChangeKey=\"k{id}\"/>\
         <ty:ParentFolderId Id=\"f0\"/><ty:ItemClass>IPM.Note</ty:ItemClass>\
         <ty:Subject>Subject &#x1F; {id}</ty:Subject><ty:Size>{size}</ty:Size>\
         <ty:DateTimeReceived>2026-01-02T03:04:05.123456789Z</ty:DateTimeReceived>\
         <ty:IsRead>true</ty:IsRead></ty:Message></me:Items>"
    ))
}

/// The message of `GetItem` with MIME.
pub(crate) fn mime(id: &str, bytes: &[u8]) -> String {
    let text = base64_simd::STANDARD.encode_to_string(bytes);
    success(&format!(
        "<me:Items><ty:Message><ty:MimeContent CharacterSet=\"UTF-8\">{text}</ty:MimeContent>\
         <ty:ItemId Id=\"{id}\" ChangeKey=\"k{id}\"/></ty:Message></me:Items>"
    ))
}
