//! The HTTP API beside planner and workers of `mailkeep serve`.

use std::net::SocketAddr;
use std::sync::Arc;

use mailkeep_api::auth::api_key::ApiKeys;
use mailkeep_api::{Api, ApiParts, ApiSettings, Front, Storage, serve};
use mailkeep_engine::{Engine, StopSignal};
use mailkeep_local::Database;
use mailkeep_ports::Store;
use tokio::net::TcpListener;

use super::operation::{MAX_RECEIVES, QUEUE};
use crate::CliError;
use crate::args::ServeArgs;
use crate::place::Place;
use crate::session::Session;

/// The API, listening.
pub(super) struct Http {
    /// Where it listens.
    pub(super) address: SocketAddr,
    listener: TcpListener,
    api: Api,
    front: Front,
}

impl Http {
    /// Listens where the arguments say; `None` when they say nothing.
    ///
    /// # Errors
    /// When the address is not of this machine and nothing speaks TLS in front of it, or is in use.
    pub(super) async fn open(
        session: &Session,
        args: &ServeArgs,
        engine: &Engine,
        database: &Database,
        exports: &Arc<dyn Store>,
    ) -> Result<Option<Self>, CliError> {
        let Some(address) = args.http.listen else {
            return Ok(None);
        };
        if !address.ip().is_loopback() && !args.http.behind_tls_proxy {
            return Err(CliError::Usage(format!(
                "{address} can be reached from other machines, and this program does not speak TLS: keys \
                 and mail would go over the network in the clear. Listen at 127.0.0.1, or put a proxy \
                 that speaks TLS in front and say so with --behind-tls-proxy"
            )));
        }
        let place = session.place()?;
        let table = Arc::new(database.table());
        let api = Api::new(ApiParts {
            engine: engine.clone(),
            table: table.clone(),
            tasks: Arc::new(database.queue(QUEUE, MAX_RECEIVES)),
            exports: Arc::clone(exports),
            // Files of exports are reached through the API, with its keys.
            links: None,
            storage: Storage {
                name: args.storage.clone(),
                kind: match place {
                    Place::Folder(_) => "folder".to_owned(),
                    Place::Bucket(..) => "bucket".to_owned(),
                },
                place: place.shown(),
            },
            authenticate: Arc::new(ApiKeys::new(table, Arc::clone(&session.clock))),
            settings: ApiSettings::default(),
        });
        let listening = async {
            let listener = TcpListener::bind(address).await?;
            Ok((listener.local_addr()?, listener))
        };
        let (address, listener) = listening.await.map_err(|source| CliError::Listen {
            address: address.to_string(),
            source,
        })?;
        Ok(Some(Self {
            address,
            listener,
            api,
            front: if args.http.behind_tls_proxy {
                Front::Proxy
            } else {
                Front::Direct
            },
        }))
    }

    /// Answers requests until `stop` is given.
    pub(super) async fn serve(self, stop: StopSignal) {
        if let Err(error) = serve(self.listener, &self.api, self.front, &stop).await {
            tracing::error!(%error, "the API ended");
        }
    }
}
