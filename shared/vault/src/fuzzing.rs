//! Every decoder of the vault behind one door, for tests that feed them arbitrary bytes.
//!
//! What is sealed cannot be reached by changing stored bytes: the tag of the frame would not fit. So the
//! decoders behind the seal are called here as if the tag fitted, as somebody with the mailbox key could
//! make it fit.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use mailkeep_model::{FolderId, RetentionPolicy, RunSummary};
use mailkeep_ports::Key;
use prost::Message;
use zeroize::Zeroizing;

use crate::body::ItemBody;
use crate::compress::{self, Decoded};
use crate::error::VaultError;
use crate::format::builder::ObjectBuilder;
use crate::format::envelope;
use crate::format::footer::{self, Trailer};
use crate::format::frame::{FrameKind, FrameSpec};
use crate::format::header::{ObjectHeader, ObjectKind};
use crate::format::parser::ParsedObject;
use crate::format::records::{
    DocumentRecord, ErasureRecord, MailboxKeyRecord, ProfileRecord, RecipientRecord, RingRecord,
    RootRecord, VaultBody, VaultRecord,
};
use crate::index::PageToken;
use crate::index::floor::Floor;
use crate::index::record::CommitRecord;
use crate::index::root::{decode_root, decode_writer_state, encode_root, encode_writer_state};
use crate::index::state::State;
use crate::index::table::{FolderNames, Table};
use crate::index::tables::{Lookup, Packs, Parts, Refs, Rows, Snapshots};
use crate::index::tail;
use crate::keys::MailboxKeys;
use crate::pack_checks::PackChecks;
use crate::pack_rows;
use crate::recovery_key::RecoveryKey;
use crate::retain::hold::HoldRecord;
use crate::retain::settings;
use crate::{ItemKey, MailboxId, Ulid};

pub mod samples;

/// What a decoder made of some bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It refused them.
    Refused,
    /// It read them, and there is no way back.
    Read,
    /// It read them; these bytes say the same in the one way in which this program writes it.
    Again(Vec<u8>),
}

/// A decoder with its name.
pub type Decoder = (&'static str, fn(&[u8]) -> Outcome);

/// The decoders by name.
pub const DECODERS: &[Decoder] = &[
    ("commit", |bytes| {
        again(CommitRecord::decode(bytes), |it| it.encode())
    }),
    ("rows", table::<Rows>),
    ("lookup", table::<Lookup>),
    ("parts", table::<Parts>),
    ("packs", table::<Packs>),
    ("refs", table::<Refs>),
    ("snapshots", table::<Snapshots>),
    ("root", root),
    ("writer-state", writer_state),
    ("floor", |bytes| {
        again(Floor::decode("fuzz", bytes), Floor::encode)
    }),
    ("item", |bytes| {
        let body = ItemBody::decode("fuzz", Bytes::copy_from_slice(bytes));
        again(body, |body| body.clone().encode())
    }),
    ("pack-rows", |bytes| {
        again(pack_rows::decode(bytes), |rows| {
            pack_rows::encode(rows.clone())
        })
    }),
    ("earlier-commits", |bytes| {
        tail::again(bytes).map_or(Outcome::Refused, Outcome::Again)
    }),
    ("frame-table", frame_table),
    ("frame", frame),
    ("header", |bytes| {
        again(ObjectHeader::parse("fuzz", bytes), |it| {
            it.to_bytes().to_vec()
        })
    }),
    ("trailer", |bytes| {
        again(Trailer::read(bytes).ok_or(()), |trailer| {
            let mut out = vec![];
            trailer.write(&mut out);
            out
        })
    }),
    ("object", object),
    ("envelope", |bytes| record::<VaultRecord>(bytes)),
    // The messages of records, without the checksum that arbitrary bytes never have.
    ("vault", message::<VaultRecord>),
    ("vault-body", message::<VaultBody>),
    ("recipient", message::<RecipientRecord>),
    ("key-root", message::<RootRecord>),
    ("ring", message::<RingRecord>),
    ("mailbox-key", message::<MailboxKeyRecord>),
    ("profile", |bytes| {
        again(ProfileRecord::decode(bytes), |it| {
            let (realm, profile) = it.clone().into_profile();
            ProfileRecord::new(&realm, &profile, it.generation).encode_to_vec()
        })
    }),
    ("erasure", message::<ErasureRecord>),
    ("document", message::<DocumentRecord>),
    ("recovery-key", recovery_key),
    ("policy", |bytes| json::<RetentionPolicy>(bytes)),
    ("hold", |bytes| json::<HoldRecord>(bytes)),
    ("run", |bytes| json::<RunSummary>(bytes)),
    ("verified", |bytes| {
        again(PackChecks::decode(bytes).ok_or(()), PackChecks::encode)
    }),
    ("ids", ids),
];

fn again<T, E>(read: Result<T, E>, write: impl FnOnce(&T) -> Vec<u8>) -> Outcome {
    read.map_or(Outcome::Refused, |it| Outcome::Again(write(&it)))
}

fn message<M: Message + Default>(bytes: &[u8]) -> Outcome {
    again(M::decode(bytes), Message::encode_to_vec)
}

fn record<M: Message + Default>(bytes: &[u8]) -> Outcome {
    again(envelope::decode::<M>("fuzz", bytes), |it| {
        envelope::encode(it)
    })
}

fn json<T: serde::Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) -> Outcome {
    let read: Result<T, VaultError> = settings::decode("fuzz", bytes);
    again(read, |it| settings::encode(it).unwrap_or_default())
}

