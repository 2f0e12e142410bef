//! A strict SMTP server: each command in its order, lines that end as they must, nothing said before
//! the protection that was promised.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::tls;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protection {
    None,
    StartTls,
    Tls,
}

#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) protection: Protection,
    /// `user\0password` that AUTH PLAIN must bring.
    pub(crate) login: Option<&'static str>,
    /// Instead of what the server would answer to RCPT.
    pub(crate) recipient: &'static str,
    /// Instead of what the server would answer to the mail.
    pub(crate) data: &'static str,
    /// The server takes the connection and says nothing.
    pub(crate) is_silent: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            protection: Protection::None,
            login: None,
            recipient: "250 ok",
            data: "250 taken",
            is_silent: false,
        }
    }
}

/// A mail as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) text: String,
    pub(crate) was_protected: bool,
}

#[derive(Default)]
struct Seen {
    taken: Vec<Taken>,
    /// What a client did that it must not.
    wrong: Vec<String>,
}

pub(crate) struct Server {
    pub(crate) port: u16,
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(crate) async fn start(rules: Rules) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let shared = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (rules, seen) = (rules.clone(), shared.clone());
                tokio::spawn(async move { serve(stream, rules, seen).await });
            }
        });
        Self { port, seen, task }
    }

    /// The mails, after a check that every client kept to the rules.
    pub(crate) fn taken(&self) -> Vec<Taken> {
        let seen = self.seen.lock().unwrap();
        assert!(seen.wrong.is_empty(), "{:?}", seen.wrong);
        seen.taken.clone()
    }
}

async fn serve(stream: TcpStream, rules: Rules, seen: Arc<Mutex<Seen>>) {
    if rules.is_silent {
        std::future::pending::<()>().await;
    }
    match rules.protection {
        Protection::Tls => {
            if let Ok(stream) = tls::acceptor().accept(stream).await {
                let mut talk = Talk::new(BufReader::new(stream), &rules, &seen, true);
                talk.say("220 ready").await;
                talk.run().await;
            }
        }
        Protection::None => {
            let mut talk = Talk::new(BufReader::new(stream), &rules, &seen, false);
            talk.say("220 ready").await;
            talk.run().await;
        }
        Protection::StartTls => {
            let mut talk = Talk::new(BufReader::new(stream), &rules, &seen, false);
            talk.say("220 ready").await;
            if talk.run().await {
                let stream = talk.stream.into_inner();
                if let Ok(stream) = tls::acceptor().accept(stream).await {
                    Talk::new(BufReader::new(stream), &rules, &seen, true)
                        .run()
                        .await;
                }
            }
        }
    }
}

struct Talk<'a, S> {
    stream: BufReader<S>,
    rules: &'a Rules,
    seen: &'a Mutex<Seen>,
    is_protected: bool,
    is_greeted: bool,
    is_logged_in: bool,
    from: Option<String>,
    to: Vec<String>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Talk<'a, S> {
    fn new(
        stream: BufReader<S>,
        rules: &'a Rules,
        seen: &'a Mutex<Seen>,
        is_protected: bool,
    ) -> Self {
        Self {
            stream,
            rules,
            seen,
            is_protected,
            is_greeted: false,
            is_logged_in: rules.login.is_none(),
            from: None,
            to: vec![],
        }
    }

    async fn say(&mut self, line: &str) {
        let line = format!("{line}\r\n");
        let _ = self.stream.get_mut().write_all(line.as_bytes()).await;
        let _ = self.stream.get_mut().flush().await;
    }

    async fn line(&mut self) -> Option<String> {
        let mut bytes = vec![];
        let read = self.stream.read_until(b'\n', &mut bytes).await;
        if read.unwrap_or(0) == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match text.strip_suffix("\r\n") {
            Some(line) if line.len() <= 998 && !line.contains('\r') => Some(line.to_owned()),
            _ => {
                self.wrong(format!("a line that ends or is cut wrongly: {text:?}"));
                None
            }
        }
    }

    fn wrong(&self, what: impl Into<String>) {
        self.seen.lock().unwrap().wrong.push(what.into());
    }

    /// Returns true when the connection is to be protected now.
    async fn run(&mut self) -> bool {
        while let Some(line) = self.line().await {
            let verb = line
                .split([' ', ':'])
                .next()
                .unwrap_or_default()
                .to_uppercase();
            let must_protect = self.rules.protection != Protection::None && !self.is_protected;
            if must_protect && !matches!(verb.as_str(), "EHLO" | "STARTTLS" | "QUIT") {
                self.wrong(format!("{line} before the connection was protected"));
                return false;
            }
            match verb.as_str() {
                "EHLO" => {
                    self.is_greeted = true;
                    let offer = match (must_protect, self.rules.login) {
                        (true, _) => "STARTTLS",
                        (false, Some(_)) => "AUTH PLAIN",
                        (false, None) => "8BITMIME",
                    };
                    self.say("250-test").await;
                    self.say(&format!("250 {offer}")).await;
                }
                "STARTTLS" if must_protect => {
                    self.say("220 go on").await;
                    return true;
                }
                "AUTH" => self.login(&line).await,
                "MAIL" if self.is_greeted && !self.is_logged_in => self.say("530 log in").await,
                "MAIL" if self.is_greeted && self.from.is_none() => {
                    self.from = Some(address(&line));
                    self.say("250 ok").await;
                }
                "RCPT" if self.from.is_some() => {
                    if self.rules.recipient.starts_with('2') {
                        self.to.push(address(&line));
                    }
                    self.say(self.rules.recipient).await;
                }
                "DATA" if !self.to.is_empty() => self.data().await,
                "QUIT" => {
                    self.say("221 bye").await;
                    return false;
                }
                "RSET" => {
                    self.from = None;
                    self.to.clear();
                    self.say("250 ok").await;
                }
                _ => {
                    self.wrong(format!("{line:?} in this place"));
                    self.say("503 bad sequence").await;
                }
            }
        }
        false
    }

    async fn login(&mut self, line: &str) {
        let given = line.strip_prefix("AUTH PLAIN ").unwrap_or_default();
        let given = data_encoding::BASE64
            .decode(given.as_bytes())
            .unwrap_or_default();
        let expected = self.rules.login.map(|login| format!("\0{login}"));
        self.is_logged_in = expected.is_some_and(|expected| expected.as_bytes() == given);
        let answer = match self.is_logged_in {
            true => "235 welcome",
            false => "535 no such user hunter2",
        };
        self.say(answer).await;
    }

    async fn data(&mut self) {
        self.say("354 go on").await;
        let mut text = String::new();
        while let Some(line) = self.line().await {
            if line == "." {
                let taken = Taken {
                    from: self.from.take().unwrap_or_default(),
                    to: std::mem::take(&mut self.to),
                    text,
                    was_protected: self.is_protected,
                };
                if self.rules.data.starts_with('2') {
                    self.seen.lock().unwrap().taken.push(taken);
                }
                self.say(self.rules.data).await;
                return;
            }
            // What begins with a dot has one more on the way.
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push('\n');
        }
        self.wrong("the mail has no end");
    }
}

fn address(line: &str) -> String {
    let inside = line
        .split_once('<')
        .and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or_else(String::new, |(address, _)| address.to_owned())
}
