//! Object storage: the only thing that must survive.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

/// Largest body of an object.
pub const MAX_BODY_BYTES: u64 = 64 << 20;

/// Entries on a page when [`ListOptions::limit`] is 0.
pub const DEFAULT_LIST_LIMIT: usize = 1_000;

/// Most entries on a page, whatever [`ListOptions::limit`] says.
pub const MAX_LIST_LIMIT: usize = 10_000;

/// The name of an object inside a vault: `/`-separated segments of `[a-zA-Z0-9._-]`, at most 512
/// bytes. A [`Store`] adapter adds its own prefix (folder, bucket and prefix).
///
/// Names are case-sensitive. A name in use is never also the folder of another (`a` and `a/b`
/// exclude each other), so that a folder on disk can hold every vault as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// Checks and wraps a name.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`] for an empty segment, `.`, `..`, another character or too long a name.
    pub fn new(name: impl Into<String>) -> Result<Self, StoreError> {
        let name = name.into();
        let valid = !name.is_empty()
            && name.len() <= 512
            && name.split('/').all(|segment| {
                !segment.is_empty()
                    && segment != "."
                    && segment != ".."
                    && segment
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
            });
        if valid {
            Ok(Self(name))
        } else {
            Err(StoreError::new(
                StoreErrorKind::Invalid,
                &name,
                "not a valid object name",
            ))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An opaque version mark of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ETag(pub String);

/// Under which condition a write or delete happens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    #[default]
    None,
    /// Only when no object has this name (`If-None-Match: *`).
    IfAbsent,
    /// Only when the object still has this version (`If-Match`).
    IfMatch(ETag),
}

/// Object Lock mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockMode {
    /// People with a special permission can still delete.
    Governance,
    /// Nobody can delete before the time.
    Compliance,
}

/// A promise that an object cannot be deleted before a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Mode.
    pub mode: LockMode,
    /// The object is kept until then.
    pub until: DateTime<Utc>,
}

/// What an object is for; adapters map it to a storage class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StorageClass {
    /// Read at every run: keys, log, index manifests.
    #[default]
    Hot,
    /// Read when something is restored: packs.
    Cold,
}

/// How to write an object.
#[derive(Clone, Debug, Default)]
pub struct PutOptions {
    /// Condition.
    pub condition: Condition,
    /// SHA-256 of the body. The adapter must have the store check it where the store can.
    pub sha256: Option<[u8; 32]>,
    /// Object Lock. A store that has none refuses with [`StoreErrorKind::Invalid`]: a promise is
    /// never dropped silently.
    pub retention: Option<Retention>,
    /// Storage class.
    pub class: StorageClass,
}

impl PutOptions {
    /// Writes only when no object has this name.
    #[must_use]
    pub fn if_absent() -> Self {
        Self {
            condition: Condition::IfAbsent,
            ..Self::default()
        }
    }

    /// Writes only when the object still has this version.
    #[must_use]
    pub fn if_match(etag: ETag) -> Self {
        Self {
            condition: Condition::IfMatch(etag),
            ..Self::default()
        }
    }

    /// Refuses, before anything is written, a body that is too large or does not match
    /// [`PutOptions::sha256`]. For adapters whose store cannot check by itself.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`] and [`StoreErrorKind::Corrupt`].
    pub fn check_body(&self, key: &Key, body: &Bytes) -> Result<(), StoreError> {
        if u64::try_from(body.len()).unwrap_or(u64::MAX) > MAX_BODY_BYTES {
            let cause = format!("the body has {} bytes, more than 64 MiB", body.len());
            return Err(StoreError::new(
                StoreErrorKind::Invalid,
                key.as_str(),
                cause,
            ));
        }
        if let Some(expected) = self.sha256
            && sha256(body) != expected
        {
            let cause = "the body does not match its SHA-256";
            return Err(StoreError::new(
                StoreErrorKind::Corrupt,
                key.as_str(),
                cause,
            ));
        }
        Ok(())
    }
}

/// SHA-256 as [`PutOptions::sha256`] wants it.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    // SHA-256 has 32 bytes, always.
    digest.as_ref().try_into().unwrap_or_default()
}

