//! One connection to Temporal, made when it is needed and replaced when it is lost.
//!
//! AWS freezes a Lambda sandbox between two calls. Afterwards its connection may be dead without
//! having been closed. So this module probes a connection that was idle, replaces a failed
//! connection instead of retrying on it, and repeats the lost call once. A call may therefore reach
//! Temporal twice. This is safe: Temporal refuses a second start as a duplicate, an update carries
//! its id, and other calls only read.
//!
//! A changed secret makes a new connection; running calls finish on the previous one. If Temporal
//! refuses a credential, the secrets are read again, and the call is repeated with new ones.

use std::time::{Duration, Instant};

use temporalio_client::{Client, Connection, errors::ClientConnectError, tonic::IntoRequest};
use temporalio_common::protos::temporal::api::workflowservice::v1::GetSystemInfoRequest;
use tokio::{sync::Mutex, time::timeout};

use crate::{
    Error, TemporalSettings,
    grpc_error::{CallError, SdkError, is_busy, is_connection_lost, is_credential_refused},
    pauses::Pauses,
    secrets::SecretValues,
};

/// The time limit for connecting, which normally takes a few milliseconds. The SDK's own limit
/// covers only the TCP handshake, not a server that accepts the connection and does not respond.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(2_000);

/// The idle time after which a connection is probed, because it may be lost in a freeze.
const IDLE_LIMIT: Duration = Duration::from_secs(5);

/// The time limit of the probe, which normally takes one millisecond.
const PROBE_TIMEOUT: Duration = Duration::from_millis(300);

/// The pause between two attempts to connect with new secrets, while the previous connection works.
const REFUSED_PAUSE: Duration = Duration::from_secs(30);

