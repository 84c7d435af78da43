//! The supervisor: the process that runs a project's stack from its start until a request to stop.

use std::{
    fs,
    future::pending,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::BufReader,
    net::{UnixListener, UnixStream},
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use url::Url;

use super::{
    Stack, StackOptions,
    addresses::StackAddresses,
    control::{self, ControlRequest, ControlResponse},
    project::{Project, StackState},
    rotation,
    status::stopped_services,
};
use crate::{ports, progress::Progress};

/// The longest wait for the guards of a killed supervisor to stop its servers.
const PREDECESSOR: Duration = Duration::from_secs(30);

/// Starts the stack of a project, calls `ready`, and runs the stack until Ctrl-C, SIGTERM or
/// `orderflow down`. Stops during the start when `abandoned` completes.
pub async fn run_supervisor(
    project: &Project,
    options: StackOptions,
    progress: &Progress,
    abandoned: impl Future<Output = ()>,
    ready: impl FnOnce(&StackState),
) -> Result<()> {
    let Some(_lock) = project.try_lock()? else {
        bail!("the stack is already running; `orderflow ps` shows it");
    };
    let mut ends = Ends::new()?;
    let predecessor = project.read_last_state();
    project.remove_state();
    let socket = project.socket();
    let listener = UnixListener::bind(&socket)
        .with_context(|| format!("failed to listen at {}", socket.display()))?;
    fs::create_dir_all(project.logs())
        .with_context(|| format!("failed to create {}", project.logs().display()))?;

    let start = async {
        if let Some(state) = predecessor {
            progress.report("the last supervisor was killed; waiting for its services to exit");
            wait_for_end(&state.addresses).await;
        }
        Stack::start(options, progress).await
    };
    let started = tokio::select! {
        started = start => started.map(Some),
        () = ends.signal() => Ok(None),
        () = refuse_until_down(&listener) => Ok(None),
        () = abandoned => Ok(None),
    };
    let result = match started {
        Ok(Some(stack)) => {
            let state = StackState {
                supervisor_pid: std::process::id(),
                addresses: stack.addresses.clone(),
                settings: stack.settings.clone(),
            };
            let rotation = tokio::spawn(rotation::rotate_logs(project.logs(), progress.clone()));
            let written = project.write_state(&state);
            if written.is_ok() {
                ready(&state);
                let waiting = run(&stack, &listener, &mut ends, progress).await;
                progress.report("stopping all services");
                stack.stop().await;
                answer(waiting, &ControlResponse::Done).await;
            } else {
                stack.stop().await;
            }
            rotation.abort();
            written
        }
        Ok(None) => {
            progress.report("stopped before the stack was ready");
            Ok(())
        }
        Err(error) => Err(error),
    };
    project.remove_state();
    result
}

/// Answers requests until a request or a signal stops the stack. Returns the connection that waits for
/// the stop.
async fn run(
    stack: &Stack,
    listener: &UnixListener,
    ends: &mut Ends,
    progress: &Progress,
) -> Option<BufReader<UnixStream>> {
    loop {
        let (request, mut stream) = tokio::select! {
            next = next_request(listener) => next,
            () = ends.signal() => return None,
        };
        let reply = match request {
            ControlRequest::Status => ControlResponse::Status(stack.status()),
            ControlRequest::Down => return Some(stream),
            ControlRequest::Restart(service) => {
                let restart = stack.restart(service.as_deref(), progress);
                let restarted = tokio::select! {
                    restarted = restart => restarted,
                    () = ends.signal() => return None,
                };
                match restarted {
                    Ok(()) => ControlResponse::Done,
                    Err(error) => ControlResponse::Failed(format!("{error:#}")),
                }
            }
        };
        // The client may have closed the connection.
        let _ = control::write_message(&mut stream, &reply).await;
    }
}

/// Answers requests during the start until one stops the stack. Rejects a restart.
async fn refuse_until_down(listener: &UnixListener) {
    loop {
        let (request, mut stream) = next_request(listener).await;
        let reply = match request {
            ControlRequest::Down => {
                answer(Some(stream), &ControlResponse::Done).await;
                return;
            }
            ControlRequest::Status => {
                let mut status = stopped_services();
                for line in &mut status {
                    "starting".clone_into(&mut line.state);
                }
                ControlResponse::Status(status)
            }
            ControlRequest::Restart(_) => ControlResponse::Failed(
                "the stack is still starting; wait for it with `orderflow up`".to_owned(),
            ),
        };
        let _ = control::write_message(&mut stream, &reply).await;
    }
}

async fn next_request(listener: &UnixListener) -> (ControlRequest, BufReader<UnixStream>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The process may be out of file descriptors; the pause avoids a busy loop.
            sleep(Duration::from_millis(100)).await;
            continue;
        };
        let mut stream = BufReader::new(stream);
        // A client that connects and sends nothing must not block other clients.
        let read = tokio::time::timeout(Duration::from_secs(2), control::read_message(&mut stream));
        if let Ok(Ok(request)) = read.await {
            return (request, stream);
        }
    }
}

async fn answer(stream: Option<BufReader<UnixStream>>, answer: &ControlResponse) {
    if let Some(mut stream) = stream {
        let _ = control::write_message(&mut stream, answer).await;
    }
}

/// Waits until the ports of a killed supervisor's services are free, because its guards may still be
/// stopping them.
async fn wait_for_end(addresses: &StackAddresses) {
    let taken = || {
        [
            addresses.http_url.as_str(),
            addresses.ui_url.as_str(),
            &format!("http://{}", addresses.temporal_address),
        ]
        .into_iter()
        .chain(addresses.worker_health_url.as_deref())
        .chain(addresses.mail_url.as_deref())
        .chain(
            addresses
                .database_folder
                .is_some()
                .then_some(addresses.database_url.as_str()),
        )
        .filter_map(|url| Url::parse(url).ok()?.port())
        .any(|port| !ports::is_port_free(port))
    };
    let end = Instant::now() + PREDECESSOR;
    while taken() && Instant::now() < end {
        sleep(Duration::from_millis(50)).await;
    }
}

/// The signals that stop the stack: Ctrl-C, SIGTERM and a closed terminal.
struct Ends([tokio::signal::unix::Signal; 3]);

impl Ends {
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).context("failed to listen for signals");
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    async fn signal(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            Some(()) = interrupt.recv() => {}
            Some(()) = terminate.recv() => {}
            Some(()) = hangup.recv() => {}
            else => pending().await,
        }
    }
}