/// Part of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByteRange {
    /// From start to before end. A range that ends after the object gives what there is; one that
    /// starts at or after its end gives an empty body. A range that ends before it starts is
    /// [`StoreErrorKind::Invalid`].
    Range(Range<u64>),
    /// The last bytes. More than the object has gives the whole object.
    Suffix(u64),
}

impl ByteRange {
    /// The bytes this means in an object of `size_bytes`; `None` for a range that ends before it
    /// starts.
    #[must_use]
    pub fn resolve(&self, size_bytes: u64) -> Option<Range<u64>> {
        match self {
            Self::Range(range) if range.end < range.start => None,
            Self::Range(range) => Some(range.start.min(size_bytes)..range.end.min(size_bytes)),
            Self::Suffix(count) => Some(size_bytes.saturating_sub(*count)..size_bytes),
        }
    }
}

impl GetOptions {
    /// Asks for one part.
    #[must_use]
    pub fn range(range: ByteRange) -> Self {
        Self { range: Some(range) }
    }

    /// The bytes this means in an object of `size_bytes`.
    ///
    /// # Errors
    /// [`StoreErrorKind::Invalid`] for a range that ends before it starts.
    pub fn resolve(&self, key: &Key, size_bytes: u64) -> Result<Range<u64>, StoreError> {
        match &self.range {
            None => Ok(0..size_bytes),
            Some(range) => range.resolve(size_bytes).ok_or_else(|| {
                StoreError::new(
                    StoreErrorKind::Invalid,
                    key.as_str(),
                    "the byte range ends before it starts",
                )
            }),
        }
    }
}

/// How to read an object.
#[derive(Clone, Debug, Default)]
pub struct GetOptions {
    /// Only this part.
    pub range: Option<ByteRange>,
}

/// What a store tells about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Name.
    pub key: Key,
    /// Size of the whole object.
    pub size_bytes: u64,
    /// Version mark.
    pub etag: ETag,
    /// When it was written, by the store's clock.
    pub modified_at: DateTime<Utc>,
    /// Object Lock, when asked with [`Store::head`] and set.
    pub retention: Option<Retention>,
}

/// An object, or the part of it that was asked for.
#[derive(Clone, Debug)]
pub struct Object {
    /// Size of the whole object and so on.
    pub info: ObjectInfo,
    /// Where `body` starts in the object.
    pub offset: u64,
    /// The bytes.
    pub body: Bytes,
}

/// What to list. Results are in ascending byte order of their names.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    /// Only names that start with this. May end inside a segment.
    pub prefix: String,
    /// Only entries (names, and with `delimited` also rolled-up prefixes) after this one.
    pub start_after: Option<String>,
    /// Names with a further `/` after the prefix are rolled up into [`ListPage::prefixes`].
    pub delimited: bool,
    /// At most so many entries (objects and prefixes); the store may give fewer, but at least one
    /// while there are more. 0 means [`DEFAULT_LIST_LIMIT`].
    pub limit: usize,
}

impl ListOptions {
    /// Lists everything whose name starts with `prefix`.
    #[must_use]
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
            ..Self::default()
        }
    }

    /// Most entries that a page may have.
    #[must_use]
    pub fn page_limit(&self) -> usize {
        match self.limit {
            0 => DEFAULT_LIST_LIMIT,
            limit => limit.min(MAX_LIST_LIMIT),
        }
    }
}

/// One page of a listing.
#[derive(Clone, Debug, Default)]
pub struct ListPage {
    /// Objects.
    pub objects: Vec<ObjectInfo>,
    /// Rolled-up prefixes, each ending in `/`.
    pub prefixes: Vec<String>,
    /// Pass as `start_after` to go on; `None` at the end.
    pub next: Option<String>,
}

/// What a store can do. Found by probing, never by believing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreCapabilities {
    /// `IfAbsent` is honoured, also among racing writers.
    pub conditional_create: bool,
    /// `IfMatch` is honoured.
    pub conditional_replace: bool,
    /// Object Lock works.
    pub object_lock: bool,
    /// A wrong SHA-256 is refused.
    pub checksums: bool,
}

