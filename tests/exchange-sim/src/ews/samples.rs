//! Items of every class for the first mailbox, and mail for the archive and the public folders.

use std::sync::Arc;

use super::error::EwsError;
use super::exchange::Exchange;
use super::write::{Draft, creatable};
use super::xml::{Node, TYPES};
use crate::content::people::Person;
use crate::content::plan::World;
use crate::content::real;
use crate::numbers::{index, locked, mix};
use crate::store::mailbox::{Mailbox, bits};
use crate::store::overlay::{Origin, Overlay, RawMail};
use crate::store::users::Account;
use crate::tenant::Tenant;

/// Folder and item.
const ITEMS: &[(&str, &str)] = &[
    (
        "contacts",
        "<t:Contact><t:Body BodyType=\"Text\">Met in Köln.</t:Body><t:Categories><t:String>Kunde</t:String></t:Categories>\
         <t:FileAs>Müller, Jörg</t:FileAs><t:DisplayName>Jörg Müller</t:DisplayName><t:GivenName>Jörg</t:GivenName>\
         <t:CompanyName>Beispiel &amp; Söhne</t:CompanyName>\
         <t:EmailAddresses><t:Entry Key=\"EmailAddress1\">joerg@fabrikam.example</t:Entry>\
         <t:Entry Key=\"EmailAddress2\">jm@contoso.example</t:Entry></t:EmailAddresses>\
         <t:PhysicalAddresses><t:Entry Key=\"Business\"><t:Street>Hauptstraße 1</t:Street><t:City>Köln</t:City>\
         <t:CountryOrRegion>Deutschland</t:CountryOrRegion><t:PostalCode>50667</t:PostalCode></t:Entry></t:PhysicalAddresses>\
         <t:PhoneNumbers><t:Entry Key=\"BusinessPhone\">+49 221 1</t:Entry><t:Entry Key=\"MobilePhone\">+49 170 2</t:Entry></t:PhoneNumbers>\
         <t:Birthday>1970-05-17T00:00:00Z</t:Birthday><t:JobTitle>Einkäufer</t:JobTitle><t:Surname>Müller</t:Surname></t:Contact>",
    ),
    (
        "contacts",
        "<t:DistributionList><t:DisplayName>Stammtisch</t:DisplayName><t:Members>\
         <t:Member><t:Mailbox><t:Name>Jörg</t:Name><t:EmailAddress>joerg@fabrikam.example</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType><t:MailboxType>OneOff</t:MailboxType></t:Mailbox></t:Member>\
         <t:Member><t:Mailbox><t:Name>Ann</t:Name><t:EmailAddress>ann@contoso.example</t:EmailAddress><t:RoutingType>SMTP</t:RoutingType><t:MailboxType>OneOff</t:MailboxType></t:Mailbox></t:Member>\
         </t:Members></t:DistributionList>",
    ),
    (
        "calendar",
        "<t:CalendarItem><t:Subject>Dentist</t:Subject><t:Sensitivity>Private</t:Sensitivity>\
         <t:Body BodyType=\"HTML\">&lt;html&gt;&lt;body&gt;Bring the card&lt;/body&gt;&lt;/html&gt;</t:Body>\
         <t:ReminderIsSet>true</t:ReminderIsSet><t:ReminderMinutesBeforeStart>30</t:ReminderMinutesBeforeStart>\
         <t:Start>2026-11-10T09:00:00Z</t:Start><t:End>2026-11-10T09:45:00Z</t:End>\
         <t:LegacyFreeBusyStatus>OOF</t:LegacyFreeBusyStatus><t:Location>Main street 7</t:Location></t:CalendarItem>",
    ),
    (
        "calendar",
        "<t:CalendarItem><t:Subject>Jour fixe</t:Subject><t:Start>2026-11-03T13:00:00Z</t:Start><t:End>2026-11-03T14:00:00Z</t:End>\
         <t:Location>Raum 4</t:Location><t:RequiredAttendees><t:Attendee><t:Mailbox><t:Name>Ann</t:Name>\
         <t:EmailAddress>ann@contoso.example</t:EmailAddress></t:Mailbox><t:ResponseType>Accept</t:ResponseType></t:Attendee></t:RequiredAttendees>\
         <t:Recurrence><t:WeeklyRecurrence><t:Interval>1</t:Interval><t:DaysOfWeek>Tuesday</t:DaysOfWeek></t:WeeklyRecurrence>\
         <t:NumberedRecurrence><t:StartDate>2026-11-03</t:StartDate><t:NumberOfOccurrences>10</t:NumberOfOccurrences></t:NumberedRecurrence>\
         </t:Recurrence></t:CalendarItem>",
    ),
    (
        "tasks",
        "<t:Task><t:Subject>Write the report</t:Subject><t:Importance>High</t:Importance>\
         <t:DueDate>2026-11-30T00:00:00Z</t:DueDate><t:PercentComplete>40</t:PercentComplete>\
         <t:StartDate>2026-11-02T00:00:00Z</t:StartDate><t:Status>InProgress</t:Status></t:Task>",
    ),
    (
        "tasks",
        "<t:Task><t:Subject>Water the plants</t:Subject><t:DueDate>2026-11-06T00:00:00Z</t:DueDate>\
         <t:Recurrence><t:DailyRecurrence><t:Interval>3</t:Interval></t:DailyRecurrence>\
         <t:NoEndRecurrence><t:StartDate>2026-11-03</t:StartDate></t:NoEndRecurrence></t:Recurrence></t:Task>",
    ),
    (
        "notes",
        "<t:Message><t:ItemClass>IPM.StickyNote</t:ItemClass><t:Subject>Milk</t:Subject>\
         <t:Body BodyType=\"Text\">Milk\r\nBread</t:Body><t:ExtendedProperty>\
         <t:ExtendedFieldURI PropertySetId=\"0006200e-0000-0000-c000-000000000046\" PropertyId=\"35584\" PropertyType=\"Integer\"/>\
         <t:Value>3</t:Value></t:ExtendedProperty></t:Message>",
    ),
    (
        "journal",
        "<t:Message><t:ItemClass>IPM.Activity</t:ItemClass><t:Subject>Call with Ann</t:Subject>\
         <t:Body BodyType=\"Text\">Agreed.</t:Body><t:ExtendedProperty>\
         <t:ExtendedFieldURI PropertySetId=\"0006200a-0000-0000-c000-000000000046\" PropertyId=\"34560\" PropertyType=\"String\"/>\
         <t:Value>Phone call</t:Value></t:ExtendedProperty></t:Message>",
    ),
    (
        "inbox",
        "<t:PostItem><t:Subject>A post</t:Subject><t:Body BodyType=\"Text\">For everybody.</t:Body></t:PostItem>",
    ),
];

