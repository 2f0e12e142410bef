//! `ResolveNames`.

use crate::ews::context::Context;
use crate::ews::error::EwsError;
use crate::ews::soap::Message;
use crate::ews::xml::Node;

pub(super) fn run(context: &Context, request: &Node) -> Message {
    let entry = request.text_of("m:UnresolvedEntry").unwrap_or_default();
    let wanted = entry.trim().to_lowercase();
    let wanted = wanted.strip_prefix("smtp:").unwrap_or(&wanted);
    let accounts = context.tenant.visible_accounts();
    let found: Vec<_> = accounts
        .iter()
        .filter_map(|account| {
            let address = account.mail.as_deref()?;
            let is_meant = !wanted.is_empty()
                && (address.to_lowercase().starts_with(wanted)
                    || account.name.to_lowercase().starts_with(wanted));
            is_meant.then_some((account, address))
        })
        .collect();
    let mut out = context.out();
    if found.is_empty() {
        let error = EwsError::new("ErrorNameResolutionNoResults", "No results were found.");
        return Message::bad(error, out);
    }
    out.start(
        "m:ResolutionSet",
        &[
            ("TotalItemsInView", &found.len().to_string()),
            ("IncludesLastItemInRange", "true"),
        ],
    );
    for (account, address) in &found {
        out.start("t:Resolution", &[])
            .start("t:Mailbox", &[])
            .text("t:Name", &account.name)
            .text("t:EmailAddress", address)
            .text("t:RoutingType", "SMTP")
            .text("t:MailboxType", "Mailbox")
            .end()
            .end();
    }
    out.end();
    if found.len() > 1 {
        let error = EwsError {
            is_warning: true,
            ..EwsError::new(
                "ErrorNameResolutionMultipleResults",
                "Multiple results were found.",
            )
        };
        return Message::bad(error, out);
    }
    Message::good(out)
}
