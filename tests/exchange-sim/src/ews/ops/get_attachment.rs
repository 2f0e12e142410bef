//! `GetAttachment`.

use super::Answer;
use crate::content::mail::{Attachment, AttachmentKind};
use crate::content::people::Person;
use crate::content::real;
use crate::ews::context::{Context, data};
use crate::ews::error::EwsError;
use crate::ews::ids;
use crate::ews::out::Out;
use crate::ews::render::item::{Item, type_of};
use crate::ews::render::shape::Shape;
use crate::ews::render::{attachment, time};
use crate::ews::xml::Node;

pub(super) fn run(context: &Context, request: &Node) -> Answer {
    let mut shape = request.child("m:AttachmentShape").cloned();
    if let Some(shape) = &mut shape {
        shape
            .children
            .insert(0, Node::with_text("t:BaseShape", "IdOnly"));
    }
    let shape = Shape::read(shape.as_ref())?;
    let ids = super::list(request, "m:AttachmentIds");
    Ok(super::each(context, ids, "m:Attachments", |id| {
        get(context, id, &shape)
    }))
}

fn not_found() -> EwsError {
    EwsError::new(
        "ErrorInvalidAttachmentId",
        "The attachment id is not of an attachment of this item.",
    )
}

fn get(context: &Context, id: &Node, shape: &Shape) -> Result<Out, EwsError> {
    let text = id.attribute("Id").unwrap_or_default();
    let (item, way) = ids::parse_attachment(text).ok_or_else(not_found)?;
    let (account, number) = context.item(&item)?;
    let failed =
        |failure: crate::graph::failure::Failure| EwsError::new(failure.code, &failure.message);
    context
        .tenant
        .check_item(account.number, number)
        .map_err(failed)?;
    let (found, modified) = {
        let mailbox = data(&account)?;
        let owner = Item::new(context, &mailbox, number).ok_or_else(EwsError::item_not_found)?;
        let world = &context.tenant.world;
        let mut all = owner.view.attachments(world);
        let mut found = None;
        for step in &way {
            let place = all.iter().position(|(number, _)| number == step);
            let (_, one) = all.swap_remove(place.ok_or_else(not_found)?);
            all = match one.kind {
                AttachmentKind::Item => (0..).zip(real::parse_attachments(&one.bytes())).collect(),
                _ => vec![],
            };
            found = Some(one);
        }
        let modified = owner.view.modified(world, &owner.view.meta());
        (found.ok_or_else(not_found)?, modified)
    };
    let modified = time(context.style, modified);
    let description = attachment::describe(&item, &way, &found, &modified);
    let mut out = context.out();
    out.start("m:Attachments", &[])
        .start(&description.name, &[]);
    for child in &description.children {
        out.node(child);
    }
    match found.kind {
        AttachmentKind::File => {
            out.start("t:Content", &[]).base64(found.content).end();
        }
        AttachmentKind::Item => nested(context, &mut out, &item, &way, &found, shape),
        AttachmentKind::Reference => {}
    }
    out.end().end();
    Ok(out)
}

/// The item inside an attachment.
fn nested(
    context: &Context,
    out: &mut Out,
    item: &str,
    way: &[u32],
    found: &Attachment,
    shape: &Shape,
) {
    let bytes = found.bytes();
    let meta = real::parse_meta(&bytes, context.tenant.world.start);
    let body = real::parse_body(&bytes);
    let modified = time(context.style, meta.received);
    let (element, _) = type_of("Message");
    out.start(element, &[]);
    if shape.with_mime {
        out.start("t:MimeContent", &[("CharacterSet", "UTF-8")])
            .base64(found.content.clone())
            .end();
    }
    out.empty("t:ItemId", &[("Id", &ids::attachment(item, way))])
        .text("t:ItemClass", "IPM.Note")
        .text("t:Subject", &meta.subject)
        .node(
            &Node::with_text("t:Body", body.text)
                .set("BodyType", if body.is_html { "HTML" } else { "Text" }),
        );
    let inner: Vec<Node> = (0..)
        .zip(real::parse_attachments(&bytes))
        .map(|(number, one)| {
            let way = [way, &[number]].concat();
            attachment::describe(item, &way, &one, &modified)
        })
        .collect();
    let has_attachments = !inner.is_empty();
    if has_attachments {
        out.node(&Node::with("t:Attachments", inner));
    }
    out.text("t:DateTimeSent", &time(context.style, meta.sent))
        .text("t:DateTimeCreated", &modified)
        .text("t:HasAttachments", &has_attachments.to_string());
    let person = |out: &mut Out, name: &str, people: &[Person]| {
        if people.is_empty() {
            return;
        }
        out.start(name, &[]);
        for one in people {
            out.start("t:Mailbox", &[])
                .text("t:Name", &one.name)
                .text("t:EmailAddress", &one.address)
                .end();
        }
        out.end();
    };
    person(out, "t:ToRecipients", &meta.to);
    person(out, "t:CcRecipients", &meta.cc);
    person(out, "t:From", meta.from.as_slice());
    if let Some(id) = &meta.message_id {
        out.text("t:InternetMessageId", id);
    }
    out.end();
}