/// What went wrong, as far as the caller must tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// No such object.
    Missing,
    /// `IfAbsent`: an object is there (412). Also our own earlier write may be.
    AlreadyExists,
    /// `IfMatch`: the object changed (412).
    Changed,
    /// A racing conditional write is under way (409): try again. Says nothing about existence.
    Conflict,
    /// No permission.
    Denied,
    /// Object Lock forbids it.
    Locked,
    /// Told to slow down.
    Busy,
    /// No answer, or a broken one. A write may or may not have happened: in doubt.
    Unavailable,
    /// The body did not match its checksum.
    Corrupt,
    /// No room left.
    Full,
    /// The request makes no sense: our bug or a wrong setting.
    Invalid,
}

/// An error of a store: which object, what, why.
#[derive(Debug, thiserror::Error)]
#[error("object {key}: {cause}")]
pub struct StoreError {
    /// What kind.
    pub kind: StoreErrorKind,
    /// The object's name, or the prefix that was listed.
    pub key: String,
    /// The cause in words. Holds no secret.
    pub cause: String,
    /// How long the store asks to wait.
    pub retry_after: Option<Duration>,
    /// The underlying error.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Key {
    /// [`StoreErrorKind::Missing`] for this object.
    #[must_use]
    pub fn missing(&self) -> StoreError {
        StoreError::new(StoreErrorKind::Missing, &self.0, "there is no such object")
    }
}

impl StoreError {
    /// An error without an underlying one.
    #[must_use]
    pub fn new(kind: StoreErrorKind, key: &str, cause: impl Into<String>) -> Self {
        Self {
            kind,
            key: key.into(),
            cause: cause.into(),
            retry_after: None,
            source: None,
        }
    }

    /// Adds the underlying error.
    #[must_use]
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// True when the same call may succeed later. For a write that is [`StoreErrorKind::Unavailable`]
    /// the first attempt may have succeeded.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self.kind,
            StoreErrorKind::Conflict | StoreErrorKind::Busy | StoreErrorKind::Unavailable
        )
    }
}

/// Object storage. Bodies are at most 64 MiB, so they are plain [`Bytes`].
///
/// Contract, held by the conformance suite:
/// * read-after-write and list-after-write consistent;
/// * a write is all or nothing, and durable when it returns;
/// * `IfAbsent`: of racing writers exactly one succeeds, the others get `AlreadyExists` or `Conflict`;
/// * `Unavailable` on a write is *in doubt*.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Writes an object and returns its version mark.
    ///
    /// # Errors
    /// See [`StoreErrorKind`]. `IfMatch` on an object that is not there is `Missing` or `Changed`;
    /// a body above [`MAX_BODY_BYTES`] is `Invalid`. An object under Object Lock is either kept as
    /// an older version or the write is refused as `Locked`; it is never lost.
    async fn put(&self, key: &Key, body: Bytes, options: PutOptions) -> Result<ETag, StoreError>;

    /// Reads an object or a part of it.
    ///
    /// # Errors
    /// `Missing` when there is none.
    async fn get(&self, key: &Key, options: GetOptions) -> Result<Object, StoreError>;

    /// Reads what the store knows of an object, its Object Lock included.
    ///
    /// # Errors
    /// `Missing` when there is none.
    async fn head(&self, key: &Key) -> Result<ObjectInfo, StoreError>;

    /// Lists one page.
    ///
    /// # Errors
    /// See [`StoreErrorKind`]. An unknown prefix is an empty page, not an error.
    async fn list(&self, options: ListOptions) -> Result<ListPage, StoreError>;

    /// Deletes an object. Deleting one that is not there succeeds, unless `IfMatch` is given.
    /// `IfAbsent` makes no sense here.
    ///
    /// # Errors
    /// `Locked` while Object Lock holds it; with `IfMatch`: `Missing` when there is none, `Changed`
    /// when it has another version; `Invalid` for `IfAbsent`.
    async fn delete(&self, key: &Key, condition: Condition) -> Result<(), StoreError>;

    /// Prolongs Object Lock of an object; never shortens it.
    ///
    /// # Errors
    /// `Invalid` where the store has no Object Lock.
    async fn extend_retention(&self, key: &Key, retention: Retention) -> Result<(), StoreError>;
}
