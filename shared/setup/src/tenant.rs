//! A tenant or an Exchange organisation that a connection leads to.

use std::sync::Arc;

use mailkeep_exchange::ews::{EwsClient, EwsSource, EwsTarget};
use mailkeep_exchange::graph::{GraphClient, GraphSource, GraphTarget};
use mailkeep_exchange::{Source, Target};
use mailkeep_ports::{Clock, Rng};

use crate::SetupError;
use crate::connection::{Connection, Settings};

/// A tenant, to read from and to write to. Both share one request budget.
pub struct Tenant {
    /// To read from.
    pub source: Arc<dyn Source>,
    /// To write to.
    pub target: Arc<dyn Target>,
}

impl Tenant {
    /// The tenant that a connection leads to. Sends nothing yet.
    ///
    /// # Errors
    /// When the connection is not usable.
    pub fn open(
        connection: Connection,
        clock: Arc<dyn Clock>,
        rng: Arc<dyn Rng>,
    ) -> Result<Self, SetupError> {
        Ok(match connection.into_settings()? {
            Settings::Graph(settings) => {
                let client = GraphClient::new(&settings, clock, rng)?;
                Self {
                    source: Arc::new(GraphSource::with_client(Arc::clone(&client))),
                    target: Arc::new(GraphTarget::with_client(client)),
                }
            }
            Settings::Exchange(settings) => {
                let client = EwsClient::new(&settings, clock, rng)?;
                Self {
                    source: Arc::new(EwsSource::with_client(Arc::clone(&client))),
                    target: Arc::new(EwsTarget::with_client(client)),
                }
            }
        })
    }
}
