//! `ExpandDL`: the members of one distribution group, groups inside it among them.

use crate::ews::context::Context;
use crate::ews::error::EwsError;
use crate::ews::soap::Message;
use crate::ews::xml::Node;
use crate::numbers::locked;
use crate::store::groups::Group;

pub(super) fn run(context: &Context, request: &Node) -> Message {
    let wanted = request.child("m:Mailbox");
    let wanted = wanted.and_then(|mailbox| mailbox.text_of("t:EmailAddress"));
    let wanted = wanted.unwrap_or_default();
    let is_meant = |group: &&Group| {
        let mail = group.mail.as_deref();
        mail.is_some_and(|mail| mail.eq_ignore_ascii_case(wanted.trim()))
    };
    let groups = locked(&context.tenant.groups).clone();
    let mut out = context.out();
    let Some(group) = groups.iter().find(is_meant) else {
        let error = EwsError::new("ErrorNameResolutionNoResults", "No results were found.");
        return Message::bad(error, out);
    };
    let accounts = context.tenant.visible_accounts();
    let members: Vec<(&str, &str, &str)> = group
        .members
        .iter()
        .filter_map(|member| {
            let inner = groups.iter().find(|group| group.id == *member);
            if let Some(inner) = inner {
                return Some((inner.name.as_str(), inner.mail.as_deref()?, "PublicDL"));
            }
            let account = accounts.iter().find(|account| account.id == *member)?;
            let kind = match account.mailbox {
                Some(_) => "Mailbox",
                None => "Contact",
            };
            Some((account.name.as_str(), account.mail.as_deref()?, kind))
        })
        .collect();
    out.start(
        "m:DLExpansion",
        &[
            ("TotalItemsInView", &members.len().to_string()),
            ("IncludesLastItemInRange", "true"),
        ],
    );
    for (name, address, kind) in members {
        out.start("t:Mailbox", &[])
            .text("t:Name", name)
            .text("t:EmailAddress", address)
            .text("t:RoutingType", "SMTP")
            .text("t:MailboxType", kind)
            .end();
    }
    out.end();
    Message::good(out)
}
