//! Decoders of what Exchange servers and Microsoft Graph send, and what they really send.

use mailkeep_exchange::fuzzing::{DECODERS, Outcome as Read};
use mailkeep_vault::fuzzing::Outcome;

/// The names of the targets.
pub fn names() -> impl Iterator<Item = &'static str> {
    DECODERS.iter().map(|(name, _)| *name)
}

/// Feeds a target; `None` when it is none of these.
pub fn run(target: &str, bytes: &[u8]) -> Option<Outcome> {
    let (_, decode) = DECODERS.iter().find(|(name, _)| *name == target)?;
    Some(match decode(bytes) {
        Read::Refused => Outcome::Refused,
        Read::Read => Outcome::Read,
        Read::Again(written) => Outcome::Again(written),
    })
}

const MESSAGES: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";
const TYPES: &str = "http://schemas.microsoft.com/exchange/services/2006/types";

fn soap(body: &str) -> String {
    format!(
        "\u{9}<?xml version=\"1.0\" encoding=\"utf-8\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\">\
         <s:Header><h:ServerVersionInfo MajorVersion=\"15\" MinorVersion=\"1\" MajorBuildNumber=\"2507\" \
         MinorBuildNumber=\"6\" Version=\"V2017_07_11\" xmlns:h=\"{TYPES}\"/></s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
}

fn get_item(content: &str) -> String {
    soap(&format!(
        "<m:GetItemResponse xmlns:m=\"{MESSAGES}\" xmlns:t=\"{TYPES}\"><m:ResponseMessages>\
         <m:GetItemResponseMessage ResponseClass=\"Success\"><m:ResponseCode>NoError</m:ResponseCode><m:Items>{content}\
         </m:Items></m:GetItemResponseMessage></m:ResponseMessages></m:GetItemResponse>"
    ))
}

const ITEM: &str = "<t:Message><t:MimeContent CharacterSet=\"UTF-8\">U3ViamVjdDogeA0KDQpC\nb2R5DQo=</t:MimeContent>\
    <t:ItemId Id=\"AAMkAD==\" ChangeKey=\"CQAAABYA\"/><t:ParentFolderId Id=\"AAMkAG==\" ChangeKey=\"AQAAAA==\"/>\
    <t:ItemClass>IPM.Note</t:ItemClass><t:Subject>Caf&#233; &amp; &lt;tea&gt;</t:Subject><t:Size>4711</t:Size>\
    <t:DateTimeReceived>2026-11-27T10:15:00Z</t:DateTimeReceived><t:Importance>High</t:Importance>\
    <t:Categories><t:String>Red</t:String></t:Categories><t:HasAttachments>false</t:HasAttachments>\
    <t:ExtendedProperty><t:ExtendedFieldURI PropertyTag=\"0x1090\" PropertyType=\"Integer\"/><t:Value>2</t:Value></t:ExtendedProperty>\
    <t:From><t:Mailbox><t:Name>Ann</t:Name><t:EmailAddress>ann@example.com</t:EmailAddress></t:Mailbox></t:From>\
    <t:InternetMessageId><![CDATA[<1@example.com>]]></t:InternetMessageId><t:IsRead>true</t:IsRead></t:Message>";

const FOLDER: &str = "<t:Folder><t:FolderId Id=\"AAMkAG==\" ChangeKey=\"AQ==\"/><t:ParentFolderId Id=\"AAMkAA==\"/>\
    <t:FolderClass>IPF.Note</t:FolderClass><t:DisplayName>Posteingang</t:DisplayName><t:TotalCount>7</t:TotalCount>\
    <t:ChildFolderCount>1</t:ChildFolderCount></t:Folder>";

const GRAPH_MESSAGE: &str = r##"{"@odata.type":"#microsoft.graph.message","id":"AAMkAD=","changeKey":"CQAAAB","parentFolderId":"AAMkAG=",
"subject":"Caf\u00e9 \ud83d\ude00","isRead":true,"isDraft":false,"hasAttachments":true,"importance":"high","categories":["Red"],
"receivedDateTime":"2026-11-27T10:15:00Z","sentDateTime":"2026-11-27T10:14:58Z","createdDateTime":"2026-11-27T10:15:00Z",
"lastModifiedDateTime":"2026-11-27T10:15:01Z","internetMessageId":"<1@example.com>","conversationId":"AAQkAD=",
"from":{"emailAddress":{"name":"Ann","address":"ann@example.com"}},"sender":{"emailAddress":{"name":"Ann","address":"ann@example.com"}},
"toRecipients":[{"emailAddress":{"name":"Bob","address":"bob@example.com"}}],"ccRecipients":[],"bccRecipients":[],"replyTo":[],
"flag":{"flagStatus":"flagged","dueDateTime":{"dateTime":"2026-12-01T00:00:00.0000000","timeZone":"UTC"}},
"inferenceClassification":"focused","singleValueExtendedProperties":[{"id":"String 0x1a","value":"IPM.Note"},{"id":"Integer 0xe08","value":"4711"}]}"##;

const GRAPH_FOLDER: &str = r#"{"id":"AAMkAG=","displayName":"Posteingang","parentFolderId":"AAMkAA=","childFolderCount":1,"unreadItemCount":2,
"totalItemCount":7,"sizeInBytes":99,"isHidden":false}"#;

