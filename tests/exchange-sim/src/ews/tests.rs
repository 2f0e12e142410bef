//! Every operation over HTTP; every answer is valid against the schema.

use super::schema::check;
use super::xml::{MESSAGES, Node, SOAP, TYPES};
use crate::{Dialect, ExchangeOptions, SimTenant};

struct Rig {
    sim: SimTenant,
    mailbox: String,
    http: reqwest::Client,
}

impl Rig {
    async fn start(options: ExchangeOptions) -> Self {
        let builder = SimTenant::builder().mailboxes(2).items_per_mailbox(60);
        let sim = builder.exchange(options).start().await.unwrap();
        let mailbox = sim.admin().mailboxes()[0].address.clone().unwrap();
        Self {
            sim,
            mailbox,
            http: reqwest::Client::new(),
        }
    }

    async fn post(&self, headers: &str, body: &str) -> (u16, Node) {
        let access = self.sim.exchange().unwrap();
        let envelope = format!(
            "<s:Envelope xmlns:s=\"{SOAP}\" xmlns:m=\"{MESSAGES}\" xmlns:t=\"{TYPES}\"><s:Header>{headers}</s:Header>\
             <s:Body>{body}</s:Body></s:Envelope>"
        );
        let call = self.http.post(&access.url).body(envelope);
        let call = call.header("Content-Type", "text/xml; charset=utf-8");
        let call = call.basic_auth(&access.service_user, Some(&access.service_password));
        let answer = call.send().await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (status, Node::parse(&bytes).expect(&text))
    }

    fn headers(&self, version: &str) -> String {
        format!(
            "<t:RequestServerVersion Version=\"{version}\"/><t:ExchangeImpersonation><t:ConnectingSID>\
             <t:PrimarySmtpAddress>{}</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>",
            self.mailbox
        )
    }

    /// The response messages of a call.
    async fn call(&self, body: &str) -> Vec<Node> {
        let (status, envelope) = self.post(&self.headers("Exchange2013_SP1"), body).await;
        let answer = &envelope.child("s:Body").unwrap().children[0];
        assert_eq!(status, 200, "{answer:?}");
        check(answer).unwrap_or_else(|bad| panic!("{bad:?}"));
        answer.children[0].children.clone()
    }

    /// The only message of a call that works.
    async fn good(&self, body: &str) -> Node {
        let mut messages = self.call(body).await;
        assert_eq!(messages.len(), 1);
        let message = messages.remove(0);
        assert_eq!(code(&message), "NoError", "{body} {message:#?}");
        message
    }

    async fn fault(&self, version: &str, body: &str) -> String {
        let (status, envelope) = self.post(&self.headers(version), body).await;
        assert_eq!(status, 500, "{envelope:?}");
        let fault = envelope.path(&["s:Body", "s:Fault"]).unwrap();
        let text = fault.text_of("faultcode").unwrap();
        text.trim_start_matches("a:").to_owned()
    }
}

fn code(message: &Node) -> &str {
    message.text_of("m:ResponseCode").unwrap()
}

/// All ids of this kind below an element.
fn ids(node: &Node, name: &str, found: &mut Vec<String>) {
    if node.name == name {
        found.push(node.attribute("Id").unwrap().to_owned());
    }
    node.children
        .iter()
        .for_each(|child| ids(child, name, found));
}

fn folder(name: &str) -> String {
    format!("<t:DistinguishedFolderId Id=\"{name}\"/>")
}

const ID_ONLY: &str = "<m:ItemShape><t:BaseShape>IdOnly</t:BaseShape></m:ItemShape>";
const EVERYTHING: &str = "<m:ItemShape><t:BaseShape>AllProperties</t:BaseShape>\
    <t:AdditionalProperties><t:FieldURI FieldURI=\"item:Flag\"/>\
    <t:ExtendedFieldURI PropertyTag=\"0x0E07\" PropertyType=\"Integer\"/></t:AdditionalProperties></m:ItemShape>";

