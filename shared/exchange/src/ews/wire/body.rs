//! Bodies on their way out and in.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use mailkeep_model::FailureClass;
use tokio::sync::OwnedSemaphorePermit;

use super::connect::Connection;
use super::{MOST_IDLE, failed};
use crate::{ByteStream, SourceError};

/// How long to wait for the next bytes of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// A body that is being sent.
pub(super) type Outgoing = UnsyncBoxBody<Bytes, SourceError>;

/// What a request carries. It can be sent more than once, because a login may come first.
pub(crate) enum RequestBody {
    /// Held whole.
    Whole(Bytes),
    /// Read anew for each sending.
    Streamed {
        /// Length in bytes; exactly so many must come.
        length: u64,
        /// Opens the bytes.
        open: Box<dyn Fn() -> ByteStream + Send + Sync>,
    },
}

impl From<Bytes> for RequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(bytes)
    }
}

impl RequestBody {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Streamed { length, .. } => *length,
        }
    }

    pub(super) fn open(&self) -> Outgoing {
        match self {
            Self::Whole(bytes) => Full::new(bytes.clone())
                .map_err(|never| match never {})
                .boxed_unsync(),
            Self::Streamed { open, .. } => {
                StreamBody::new(open().map(|chunk| chunk.map(Frame::data))).boxed_unsync()
            }
        }
    }
}

/// Where a connection goes when its answer has been read.
pub(super) struct Home {
    pub(super) idle: Arc<Mutex<Vec<Connection>>>,
    pub(super) _place: OwnedSemaphorePermit,
}

/// The body of an answer. Holds the connection until it has been read; dropped early, it closes
/// the connection.
pub(crate) struct AnswerBody {
    incoming: Incoming,
    connection: Option<Connection>,
    home: Option<Home>,
    is_ended: bool,
}

impl AnswerBody {
    pub(super) fn new(incoming: Incoming, connection: Connection, home: Option<Home>) -> Self {
        Self {
            incoming,
            connection: Some(connection),
            home,
            is_ended: false,
        }
    }

    /// The next bytes; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, SourceError> {
        while !self.is_ended {
            let frame = tokio::time::timeout(READ_TIMEOUT, self.incoming.frame()).await;
            match frame {
                Err(_) => {
                    return Err(failed(
                        FailureClass::Connection,
                        "timeout",
                        "the answer did not go on in time",
                    ));
                }
                Ok(Some(Err(error))) => return Err(broken(&error)),
                Ok(Some(Ok(frame))) => {
                    if let Ok(bytes) = frame.into_data()
                        && !bytes.is_empty()
                    {
                        return Ok(Some(bytes));
                    }
                }
                Ok(None) => {
                    self.is_ended = true;
                    self.go_home();
                }
            }
        }
        Ok(None)
    }

    fn go_home(&mut self) {
        if let Some(home) = self.home.take()
            && let Some(connection) = self.connection.take()
        {
            let mut idle = home.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < MOST_IDLE {
                idle.push(connection);
            }
        }
    }

    /// The connection, once everything was read.
    pub(super) fn into_connection(self) -> Option<Connection> {
        self.connection.filter(|_| self.is_ended)
    }

    /// The bytes as a stream.
    pub(crate) fn stream(self) -> ByteStream {
        Box::pin(stream::unfold(Some(self), |state| async move {
            let mut body = state?;
            match body.chunk().await {
                Ok(Some(bytes)) => Some((Ok(bytes), Some(body))),
                Ok(None) => None,
                Err(error) => Some((Err(error), None)),
            }
        }))
    }
}

/// What a broken connection means.
pub(super) fn broken(error: &hyper::Error) -> SourceError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(inner) = cause {
        // A body of ours that could not be read to its end.
        if let Some(own) = inner.downcast_ref::<SourceError>() {
            return own.clone();
        }
        cause = inner.source();
    }
    failed(
        FailureClass::Connection,
        "reset",
        "the connection broke off",
    )
}
