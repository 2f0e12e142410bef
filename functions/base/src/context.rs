//! What a function is made of, once for each cold start.

use std::sync::Arc;

use aws_config::SdkConfig;
use mailkeep_aws::{AwsSecrets, AwsSettings, DynamoTable, KmsKeys, S3Location, S3Store, SqsQueue};
use mailkeep_engine::Engine;
use mailkeep_engine::ledger::Ledger;
use mailkeep_local::{SystemClock, SystemRng};
use mailkeep_ports::{
    Clock, Links, Queue, RetryPolicy, RetryStore, Rng, Secrets, Store, Table, Usage, UsageQueue,
    UsageStore, UsageTable,
};
use mailkeep_vault::{Unlock, Vault, VaultContext};
use tokio::sync::OnceCell;

use crate::{Environment, FunctionError, Metrics};

/// Time, randomness, the AWS configuration and what is reached with it. Cheap to clone; clones share the
/// opened vault and the counters.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    environment: Environment,
    config: SdkConfig,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    usage: Arc<Usage>,
    metrics: Metrics,
    engine: OnceCell<Engine>,
}

impl Context {
    /// Reads the environment; asks nobody for anything yet.
    ///
    /// # Errors
    /// When a variable is wrong or missing.
    pub async fn new(environment: Environment, function: &str) -> Result<Self, FunctionError> {
        let config = AwsSettings::default().load().await;
        let config = config.map_err(|error| FunctionError::Setting(error.to_string()))?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let stack = environment.text("STACK").unwrap_or("mailkeep");
        let metrics = Metrics::to_output(stack, function, Arc::clone(&clock));
        Ok(Self {
            inner: Arc::new(Inner {
                environment,
                config,
                clock,
                rng: Arc::new(SystemRng),
                usage: Arc::new(Usage::new()),
                metrics,
                engine: OnceCell::new(),
            }),
        })
    }

    /// The settings.
    #[must_use]
    pub fn environment(&self) -> &Environment {
        &self.inner.environment
    }

    /// Where AWS is and who we are there.
    #[must_use]
    pub fn config(&self) -> &SdkConfig {
        &self.inner.config
    }

    /// Time.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// Randomness.
    #[must_use]
    pub fn rng(&self) -> &Arc<dyn Rng> {
        &self.inner.rng
    }

    /// What was asked of AWS so far.
    #[must_use]
    pub fn usage(&self) -> &Usage {
        &self.inner.usage
    }

    /// Where metrics go.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.inner.metrics
    }

    /// The table of jobs.
    ///
    /// # Errors
    /// When none is named.
    pub fn table(&self) -> Result<Arc<dyn Table>, FunctionError> {
        let table = DynamoTable::new(&self.inner.config, self.inner.environment.needed("TABLE")?);
        let usage = Arc::clone(&self.inner.usage);
        Ok(Arc::new(UsageTable::new(Arc::new(table), usage)))
    }

    /// The records in the table of jobs.
    ///
    /// # Errors
    /// When no table is named.
    pub fn ledger(&self) -> Result<Ledger, FunctionError> {
        let (clock, rng) = (Arc::clone(self.clock()), Arc::clone(self.rng()));
        Ok(Ledger::new(self.table()?, clock, rng))
    }

    /// The queue that hands tasks to workers, and its dead letters.
    ///
    /// # Errors
    /// When none is named.
    pub fn tasks(&self) -> Result<Arc<dyn Queue>, FunctionError> {
        let environment = self.environment();
        let url = environment.needed("TASK_QUEUE_URL")?;
        Ok(self.queue(url, environment.needed("DEAD_LETTER_QUEUE_URL")?))
    }

    /// The queue whose messages wake a function to go on.
    ///
    /// # Errors
    /// When none is named in this variable.
    pub fn wake_queue(&self, variable: &str) -> Result<Arc<dyn Queue>, FunctionError> {
        let url = self.environment().needed(variable)?;
        Ok(self.queue(url, url))
    }

    fn queue(&self, url: &str, dead_url: &str) -> Arc<dyn Queue> {
        let queue = SqsQueue::new(&self.inner.config, url, dead_url);
        let usage = Arc::clone(&self.inner.usage);
        Arc::new(UsageQueue::new(Arc::new(queue), usage))
    }

    /// Secrets of Secrets Manager.
    #[must_use]
    pub fn secrets(&self) -> impl Secrets {
        AwsSecrets::new(&self.inner.config)
    }

    /// The store of the vault.
    ///
    /// # Errors
    /// When its address is missing or none.
    pub fn store(&self) -> Result<Arc<dyn Store>, FunctionError> {
        Ok(self.counted(self.bucket("VAULT")?))
    }

    /// The store of exports, until they are downloaded.
    ///
    /// # Errors
    /// When its address is missing or none.
    pub fn exports(&self) -> Result<Arc<dyn Store>, FunctionError> {
        Ok(self.counted(self.bucket("EXPORTS")?))
    }

    /// Makes links to files of exports.
    ///
    /// # Errors
    /// When the address of their store is missing or none.
    pub fn export_links(&self) -> Result<Arc<dyn Links>, FunctionError> {
        Ok(Arc::new(self.bucket("EXPORTS")?))
    }

    /// The place in a bucket that this variable names.
    fn bucket(&self, variable: &str) -> Result<S3Store, FunctionError> {
        let location = self.environment().needed(variable)?.parse::<S3Location>();
        let location = location.map_err(|error| FunctionError::Setting(error.to_string()))?;
        Ok(S3Store::with_config(location, &self.inner.config))
    }

    fn counted(&self, store: S3Store) -> Arc<dyn Store> {
        let counted = Arc::new(UsageStore::new(
            Arc::new(store),
            Arc::clone(&self.inner.usage),
        ));
        let (clock, rng) = (Arc::clone(self.clock()), Arc::clone(self.rng()));
        let policy = RetryPolicy::default();
        Arc::new(RetryStore::new(counted, clock, rng, policy))
    }

    /// The vault, opened with the KMS key at the first call that succeeds.
    ///
    /// # Errors
    /// When there is none, or the key does not open it.
    pub async fn engine(&self) -> Result<Engine, FunctionError> {
        let engine = self.inner.engine.get_or_try_init(|| self.open()).await?;
        Ok(engine.clone())
    }

    async fn open(&self) -> Result<Engine, FunctionError> {
        let (clock, rng) = (Arc::clone(self.clock()), Arc::clone(self.rng()));
        let key = self.environment().needed("KMS_KEY")?.to_owned();
        let keys = KmsKeys::new(&self.inner.config, Some(key), Arc::clone(&clock));
        let context = VaultContext {
            store: self.store()?,
            clock: Arc::clone(&clock),
            rng: Arc::clone(&rng),
        };
        let vault = Vault::open(context, &Unlock::KeyService(Arc::new(keys))).await?;
        Ok(Engine::new(vault, clock, rng))
    }
}