fn sync(folder: &str, state: &str, most: u32) -> String {
    format!(
        "<m:SyncFolderItems>{ID_ONLY}<m:SyncFolderId>{folder}</m:SyncFolderId><m:SyncState>{state}</m:SyncState>\
         <m:MaxChangesReturned>{most}</m:MaxChangesReturned></m:SyncFolderItems>"
    )
}

async fn sync_to_end(rig: &Rig, folder: &str, state: &mut String, most: u32) -> Vec<Node> {
    let mut changes = vec![];
    loop {
        let message = rig.good(&sync(folder, state, most)).await;
        *state = message.text_of("m:SyncState").unwrap().to_owned();
        changes.extend(message.child("m:Changes").unwrap().children.clone());
        if message.text_of("m:IncludesLastItemInRange") == Some("true") {
            return changes;
        }
    }
}

#[tokio::test]
async fn every_item_of_every_class_is_described_within_the_schema() {
    for dialect in [
        Dialect::default(),
        Dialect {
            other_prefixes: true,
            nanoseconds: true,
            oldest_first: true,
            ..Dialect::default()
        },
    ] {
        let rig = Rig::start(ExchangeOptions {
            dialect,
            ..ExchangeOptions::default()
        })
        .await;
        let mut elements = std::collections::BTreeSet::new();
        for known in [
            "inbox",
            "sentitems",
            "calendar",
            "contacts",
            "tasks",
            "notes",
            "journal",
        ] {
            let changes = sync_to_end(&rig, &folder(known), &mut String::new(), 7).await;
            let mut found = vec![];
            changes
                .iter()
                .for_each(|one| ids(one, "t:ItemId", &mut found));
            assert!(!found.is_empty(), "{known}");
            let list: String = found
                .iter()
                .map(|id| format!("<t:ItemId Id=\"{id}\"/>"))
                .collect();
            let body = format!("<m:GetItem>{EVERYTHING}<m:ItemIds>{list}</m:ItemIds></m:GetItem>");
            for message in rig.call(&body).await {
                assert_eq!(code(&message), "NoError", "{message:?}");
                elements.insert(message.child("m:Items").unwrap().children[0].name.clone());
                let mut attachments = vec![];
                ids(&message, "t:AttachmentId", &mut attachments);
                for id in attachments {
                    rig.good(&format!(
                        "<m:GetAttachment><m:AttachmentIds><t:AttachmentId Id=\"{id}\"/></m:AttachmentIds></m:GetAttachment>"
                    ))
                    .await;
                }
            }
            let body = format!("<m:ExportItems><m:ItemIds>{list}</m:ItemIds></m:ExportItems>");
            for message in rig.call(&body).await {
                assert_eq!(code(&message), "NoError", "{message:?}");
            }
        }
        for wanted in [
            "Message",
            "PostItem",
            "CalendarItem",
            "Contact",
            "DistributionList",
            "Task",
            "MeetingRequest",
            "MeetingResponse",
            "MeetingCancellation",
        ] {
            assert!(
                elements.contains(&format!("t:{wanted}")),
                "{wanted} in {elements:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_state_tells_every_change_once() {
    let rig = Rig::start(ExchangeOptions::default()).await;
    let admin = rig.sim.admin();
    let inbox = folder("inbox");
    let mut state = String::new();
    let first = sync_to_end(&rig, &inbox, &mut state, 5).await;
    let total = admin.folders(&rig.mailbox).unwrap();
    let total = total
        .iter()
        .find(|one| one.well_known == Some("inbox"))
        .unwrap();
    assert_eq!(first.len(), total.items as usize);
    assert!(first.iter().all(|one| one.name == "t:Create"));
    assert!(sync_to_end(&rig, &inbox, &mut state, 512).await.is_empty());
    let items = admin.items(&rig.mailbox).unwrap();
    let mut here = items.iter().filter(|one| one.folder == total.id);
    let (a, b, c, d) = (
        here.next().unwrap(),
        here.next().unwrap(),
        here.next().unwrap(),
        here.next().unwrap(),
    );
    admin.set_read(&rig.mailbox, &a.id, !a.is_read).unwrap();
    admin.edit_body(&rig.mailbox, &b.id).unwrap();
    admin.move_mail(&rig.mailbox, &c.id, "drafts").unwrap();
    admin.delete_mail(&rig.mailbox, &d.id).unwrap();
    admin.add_mail(&rig.mailbox, "inbox").unwrap();
    let changes = sync_to_end(&rig, &inbox, &mut state, 1).await;
    let mut names: Vec<&str> = changes.iter().map(|one| one.local()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["Create", "Delete", "Delete", "ReadFlagChange", "Update"]
    );
    let gone = changes.iter().find(|one| one.name == "t:Delete").unwrap();
    let mut found = vec![];
    ids(gone, "t:ItemId", &mut found);
    assert!([&c.exchange_id, &d.exchange_id].contains(&&found[0]));

    let other = rig.call(&sync(&folder("drafts"), &state, 5)).await;
    assert_eq!(code(&other[0]), "ErrorInvalidSyncStateData");
    admin
        .expire_delta_tokens(&rig.mailbox, None, crate::TokenLoss::Gone)
        .unwrap();
    let lost = rig.call(&sync(&inbox, &state, 5)).await;
    assert_eq!(code(&lost[0]), "ErrorInvalidSyncStateData");
}

#[tokio::test]
async fn requests_out_of_order_or_too_new_are_refused() {
    let rig = Rig::start(ExchangeOptions {
        version: crate::ExchangeVersion::Exchange2013,
        ..ExchangeOptions::default()
    })
    .await;
    let wrong = format!(
        "<m:SyncFolderItems><m:SyncFolderId>{}</m:SyncFolderId>{ID_ONLY}<m:MaxChangesReturned>5</m:MaxChangesReturned></m:SyncFolderItems>",
        folder("inbox")
    );
    assert_eq!(
        rig.fault("Exchange2013_SP1", &wrong).await,
        "ErrorSchemaValidation"
    );
    let many = sync(&folder("inbox"), "", 513);
    assert_eq!(
        rig.fault("Exchange2013_SP1", &many).await,
        "ErrorSchemaValidation"
    );
    let good = sync(&folder("inbox"), "", 5);
    assert_eq!(
        rig.fault("Exchange2016", &good).await,
        "ErrorInvalidServerVersion"
    );
    assert_eq!(
        rig.fault("Exchange2099", &good).await,
        "ErrorInvalidServerVersion"
    );
    let young = sync(&folder("conversationhistory"), "", 5);
    assert_eq!(
        rig.fault("Exchange2010_SP2", &young).await,
        "ErrorSchemaValidation"
    );
    let folders = "<m:GetFolder><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape><m:FolderIds>\
        <t:DistinguishedFolderId Id=\"voicemail\"/><t:DistinguishedFolderId Id=\"archiveinbox\"/></m:FolderIds></m:GetFolder>";
    let answers = rig.call(folders).await;
    assert_eq!(code(&answers[0]), "ErrorFolderNotFound");
    assert_eq!(code(&answers[1]), "NoError");
}

#[tokio::test]
async fn an_exported_item_can_be_uploaded_and_is_the_same() {
    let rig = Rig::start(ExchangeOptions::default()).await;
    let mut found = vec![];
    for known in ["contacts", "calendar", "inbox"] {
        let changes = sync_to_end(&rig, &folder(known), &mut String::new(), 512).await;
        ids(&changes[0], "t:ItemId", &mut found);
    }
    let target = rig
        .good(&format!(
            "<m:GetFolder><m:FolderShape><t:BaseShape>IdOnly</t:BaseShape></m:FolderShape><m:FolderIds>{}</m:FolderIds></m:GetFolder>",
            folder("contacts")
        ))
        .await;
    let mut contacts = vec![];
    ids(&target, "t:FolderId", &mut contacts);
    let id = &found[0];
    let exported = rig
        .good(&format!(
            "<m:ExportItems><m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds></m:ExportItems>"
        ))
        .await;
    let data = exported.text_of("m:Data").unwrap();
    let upload = |data: &str| {
        format!(
            "<m:UploadItems><m:Items><t:Item CreateAction=\"CreateNew\"><t:ParentFolderId Id=\"{}\"/><t:Data>{data}</t:Data></t:Item></m:Items></m:UploadItems>",
            contacts[0]
        )
    };
    let made = rig.good(&upload(data)).await;
    let new = made.child("m:ItemId").unwrap().attribute("Id").unwrap();
    assert_ne!(new, id);
    let mut shown = vec![];
    for id in [id.as_str(), new] {
        let body = format!(
            "<m:GetItem>{EVERYTHING}<m:ItemIds><t:ItemId Id=\"{id}\"/></m:ItemIds></m:GetItem>"
        );
        let message = rig.good(&body).await;
        let mut item = message.child("m:Items").unwrap().children[0].clone();
        let volatile = ["t:ItemId", "t:LastModifiedTime"];
        item.children
            .retain(|one| !volatile.contains(&one.name.as_str()));
        item.children.iter_mut().for_each(|one| one.at = 0);
        shown.push(format!("{item:?}").replace(char::is_numeric, ""));
    }
    assert_eq!(shown[0], shown[1]);
    let broken = data.replacen('A', "B", 1);
    assert_eq!(
        code(&rig.call(&upload(&broken)).await[0]),
        "ErrorCorruptData"
    );
    // Mail carries its message at the end: damage there is found, and so is a missing end.
    let mail = found.last().unwrap();
    let export = |id: &str, times: usize| {
        let ids = format!("<t:ItemId Id=\"{id}\"/>").repeat(times);
        format!("<m:ExportItems><m:ItemIds>{ids}</m:ItemIds></m:ExportItems>")
    };
    let exported = rig.good(&export(mail, 1)).await;
    let data = exported.text_of("m:Data").unwrap();
    let bytes = base64_simd::STANDARD.decode_to_vec(data).unwrap();
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    for damaged in [&flipped[..], &bytes[..bytes.len() - 1]] {
        let data = base64_simd::STANDARD.encode_to_string(damaged);
        let messages = rig.call(&upload(&data)).await;
        assert_eq!(code(&messages[0]), "ErrorCorruptData");
    }
    let fault = rig.fault("Exchange2013_SP1", &export(mail, 101)).await;
    assert_eq!(fault, "ErrorDataSizeLimitExceeded");
}

#[tokio::test]
async fn what_is_written_sends_nothing_only_when_it_says_so() {
    let rig = Rig::start(ExchangeOptions::default()).await;
    let create = |disposition: &str| {
        format!(
            "<m:CreateItem {disposition}><m:SavedItemFolderId>{}</m:SavedItemFolderId><m:Items><t:Message>\
             <t:Subject>x</t:Subject><t:ExtendedProperty><t:ExtendedFieldURI PropertyTag=\"0x0E07\" PropertyType=\"Integer\"/>\
             <t:Value>1</t:Value></t:ExtendedProperty></t:Message></m:Items></m:CreateItem>",
            folder("inbox")
        )
    };
    let missing = create("");
    assert_eq!(
        rig.fault("Exchange2013_SP1", &missing).await,
        "ErrorMessageDispositionRequired"
    );
    let made = rig.good(&create("MessageDisposition=\"SaveOnly\"")).await;
    assert!(rig.sim.admin().sent().is_empty());
    rig.good(&create("MessageDisposition=\"SendAndSaveCopy\""))
        .await;
    assert_eq!(rig.sim.admin().sent().len(), 1);
    let mut found = vec![];
    ids(&made, "t:ItemId", &mut found);
    let read = format!(
        "<m:GetItem>{EVERYTHING}<m:ItemIds><t:ItemId Id=\"{}\"/></m:ItemIds></m:GetItem>",
        found[0]
    );
    let item = rig.good(&read).await;
    let item = &item.child("m:Items").unwrap().children[0];
    assert_eq!(item.text_of("t:IsDraft"), Some("false"));
    assert_eq!(item.text_of("t:IsRead"), Some("true"));
    let update = |field: &str, inner: &str| {
        format!(
            "<m:UpdateItem ConflictResolution=\"AlwaysOverwrite\" MessageDisposition=\"SaveOnly\"><m:ItemChanges><t:ItemChange>\
             <t:ItemId Id=\"{}\"/><t:Updates><t:SetItemField>{field}<t:Message>{inner}</t:Message></t:SetItemField></t:Updates>\
             </t:ItemChange></m:ItemChanges></m:UpdateItem>",
            found[0]
        )
    };
    let field = |name: &str| format!("<t:FieldURI FieldURI=\"item:{name}\"/>");
    rig.good(&update(&field("Subject"), "<t:Subject>y</t:Subject>"))
        .await;
    let item = rig.good(&read).await;
    assert_eq!(
        item.child("m:Items").unwrap().children[0].text_of("t:Subject"),
        Some("y")
    );
    for (body, expected) in [
        (
            update(&field("Size"), "<t:Size>1</t:Size>"),
            "ErrorInvalidPropertySet",
        ),
        (
            update(&field("Subject"), "<t:Importance>Low</t:Importance>"),
            "ErrorUpdatePropertyMismatch",
        ),
        (
            update(&field("Subject"), ""),
            "ErrorIncorrectUpdatePropertyCount",
        ),
    ] {
        assert_eq!(code(&rig.call(&body).await[0]), expected);
    }
    let wrong = create("MessageDisposition=\"SaveOnly\"").replace("t:Message>", "t:Contact>");
    assert_eq!(
        code(&rig.call(&wrong).await[0]),
        "ErrorCannotCreateContactInNonContactFolder"
    );
}

#[tokio::test]
async fn public_folders_are_routed_and_refuse_what_they_do_not_offer() {
    let rig = Rig::start(ExchangeOptions::default()).await;
    let root = folder("publicfoldersroot");
    let find = |traversal: &str| {
        format!(
            "<m:FindFolder Traversal=\"{traversal}\"><m:FolderShape><t:BaseShape>Default</t:BaseShape></m:FolderShape>\
             <m:ParentFolderIds>{root}</m:ParentFolderIds></m:FindFolder>"
        )
    };
    assert_eq!(
        code(&rig.call(&find("Deep")).await[0]),
        "ErrorInvalidOperation"
    );
    let found = rig.good(&find("Shallow")).await;
    let mut folders = vec![];
    ids(&found, "t:FolderId", &mut folders);
    assert_eq!(folders.len(), 1);
    let own = format!("<t:FolderId Id=\"{}\"/>", folders[0]);
    assert_eq!(
        code(&rig.call(&sync(&own, "", 5)).await[0]),
        "ErrorInvalidOperation"
    );
    let items = format!(
        "<m:FindItem Traversal=\"Shallow\">{ID_ONLY}<m:ParentFolderIds>{own}</m:ParentFolderIds></m:FindItem>"
    );
    rig.good(&items).await;
    let routed = Rig::start(ExchangeOptions {
        public_mailboxes: 2,
        ..ExchangeOptions::default()
    })
    .await;
    assert_eq!(
        code(&routed.call(&find("Shallow")).await[0]),
        "ErrorPublicFolderOperationFailed"
    );
}

#[tokio::test]
async fn impersonation_needs_the_right_and_the_backoff_holds() {
    let rig = Rig::start(ExchangeOptions::default()).await;
    let admin = rig.sim.admin();
    let body = sync(&folder("inbox"), "", 5);
    admin.inject(crate::Fault::new(
        crate::FaultKind::EwsBusy {
            backoff_millis: 60_000,
        },
        1,
    ));
    for _ in 0..2 {
        assert_eq!(
            rig.fault("Exchange2013_SP1", &body).await,
            "ErrorServerBusy"
        );
    }
    assert_eq!(admin.exchange_strain().unwrap().ignored_backoff, 1);
    admin.advance(std::time::Duration::from_secs(61));
    rig.good(&body).await;
    admin
        .set_service_rights(crate::ServiceRights {
            impersonation: false,
            full_access: true,
        })
        .unwrap();
    assert_eq!(
        rig.fault("Exchange2013_SP1", &body).await,
        "ErrorImpersonateUserDenied"
    );
}
