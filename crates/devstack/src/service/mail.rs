//! A mail server that accepts every mail, shows it on a web page and sends none.

use std::{ffi::OsString, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{
    ports,
    process::{Process, guard::GuardOptions, readiness::Readiness},
    progress::Progress,
    toolchain::{self, MailProgram},
};

const START: Duration = Duration::from_secs(60);

/// Options of the server.
#[derive(Clone, Debug)]
pub struct MailOptions {
    /// The program; `None` is the one that [`toolchain::obtain_mail_server`] finds.
    pub program: Option<MailProgram>,
    /// The port of the web page; `None` is a free one.
    pub ui_port: Option<u16>,
    /// The folder for mails; `None` is a temporary one.
    pub folder: Option<PathBuf>,
    /// The server's log file.
    pub log: Option<PathBuf>,
    /// The sink for progress messages.
    pub progress: Progress,
}

impl Default for MailOptions {
    fn default() -> Self {
        Self {
            program: None,
            ui_port: None,
            folder: None,
            log: None,
            progress: Progress::stderr(),
        }
    }
}

/// A running server. It stops when this value is dropped or this process ends.
#[derive(Debug)]
pub struct Mail {
    /// The value for `SMTP_URL`.
    pub smtp_url: String,
    /// The address of the web page that shows the mails.
    pub ui_url: String,
    /// The server's process, to stop, kill or restart it.
    pub process: Arc<Process>,
    _temporary: Option<TempDir>,
}

impl Mail {
    /// Installs the program if necessary, starts the server and waits until it is ready.
    pub async fn start(options: MailOptions) -> Result<Self> {
        let sink = match options.program {
            Some(sink) => sink,
            None => toolchain::obtain_mail_server(&options.progress).await?,
        };
        let ui_port = match options.ui_port {
            Some(port) => port,
            None => ports::free_port()?,
        };
        let smtp_port = ports::free_port()?;
        let temporary = tempfile::Builder::new().prefix("orderflow-mail-").tempdir();
        let temporary = temporary.context("failed to create a temporary folder for mails")?;
        let folder = options
            .folder
            .clone()
            .unwrap_or_else(|| temporary.path().join("mail"));
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("failed to create {}", folder.display()))?;
        let (command, path) = command(&sink, smtp_port, ui_port, folder);
        let process = Process::start(
            GuardOptions {
                name: "mail".to_owned(),
                command,
                environment: Vec::new(),
                removed_environment: Vec::new(),
                log: options
                    .log
                    .clone()
                    .unwrap_or_else(|| temporary.path().join("mail.log")),
                user: None,
                stop_signal: "TERM",
                // The server would wait for clients that keep their connections open.
                grace_period: Duration::from_secs(1),
                remove_folder: Some(temporary.path().to_owned()),
            },
            Readiness::Http {
                address: format!("127.0.0.1:{ui_port}"),
                path: path.to_owned(),
            },
            START,
        );
        Ok(Self {
            process: Arc::new(process.await?),
            smtp_url: format!("smtp://127.0.0.1:{smtp_port}"),
            ui_url: format!("http://127.0.0.1:{ui_port}"),
            _temporary: Some(temporary),
        })
    }
}

/// Returns the command, and the path of its health check.
fn command(
    sink: &MailProgram,
    smtp_port: u16,
    ui_port: u16,
    folder: PathBuf,
) -> (Vec<OsString>, &'static str) {
    match sink {
        MailProgram::Mailpit(program) => {
            let mut command: Vec<OsString> = vec![program.into()];
            command.extend(["--smtp".into(), format!("127.0.0.1:{smtp_port}").into()]);
            command.extend(["--listen".into(), format!("127.0.0.1:{ui_port}").into()]);
            command.extend(["--database".into(), folder.join("mailpit.db").into()]);
            (command, "/readyz")
        }
        MailProgram::MailDev { node, script, .. } => {
            let mut command: Vec<OsString> = vec![
                node.into(),
                script.into(),
                "--ip".into(),
                "127.0.0.1".into(),
            ];
            command.extend(["--smtp".into(), smtp_port.to_string().into()]);
            command.extend(["--web".into(), ui_port.to_string().into()]);
            command.extend(["--mail-directory".into(), folder.into()]);
            (command, "/healthz")
        }
    }
}
