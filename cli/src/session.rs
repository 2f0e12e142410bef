//! One run of the program: where things are, how the vault is opened, how a tenant is reached.

use std::path::PathBuf;
use std::sync::Arc;

use mailkeep_aws::{AwsSettings, KmsKeys};
use mailkeep_engine::Engine;
use mailkeep_engine::job::Jobs;
use mailkeep_engine::ledger::Ledger;
use mailkeep_local::{Database, SystemClock, SystemRng};
use mailkeep_ports::{Clock, KeyService, Rng, Store};
use mailkeep_setup::Tenant;
use mailkeep_setup::connection::{Connection, DOCUMENT_KIND};
use mailkeep_vault::{Keychain, Unlock, Vault, VaultContext};

use crate::CliError;
use crate::args::{DatabaseArgs, ExportsArgs, GlobalArgs, UnlockArgs};
use crate::keys;
use crate::output::Output;
use crate::place::Place;
use crate::secret::{PASSPHRASE_VARIABLE, SecretInput};
use crate::view::Style;

/// What every verb needs.
pub struct Session {
    /// The options that every verb knows.
    pub global: GlobalArgs,
    /// Where secrets come from.
    pub input: SecretInput,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
}

impl Session {
    /// This process, with the system's clock and randomness.
    #[must_use]
    pub fn of_process(global: GlobalArgs) -> Self {
        Self {
            global,
            input: SecretInput::of_process(),
            clock: Arc::new(SystemClock::new()),
            rng: Arc::new(SystemRng),
        }
    }

    /// Standard output in the form that was asked for.
    #[must_use]
    pub fn output(&self) -> Output {
        Output::stdout(self.global.json)
    }

    /// Whether there are progress bars.
    #[must_use]
    pub fn style(&self) -> Style {
        Style::for_process(self.global.quiet)
    }

    /// Where the vault is.
    ///
    /// # Errors
    /// When none was named, or its address is none.
    pub fn place(&self) -> Result<Place, CliError> {
        let typed = self.global.vault.as_deref().ok_or_else(|| {
            CliError::Usage("no vault was named; give --vault or set MAILKEEP_VAULT".to_owned())
        })?;
        Place::parse(typed)
    }