/// Messages about meetings: class and subject.
const MEETINGS: &[(&str, &str)] = &[
    ("IPM.Schedule.Meeting.Request", "Invitation: Kick-off"),
    ("IPM.Schedule.Meeting.Resp.Pos", "Accepted: Jour fixe"),
    ("IPM.Schedule.Meeting.Canceled", "Canceled: Kick-off"),
];

/// Adds the samples.
pub(crate) fn fill(tenant: &Arc<Tenant>, exchange: &Exchange) {
    let accounts = tenant.visible_accounts();
    let Some(account) = accounts.first() else {
        return;
    };
    let owner = Person {
        name: account.name.clone(),
        address: account.mail.clone().unwrap_or_default(),
    };
    if let Some(mailbox) = &account.mailbox {
        let mut mailbox = locked(mailbox);
        for (folder, text) in ITEMS {
            if let Err(error) = add(&mut mailbox, &tenant.world, &owner, folder, text) {
                tracing::error!(code = %error.code, folder, "a sample cannot be made");
            }
        }
        for (class, subject) in MEETINGS {
            add_meeting(&mut mailbox, tenant.world.start, class, subject);
        }
        add_exception(&mut mailbox);
        let archive: Vec<u32> = (0..)
            .zip(&mailbox.folders)
            .filter(|(_, folder)| {
                matches!(
                    folder.well_known,
                    Some(
                        "archiveinbox"
                            | "recoverableitemsdeletions"
                            | "archiverecoverableitemsdeletions"
                    )
                ) || folder.name.starts_with("2019")
            })
            .map(|(number, _)| number)
            .collect();
        for folder in archive {
            add_mail(&mut mailbox, folder, tenant.world.start);
        }
    }
    if let Some(public) = &exchange.public.mailbox {
        let mut public = locked(public);
        let folders: Vec<(u32, String)> = (0..)
            .zip(&public.folders)
            .filter(|(_, folder)| !folder.is_deleted)
            .map(|(number, folder)| (number, folder.class.clone()))
            .collect();
        for (number, class) in folders {
            match class.as_str() {
                "IPF.Note" => {
                    add_mail(&mut public, number, tenant.world.start);
                    add_mail(&mut public, number, tenant.world.start);
                }
                "IPF.Appointment" | "IPF.Contact" => {
                    let wanted = if class == "IPF.Contact" {
                        "contacts"
                    } else {
                        "calendar"
                    };
                    let sample = ITEMS.iter().find(|(folder, _)| *folder == wanted);
                    if let Some((_, text)) = sample {
                        let _ = add_in(&mut public, &tenant.world, &owner, number, text);
                    }
                }
                _ => {}
            }
        }
    }
}

