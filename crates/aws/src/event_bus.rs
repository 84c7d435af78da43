//! An event bus of Amazon EventBridge, with its one call: `PutEvents`.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>

use std::{
    error::Error,
    iter,
    time::{Duration, SystemTime},
};

use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, SharedCredentialsProvider},
};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;

use crate::{
    credentials_provider,
    json_api::{JsonApi, Response, Service, client_builder, error_code},
};
use settings::{
    AWS_DEFAULT_REGION, AWS_ENDPOINT_URL, AWS_REGION, EVENT_BUS_NAME, Environment, SettingError,
};

const SERVICE: Service = Service {
    name: "events",
    title: "EventBridge",
};

/// Limits the time until a connection exists. The caller limits the whole call.
const CONNECT_TIME: Duration = Duration::from_secs(2);

/// The size from which an event is too large, in bytes.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html>
const MAX_EVENT: usize = 1024 * 1024;

/// The time before their end from which credentials are no longer used.
const RESERVE: Duration = Duration::from_secs(300);

/// The errors after which the credentials are read again.
const OUTDATED: [&str; 3] = [
    "ExpiredTokenException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
];

/// An event bus, and the credentials of this program.
#[derive(Debug)]
pub struct EventBus {
    name: String,
    api: JsonApi,
    provider: SharedCredentialsProvider,
    /// Each call of the provider is a call of the machine's credentials service. The lock is held
    /// during the call.
    credentials: Mutex<Option<Credentials>>,
}

/// An event.
#[derive(Debug, Clone, Copy)]
pub struct BusEvent<'a> {
    pub source: &'a str,
    pub detail_type: &'a str,
    /// A JSON object.
    pub detail: &'a str,
    /// The object that the event is about.
    pub resource: &'a str,
}

/// The reason why an event is not on the bus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PutError {
    /// Another attempt would fail too.
    #[error("the event has {size} bytes, and EventBridge accepts less than {max}", max = MAX_EVENT)]
    TooLarge { size: usize },
    #[error("{reason}")]
    Failed {
        /// The status code of the response, if there was one.
        status: Option<u16>,
        /// The reason, without content of the event and of the response.
        reason: String,
    },
}

/// The body of a response: a result for each event, or the type of an error.
#[derive(Deserialize)]
struct PutResult {
    #[serde(rename = "FailedEntryCount")]
    failed: Option<u32>,
    #[serde(rename = "Entries", default)]
    entries: Vec<EntryResult>,
    #[serde(rename = "__type")]
    error: Option<String>,
}

#[derive(Deserialize)]
struct EntryResult {
    #[serde(rename = "ErrorCode")]
    error: Option<String>,
}

impl EventBus {
    /// Returns the bus that `EVENT_BUS_NAME` names; `None` if it is not set. Reads no credentials
    /// yet.
    ///
    /// # Errors
    ///
    /// When the name is invalid, or the region is not set.
    pub fn from_settings(environment: &Environment) -> Result<Option<Self>, SettingError> {
        let Some(name) = environment.get(&EVENT_BUS_NAME) else {
            return Ok(None);
        };
        if !is_name(name) {
            return Err(EVENT_BUS_NAME.reject(name, "not the name of an event bus"));
        }
        let region = environment
            .get(&AWS_REGION)
            .or_else(|| environment.get(&AWS_DEFAULT_REGION))
            .ok_or_else(|| AWS_REGION.missing("not set, but EVENT_BUS_NAME requires it"))?;
        let failed = |error| EVENT_BUS_NAME.reject(name, format!("failed to set up HTTP: {error}"));
        let client = client_builder()
            .connect_timeout(CONNECT_TIME)
            .build()
            .map_err(failed)?;
        let url = environment.get(&AWS_ENDPOINT_URL);
        Ok(Some(Self {
            name: name.to_owned(),
            api: JsonApi::new(SERVICE, region, url, client),
            provider: credentials_provider(),
            credentials: Mutex::default(),
        }))
    }

    /// Returns the name of the bus.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts an event on the bus. EventBridge also accepts an event for a bus that does not exist. Has
    /// no time limit.
    ///
    /// # Errors
    ///
    /// [`PutError`]. The event may be on the bus if there was no response.
    pub async fn put(&self, event: &BusEvent<'_>) -> Result<(), PutError> {
        let size = event.source.len()
            + event.detail_type.len()
            + event.detail.len()
            + event.resource.len();
        if size >= MAX_EVENT {
            return Err(PutError::TooLarge { size });
        }
        let without_response = |reason| PutError::Failed {
            status: None,
            reason,
        };
        let credentials = self.credentials().await.map_err(without_response)?;
        let body = json!({"Entries": [{
            "EventBusName": self.name,
            "Source": event.source,
            "DetailType": event.detail_type,
            "Detail": event.detail,
            "Resources": [event.resource],
        }]});
        let Response { status, body } = self
            .api
            .call("AWSEvents.PutEvents", body.to_string(), credentials.clone())
            .await
            .map_err(without_response)?;
        let refusal = match body {
            Some(PutResult {
                failed: Some(0),
                error: None,
                ..
            }) if status.is_success() => return Ok(()),
            Some(PutResult { entries, error, .. }) => {
                error.or_else(|| entries.into_iter().find_map(|entry| entry.error))
            }
            None => None,
        };
        let code = refusal.as_deref().map(error_code);
        if code.is_some_and(|code| OUTDATED.contains(&code)) {
            self.forget(&credentials).await;
        }
        Err(PutError::Failed {
            status: Some(status.as_u16()),
            reason: match code {
                Some(code) => describe_refusal(code),
                None => format!("EventBridge returned status {}", status.as_u16()),
            },
        })
    }

    /// Returns the credentials of this program, and reads them again before they end.
    async fn credentials(&self) -> Result<Credentials, String> {
        let mut known = self.credentials.lock().await;
        let needed_until = SystemTime::now() + RESERVE;
        let is_valid = |credentials: &&Credentials| {
            let end = credentials.expiry();
            end.is_none_or(|end| needed_until < end)
        };
        if let Some(credentials) = known.as_ref().filter(is_valid) {
            return Ok(credentials.clone());
        }
        // The text of the error may contain an address of the machine.
        let read = self.provider.provide_credentials().await.map_err(|error| {
            tracing::warn!(
                "EVENT_BUS_NAME: no credentials of AWS: {}",
                describe_chain(&error)
            );
            "this program has no credentials of AWS".to_owned()
        })?;
        Ok(known.insert(read).clone())
    }

    /// Drops these credentials. Another call may have read newer ones already.
    async fn forget(&self, outdated: &Credentials) {
        let mut known = self.credentials.lock().await;
        if known.as_ref() == Some(outdated) {
            *known = None;
        }
    }
}

/// Returns the text of an error and of its sources.
fn describe_chain(error: &(dyn Error + 'static)) -> String {
    let chain = iter::successors(Some(error), |error| (*error).source());
    let texts: Vec<_> = chain.map(ToString::to_string).collect();
    texts.join(": ")
}

/// Returns the error's code and a remedy.
fn describe_refusal(code: &str) -> String {
    let remedy = if code == "AccessDeniedException" {
        "; the role and its permissions boundary must allow events:PutEvents on the bus"
    } else {
        ""
    };
    format!("EventBridge returned {code}{remedy}")
}

/// Returns whether this is the name of an event bus, and not its ARN.
fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
    name.len() <= 256 && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests;
