//! Requests to a running supervisor over a socket in the state folder: one line of JSON each way.

use std::{io, time::Duration};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::UnixStream,
    time::{Instant, sleep, timeout},
};

use super::{project::Project, status::ServiceStatus};

/// The longest wait for a response; longer than the slowest regular stop of all services.
const ANSWER: Duration = Duration::from_secs(180);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ControlRequest {
    Status,
    Restart(Option<String>),
    Down,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ControlResponse {
    Done,
    Status(Vec<ServiceStatus>),
    Failed(String),
}

/// Returns the status of all services.
pub async fn request_status(project: &Project) -> Result<Vec<ServiceStatus>> {
    match ask(project, &ControlRequest::Status).await? {
        ControlResponse::Status(status) => Ok(status),
        ControlResponse::Failed(error) => bail!("{error}"),
        ControlResponse::Done => bail!("the supervisor sent a response of another kind"),
    }
}

/// Restarts one service, `app` (worker and API), or all services.
pub async fn request_restart(project: &Project, service: Option<String>) -> Result<()> {
    match ask(project, &ControlRequest::Restart(service)).await? {
        ControlResponse::Failed(error) => bail!("{error}"),
        ControlResponse::Done | ControlResponse::Status(_) => Ok(()),
    }
}

/// Stops the stack and waits until its supervisor has exited.
pub async fn request_shutdown(project: &Project) -> Result<()> {
    if let ControlResponse::Failed(error) = ask(project, &ControlRequest::Down).await? {
        bail!("{error}");
    }
    let end = Instant::now() + ANSWER;
    while project.is_running()? {
        if Instant::now() > end {
            bail!(
                "the supervisor did not exit; `orderflow logs --service supervisor` shows its log"
            );
        }
        sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn ask(project: &Project, request: &ControlRequest) -> Result<ControlResponse> {
    let socket = project.socket();
    let talk = async {
        let stream = UnixStream::connect(&socket).await?;
        let mut stream = BufReader::new(stream);
        write_message(&mut stream, request).await?;
        read_message(&mut stream).await
    };
    let answer = timeout(ANSWER, talk).await;
    answer.map_err(io::Error::from).and_then(|answer| answer).with_context(|| {
        format!(
            "the supervisor of the stack does not respond at {}; start the stack with `orderflow up`",
            socket.display()
        )
    })
}

pub(crate) async fn read_message<T: DeserializeOwned>(
    stream: &mut BufReader<UnixStream>,
) -> io::Result<T> {
    let mut line = String::new();
    stream.read_line(&mut line).await?;
    Ok(serde_json::from_str(&line)?)
}

pub(crate) async fn write_message<T: Serialize>(
    stream: &mut BufReader<UnixStream>,
    message: &T,
) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    stream.flush().await
}
