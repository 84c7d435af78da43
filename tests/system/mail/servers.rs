//! Mail servers that tests can read.

use std::{
    io::Write,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::timeout,
};

use crate::shared_servers::shared_servers;
use devstack::{
    Mail, MailOptions, Process, Progress, Readiness,
    guard::GuardOptions,
    ports,
    toolchain::{MailProgram, obtain_maildev},
};

/// `.ci/run` searches for this text.
const SKIPPED: &str = "SKIPPED: the mail tests need node and npm";

/// Returns MailDev, or `None` after a message if node or npm is missing.
async fn install_maildev() -> Option<MailProgram> {
    let runs = |program| {
        Command::new(program)
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success())
    };
    if !runs("node") || !runs("npm") {
        // Written directly to stderr, so that the test harness does not capture the message.
        writeln!(std::io::stderr().lock(), "{SKIPPED}").unwrap();
        return None;
    }
    // This also installs the TLS provider that an HTTP client needs.
    shared_servers().await;
    Some(obtain_maildev(&Progress::stderr()).await.unwrap())
}

/// An empty MailDev server.
pub(super) struct Mailbox {
    pub(super) server: Mail,
    http: reqwest::Client,
}

impl Mailbox {
    pub(super) async fn start() -> Option<Self> {
        let sink = Some(install_maildev().await?);
        let server = Mail::start(MailOptions {
            program: sink,
            ..MailOptions::default()
        })
        .await
        .unwrap();
        Some(Self {
            server,
            http: reqwest::Client::new(),
        })
    }

    /// Returns every received mail: subject, addresses, headers and both bodies.
    pub(super) async fn list_mails(&self) -> Vec<Value> {
        let response = self
            .http
            .get(format!("{}/email", self.server.ui_url))
            .send()
            .await
            .unwrap();
        response.json().await.unwrap()
    }

    pub(super) async fn clear(&self) {
        let response = self
            .http
            .delete(format!("{}/email/all", self.server.ui_url))
            .send()
            .await
            .unwrap();
        assert!(response.status().is_success());
    }
}

/// A mail server with STARTTLS, its own certificate and a password, as providers run it.
pub(super) struct MailProvider {
    pub(super) port: u16,
    /// The file of the certificate that clients must trust.
    pub(super) authority: String,
    http_url: String,
    _process: Process,
    _folder: TempDir,
}

impl MailProvider {
    pub(super) async fn start() -> Option<Self> {
        let MailProgram::MailDev { node, packages, .. } = install_maildev().await? else {
            panic!("the mail sink is not MailDev")
        };
        let folder = tempfile::tempdir().unwrap();
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let [certificate, key] =
            ["certificate.pem", "key.pem"].map(|name| folder.path().join(name));
        std::fs::write(&certificate, own.cert.pem()).unwrap();
        std::fs::write(&key, own.signing_key.serialize_pem()).unwrap();
        let [port, http_port] = [(); 2].map(|()| ports::free_port().unwrap());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("mail/server.js");
        let command = vec![
            node.into(),
            script.into(),
            port.to_string().into(),
            http_port.to_string().into(),
            certificate.clone().into(),
            key.into(),
        ];
        let options = GuardOptions {
            name: "provider".to_owned(),
            command,
            environment: vec![("NODE_PATH".to_owned(), packages.display().to_string())],
            removed_environment: Vec::new(),
            log: folder.path().join("log"),
            user: None,
            stop_signal: "TERM",
            grace_period: Duration::from_secs(1),
            remove_folder: None,
        };
        let ready = Readiness::Http {
            address: format!("127.0.0.1:{http_port}"),
            path: "/".to_owned(),
        };
        let process = Process::start(options, ready, Duration::from_secs(60))
            .await
            .unwrap();
        Some(Self {
            port,
            authority: certificate.display().to_string(),
            http_url: format!("http://127.0.0.1:{http_port}"),
            _process: process,
            _folder: folder,
        })
    }

    /// Returns the accepted mails: recipients, user, encryption and source.
    pub(super) async fn accepted_mails(&self) -> Vec<Value> {
        reqwest::get(&self.http_url)
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }
}

/// An SMTP server that accepts each mail, except that it hangs on the mails to one recipient until
/// it has accepted a number of other mails.
pub(super) struct HangingServer {
    pub(super) smtp_url: String,
    /// Recipient and subject of each accepted mail.
    accepted: watch::Receiver<Vec<(String, String)>>,
    /// The number of times that a client has named the recipient.
    tries: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl HangingServer {
    pub(super) async fn start(recipient: &'static str, until: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let smtp_url = format!("smtp://{}", listener.local_addr().unwrap());
        let (sender, accepted) = watch::channel(Vec::new());
        let tries = Arc::new(AtomicUsize::new(0));
        let session = SmtpSession {
            recipient,
            until,
            accepted: Arc::new(sender),
            tries: Arc::clone(&tries),
        };
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let session = session.clone();
                // A client can close the connection at any time.
                tokio::spawn(async move { session.serve(stream).await.ok() });
            }
        });
        Self {
            smtp_url,
            accepted,
            tries,
            task,
        }
    }

    pub(super) fn accepted_mails(&self) -> Vec<(String, String)> {
        self.accepted.borrow().clone()
    }

    pub(super) fn tries(&self) -> usize {
        self.tries.load(Ordering::SeqCst)
    }
}

impl Drop for HangingServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct SmtpSession {
    recipient: &'static str,
    until: usize,
    accepted: Arc<watch::Sender<Vec<(String, String)>>>,
    tries: Arc<AtomicUsize>,
}

impl SmtpSession {
    async fn serve(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 test ESMTP\r\n").await?;
        let mut recipient = String::new();
        let mut line = String::new();
        while stream.read_line(&mut line).await? > 0 {
            let command = line.trim_end().to_owned();
            line.clear();
            let response = match command.split(' ').next().unwrap_or_default() {
                "EHLO" => "250-test\r\n250 8BITMIME",
                "QUIT" => return stream.write_all(b"221 bye\r\n").await,
                "RCPT" => {
                    recipient = command
                        .split(['<', '>'])
                        .nth(1)
                        .unwrap_or_default()
                        .to_owned();
                    if recipient == self.recipient {
                        self.hang(&mut stream).await?;
                    }
                    "250 accepted"
                }
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let mut subject = String::new();
                    while stream.read_line(&mut line).await? > 0 && line != ".\r\n" {
                        if let Some(text) = line.strip_prefix("Subject: ") {
                            subject = text.trim_end().to_owned();
                        }
                        line.clear();
                    }
                    line.clear();
                    let mail = (recipient.clone(), subject);
                    self.accepted.send_modify(|mails| mails.push(mail));
                    "250 accepted"
                }
                _ => "250 done",
            };
            stream
                .write_all(format!("{response}\r\n").as_bytes())
                .await?;
        }
        Ok(())
    }

    /// Sends a part of a response now and then, so that the client's limit for silence does not end
    /// the session.
    async fn hang(&self, stream: &mut BufReader<TcpStream>) -> std::io::Result<()> {
        self.tries.fetch_add(1, Ordering::SeqCst);
        let mut accepted = self.accepted.subscribe();
        let is_over = |mails: &Vec<(String, String)>| mails.len() >= self.until;
        while timeout(Duration::from_secs(1), accepted.wait_for(is_over))
            .await
            .is_err()
        {
            stream.write_all(b"250-wait\r\n").await?;
        }
        Ok(())
    }
}
