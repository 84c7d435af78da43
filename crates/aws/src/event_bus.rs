//! An event bus of Amazon EventBridge, with its one call: `PutEvents`.
//! <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutEvents.html>

use std::time::{Duration, SystemTime};

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

/// Limits one request, which takes a few milliseconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The largest event, in bytes.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html>
const MAX_EVENT: usize = 256 * 1024;

/// The time before their end from which credentials are no longer used.
const RESERVE: Duration = Duration::from_secs(300);

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
    #[error("the event has {size} bytes, and EventBridge accepts {max}", max = MAX_EVENT)]
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
        let client = client_builder().timeout(TIMEOUT).build().map_err(failed)?;
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

    /// Puts an event on the bus. EventBridge also accepts an event for a bus that does not exist.
    ///
    /// # Errors
    ///
    /// [`PutError`]. The event may be on the bus if there was no response.
    pub async fn put(&self, event: &BusEvent<'_>) -> Result<(), PutError> {
        let size = event.source.len()
            + event.detail_type.len()
            + event.detail.len()
            + event.resource.len();
        if size > MAX_EVENT {
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
            .call("AWSEvents.PutEvents", body.to_string(), credentials)
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
        Err(PutError::Failed {
            status: Some(status.as_u16()),
            reason: match refusal {
                Some(error) => describe_refusal(&error),
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
            tracing::warn!("EVENT_BUS_NAME: no credentials of AWS: {error}");
            "this program has no credentials of AWS".to_owned()
        })?;
        Ok(known.insert(read).clone())
    }
}

/// Returns the error's code and a remedy.
fn describe_refusal(error: &str) -> String {
    let code = error_code(error);
    let remedy = if code == "AccessDeniedException" {
        "; the role needs events:PutEvents on the bus"
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
