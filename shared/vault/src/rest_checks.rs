//! Checks of what no item lies in: checkpoints, floors, and the objects of the vault as a whole.
//! Mail can be read without them, or with fewer of them; what is damaged should be known all the same.

use mailkeep_ports::{Condition, Key};

use crate::core::MailboxCore;
use crate::dictionary;
use crate::error::VaultError;
use crate::format::envelope;
use crate::format::header::ObjectKind;
use crate::format::records::RecipientRecord;
use crate::index::checkpoint;
use crate::index::floor;
use crate::index::names::checkpoint_part;
use crate::index::{Defect, Finding, MailboxView};
use crate::names;
use crate::object::{ObjectReader, SUFFIX_BYTES};
use crate::repair::checkpoints::Checkpoints;
use crate::roots::KeyObjects;
use crate::vault::{Vault, put_plain, read_plain};

/// What was found in objects that hold no mail.
#[derive(Debug, Default)]
pub struct RestReport {
    /// Objects looked at.
    pub objects: u64,
    /// Damage.
    pub findings: Vec<Finding>,
    /// Objects that a newer mailkeep wrote: nothing is known to be wrong with them.
    pub newer: Vec<VaultError>,
}

impl RestReport {
    fn note<T>(&mut self, looked_at: Result<T, VaultError>) -> Result<Option<T>, VaultError> {
        self.objects += 1;
        match looked_at {
            Ok(value) => return Ok(Some(value)),
            Err(error @ VaultError::NewerThanMe { .. }) => self.newer.push(error),
            Err(VaultError::WrongKey { object, what }) => {
                self.findings
                    .push(Finding::new(&object, Defect::Damaged { what }));
            }
            Err(error) => self.findings.push(Finding::of(error)?),
        }
        Ok(None)
    }
}

impl MailboxView {
    /// Reads the floor and the checkpoints: the ends of those in use, or, when `is_full`, every one that is
    /// there, whole.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn check_checkpoints(&self, is_full: bool) -> Result<RestReport, VaultError> {
        let core = &self.inner.core;
        let mut report = RestReport::default();
        report.note(floor::read(core).await)?;
        if is_full {
            let found = Checkpoints::examine(core).await?;
            let count = found.sound.len() + found.bad.len() + found.unknown.len();
            report.objects += u64::try_from(count).unwrap_or(u64::MAX);
            for key in found.bad {
                let what = "it cannot be read whole, or stands on one that cannot; the log is read instead";
                let defect = Defect::Damaged { what: what.into() };
                report.findings.push(Finding::new(key.as_str(), defect));
            }
            report.newer.extend(found.newer);
            return Ok(report);
        }
        let opened = self.inner.opened();
        for skipped in &opened.skipped {
            report.note(look(core, (*skipped, 0)).await)?;
        }
        let mut used = checkpoint::objects_of(&opened.index);
        let carriers = [opened.floor.sequence, opened.floor.next];
        used.extend(carriers.into_iter().filter(|it| *it > 0).map(|it| (it, 0)));
        for object in used {
            report.note(look(core, object).await)?;
        }
        Ok(report)
    }
}

/// Reads the end of a checkpoint's object.
async fn look(core: &MailboxCore, (sequence, part): (u64, u32)) -> Result<(), VaultError> {
    let key = checkpoint_part(&core.id, sequence, part)?;
    let (store, keys) = (&*core.ctx.store, core.keys.objects());
    let kind = ObjectKind::Checkpoint;
    ObjectReader::open(store, keys, kind, &key, SUFFIX_BYTES).await?;
    Ok(())
}

impl Vault {
    /// Reads every object of the vault as a whole: recipients of the current keys, dictionaries, documents,
    /// records of runs.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn check_rest(&self) -> Result<RestReport, VaultError> {
        let ctx = &self.inner.ctx;
        let mut report = RestReport::default();
        for key in KeyObjects::list(ctx).await?.recipients {
            report.note(self.check_recipient(&key).await)?;
        }
        report.note(self.check_dictionary().await)?;
        for key in names::list(&*ctx.store, names::DOCUMENTS).await? {
            report.note(self.check_document(&key).await)?;
        }
        for key in names::list(&*ctx.store, names::RUNS).await? {
            report.note(self.read_run(&key).await)?;
        }
        Ok(report)
    }

    /// Leftovers of a creation or a rotation that failed are readable, too, and mean nothing.
    async fn check_recipient(&self, key: &Key) -> Result<RecipientRecord, VaultError> {
        let bytes = read_plain(&self.inner.ctx, key).await?;
        envelope::decode(key.as_str(), &bytes)
    }

    async fn check_dictionary(&self) -> Result<(), VaultError> {
        let key = dictionary_key()?;
        let bytes = read_plain(&self.inner.ctx, &key).await?;
        if bytes == dictionary::BUILT_IN {
            return Ok(());
        }
        Err(VaultError::corrupt(
            key.as_str(),
            "it is not the dictionary that text was compressed with",
        ))
    }

    async fn check_document(&self, key: &Key) -> Result<(), VaultError> {
        let kind = key.as_str().split('/').nth(1).unwrap_or_default();
        let record = self.read_document(kind, key).await?;
        if self.document_key(kind, &record.name)? == *key {
            return Ok(());
        }
        Err(VaultError::corrupt(
            key.as_str(),
            "it is another document's",
        ))
    }

    /// Puts the dictionary back where it is missing or damaged, and says whether it was. mailkeep does not
    /// need it, other readers do.
    ///
    /// # Errors
    /// When the store refuses or does not answer.
    pub async fn restore_dictionary(&self, is_dry_run: bool) -> Result<bool, VaultError> {
        match self.check_dictionary().await {
            Ok(()) => return Ok(false),
            Err(VaultError::Missing { .. } | VaultError::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        if !is_dry_run {
            let body = dictionary::BUILT_IN.to_vec();
            put_plain(&self.inner.ctx, &dictionary_key()?, body, Condition::None).await?;
        }
        Ok(true)
    }
}

fn dictionary_key() -> Result<Key, VaultError> {
    names::key(format!(
        "{}{}",
        names::DICTIONARIES,
        dictionary::BUILT_IN_NUMBER
    ))
}
