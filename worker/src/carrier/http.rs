//! A carrier behind HTTP: a program of the shop, the *bridge*, that passes each call on to any carrier.
//! `docs/carriers.md` and `docs/carrier-openapi.json` describe its API.
//!
//! Errors never contain an address or a text of the bridge, because both can contain personal data.

use std::time::{SystemTime, UNIX_EPOCH};

use futures::{FutureExt, future::BoxFuture};
use reqwest::{
    Client, Method, StatusCode,
    header::{CONTENT_TYPE, HeaderName},
    redirect::Policy,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Carrier, CarrierError, Consignment, HttpCarrierSettings, Parcel, Recalled};
use contract::LineItemView;
use domain::{Address, OrderId};
use payment_webhooks::{Message, Signing, sign};

/// The largest response, in bytes.
const LARGEST: usize = 64 * 1024;

/// The longest tracking number, in characters.
const MAX_TRACKING_LENGTH: usize = 100;

/// A carrier behind HTTP.
#[derive(Debug, Clone)]
pub struct HttpCarrier {
    settings: HttpCarrierSettings,
    client: Client,
}

/// The body of a call to create a shipment.
#[derive(Serialize)]
struct NewShipment<'a> {
    order_id: &'a OrderId,
    address: Option<&'a Address>,
    contents: Vec<LineItemView>,
}

/// The answer to a call: the parcel, or that the bridge never gives it to the carrier.
#[derive(Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
enum Answer {
    Accepted { tracking_number: String },
    Recalled,
}

impl HttpCarrier {
    /// Returns the carrier.
    ///
    /// # Errors
    ///
    /// The TLS library cannot be initialised.
    pub fn new(settings: HttpCarrierSettings) -> reqwest::Result<Self> {
        // Several crates depend on rustls and none installs a crypto provider. A second
        // installation fails, which is harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().redirect(Policy::none()).build()?;
        Ok(Self { settings, client })
    }

    /// Makes a signed call about a shipment. The caller limits its time.
    async fn call(
        &self,
        (method, action): (Method, Option<&str>),
        shipment_id: &str,
        body: &Value,
    ) -> Result<Answer, CarrierError> {
        let mut url = self.settings.base.clone();
        url.path_segments_mut()
            .map_err(|()| CarrierError("the carrier's address is not valid".to_owned()))?
            .pop_if_empty()
            .extend(["shipments", shipment_id])
            .extend(action);
        let message = self.sign(&method, url.path(), body)?;
        let mut request = self
            .client
            .request(method, url)
            .header(CONTENT_TYPE, "application/json")
            .body(message.body);
        for (name, value) in message.headers {
            request = request.header(HeaderName::from_static(name), value);
        }
        let mut response = request.send().await.map_err(|error| lost(&error))?;
        let status = response.status();
        let mut received = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| lost(&error))? {
            received.extend_from_slice(&chunk);
            if received.len() > LARGEST {
                return Err(CarrierError(
                    "the carrier's response is too long".to_owned(),
                ));
            }
        }
        read_answer(status, &received)
    }

    /// Signs a call by Standard Webhooks. The id names the call, so that a signature is of no use for
    /// another one.
    fn sign(&self, method: &Method, path: &str, body: &Value) -> Result<Message, CarrierError> {
        let message = Message {
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let signing = Signing {
            now: i64::try_from(now).unwrap_or(i64::MAX),
            message_id: &format!("{method} {path}"),
            notification_url: None,
        };
        sign(&self.settings.secrets, message, &signing)
            .map_err(|_| CarrierError("the call cannot be signed".to_owned()))
    }
}