/// Connects a worker to Temporal.
///
/// # Errors
///
/// Returns an error when Temporal is unavailable. The worker's supervisor then restarts it.
pub async fn connect_worker(settings: &TemporalSettings) -> Result<Client, Error> {
    let values = settings.secrets().current().await;
    let options = settings.worker_options(&values.map_err(Error::Unavailable)?);
    let (connection, client) = options.map_err(|error| Error::Unexpected(error.to_string()))?;
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
    /// The secrets of `client`.
    values: Option<SecretValues>,
    /// Secrets with which no connection could be made, and the time of the attempt.
    refused: Option<(SecretValues, Instant)>,
    /// The number of the connection. A late failure on an old connection must not close the new
    /// one.
    generation: u64,
    last_used: Option<Instant>,
    last_failure: Option<(Instant, String)>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// The connection for one call.
struct Connected {
    client: Client,
    values: SecretValues,
    generation: u64,
}

struct ConnectFailure {
    cause: String,
    /// The secrets of the attempt; `None` if they could not be read.
    values: Option<SecretValues>,
}

impl State {
    /// Returns whether the secrets have changed since the connection was made.
    fn should_renew(&self, values: &SecretValues) -> bool {
        let was_refused = self
            .refused
            .as_ref()
            .is_some_and(|(refused, at)| refused == values && at.elapsed() < REFUSED_PAUSE);
        self.values.as_ref() != Some(values) && !was_refused
    }

    fn replace(&mut self, client: Client, values: SecretValues) -> Connected {
        self.client = Some(client.clone());
        self.values = Some(values.clone());
        self.refused = None;
        self.generation += 1;
        self.last_used = Some(Instant::now());
        Connected {
            client,
            values,
            generation: self.generation,
        }
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

    /// Runs `call` with a client, within `deadline`. Repeats it once on a new connection if the
    /// first connection is lost.
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
        let mut cause = String::new();
        for _ in 0..2 {
            let Connected {
                client,
                values,
                generation,
            } = match self.client().await {
                Ok(connected) => connected,
                Err(failure) if self.has_new_secrets(failure.values.as_ref()).await => {
                    cause = failure.cause;
                    continue;
                }
                Err(failure) => return Err(CallError::Unreachable(failure.cause)),
            };
            match timeout(deadline, call(client.clone())).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) if is_connection_lost(&error) => cause = error.to_string(),
                Ok(Err(error)) if is_credential_refused(&error) => {
                    if !self.has_new_secrets(Some(&values)).await {
                        return Err(CallError::Sdk(error));
                    }
                    cause = error.to_string();
                }
                Ok(Err(error)) => return Err(CallError::Sdk(error)),
                Err(_) => match probe(&client).await {
                    Ok(()) => return Err(CallError::TimedOut),
                    Err(error) => cause = error,
                },
            }
            self.discard(generation).await;
        }
        Err(CallError::Unreachable(cause))
    }

    /// Runs `call` like [`Self::call`]. While the server is busy, repeats it with growing pauses
    /// until `until`.
    pub(crate) async fn call_until<T, E, F, Fut>(
        &self,
        deadline: Duration,
        until: Instant,
        call: F,
    ) -> Result<T, CallError<E>>
    where
        E: SdkError,
        F: Fn(Client) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let mut pauses = Pauses::until(until);
        loop {
            let result = self.call(deadline, &call).await;
            let is_busy = matches!(&result, Err(CallError::Sdk(error)) if is_busy(error));
            if !is_busy || !pauses.pause().await {
                return result;
            }
        }
    }

    /// Returns whether the secrets differ from those with which Temporal refused a call.
    async fn has_new_secrets(&self, used: Option<&SecretValues>) -> bool {
        match used {
            Some(used) => self.settings.secrets().have_changed(used).await,
            None => false,
        }
    }

    /// Returns the current connection, or makes one. Concurrent callers share one attempt to
    /// connect.
    async fn client(&self) -> Result<Connected, ConnectFailure> {
        let requested_at = Instant::now();
        let values = self.settings.secrets().current().await;
        let values = values.map_err(|cause| ConnectFailure {
            cause,
            values: None,
        })?;
        let mut state = self.state.lock().await;
        if state.client.is_some() && state.should_renew(&values) {
            match self.connect(&values).await {
                Ok(client) => return Ok(state.replace(client, values)),
                Err(cause) => {
                    tracing::error!(
                        "no connection to Temporal with the new secret: {cause}; the previous connection stays in use"
                    );
                    state.refused = Some((values.clone(), Instant::now()));
                }
            }
        }
        if let Some(client) = &state.client {
            let was_idle = state
                .last_used
                .is_none_or(|last_used| last_used.elapsed() > IDLE_LIMIT);
            if !was_idle || probe(client).await.is_ok() {
                let client = client.clone();
                state.last_used = Some(Instant::now());
                return Ok(Connected {
                    client,
                    values: state.values.clone().unwrap_or(values),
                    generation: state.generation,
                });
            }
            state.client = None;
        }
        if let Some((at, cause)) = &state.last_failure
            && *at > requested_at
        {
            return Err(ConnectFailure {
                cause: cause.clone(),
                values: Some(values),
            });
        }
        match self.connect(&values).await {
            Ok(client) => Ok(state.replace(client, values)),
            Err(cause) => {
                state.last_failure = Some((Instant::now(), cause.clone()));
                Err(ConnectFailure {
                    cause,
                    values: Some(values),
                })
            }
        }
    }

    async fn connect(&self, values: &SecretValues) -> Result<Client, String> {
        let options = self.settings.caller_options(values);
        let (connection, client) = options.map_err(|error| error.to_string())?;
        match timeout(CONNECT_TIMEOUT, Connection::connect(connection)).await {
            Ok(Ok(connection)) => {
                Client::new(connection, client).map_err(|error| error.to_string())
            }
            Ok(Err(error)) => Err(root_cause(&error)),
            Err(_) => Err(format!("no response within {CONNECT_TIMEOUT:?}")),
        }
    }

    async fn discard(&self, generation: u64) {
        let mut state = self.state.lock().await;
        if state.generation == generation {
            state.client = None;
        }
    }
}

/// Returns the innermost cause. The outer errors contain the address, and this text may reach a
/// caller.
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
        PROBE_TIMEOUT,
        service.get_system_info(GetSystemInfoRequest::default().into_request()),
    )
    .await
    {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(status)) => Err(format!("{:?}: {}", status.code(), status.message())),
        Err(_) => Err(format!("no response within {PROBE_TIMEOUT:?}")),
    }
}

#[cfg(test)]
mod tests;