/// Adds one of the samples that belong into a well-known folder to another one.
pub(crate) fn add_sample(
    mailbox: &mut Mailbox,
    world: &World,
    account: &Account,
    folder: u32,
    like: &str,
) -> Option<u32> {
    let owner = Person {
        name: account.name.clone(),
        address: account.mail.clone().unwrap_or_default(),
    };
    let (_, text) = ITEMS.iter().find(|(known, _)| *known == like)?;
    add_in(mailbox, world, &owner, folder, text).ok()
}

fn add(
    mailbox: &mut Mailbox,
    world: &World,
    owner: &Person,
    folder: &str,
    text: &str,
) -> Result<u32, EwsError> {
    let folder = mailbox
        .well_known(folder)
        .ok_or_else(EwsError::folder_not_found)?;
    add_in(mailbox, world, owner, folder, text)
}

fn add_in(
    mailbox: &mut Mailbox,
    world: &World,
    owner: &Person,
    folder: u32,
    text: &str,
) -> Result<u32, EwsError> {
    let wrong = || EwsError::new("ErrorInvalidRequest", "The sample is no item.");
    let place = text.find(['>', ' ']).ok_or_else(wrong)?;
    let (head, rest) = text.split_at(place);
    let document = format!("{head} xmlns:t=\"{TYPES}\"{rest}");
    let node = Node::parse(document.as_bytes()).map_err(|_| wrong())?;
    let element = creatable(&node.name).ok_or_else(wrong)?;
    let seed = mix(&[mailbox.key, mailbox.sequence, 0x7361_6d70]);
    let mut draft = Draft::new(element, world.start - 86_400, seed);
    for child in &node.children {
        draft.set(child)?;
    }
    draft.state &= !bits::DRAFT;
    let (overlay, state, _) = draft.finish(owner, seed)?;
    Ok(mailbox.add(folder, state, overlay, 0))
}

fn add_mail(mailbox: &mut Mailbox, folder: u32, start: i64) {
    let overlay = Overlay {
        received: Some(start - 86_400),
        created: Some(start - 86_400),
        ..Overlay::default()
    };
    mailbox.add(folder, bits::READ, overlay, 0);
}

fn add_meeting(mailbox: &mut Mailbox, start: i64, class: &str, subject: &str) {
    let method = match class {
        "IPM.Schedule.Meeting.Request" => "REQUEST",
        "IPM.Schedule.Meeting.Canceled" => "CANCEL",
        _ => "REPLY",
    };
    let text = format!(
        "From: Ann <ann@contoso.example>\r\nTo: me@sim.example\r\nSubject: {subject}\r\n\
         Date: Sun, 01 Nov 2026 09:00:00 +0000\r\nMessage-ID: <{method}@contoso.example>\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/calendar; method={method}; charset=utf-8\r\n\r\n\
         BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:{method}\r\nBEGIN:VEVENT\r\nUID:kick-off\r\nSUMMARY:{subject}\r\n\
         DTSTART:20261112T090000Z\r\nDTEND:20261112T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    let mut meta = real::parse_meta(text.as_bytes(), start - 86_400);
    class.clone_into(&mut meta.class);
    let raw = RawMail {
        bytes: text.into_bytes().into(),
        meta,
    };
    let overlay = Overlay {
        origin: Origin::Raw(Arc::new(raw)),
        created: Some(start - 86_400),
        ..Overlay::default()
    };
    if let Some(inbox) = mailbox.well_known("inbox") {
        mailbox.add(inbox, 0, overlay, 0);
    }
}

/// Moves one occurrence of the series and deletes another, as a user would have done.
fn add_exception(mailbox: &mut Mailbox) {
    let series = mailbox
        .overlays
        .iter()
        .find(|(_, overlay)| {
            overlay.fields.contains_key("Recurrence") && overlay.fields.contains_key("Start")
        })
        .map(|(number, _)| *number);
    let Some(series) = series else { return };
    let id = mailbox
        .slots
        .get(index(u64::from(series)))
        .map(|slot| super::ids::item(mailbox.key, series, slot.joined));
    let Some(overlay) = mailbox.overlays.get_mut(&series) else {
        return;
    };
    let occurrence = Node::with(
        "t:Occurrence",
        vec![
            Node::new("t:ItemId").set("Id", format!("{}AQ==", id.unwrap_or_default())),
            Node::with_text("t:Start", "2026-11-18T13:00:00Z"),
            Node::with_text("t:End", "2026-11-18T14:00:00Z"),
            Node::with_text("t:OriginalStart", "2026-11-17T13:00:00Z"),
        ],
    );
    let deleted = Node::with(
        "t:DeletedOccurrence",
        vec![Node::with_text("t:Start", "2026-11-24T13:00:00Z")],
    );
    overlay.fields.insert(
        "ModifiedOccurrences".to_owned(),
        Node::with("t:ModifiedOccurrences", vec![occurrence]),
    );
    overlay.fields.insert(
        "DeletedOccurrences".to_owned(),
        Node::with("t:DeletedOccurrences", vec![deleted]),
    );
}
