//! One connection to Temporal, made when it is needed and replaced when it is lost.
//!
//! A sandbox freezes between two calls and wakes with a connection that nobody closed and nobody
//! answers on. So a connection that rested is asked something short first; one that fails is replaced
//! as a whole, not retried; and what was asked is asked once more. All that goes through here may be
//! asked twice: a start is refused as a duplicate, an update carries its id, the rest only reads.

use std::time::{Duration, Instant};

use temporalio_client::{Client, Connection, errors::ClientConnectError};
use temporalio_common::protos::temporal::api::workflowservice::v1::GetSystemInfoRequest;
use tokio::{sync::Mutex, time::timeout};
use tonic::IntoRequest;

use crate::{
    Error, TemporalSettings,
    grpc_error::{CallError, SdkError, is_connection_lost},
};

/// Connecting takes a few milliseconds, or something is wrong. The SDK's own limit covers the TCP
/// handshake only, not a server that accepts and then says nothing.
const CONNECT: Duration = Duration::from_millis(2_000);

/// A connection that rested this long may have been lost in a freeze.
const RESTED: Duration = Duration::from_secs(5);

/// The short question takes a millisecond.
const PROBE: Duration = Duration::from_millis(300);

/// A client for a worker. It fails when Temporal is not there: a worker's supervisor starts it again.
pub async fn connect_worker(settings: &TemporalSettings) -> Result<Client, Error> {
    let (connection, client) = settings.worker_options();
    let connected = Connection::connect(connection).await;
    let connection = connected.map_err(|error| Error::Unavailable(root_cause(&error)))?;
    Client::new(connection, client).map_err(|error| Error::Unexpected(error.to_string()))
}

#[derive(Debug)]
pub(crate) struct SharedConnection {
    settings: TemporalSettings,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    client: Option<Client>,
    /// Tells two connections apart, so that a late failure on an old one does not end the new one.
    generation: u64,
    used: Option<Instant>,
    failed: Option<(Instant, String)>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl SharedConnection {
    pub(crate) fn new(settings: TemporalSettings) -> Self {
        Self {
            settings,
            state: Mutex::default(),
        }
    }

    pub(crate) fn settings(&self) -> &TemporalSettings {
        &self.settings
    }

    /// Does `call` with a client, within `deadline`; once more on a new connection when the first is lost.
    pub(crate) async fn call<T, E, F, Fut>(
        &self,
        deadline: Duration,
        call: F,
    ) -> Result<T, CallError<E>>
    where
        E: SdkError,
        F: Fn(Client) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let mut lost = String::new();
        for _ in 0..2 {
            let (client, generation) = self.client().await.map_err(CallError::Unreachable)?;
            match timeout(deadline, call(client.clone())).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) if is_connection_lost(&error) => lost = error.to_string(),
                Ok(Err(error)) => return Err(CallError::Sdk(error)),
                Err(_) => match probe(&client).await {
                    Ok(()) => return Err(CallError::TimedOut),
                    Err(cause) => lost = cause,
                },
            }
            self.forget(generation).await;
        }
        Err(CallError::Unreachable(lost))
    }

    /// The connection, a new one if there is none; whoever waits meanwhile shares how it went.
    async fn client(&self) -> Result<(Client, u64), String> {
        let asked = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(client) = &state.client {
            let rested = state.used.is_none_or(|used| used.elapsed() > RESTED);
            if !rested || probe(client).await.is_ok() {
                let client = client.clone();
                state.used = Some(Instant::now());
                return Ok((client, state.generation));
            }
            state.client = None;
        }
        if let Some((at, cause)) = &state.failed
            && *at > asked
        {
            return Err(cause.clone());
        }
        match self.connect().await {
            Ok(client) => {
                state.client = Some(client.clone());
                state.generation += 1;
                state.used = Some(Instant::now());
                Ok((client, state.generation))
            }
            Err(cause) => {
                state.failed = Some((Instant::now(), cause.clone()));
                Err(cause)
            }
        }
    }

    async fn connect(&self) -> Result<Client, String> {
        let (connection, client) = self.settings.caller_options();
        match timeout(CONNECT, Connection::connect(connection)).await {
            Ok(Ok(connection)) => {
                Client::new(connection, client).map_err(|error| error.to_string())
            }
            Ok(Err(error)) => Err(root_cause(&error)),
            Err(_) => Err(format!("no answer within {CONNECT:?}")),
        }
    }

    async fn forget(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.client = None;
        }
    }
}

/// The last link of the chain: the ones above carry the address, and this text may reach a caller.
fn root_cause(error: &ClientConnectError) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

async fn probe(client: &Client) -> Result<(), String> {
    let mut service = client.connection().workflow_service();
    match timeout(
        PROBE,
        service.get_system_info(GetSystemInfoRequest::default().into_request()),
    )
    .await
    {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(status)) => Err(format!("{:?}: {}", status.code(), status.message())),
        Err(_) => Err(format!("no answer within {PROBE:?}")),
    }
}
