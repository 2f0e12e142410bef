//! Small sealed documents that belong to the vault, for example connections.

use futures::{StreamExt, TryStreamExt};
use mailkeep_ports::{Condition, Key, StorageClass, StoreErrorKind};
use prost::Message;
use zeroize::{Zeroize, Zeroizing};

use crate::compress::Compression;
use crate::crypto;
use crate::error::VaultError;
use crate::format::builder::ObjectBuilder;
use crate::format::frame::{FrameKind, FrameSpec};
use crate::format::header::ObjectKind;
use crate::format::records::DocumentRecord;
use crate::ids::MailboxId;
use crate::names;
use crate::object::{ObjectReader, put_options};
use crate::vault::{Vault, read_plain};

/// Documents are small.
const MAX_BYTES: usize = 16 << 20;
/// Documents that are read at once when their names are listed.
const CONCURRENT_READS: usize = 8;

/// Whether a document may be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMode {
    /// It must not be there.
    Create,
    /// It is overwritten.
    Replace,
}

impl Vault {
    /// Stores a document. `kind` is visible in the store (lower-case letters, digits, dashes); `name` is
    /// not.
    ///
    /// # Errors
    /// `AlreadyExists` with [`PutMode::Create`], `Invalid` for a bad kind or more than 16 MiB, or a store
    /// error.
    pub async fn put_document(
        &self,
        kind: &str,
        name: &str,
        content: &[u8],
        mode: PutMode,
    ) -> Result<(), VaultError> {
        if content.len() > MAX_BYTES {
            return Err(VaultError::invalid("a document has at most 16 MiB"));
        }
        let key = self.document_key(kind, name)?;
        let mut record = DocumentRecord {
            kind: kind.into(),
            name: name.into(),
            content: content.to_vec(),
        };
        let plain = Zeroizing::new(record.encode_to_vec());
        record.content.zeroize();
        let mut builder = ObjectBuilder::new(ObjectKind::Document);
        builder.push(
            &FrameSpec::new(FrameKind::Record, Compression::Zstd),
            &plain,
        )?;
        let inner = &self.inner;
        let object = builder.finish(&inner.objects, &key, &*inner.ctx.rng)?;
        let mut options = put_options(&object, StorageClass::Hot);
        if mode == PutMode::Create {
            options.condition = Condition::IfAbsent;
        }
        match inner
            .ctx
            .store
            .put(&key, object.bytes.clone(), options)
            .await
        {
            Ok(_) => Ok(()),
            Err(error) if error.kind == StoreErrorKind::AlreadyExists => {
                Err(VaultError::AlreadyExists {
                    object: format!("{kind} `{name}`"),
                    what: "choose another name, or replace it".into(),
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A document's content; `None` when it is not there.
    ///
    /// # Errors
    /// `Corrupt`, `NewerThanMe`, or a store error.
    pub async fn document(
        &self,
        kind: &str,
        name: &str,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, VaultError> {
        let key = self.document_key(kind, name)?;
        match self.read_document(kind, &key).await {
            Ok(record) if record.name == name => Ok(Some(Zeroizing::new(record.content))),
            Ok(_) => Err(VaultError::corrupt(
                key.as_str(),
                "it has another name inside",
            )),
            Err(VaultError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The names of all documents of a kind, sorted.
    ///
    /// # Errors
    /// `Invalid` for a bad kind, `Corrupt` when one of them is damaged, or a store error.
    pub async fn documents(&self, kind: &str) -> Result<Vec<String>, VaultError> {
        let prefix = kind_prefix(kind)?;
        let keys = names::list(&*self.inner.ctx.store, &prefix).await?;
        let names = futures::stream::iter(keys).map(|key| async move {
            let record = self.read_document(kind, &key).await?;
            Ok::<_, VaultError>(record.name)
        });
        let mut names: Vec<String> = names.buffered(CONCURRENT_READS).try_collect().await?;
        names.sort();
        Ok(names)
    }

    /// Deletes a document; one that is not there is no error.
    ///
    /// # Errors
    /// A store error, for example `Denied` while Object Lock holds it.
    pub async fn delete_document(&self, kind: &str, name: &str) -> Result<(), VaultError> {
        let key = self.document_key(kind, name)?;
        self.inner.ctx.store.delete(&key, Condition::None).await?;
        Ok(())
    }

    pub(crate) async fn read_document(
        &self,
        kind: &str,
        key: &Key,
    ) -> Result<DocumentRecord, VaultError> {
        let inner = &self.inner;
        let bytes = read_plain(&inner.ctx, key).await?;
        let reader = ObjectReader::from_bytes(&inner.objects, ObjectKind::Document, key, bytes)?;
        let plain = reader.record(&*inner.ctx.store).await?;
        let record = DocumentRecord::decode(plain)
            .map_err(|error| VaultError::corrupt(key.as_str(), error.to_string()))?;
        if record.kind != kind {
            return Err(VaultError::corrupt(
                key.as_str(),
                "it has another kind inside",
            ));
        }
        Ok(record)
    }

    pub(crate) fn document_key(&self, kind: &str, name: &str) -> Result<Key, VaultError> {
        let digest = crypto::keyed_hash(
            &self.inner.document_names,
            &[kind.as_bytes(), name.as_bytes()],
        );
        names::key(format!(
            "{}{}",
            kind_prefix(kind)?,
            MailboxId::from_digest(&digest)
        ))
    }
}

fn kind_prefix(kind: &str) -> Result<String, VaultError> {
    let is_good = !kind.is_empty()
        && kind.len() <= 40
        && kind
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if is_good {
        Ok(format!("{}{kind}/", names::DOCUMENTS))
    } else {
        Err(VaultError::invalid(format!(
            "`{kind}` is not a kind of document"
        )))
    }
}
