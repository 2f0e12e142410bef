//! The messages of small objects: the vault record, key records, documents, runs.

use mailkeep_model::{LicenseState, MailboxKind, MailboxProfile, SourceMailboxId};
use prost::Message;

/// `vault`: the body as bytes, so that its hash covers fields of newer writers too.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct VaultRecord {
    /// A [`VaultBody`].
    #[prost(bytes = "vec", tag = "1")]
    pub body: Vec<u8>,
    /// What the first root key keeps.
    #[prost(message, optional, tag = "2")]
    pub root: Option<RootRecord>,
}

/// What a vault is. Never changes.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct VaultBody {
    /// A ULID.
    #[prost(string, tag = "1")]
    pub vault_id: String,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub created_at_ms: i64,
    /// What the probe found.
    #[prost(bool, tag = "4")]
    pub conditional_create: bool,
    /// What the probe found.
    #[prost(bool, tag = "5")]
    pub conditional_replace: bool,
    /// What the probe found.
    #[prost(bool, tag = "6")]
    pub object_lock: bool,
    /// What the probe found.
    #[prost(bool, tag = "7")]
    pub checksums: bool,
    /// Object Lock of this vault: 0 none, 1 governance, 2 compliance.
    #[prost(uint32, tag = "8")]
    pub lock_mode: u32,
    /// How many days every object is promised to stay.
    #[prost(uint32, tag = "9")]
    pub lock_days: u32,
}

/// `keys/<epoch>/root`, and inside of `vault` for epoch 1: what a root key keeps, sealed with it.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RootRecord {
    /// The vault.
    #[prost(string, tag = "1")]
    pub vault_id: String,
    /// Epoch of the root key.
    #[prost(uint32, tag = "2")]
    pub epoch: u32,
    /// Tells this root key from others that were made for the same epoch; 16 bytes.
    #[prost(bytes = "vec", tag = "3")]
    pub root_id: Vec<u8>,
    /// 32 bytes, for HKDF.
    #[prost(bytes = "vec", tag = "4")]
    pub salt: Vec<u8>,
    /// Tells a wrong key from damage.
    #[prost(bytes = "vec", tag = "5")]
    pub commitment: Vec<u8>,
    /// A [`RingRecord`] with its tag.
    #[prost(bytes = "vec", tag = "6")]
    pub ring: Vec<u8>,
}

/// What must stay over rotations. Only ever stored sealed.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RingRecord {
    /// BLAKE3 of the body of `vault`, 32 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub vault_hash: Vec<u8>,
    /// Makes the names of mailboxes and documents; 32 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub naming_key: Vec<u8>,
    /// The root keys of earlier epochs.
    #[prost(message, repeated, tag = "3")]
    pub earlier: Vec<EarlierRoot>,
}

/// The root key of an earlier epoch.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct EarlierRoot {
    /// Its epoch.
    #[prost(uint32, tag = "1")]
    pub epoch: u32,
    /// 32 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub root_key: Vec<u8>,
}

/// `m/<mbx>/key/erased`: this mailbox's keys were destroyed on request.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ErasureRecord {
    /// Milliseconds since 1970.
    #[prost(int64, tag = "1")]
    pub begun_at_ms: i64,
    /// Keyed BLAKE3 of the object's name and the time, 32 bytes.
    #[prost(bytes = "vec", tag = "2")]
    pub code: Vec<u8>,
}

/// `keys/<epoch>/<recipient>`: the root key, sealed for one recipient.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RecipientRecord {
    /// The vault that it belongs to. Records of another vault are leftovers of a failed creation.
    #[prost(string, tag = "1")]
    pub vault_id: String,
    /// Kind of recipient: 1 passphrase, 2 key file, 3 recovery key, 4 key service.
    #[prost(uint32, tag = "2")]
    pub kind: u32,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "3")]
    pub created_at_ms: i64,
    /// 32 bytes, for HKDF (and Argon2id).
    #[prost(bytes = "vec", tag = "4")]
    pub salt: Vec<u8>,
    /// Tells a wrong key from damage.
    #[prost(bytes = "vec", tag = "5")]
    pub commitment: Vec<u8>,
    /// The root key with its tag.
    #[prost(bytes = "vec", tag = "6")]
    pub root_key: Vec<u8>,
    /// Argon2id: memory in KiB.
    #[prost(uint32, tag = "7")]
    pub memory_kib: u32,
    /// Argon2id: passes.
    #[prost(uint32, tag = "8")]
    pub passes: u32,
    /// Argon2id: lanes.
    #[prost(uint32, tag = "9")]
    pub lanes: u32,
    /// Recovery key: its public half, so that a new root key can be sealed for it without the secret.
    #[prost(bytes = "vec", tag = "10")]
    pub public_key: Vec<u8>,
    /// Recovery key: public half of the key made for this record.
    #[prost(bytes = "vec", tag = "11")]
    pub ephemeral_key: Vec<u8>,
    /// Which root key it is; records of another one are leftovers of a rotation that did not happen.
    #[prost(bytes = "vec", tag = "12")]
    pub root_id: Vec<u8>,
    /// Made with the root key: nobody can slip in a recipient of their own. 32 bytes.
    #[prost(bytes = "vec", tag = "13")]
    pub code: Vec<u8>,
    /// Key service: the 32 bytes that unwrap the root key, as the service sealed them.
    #[prost(bytes = "vec", tag = "14")]
    pub sealed_secret: Vec<u8>,
}

