//! Mailboxes that tests look into.

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

/// `.ci/run` looks for this.
const SKIPPED: &str = "SKIPPED: the tests of mail need node and npm";

/// MailDev; `None`, and a word about it, where there is nothing to run it with.
async fn install_maildev() -> Option<MailProgram> {
    let runs = |program| {
        Command::new(program)
            .arg("--version")
            .output()
            .is_ok_and(|output| output.status.success())
    };
    if !runs("node") || !runs("npm") {
        // Past the test harness's capture, so that it is seen.
        writeln!(std::io::stderr().lock(), "{SKIPPED}").unwrap();
        return None;
    }
    // It makes TLS ready as well, which an HTTP client asks for.
    shared_servers().await;
    Some(obtain_maildev(&Progress::stderr()).await.unwrap())
}

/// MailDev with nothing in it.
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

    /// Every mail as it came: subject, addresses, headers, both bodies.
    pub(super) async fn list_mails(&self) -> Vec<Value> {
        let answer = self
            .http
            .get(format!("{}/email", self.server.ui_url))
            .send()
            .await
            .unwrap();
        answer.json().await.unwrap()
    }

    pub(super) async fn clear(&self) {
        let answer = self
            .http
            .delete(format!("{}/email/all", self.server.ui_url))
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success());
    }
}

/// A mail server as a provider runs one: STARTTLS with a certificate of its own, and a password.
pub(super) struct MailProvider {
    pub(super) port: u16,
    /// Who signed its certificate.
    pub(super) authority: String,
    http_url: String,
    _process: Process,
    _folder: TempDir,
}

impl MailProvider {
    pub(super) async fn start() -> Option<Self> {
        let MailProgram::MailDev { node, packages, .. } = install_maildev().await? else {
            panic!("MailDev is no MailDev")
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

    /// What it took: for whom, from which user, whether encrypted, and the mail itself.
    pub(super) async fn accepted_mails(&self) -> Vec<Value> {
        reqwest::get(&self.http_url)
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }
}
