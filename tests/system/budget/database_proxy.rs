//! A proxy in front of PostgreSQL that counts the statements of its clients.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, copy},
    net::{TcpListener, TcpStream},
};

/// The statements that clients executed, with their number. A round trip without a statement is
/// counted as [`PING`], a transaction block as its `begin` and `commit`.
pub(crate) type Counts = BTreeMap<String, usize>;

/// The check of a connection that returns to its pool.
pub(crate) const PING: &str = "(ping)";

pub(crate) struct DatabaseProxy {
    pub(crate) port: u16,
    counts: Arc<Mutex<Counts>>,
}

impl DatabaseProxy {
    pub(crate) async fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let counts = Arc::<Mutex<Counts>>::default();
        let shared = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let counts = Arc::clone(&shared);
                tokio::spawn(async move {
                    // The end of a connection ends its task.
                    let _ = forward(client, server_port, &counts).await;
                });
            }
        });
        Self { port, counts }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts.lock().unwrap().clone()
    }
}

async fn forward(
    mut client: TcpStream,
    server_port: u16,
    counts: &Mutex<Counts>,
) -> std::io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", server_port)).await?;
    let (mut from_server, mut to_server) = server.into_split();
    let (mut from_client, mut to_client) = client.split();
    let responses = copy(&mut from_server, &mut to_client);
    let requests = async {
        // The start of a connection has no type.
        let start = read_body(&mut from_client).await?;
        to_server.write_all(&start).await?;
        let mut prepared = BTreeMap::new();
        let mut executed = Vec::new();
        loop {
            let kind = from_client.read_u8().await?;
            let body = read_body(&mut from_client).await?;
            note(kind, &body[4..], &mut prepared, &mut executed, counts);
            to_server.write_u8(kind).await?;
            to_server.write_all(&body).await?;
        }
    };
    tokio::select! {
        ended = responses => ended.map(|_| ()),
        ended = requests => ended,
    }
}

/// Reads a message without its type: its length, which counts itself, and the rest.
async fn read_body(from: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Vec<u8>> {
    let length = from.read_u32().await?;
    let mut body = length.to_be_bytes().to_vec();
    body.resize(length as usize, 0);
    from.read_exact(&mut body[4..]).await?;
    Ok(body)
}

/// Notes a message of the extended or the simple query protocol (PostgreSQL's manual, "Message
/// Formats").
fn note(
    kind: u8,
    body: &[u8],
    prepared: &mut BTreeMap<String, String>,
    executed: &mut Vec<String>,
    counts: &Mutex<Counts>,
) {
    let mut texts = body
        .split(|byte| *byte == 0)
        .map(|text| String::from_utf8_lossy(text).into_owned());
    let mut next = || texts.next().unwrap_or_default();
    let count = |statement: String| {
        *counts.lock().unwrap().entry(statement).or_default() += 1;
    };
    match kind {
        // Parse: the name of the statement, its text.
        b'P' => {
            let name = next();
            prepared.insert(name, next());
        }
        // Bind: the portal, the name of the statement.
        b'B' => {
            next();
            executed.push(prepared.get(&next()).cloned().unwrap_or_default());
        }
        // Query: a text without parameters.
        b'Q' => count(next()),
        // Sync: the server answers now.
        b'S' if executed.is_empty() => count(PING.to_owned()),
        b'S' => executed.drain(..).for_each(count),
        _ => {}
    }
}
