//! Opens the connections that jobs and operations name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use mailkeep_engine::Engine;
use mailkeep_engine::operation::{Places, TenantPlace};
use mailkeep_engine::work::{Connections, Workplace};
use mailkeep_exchange::SourceError;
use mailkeep_model::FailureClass;
use mailkeep_ports::{Clock, Rng};
use zeroize::Zeroizing;

use crate::connection::{Connection, DOCUMENT_KIND};
use crate::{SetupError, Tenant};

/// Connections kept in the vault, each opened once: all jobs share one client per connection, and with
/// it the request budget of each mailbox.
pub struct VaultConnections {
    engine: Engine,
    storage: String,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
    open: Mutex<HashMap<String, Open>>,
}

/// An open connection, and the document that it was opened from.
struct Open {
    document: Zeroizing<Vec<u8>>,
    place: TenantPlace,
}

impl VaultConnections {
    /// The connections of this vault, which jobs know as `storage`.
    #[must_use]
    pub fn new(engine: Engine, storage: &str, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Self {
        Self {
            engine,
            storage: storage.to_owned(),
            clock,
            rng,
            open: Mutex::default(),
        }
    }

    fn known(&self, name: &str, document: &[u8]) -> Option<TenantPlace> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let known = open
            .get(name)
            .filter(|it| it.document.as_slice() == document);
        known.map(|open| open.place.clone())
    }
}

fn wrong(code: &str, message: impl Into<String>) -> SourceError {
    SourceError::new(
        FailureClass::Configuration,
        "open connection",
        code,
        message,
    )
}

impl VaultConnections {
    fn check(&self, storage: &str) -> Result<(), SourceError> {
        if storage == self.storage {
            return Ok(());
        }
        let message = format!(
            "there is no storage `{storage}` here; the name of this one is `{}`",
            self.storage
        );
        Err(wrong("no_such_storage", message))
    }

    async fn place(&self, connection: &str, storage: &str) -> Result<TenantPlace, SourceError> {
        self.check(storage)?;
        let document = self
            .engine
            .vault()
            .document(DOCUMENT_KIND, connection)
            .await;
        let document = document.map_err(|error| {
            SourceError::new(
                FailureClass::Vault,
                "open connection",
                "vault",
                error.to_string(),
            )
        })?;
        let Some(document) = document else {
            let message = format!("the vault has no connection `{connection}`");
            return Err(wrong("no_such_connection", message));
        };
        if let Some(place) = self.known(connection, &document) {
            return Ok(place);
        }
        let unusable = |error: SetupError| wrong("unusable_connection", error.to_string());
        let read = Connection::from_document(connection, &document).map_err(unusable)?;
        let realm = read.realm().to_owned();
        let (clock, rng) = (Arc::clone(&self.clock), Arc::clone(&self.rng));
        let tenant = Tenant::open(read, clock, rng).map_err(unusable)?;
        let place = TenantPlace {
            source: tenant.source,
            target: tenant.target,
            realm,
        };
        let open = Open {
            document,
            place: place.clone(),
        };
        let mut all = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(connection.to_owned(), open);
        Ok(place)
    }
}

#[async_trait]
impl Connections for VaultConnections {
    async fn open(&self, connection: &str, storage: &str) -> Result<Workplace, SourceError> {
        let place = self.place(connection, storage).await?;
        Ok(Workplace {
            engine: self.engine.clone(),
            source: place.source,
            realm: place.realm,
        })
    }
}

#[async_trait]
impl Places for VaultConnections {
    async fn vault(&self, storage: &str) -> Result<Engine, SourceError> {
        self.check(storage)?;
        Ok(self.engine.clone())
    }

    async fn tenant(&self, connection: &str, storage: &str) -> Result<TenantPlace, SourceError> {
        self.place(connection, storage).await
    }
}
