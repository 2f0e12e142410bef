//! A tiny HTTP/1.1 server that answers what a test tells it to.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Number of the connection.
    pub(crate) connection: usize,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The operation: the first element of the body.
    pub(crate) fn operation(&self) -> String {
        let inside = self.body.split("<s:Body><m:").nth(1).unwrap_or_default();
        let end = inside.find([' ', '>', '/']).unwrap_or(inside.len());
        inside[..end].to_owned()
    }

    /// The ids of items that are asked for.
    pub(crate) fn item_ids(&self) -> Vec<String> {
        let parts = self.body.split("<t:ItemId Id=\"").skip(1);
        parts
            .map(|part| part.split('"').next().unwrap().to_owned())
            .collect()
    }

    /// The text of the first element by this name.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        let rest = self.body.split_once(&format!("<{name}>"))?.1;
        Some(rest.split_once('<')?.0)
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// The connection breaks after so many bytes of the body.
    pub(crate) cut_at: Option<usize>,
}

impl Response {
    pub(crate) fn xml(body: impl Into<String>) -> Self {
        Self {
            status: 200,
            headers: vec![("Content-Type".into(), "text/xml; charset=utf-8".into())],
            body: body.into(),
            cut_at: None,
        }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".into(), "text/html".into())],
            body: "<html><body>words</body></html>".into(),
            cut_at: None,
        }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

pub(crate) type Handler = Arc<dyn Fn(&Request) -> Response + Send + Sync>;

/// A running server. Ends with the test's runtime.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) async fn start(
        handler: impl Fn(&Request) -> Response + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let log: Arc<Mutex<Vec<Request>>> = Arc::default();
        let handler: Handler = Arc::new(handler);
        let kept = log.clone();
        tokio::spawn(async move {
            for connection in 1.. {
                let Ok((stream, _)) = listener.accept().await else {
                    return;
                };
                tokio::spawn(serve(stream, connection, handler.clone(), kept.clone()));
            }
        });
        Self { address, log }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/EWS/Exchange.asmx", self.address)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    /// How often each operation was called, in order of the first call.
    pub(crate) fn count(&self, operation: &str) -> usize {
        let log = self.log.lock().unwrap();
        log.iter()
            .filter(|one| one.operation() == operation)
            .count()
    }
}

async fn serve(
    stream: TcpStream,
    connection: usize,
    handler: Handler,
    log: Arc<Mutex<Vec<Request>>>,
) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut request = Request {
            connection,
            ..Request::default()
        };
        let mut line = String::new();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            let pair = (name.to_ascii_lowercase(), value.trim().to_owned());
            request.headers.push(pair);
        }
        // A GET has none.
        let length: usize = request
            .header("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        if stream.read_exact(&mut body).await.is_err() {
            return;
        }
        request.body = String::from_utf8(body).unwrap();
        let response = handler(&request);
        log.lock().unwrap().push(request);
        let mut head = format!("HTTP/1.1 {} X\r\n", response.status);
        for (name, value) in &response.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("Content-Length: {}\r\n\r\n", response.body.len()));
        let cut = response.cut_at.unwrap_or(response.body.len());
        let bytes = [head.as_bytes(), &response.body.as_bytes()[..cut]].concat();
        if stream.get_mut().write_all(&bytes).await.is_err() || response.cut_at.is_some() {
            return;
        }
    }
}
