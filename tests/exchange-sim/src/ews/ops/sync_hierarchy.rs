//! `SyncFolderHierarchy`.

use crate::ews::context::{Context, data};
use crate::ews::error::EwsError;
use crate::ews::ids;
use crate::ews::out::Out;
use crate::ews::render::folder::{self, below};
use crate::ews::render::shape::Shape;
use crate::ews::soap::Message;
use crate::ews::state::{Owner, SyncState};
use crate::ews::xml::Node;
use crate::numbers::index;
use crate::store::changes::Place;

pub(super) fn run(context: &Context, request: &Node) -> Message {
    match sync(context, request) {
        Ok(out) => Message::good(out),
        Err(error) => {
            let mut out = context.out();
            out.empty("m:SyncState", &[])
                .text("m:IncludesLastFolderInRange", "true");
            Message::bad(error, out)
        }
    }
}

fn sync(context: &Context, request: &Node) -> Result<Out, EwsError> {
    let shape = Shape::read(request.child("m:FolderShape"))?;
    let (account, root) = match request
        .child("m:SyncFolderId")
        .and_then(|target| target.children.first())
    {
        Some(target) => context.folder(target)?,
        None => {
            let account = context.own()?;
            let root = data(&account)?.well_known("msgfolderroot");
            (account, root.ok_or_else(EwsError::folder_not_found)?)
        }
    };
    let mailbox = data(&account)?;
    let owner = Owner {
        kind: "tree",
        account: account.number,
        folder: root,
        epochs: (mailbox.token_epoch, 0),
    };
    let text = request.text_of("m:SyncState").unwrap_or_default();
    let since = match text.is_empty() {
        true => 0,
        false => SyncState::read(&context.tenant, owner, text)?.place().since,
    };
    let until = Place {
        since: mailbox.sequence,
        until: mailbox.sequence,
        position: 0,
    };
    let state = SyncState::write(&context.tenant, owner, until, true);
    let mut out = context.out();
    out.text("m:SyncState", &state)
        .text("m:IncludesLastFolderInRange", "true")
        .start("m:Changes", &[]);
    for number in below(&mailbox, root) {
        let Some(one) = mailbox.folders.get(index(u64::from(number))) else {
            continue;
        };
        if one.change <= since {
            continue;
        }
        let element = if since == 0 || one.created > since {
            "t:Create"
        } else {
            "t:Update"
        };
        out.start(element, &[]);
        folder::write(context, &mut out, &mailbox, number, &shape);
        out.end();
    }
    for one in &mailbox.folders {
        let is_gone = one.is_deleted && one.change > since && one.created <= since;
        if since > 0 && is_gone {
            out.start("t:Delete", &[])
                .empty("t:FolderId", &[("Id", &ids::folder(&one.id))])
                .end();
        }
    }
    out.end();
    Ok(out)
}