    /// The store of the vault.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub async fn store(&self) -> Result<Arc<dyn Store>, CliError> {
        let (clock, rng) = (Arc::clone(&self.clock), Arc::clone(&self.rng));
        self.place()?.open(clock, rng).await
    }

    /// The file that jobs are kept in.
    ///
    /// # Errors
    /// When neither it nor a vault was named.
    pub fn jobs_path(&self, args: &DatabaseArgs) -> Result<PathBuf, CliError> {
        if let Some(path) = &args.jobs {
            return Ok(path.clone());
        }
        let named = |cause: &str| Err(CliError::Usage(cause.to_owned()));
        let vault = match self.place() {
            Ok(Place::Folder(vault)) => vault,
            Ok(Place::Bucket(..)) => {
                return named(
                    "the vault is in a bucket, so the job database must be named: give --jobs FILE",
                );
            }
            Err(_) => return named("no job database was named; give --jobs FILE or --vault PATH"),
        };
        // Beside the vault, whose folder holds nothing but the vault.
        let absolute = std::path::absolute(&vault);
        let vault = absolute.map_err(CliError::file("finding", &vault))?;
        let mut name = vault.file_name().unwrap_or_default().to_owned();
        name.push("-jobs.db");
        Ok(vault.with_file_name(name))
    }

    /// The job database, made when it is missing.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn database(&self, args: &DatabaseArgs) -> Result<Database, CliError> {
        let path = self.jobs_path(args)?;
        Ok(Database::open(path, Arc::clone(&self.clock))?)
    }

    /// The jobs in the job database.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn jobs(&self, args: &DatabaseArgs) -> Result<Jobs, CliError> {
        Ok(Jobs::new(self.ledger(&self.database(args)?)))
    }

    /// The records in a job database.
    #[must_use]
    pub fn ledger(&self, database: &Database) -> Ledger {
        let table = Arc::new(database.table());
        Ledger::new(table, Arc::clone(&self.clock), Arc::clone(&self.rng))
    }

    /// The store of exports; a folder is made when it is missing.
    ///
    /// # Errors
    /// When it cannot be reached, or nothing says where it is.
    pub async fn exports(
        &self,
        args: &ExportsArgs,
        database: &DatabaseArgs,
    ) -> Result<Arc<dyn Store>, CliError> {
        let place = if let Some(typed) = &args.exports {
            Place::parse(typed)?
        } else {
            // Beside the job database, without its ending.
            let jobs = self.jobs_path(database)?;
            let mut name = jobs.file_stem().unwrap_or_default().to_owned();
            name.push("-exports");
            Place::Folder(jobs.with_file_name(name))
        };
        let (clock, rng) = (Arc::clone(&self.clock), Arc::clone(&self.rng));
        place.create(clock, rng).await
    }

    /// What the vault needs of this machine.
    #[must_use]
    pub fn context(&self, store: Arc<dyn Store>) -> VaultContext {
        VaultContext {
            store,
            clock: Arc::clone(&self.clock),
            rng: Arc::clone(&self.rng),
        }
    }

    /// Opens the vault.
    ///
    /// # Errors
    /// When there is none, or the key does not fit.
    pub async fn engine(&self, unlock: &UnlockArgs) -> Result<Engine, CliError> {
        // The store first: nobody should type a passphrase for a place that is not there.
        let store = self.store().await?;
        let unlock = self.unlock(unlock).await?;
        let vault = Vault::open(self.context(store), &unlock).await?;
        let (clock, rng) = (Arc::clone(&self.clock), Arc::clone(&self.rng));
        Ok(Engine::new(vault, clock, rng))
    }

    /// Opens the vault to manage its keys, and returns what it was opened with.
    ///
    /// # Errors
    /// As [`engine`](Self::engine).
    pub async fn keychain(&self, unlock: &UnlockArgs) -> Result<(Keychain, Unlock), CliError> {
        let store = self.store().await?;
        let unlock = self.unlock(unlock).await?;
        let keychain = Keychain::open(self.context(store), &unlock).await?;
        Ok((keychain, unlock))
    }

    /// A key of KMS, reached as the AWS environment says, in the region of the vault's address if it has
    /// one.
    ///
    /// # Errors
    /// When no region is known.
    pub async fn kms(&self, key: &str) -> Result<Arc<dyn KeyService>, CliError> {
        let settings = match self.place()? {
            Place::Folder(_) => AwsSettings::default(),
            Place::Bucket(location, _) => AwsSettings {
                endpoint: None,
                ..location.aws
            },
        };
        let config = settings.load().await;
        let config = config.map_err(|error| CliError::Usage(error.to_string()))?;
        let clock = Arc::clone(&self.clock);
        Ok(Arc::new(KmsKeys::new(&config, Some(key.to_owned()), clock)))
    }

    async fn unlock(&self, args: &UnlockArgs) -> Result<Unlock, CliError> {
        if let Some(path) = &args.recovery_key_file {
            let key = keys::read_recovery_file(&self.input, path).await?;
            return Ok(Unlock::RecoveryKey(key));
        }
        let file = self.global.passphrase_file.as_deref();
        if let (Some(path), None) = (&self.global.key_file, file) {
            let key = keys::read_key_file(&self.input, path).await?;
            return Ok(Unlock::KeyFile(key));
        }
        if let (Some(key), None) = (&self.global.kms_key, file) {
            return Ok(Unlock::KeyService(self.kms(key).await?));
        }
        let passphrase = self
            .input
            .read("passphrase", file, PASSPHRASE_VARIABLE)
            .await?;
        Ok(Unlock::Passphrase(passphrase))
    }

    /// The stored connection of this name, or the only one when no name is given.
    ///
    /// # Errors
    /// When there is none by that name, or no name was given and there is not exactly one.
    pub async fn connection(
        &self,
        vault: &Vault,
        name: Option<&str>,
    ) -> Result<Connection, CliError> {
        let name = match name {
            Some(name) => name.to_owned(),
            None => {
                let mut names = vault.documents(DOCUMENT_KIND).await?;
                match (names.pop(), names.is_empty()) {
                    (Some(only), true) => only,
                    (None, _) => {
                        return Err(CliError::NotFound(
                            "this vault has no connection yet; `mailkeep connection add` stores one"
                                .to_owned(),
                        ));
                    }
                    (Some(_), false) => {
                        return Err(CliError::Usage(
                            "this vault has several connections; name one with --connection \
                             (`mailkeep connection ls` lists them)"
                                .to_owned(),
                        ));
                    }
                }
            }
        };
        Connection::find(vault, &name).await?.ok_or_else(|| {
            CliError::NotFound(format!(
                "this vault has no connection {name}; `mailkeep connection ls` lists those it has"
            ))
        })
    }

    /// Every stored connection, by name.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn connections(&self, vault: &Vault) -> Result<Vec<Connection>, CliError> {
        Ok(Connection::all(vault).await?)
    }

    /// The tenant that a connection leads to. Sends nothing yet.
    ///
    /// # Errors
    /// When the connection is not usable.
    pub fn connect(&self, connection: Connection) -> Result<Tenant, CliError> {
        let (clock, rng) = (Arc::clone(&self.clock), Arc::clone(&self.rng));
        Ok(Tenant::open(connection, clock, rng)?)
    }
}