/// Samples of every target.
pub fn samples() -> Vec<(String, Vec<u8>)> {
    let fault = soap(
        "<s:Fault><faultcode xmlns:a=\"x\">a:ErrorServerBusy</faultcode><faultstring xml:lang=\"en-US\">busy</faultstring><detail>\
         <e:ResponseCode xmlns:e=\"x\">ErrorServerBusy</e:ResponseCode><t:MessageXml xmlns:t=\"x\"><t:Value Name=\"BackOffMilliseconds\">\
         25000</t:Value></t:MessageXml></detail></s:Fault>",
    );
    let failed = soap(&format!(
        "<m:GetItemResponse xmlns:m=\"{MESSAGES}\"><m:ResponseMessages><m:GetItemResponseMessage ResponseClass=\"Error\">\
         <m:MessageText>gone</m:MessageText><m:ResponseCode>ErrorItemNotFound</m:ResponseCode><m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>\
         <m:Items/></m:GetItemResponseMessage></m:ResponseMessages></m:GetItemResponse>"
    ));
    let pox = "<?xml version=\"1.0\"?><Autodiscover xmlns=\"x\"><Response><Account><AccountType>email</AccountType><Action>settings</Action>\
        <Protocol><Type>EXPR</Type><EwsUrl>https://mail.example.com/EWS/Exchange.asmx</EwsUrl></Protocol></Account></Response></Autodiscover>";
    let soap_settings = "<e:Envelope xmlns:e=\"x\"><e:Body><GetUserSettingsResponseMessage><Response><ErrorCode>NoError</ErrorCode><UserResponses>\
        <UserResponse><ErrorCode>NoError</ErrorCode><UserSettings><UserSetting><Name>ExternalEwsUrl</Name><Value>https://mail.example.com/EWS/\
        Exchange.asmx</Value></UserSetting></UserSettings></UserResponse></UserResponses></Response></GetUserSettingsResponseMessage></e:Body></e:Envelope>";
    let page = format!(
        r#"{{"@odata.context":"x","value":[{GRAPH_MESSAGE},{{"id":"AAMkAE=","@removed":{{"reason":"deleted"}}}}],
        "@odata.deltaLink":"https://graph.microsoft.com/v1.0/users/a/mailFolders/b/messages/delta?$deltatoken=c"}}"#
    );
    let batch = format!(
        r#"{{"responses":[{{"id":"0","status":200,"headers":{{"Content-Type":"application/json"}},"body":{GRAPH_MESSAGE}}},
        {{"id":"1","status":429,"headers":{{"Retry-After":10}},"body":{{"error":{{"code":"ApplicationThrottled","message":"x"}}}}}}]}}"#
    );
    let error = r#"{"error":{"code":"ErrorItemNotFound","message":"The specified object was not found in the store.",
        "innerError":{"code":"inner","request-id":"4f2c1fd2-4b0f-4f7a-9a55-0a9d2d8d6a52","date":"2026-11-27T10:15:00"}}}"#;
    let mut challenge = b"NTLMSSP\0\x02\0\0\0".to_vec();
    challenge.extend_from_slice(&[12, 0, 12, 0, 56, 0, 0, 0, 0x15, 0x82, 0x8a, 0x62]);
    challenge.extend_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
    challenge.extend_from_slice(&[40, 0, 40, 0, 68, 0, 0, 0, 10, 0, 0x63, 0x45, 0, 0, 0, 15]);
    challenge.extend_from_slice(b"D\0O\0M\0A\0I\0N\0");
    challenge.extend_from_slice(b"\x02\0\x0c\0D\0O\0M\0A\0I\0N\0\x07\0\x08\0\x00\x11\x22\x33\x44\x55\xdb\x01\x06\0\x04\0\x01\0\0\0\0\0\0\0");
    let item_cursor = r#"{"v":1,"link":"https://graph.microsoft.com/v1.0/x","ids":"immutable","mode":"ids","page":50}"#;
    let tree_cursor = r#"{"v":1,"link":"https://graph.microsoft.com/v1.0/x","looked_at":"AAMk","hidden_children":{"a":3}}"#;
    let properties =
        r#"{"@ChangeKey":"x","children":[["ItemClass","IPM.Note"],["ItemId",{"@Id":"AAMk"}]]}"#;
    let texts = [
        ("ews-document", get_item(ITEM)),
        ("ews-document", format!("\u{1}{FOLDER}").replace("t:", "")),
        ("ews-document", fault),
        ("ews-answer", get_item(ITEM)),
        ("ews-answer", failed),
        ("ews-base64", "\u{2}U3ViamVjdDogeA0KDQpC\nb2R5DQo=".into()),
        ("ews-autodiscover", pox.into()),
        ("ews-autodiscover", soap_settings.into()),
        ("ews-properties", properties.into()),
        ("graph-message", GRAPH_MESSAGE.into()),
        (
            "graph-message",
            "{\"id\":\"x\",\"subject\":\"cut \\ud83d\u{1}\"}".into(),
        ),
        ("graph-page", page),
        ("graph-folder", GRAPH_FOLDER.into()),
        ("graph-batch", batch),
        ("graph-error", error.into()),
        ("graph-item-cursor", item_cursor.into()),
        ("graph-tree-cursor", tree_cursor.into()),
    ];
    let mut samples: Vec<(String, Vec<u8>)> = texts
        .into_iter()
        .map(|(name, text)| (name.to_owned(), text.into_bytes()))
        .collect();
    samples.push(("ews-ntlm".into(), challenge));
    samples
}
