//! The records of runs.

use mailkeep_model::{RunId, RunSummary};
use mailkeep_ports::{Key, ListOptions, StorageClass};

use crate::compress::Compression;
use crate::error::VaultError;
use crate::format::builder::ObjectBuilder;
use crate::format::frame::{FrameKind, FrameSpec};
use crate::format::header::ObjectKind;
use crate::names;
use crate::object::{ObjectReader, put_options};
use crate::vault::{Vault, read_plain};

/// The newest runs, and those among them that cannot be read.
#[derive(Debug, Default)]
pub struct RunHistory {
    /// Newest first.
    pub runs: Vec<RunSummary>,
    /// Why a record could not be read.
    pub unreadable: Vec<VaultError>,
}

impl Vault {
    /// Stores the record of a run. Storing it again replaces it.
    ///
    /// # Errors
    /// `Invalid` for a run id that is not a ULID, or a store error.
    pub async fn put_run(&self, run: &RunSummary) -> Result<(), VaultError> {
        let key = run_key(&run.run, &run.started_at.format("%Y-%m-%d").to_string())?;
        let plain = serde_json::to_vec(run)
            .map_err(|error| VaultError::bug(format!("run record: {error}")))?;
        let mut builder = ObjectBuilder::new(ObjectKind::Run);
        builder.push(
            &FrameSpec::new(FrameKind::Record, Compression::Zstd),
            &plain,
        )?;
        let inner = &self.inner;
        let object = builder.finish(&inner.objects, &key, &*inner.ctx.rng)?;
        let options = put_options(&object, StorageClass::Hot);
        inner
            .ctx
            .store
            .put(&key, object.bytes.clone(), options)
            .await?;
        Ok(())
    }

    /// The newest runs that can be read, newest first. [`run_history`](Self::run_history) also tells
    /// which cannot.
    ///
    /// # Errors
    /// A store error.
    pub async fn runs(&self, newest: usize) -> Result<Vec<RunSummary>, VaultError> {
        let history = self.run_history(newest).await?;
        for error in &history.unreadable {
            tracing::warn!(%error, "a run record cannot be read");
        }
        Ok(history.runs)
    }

    /// The newest runs, newest first, and what is wrong with those that cannot be read.
    ///
    /// # Errors
    /// A store error.
    pub async fn run_history(&self, newest: usize) -> Result<RunHistory, VaultError> {
        let mut history = RunHistory::default();
        for day in self.run_days().await? {
            let mut keys = names::list(&*self.inner.ctx.store, &day).await?;
            keys.reverse();
            for key in keys {
                if history.runs.len() + history.unreadable.len() >= newest {
                    return Ok(history);
                }
                match self.read_run(&key).await {
                    Ok(run) => history.runs.push(run),
                    Err(error) if error.is_retryable() => return Err(error),
                    Err(error) => history.unreadable.push(error),
                }
            }
        }
        Ok(history)
    }

    /// The days with runs, newest first, as prefixes.
    pub(crate) async fn run_days(&self) -> Result<Vec<String>, VaultError> {
        let mut days = vec![];
        let mut start_after = None;
        loop {
            let options = ListOptions {
                prefix: names::RUNS.into(),
                start_after,
                delimited: true,
                limit: 0,
            };
            let page = self.inner.ctx.store.list(options).await?;
            days.extend(page.prefixes);
            match page.next {
                Some(next) => start_after = Some(next),
                None => break,
            }
        }
        days.reverse();
        Ok(days)
    }

    pub(crate) async fn read_run(&self, key: &Key) -> Result<RunSummary, VaultError> {
        let inner = &self.inner;
        let bytes = read_plain(&inner.ctx, key).await?;
        let reader = ObjectReader::from_bytes(&inner.objects, ObjectKind::Run, key, bytes)?;
        let plain = reader.record(&*inner.ctx.store).await?;
        serde_json::from_slice(&plain)
            .map_err(|error| VaultError::corrupt(key.as_str(), format!("run record: {error}")))
    }
}

fn run_key(run: &RunId, day: &str) -> Result<Key, VaultError> {
    let id = &run.0;
    if id.len() != 26 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(VaultError::invalid(format!(
            "`{id}` is not the id of a run"
        )));
    }
    names::key(format!("{}{day}/{id}", names::RUNS))
}