/// Folders 0 to 31 have names.
fn folders() -> FolderNames {
    let named = (0..32).map(|number| (number, FolderId(format!("f{number}"))));
    Arc::new(named.collect::<BTreeMap<_, _>>())
}

fn table<T: Table>(bytes: &[u8]) -> Outcome {
    again(T::decode(bytes, &folders()), |entries| T::encode(entries))
}

/// An index read from a root keeps no order of what it does not need; what is written from it is read
/// again, and written the same.
fn root(bytes: &[u8]) -> Outcome {
    let header = ObjectHeader::new(ObjectKind::Checkpoint, 1, [3; 32]);
    again(decode_root(bytes, &header, 4096), encode_root)
}

fn writer_state(bytes: &[u8]) -> Outcome {
    let mut state = State::default();
    let read = decode_writer_state(bytes, &mut state);
    again(read.map(|()| state), encode_writer_state)
}

/// Number of frames (4 bytes) ‖ offset of the table (8 bytes) ‖ table.
fn frame_table(bytes: &[u8]) -> Outcome {
    let read = || {
        let (head, table) = bytes.split_first_chunk::<12>()?;
        let (count, rest) = head.split_first_chunk()?;
        let (offset, _) = rest.split_first_chunk()?;
        let (count, offset) = (u32::from_le_bytes(*count), u64::from_le_bytes(*offset));
        let frames = footer::decode("fuzz", table, count, offset).ok()?;
        Some([head.as_slice(), &footer::encode(&frames)].concat())
    };
    read().map_or(Outcome::Refused, Outcome::Again)
}

/// Length of the content (4 bytes) ‖ payload with its method.
fn frame(bytes: &[u8]) -> Outcome {
    let Some((length, payload)) = bytes.split_first_chunk() else {
        return Outcome::Refused;
    };
    // As a frame table would: 64 MiB at most, here 1 MiB, so that a test is quick.
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(0) % (1 << 20);
    let mut output = vec![];
    match compress::decode("fuzz", payload, length, &mut output) {
        Ok(Decoded::InOutput | Decoded::InPayload) => Outcome::Read,
        Err(_) => Outcome::Refused,
    }
}

pub(crate) const OBJECT: &str = "fuzz/object";
const KINDS: [ObjectKind; 6] = [
    ObjectKind::Pack,
    ObjectKind::Segment,
    ObjectKind::Checkpoint,
    ObjectKind::Run,
    ObjectKind::Document,
    ObjectKind::Floor,
];

fn object_keys() -> Result<MailboxKeys, VaultError> {
    MailboxKeys::new(&Zeroizing::new([7; 32]), 1)
}

/// A whole sealed object. Whatever is changed in it, it is refused, or every frame is what it was.
fn object(bytes: &[u8]) -> Outcome {
    let read = || -> Result<Vec<Vec<u8>>, VaultError> {
        let keys = object_keys()?;
        let key = crate::names::key(OBJECT.into())?;
        let kind = KINDS.iter().find(|kind| bytes.get(10) == Some(&kind.tag()));
        let kind = *kind.unwrap_or(&ObjectKind::Pack);
        let parsed = ParsedObject::parse(keys.objects(), kind, &key, bytes)?;
        let mut frames = vec![];
        for frame in &parsed.frames {
            let stored = bytes.get(crate::format::builder::range(&frame.place));
            let stored = stored.ok_or_else(|| VaultError::corrupt(OBJECT, "it is cut off"))?;
            let plain = parsed.opener.open(frame.kind, &frame.place, stored)?;
            frames.push(plain.to_vec());
        }
        Ok(frames)
    };
    match read() {
        Ok(_) => Outcome::Again(bytes.to_vec()),
        Err(_) => Outcome::Refused,
    }
}

/// Seals an object that [`object`] can read.
pub(crate) fn seal(
    kind: ObjectKind,
    frames: &[(FrameKind, Vec<u8>)],
) -> Result<Vec<u8>, VaultError> {
    let keys = object_keys()?;
    let key: Key = crate::names::key(OBJECT.into())?;
    let mut builder = ObjectBuilder::new(kind);
    for (kind, plain) in frames {
        builder.push(&FrameSpec::new(*kind, compress::Compression::Zstd), plain)?;
    }
    let rng = mailkeep_ports::SeededRng::new(1);
    Ok(builder.finish(keys.objects(), &key, &rng)?.bytes.to_vec())
}

fn recovery_key(bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    again(RecoveryKey::parse(&text), |key| {
        key.to_text().as_bytes().to_vec()
    })
}

/// What people type and what listings contain.
fn ids(bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    let read = [
        text.parse::<MailboxId>().map(|it| it.to_string()),
        text.parse::<ItemKey>().map(|it| it.to_string()),
        text.parse::<Ulid>().map(|it| it.to_string()),
        text.parse::<PageToken>().map(|it| it.to_string()),
    ];
    let text = read.into_iter().find_map(Result::ok);
    text.map_or(Outcome::Refused, |text| Outcome::Again(text.into_bytes()))
}
