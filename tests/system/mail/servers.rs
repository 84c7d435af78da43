//! Mail servers that tests can read.

use std::{io::Write, path::Path, process::Command, time::Duration};

use serde_json::Value;
use tempfile::TempDir;

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