/// `m/<mbx>/key/<epoch>`: the mailbox key and whose it is, sealed with the root key.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct MailboxKeyRecord {
    /// Epoch of the root key.
    #[prost(uint32, tag = "1")]
    pub root_epoch: u32,
    /// 32 bytes, for HKDF.
    #[prost(bytes = "vec", tag = "2")]
    pub salt: Vec<u8>,
    /// Tells a wrong key from damage.
    #[prost(bytes = "vec", tag = "3")]
    pub commitment: Vec<u8>,
    /// The mailbox key with its tag.
    #[prost(bytes = "vec", tag = "4")]
    pub mailbox_key: Vec<u8>,
    /// A [`ProfileRecord`] with its tag.
    #[prost(bytes = "vec", tag = "5")]
    pub profile: Vec<u8>,
}

/// Whose a mailbox is. Only ever stored sealed.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ProfileRecord {
    /// Tenant id or server.
    #[prost(string, tag = "1")]
    pub realm: String,
    /// Id at the source.
    #[prost(string, tag = "2")]
    pub source_id: String,
    /// Primary address.
    #[prost(string, tag = "3")]
    pub address: String,
    /// Display name.
    #[prost(string, tag = "4")]
    pub display_name: String,
    /// 0 other, 1 user, 2 shared, 3 room, 4 equipment, 5 linked.
    #[prost(uint32, tag = "5")]
    pub kind: u32,
    /// 0 unknown, 1 licensed, 2 unlicensed.
    #[prost(uint32, tag = "6")]
    pub license: u32,
    /// True when sign-in is blocked.
    #[prost(bool, tag = "7")]
    pub is_disabled: bool,
    /// How often the mailbox was started again after it had been erased.
    #[prost(uint32, tag = "8")]
    pub generation: u32,
}

impl ProfileRecord {
    pub(crate) fn new(realm: &str, profile: &MailboxProfile, generation: u32) -> Self {
        Self {
            generation,
            realm: realm.into(),
            source_id: profile.id.0.clone(),
            address: profile.address.clone(),
            display_name: profile.display_name.clone(),
            kind: match profile.kind {
                MailboxKind::User => 1,
                MailboxKind::Shared => 2,
                MailboxKind::Room => 3,
                MailboxKind::Equipment => 4,
                MailboxKind::Linked => 5,
                MailboxKind::PublicFolders => 6,
                _ => 0,
            },
            license: match profile.license {
                LicenseState::Unknown => 0,
                LicenseState::Licensed => 1,
                LicenseState::Unlicensed => 2,
            },
            is_disabled: !profile.account_enabled,
        }
    }

    pub(crate) fn into_profile(self) -> (String, MailboxProfile) {
        let profile = MailboxProfile {
            id: SourceMailboxId(self.source_id),
            address: self.address,
            display_name: self.display_name,
            kind: match self.kind {
                1 => MailboxKind::User,
                2 => MailboxKind::Shared,
                3 => MailboxKind::Room,
                4 => MailboxKind::Equipment,
                5 => MailboxKind::Linked,
                6 => MailboxKind::PublicFolders,
                _ => MailboxKind::Other,
            },
            license: match self.license {
                1 => LicenseState::Licensed,
                2 => LicenseState::Unlicensed,
                _ => LicenseState::Unknown,
            },
            account_enabled: !self.is_disabled,
        };
        (self.realm, profile)
    }
}

/// The record frame of a document.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct DocumentRecord {
    /// Kind, as in the object's name.
    #[prost(string, tag = "1")]
    pub kind: String,
    /// Name; the object's name holds only a keyed hash of it.
    #[prost(string, tag = "2")]
    pub name: String,
    /// Content.
    #[prost(bytes = "vec", tag = "3")]
    pub content: Vec<u8>,
}
