//! Serving the router on a socket: HTTP/1.1, with bounds, until told to stop.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures::future::{Either, select};
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use mailkeep_engine::StopSignal;
use mailkeep_ports::Clock;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use crate::http::Peer;
use crate::service::Api;

/// Connections at a time. More wait to be accepted.
const MAX_CONNECTIONS: usize = 512;
/// How long the head of a request may take to arrive.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// Largest head of a request.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// How often it is looked whether to stop.
const LOOK: Duration = Duration::from_millis(200);
/// How long answers that are under way may take after the stop.
const GRACE: Duration = Duration::from_secs(10);
/// Rest after the system had no socket to give.
const REST: Duration = Duration::from_millis(500);

/// How the service is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// Directly.
    Direct,
    /// Through a proxy, which says in `X-Forwarded-For` where a request comes from.
    Proxy,
}

/// Serves the API until `stop` is given; then answers that are under way are finished.
///
/// # Errors
/// Never, so far: what fails on one connection ends that connection.
pub async fn serve(
    listener: TcpListener,
    api: &Api,
    front: Front,
    stop: &StopSignal,
) -> io::Result<()> {
    let clock = Arc::clone(api.clock());
    let router = api.router();
    let graceful = GracefulShutdown::new();
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(MAX_HEAD_BYTES);
    while !stop.is_stopped() {
        let Some(slot) = or_later(Arc::clone(&slots).acquire_owned(), &*clock).await else {
            continue;
        };
        let Some(accepted) = or_later(listener.accept(), &*clock).await else {
            continue;
        };
        let (stream, peer) = match accepted {
            Ok((stream, peer)) => (stream, peer.ip().to_canonical().to_string()),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                clock.sleep(REST).await;
                continue;
            }
        };
        let connection = http.serve_connection(stream_of(stream), {
            let router = router.clone();
            service_fn(move |request| answer(router.clone(), request, peer.clone(), front))
        });
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _slot = slot;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    let ending = Box::pin(graceful.shutdown());
    if let Either::Right(_) = select(ending, clock.sleep(GRACE)).await {
        tracing::warn!("some answers were cut off: they took too long after the stop");
    }
    Ok(())
}

fn stream_of(stream: TcpStream) -> TokioIo<TcpStream> {
    // Small answers go out at once. A socket that refuses the option works all the same.
    let _ = stream.set_nodelay(true);
    TokioIo::new(stream)
}

/// What a future gives, or nothing when it is time to look whether to stop.
async fn or_later<F: Future>(future: F, clock: &dyn Clock) -> Option<F::Output> {
    match select(Box::pin(future), clock.sleep(LOOK)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(_) => None,
    }
}

async fn answer(
    router: Router,
    mut request: Request<Incoming>,
    peer: String,
    front: Front,
) -> Result<axum::response::Response, Infallible> {
    let forwarded = match front {
        Front::Direct => None,
        Front::Proxy => forwarded_for(&request),
    };
    let origin = Peer(forwarded.unwrap_or(peer));
    request.extensions_mut().insert(origin);
    router.oneshot(request).await
}

/// The last entry: the one that our own proxy wrote. Those before it are the sender's word.
fn forwarded_for<B>(request: &Request<B>) -> Option<String> {
    let values = request.headers().get_all("x-forwarded-for");
    let last = values.iter().next_back()?.to_str().ok()?;
    let address = last.rsplit(',').next()?.trim();
    let address: std::net::IpAddr = address.parse().ok()?;
    Some(address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_proxy_wrote_is_believed() {
        let read = |values: &[&str]| {
            let mut request = Request::builder();
            for value in values {
                request = request.header("x-forwarded-for", *value);
            }
            forwarded_for(&request.body(()).unwrap())
        };
        assert_eq!(read(&["10.9.9.9, 192.0.2.7"]).unwrap(), "192.0.2.7");
        assert_eq!(read(&["10.9.9.9", "2001:db8::1"]).unwrap(), "2001:db8::1");
        assert_eq!(read(&["somebody"]), None);
        assert_eq!(read(&[]), None);
    }
}