impl Carrier for HttpCarrier {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn dispatch<'a>(
        &'a self,
        consignment: &'a Consignment,
    ) -> BoxFuture<'a, Result<Parcel, CarrierError>> {
        async move {
            let shipment = json!(NewShipment {
                order_id: &consignment.reference,
                address: consignment.address.as_ref(),
                contents: consignment
                    .contents
                    .iter()
                    .map(LineItemView::from)
                    .collect(),
            });
            let call = self.call((Method::PUT, None), &consignment.shipment_id, &shipment);
            match call.await? {
                Answer::Accepted { tracking_number } => Ok(Parcel { tracking_number }),
                Answer::Recalled => Err(CarrierError("the parcel was recalled".to_owned())),
            }
        }
        .boxed()
    }

    fn recall<'a>(
        &'a self,
        order_id: &'a OrderId,
        shipment_id: &'a str,
    ) -> BoxFuture<'a, Result<Recalled, CarrierError>> {
        async move {
            let body = json!({"order_id": order_id});
            let call = self.call((Method::POST, Some("recall")), shipment_id, &body);
            Ok(match call.await? {
                Answer::Accepted { tracking_number } => {
                    Recalled::TooLate(Parcel { tracking_number })
                }
                Answer::Recalled => Recalled::NeverTaken,
            })
        }
        .boxed()
    }
}

fn read_answer(status: StatusCode, body: &[u8]) -> Result<Answer, CarrierError> {
    if !status.is_success() {
        return Err(CarrierError(format!(
            "the carrier responded {}",
            refusal(status, body)
        )));
    }
    let unreadable = || CarrierError("the carrier's response cannot be read".to_owned());
    let answer: Answer = serde_json::from_slice(body).map_err(|_| unreadable())?;
    if let Answer::Accepted { tracking_number } = &answer {
        let length = tracking_number.chars().count();
        let is_text = tracking_number.chars().all(|c| !c.is_control());
        if tracking_number.trim().is_empty() || length > MAX_TRACKING_LENGTH || !is_text {
            return Err(unreadable());
        }
    }
    Ok(answer)
}

/// Returns the status, and the code of the bridge's problem if it is one.
fn refusal(status: StatusCode, body: &[u8]) -> String {
    let problem: Value = serde_json::from_slice(body).unwrap_or_default();
    let is_code = |code: &&str| {
        let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        (1..=64).contains(&code.len()) && code.chars().all(is_part)
    };
    match problem["code"].as_str().filter(is_code) {
        Some(code) => format!("{} {code}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// It is unknown whether the bridge received the call.
fn lost(error: &reqwest::Error) -> CarrierError {
    CarrierError(if error.is_connect() {
        "failed to connect to the carrier".to_owned()
    } else {
        "the connection to the carrier was lost".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Result<Option<String>, String> {
        let status = StatusCode::from_u16(status).unwrap();
        match read_answer(status, body.as_bytes()) {
            Ok(Answer::Accepted { tracking_number }) => Ok(Some(tracking_number)),
            Ok(Answer::Recalled) => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn only_a_clear_answer_counts() {
        let accepted = r#"{"status": "accepted", "tracking_number": "TN-1", "carrier": "dhl"}"#;
        assert_eq!(answer(200, accepted), Ok(Some("TN-1".to_owned())));
        assert_eq!(answer(200, r#"{"status": "recalled"}"#), Ok(None));
        for (status, body) in [
            (200, ""),
            (200, "{}"),
            (200, r#"{"status": "accepted"}"#),
            (200, r#"{"status": "accepted", "tracking_number": " "}"#),
            (201, r#"{"status": "accepted", "tracking_number": "a\nb"}"#),
            (302, accepted),
            (404, r#"{"status": "recalled"}"#),
        ] {
            assert!(answer(status, body).is_err(), "{status} {body}");
        }
    }

    #[test]
    fn refusal_has_the_code_and_no_other_text() {
        let refused = answer(
            422,
            r#"{"code": "address_unknown", "detail": "Jane Doe, 1 Main St"}"#,
        );
        assert_eq!(
            refused.unwrap_err(),
            "the carrier responded 422 address_unknown"
        );
        let refused = answer(503, r#"{"code": "Jane Doe"}"#);
        assert_eq!(refused.unwrap_err(), "the carrier responded 503");
    }
}
