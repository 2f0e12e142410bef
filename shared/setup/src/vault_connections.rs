//! Opens the connections that jobs name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use mailkeep_engine::Engine;
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
    place: Workplace,
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

    fn known(&self, name: &str, document: &[u8]) -> Option<Workplace> {
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

#[async_trait]
impl Connections for VaultConnections {
    async fn open(&self, connection: &str, storage: &str) -> Result<Workplace, SourceError> {
        if storage != self.storage {
            let message = format!(
                "there is no storage `{storage}` here; the name of this one is `{}`",
                self.storage
            );
            return Err(wrong("no_such_storage", message));
        }
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
        let place = Workplace {
            engine: self.engine.clone(),
            source: tenant.source,
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
