//! Looking for duplicates of lost parts. Two backups that ran at the same time may have stored one twice.

use std::collections::BTreeMap;

use super::packs::Health;
use crate::core::MailboxCore;
use crate::error::VaultError;
use crate::format::header::ObjectKind;
use crate::ids::{ContentId, PackNumber};
use crate::object::{ObjectReader, SUFFIX_BYTES};
use crate::pack_table::{PackId, PartLocation};

/// Readable places of these parts in packs that are sound.
pub(super) async fn duplicates(
    core: &MailboxCore,
    health: &Health,
    lost: &BTreeMap<ContentId, PackNumber>,
) -> Result<BTreeMap<ContentId, PartLocation>, VaultError> {
    let (store, keys) = (&*core.ctx.store, core.keys.objects());
    let mut found = BTreeMap::new();
    for (number, pack) in &health.packs {
        if health.damaged.contains_key(number) {
            continue;
        }
        let kind = match pack.id {
            PackId::Pack(_) => ObjectKind::Pack,
            PackId::Segment(_) => ObjectKind::Segment,
        };
        let key = pack.id.key(&core.id)?;
        let Ok(reader) = ObjectReader::open(store, keys, kind, &key, SUFFIX_BYTES).await else {
            continue;
        };
        for frame in reader.frames() {
            let Some(id) = frame.content_id.filter(|id| lost.contains_key(id)) else {
                continue;
            };
            if let Ok(plain) = reader.frame(store, frame).await
                && core.keys.content_id(&plain) == id
            {
                let (pack, frame) = (*number, frame.place);
                found.insert(id, PartLocation { pack, frame });
            }
        }
    }
    Ok(found)
}
