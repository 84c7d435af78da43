//! The response to CloudFormation, which waits for it at an address in S3.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref-responses.html>

use std::time::Duration;

use reqwest::{Client, StatusCode, redirect::Policy};
use serde::Serialize;
use tokio::time::sleep;

use crate::Request;

/// Limits one attempt.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The pauses between the attempts. All attempts together take at most 40 s.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Answer<'a> {
    status: &'static str,
    reason: &'a str,
    physical_resource_id: &'a str,
    stack_id: &'a str,
    request_id: &'a str,
    logical_resource_id: &'a str,
}

/// Sends responses to CloudFormation.
#[derive(Debug, Clone)]
pub struct AnswerSender {
    client: Client,
    pauses: [Duration; 4],
}

impl AnswerSender {
    /// Creates a sender.
    ///
    /// # Errors
    ///
    /// When TLS cannot be initialised.
    pub fn new() -> reqwest::Result<Self> {
        // rustls has no default cryptography here. This call fails when another crate has installed
        // one, which is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Client::builder()
            .redirect(Policy::none())
            .timeout(TIMEOUT)
            .build()
            .map(|client| Self {
                client,
                pauses: PAUSES,
            })
    }

    /// Makes the pauses short, for tests.
    #[cfg(test)]
    pub(crate) fn without_pauses(mut self) -> Self {
        self.pauses = [Duration::from_millis(1); 4];
        self
    }

    /// Sends the result of `request`. A failed attempt is repeated, because CloudFormation would
    /// otherwise wait until the end of its time limit.
    ///
    /// # Errors
    ///
    /// The last failure, without the address.
    pub async fn send(&self, request: &Request, result: Result<&str, &str>) -> Result<(), String> {
        let (status, reason) = match result {
            Ok(text) => ("SUCCESS", text),
            Err(text) => ("FAILED", text),
        };
        let answer = Answer {
            status,
            reason,
            physical_resource_id: request.physical_id(),
            stack_id: &request.stack_id,
            request_id: &request.request_id,
            logical_resource_id: &request.logical_resource_id,
        };
        let body = serde_json::to_vec(&answer).map_err(|error| error.to_string())?;
        let mut pauses = self.pauses.into_iter();
        loop {
            let Err(failure) = self.put(&request.response_url, body.clone()).await else {
                return Ok(());
            };
            let Some(pause) = pauses.next() else {
                return Err(failure);
            };
            tracing::warn!("the response to CloudFormation was not delivered: {failure}; retrying");
            sleep(pause).await;
        }
    }

    /// Sends the body without a content type, which the signature of the address excludes.
    async fn put(&self, url: &str, body: Vec<u8>) -> Result<(), String> {
        let sent = self.client.put(url).body(body).send().await;
        match sent.map(|response| response.status()) {
            Ok(status) if status.is_success() => Ok(()),
            Ok(status) => Err(describe_status(status)),
            Err(error) if error.is_timeout() => Err(format!("no response within {TIMEOUT:?}")),
            Err(_) => Err("S3 is unreachable; check the network's way to it".to_owned()),
        }
    }
}

fn describe_status(status: StatusCode) -> String {
    format!("S3 returned status {status}")
}
