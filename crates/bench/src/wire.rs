//! Counts round trips, statements and transactions on connections to PostgreSQL, by the messages of
//! its protocol (<https://www.postgresql.org/docs/current/protocol-message-formats.html>).
//!
//! A proxy forwards all bytes and reads the types of the server's messages. The extension
//! `pg_stat_statements` counts no round trips, and PostgreSQL's builds at Maven Central, which the
//! local stack uses, do not contain it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Counts since the start of a proxy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct WireCounts {
    /// Requests for which a client waited: `ReadyForQuery` messages, without those of a login. A new
    /// statement needs one to be parsed and one to run; later only one.
    pub(crate) round_trips: u64,
    /// Completed statements, with `BEGIN` and `COMMIT`. Statements inside functions do not count.
    pub(crate) statements: u64,
    /// Ended transactions, also of single statements that read.
    pub(crate) transactions: u64,
}

/// Reads the server's messages of one connection, in pieces of any length.
#[derive(Debug, Default)]
struct Scanner {
    /// Type and length of the current message, as far as they are known.
    header: Vec<u8>,
    /// The bytes of the current message that are still missing.
    missing: usize,
    is_logged_in: bool,
    /// The transaction has completed statements.
    has_statements: bool,
}

impl Scanner {
    /// Returns the counts of the next piece.
    fn scan(&mut self, mut bytes: &[u8]) -> WireCounts {
        let mut counts = WireCounts::default();
        while let Some((first, rest)) = bytes.split_first() {
            if self.missing == 0 {
                self.header.push(*first);
                bytes = rest;
                if let [kind, a, b, c, d] = self.header[..] {
                    // The length includes its own four bytes.
                    let length = u32::from_be_bytes([a, b, c, d]) as usize;
                    self.missing = length.saturating_sub(4);
                    if self.missing == 0 {
                        self.count(kind, None, &mut counts);
                        self.header.clear();
                    }
                }
                continue;
            }
            let taken = self.missing.min(bytes.len());
            // A header of five bytes means that this is the first byte of the content.
            if let [kind, _, _, _, _] = self.header[..] {
                self.count(kind, Some(*first), &mut counts);
                self.header.push(0);
            }
            self.missing -= taken;
            bytes = bytes.get(taken..).unwrap_or_default();
            if self.missing == 0 {
                self.header.clear();
            }
        }
        counts
    }

    fn count(&mut self, kind: u8, first: Option<u8>, counts: &mut WireCounts) {
        match kind {
            // CommandComplete; PortalSuspended if the client wanted fewer rows; ErrorResponse.
            b'C' | b's' | b'E' if self.is_logged_in => {
                counts.statements += 1;
                self.has_statements = true;
            }
            b'Z' if !self.is_logged_in => self.is_logged_in = true,
            b'Z' => {
                counts.round_trips += 1;
                // `I` is outside of a transaction.
                if first == Some(b'I') && self.has_statements {
                    counts.transactions += 1;
                    self.has_statements = false;
                }
            }
            _ => {}
        }
    }
}

#[derive(Debug, Default)]
struct Counters {
    round_trips: AtomicU64,
    statements: AtomicU64,
    transactions: AtomicU64,
}

impl Counters {
    fn add(&self, counts: WireCounts) {
        self.round_trips
            .fetch_add(counts.round_trips, Ordering::Relaxed);
        self.statements
            .fetch_add(counts.statements, Ordering::Relaxed);
        self.transactions
            .fetch_add(counts.transactions, Ordering::Relaxed);
    }
}

/// A proxy in front of a PostgreSQL server on this machine. It stops when this value is dropped.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    counters: Arc<Counters>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy on a free port.
    pub(crate) async fn start(server_port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .await
            .context("failed to find a free port on 127.0.0.1")?;
        let port = listener.local_addr()?.port();
        let counters = Arc::new(Counters::default());
        let of_connections = Arc::clone(&counters);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let counters = Arc::clone(&of_connections);
                // An error ends the connection, which the client reports.
                tokio::spawn(async move { forward(client, server_port, &counters).await });
            }
        });
        Ok(Self {
            port,
            counters,
            accepting,
        })
    }

    pub(crate) fn counts(&self) -> WireCounts {
        WireCounts {
            round_trips: self.counters.round_trips.load(Ordering::Relaxed),
            statements: self.counters.statements.load(Ordering::Relaxed),
            transactions: self.counters.transactions.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn forward(client: TcpStream, server_port: u16, counters: &Counters) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", server_port)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requests = async {
        tokio::io::copy(&mut from_client, &mut to_server).await?;
        to_server.shutdown().await
    };
    let responses = async {
        let (mut scanner, mut buffer) = (Scanner::default(), vec![0; 16 * 1024]);
        loop {
            let length = from_server.read(&mut buffer).await?;
            let Some(bytes) = buffer.get(..length).filter(|bytes| !bytes.is_empty()) else {
                return to_client.shutdown().await;
            };
            // Counted first, so that a client never sees a response that is not counted.
            counters.add(scanner.scan(bytes));
            to_client.write_all(bytes).await?;
        }
    };
    tokio::try_join!(requests, responses).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len() + 4).unwrap();
        [&[kind], &length.to_be_bytes()[..], content].concat()
    }

    fn session() -> Vec<u8> {
        let complete = |tag: &str| message(b'C', format!("{tag}\0").as_bytes());
        let ready = |status: &[u8]| message(b'Z', status);
        [
            // The login.
            message(b'R', &0_u32.to_be_bytes()),
            message(b'S', b"server_version\x0017\0"),
            ready(b"I"),
            // A new statement is parsed, then runs.
            message(b'1', b""),
            ready(b"I"),
            message(b'2', b""),
            message(b'D', b"\0\x01ZZZZZ"),
            complete("SELECT 1"),
            ready(b"I"),
            // A transaction of three statements.
            complete("BEGIN"),
            ready(b"T"),
            message(b's', b""),
            ready(b"T"),
            complete("COMMIT"),
            ready(b"I"),
            // A comment, which the driver sends to check a connection.
            message(b'I', b""),
            ready(b"I"),
        ]
        .concat()
    }

    #[test]
    fn messages_are_counted_in_pieces_of_any_length() {
        let expected = WireCounts {
            round_trips: 6,
            statements: 4,
            transactions: 2,
        };
        let session = session();
        for length in [1, 2, 3, 5, 7, session.len()] {
            let (mut scanner, counters) = (Scanner::default(), Counters::default());
            for piece in session.chunks(length) {
                counters.add(scanner.scan(piece));
            }
            let found = WireCounts {
                round_trips: counters.round_trips.into_inner(),
                statements: counters.statements.into_inner(),
                transactions: counters.transactions.into_inner(),
            };
            assert_eq!(found, expected, "pieces of {length} bytes");
        }
    }
}
