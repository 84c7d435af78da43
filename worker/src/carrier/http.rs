//! A carrier behind HTTP: a program of the shop, the *bridge*, that passes each call on to any carrier.
//! `docs/carriers.md` and `docs/carrier-openapi.json` describe its API.
//!
//! Errors never contain an address or a text of the bridge, because both can contain personal data.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
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
use domain::{Address, OrderId, TrackingEvent, TrackingKind};
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

/// The answer to a question about a shipment.
#[derive(Deserialize)]
struct StatusAnswer {
    status: ShipmentStatus,
    /// The time since when the shipment has the status.
    #[serde(default)]
    at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum ShipmentStatus {
    Unknown,
    Accepted,
    InTransit,
    Delivered,
    Exception,
    Returned,
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

    /// Makes a signed call that decides about a shipment.
    async fn decide(
        &self,
        target: (Method, Option<&str>),
        shipment_id: &str,
        body: &Value,
    ) -> Result<Answer, CarrierError> {
        let body = body.to_string().into_bytes();
        let (status, received) = self.call(target, shipment_id, body).await?;
        read_answer(status, &received)
    }

    /// Makes a signed call about a shipment, and returns the status and the body of the response. The
    /// caller limits its time.
    async fn call(
        &self,
        (method, action): (Method, Option<&str>),
        shipment_id: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Vec<u8>), CarrierError> {
        let mut url = self.settings.base.clone();
        url.path_segments_mut()
            .map_err(|()| CarrierError("the carrier's address is not valid".to_owned()))?
            .pop_if_empty()
            .extend(["shipments", shipment_id])
            .extend(action);
        let message = self.sign(&method, url.path(), body)?;
        let mut request = self.client.request(method, url);
        if !message.body.is_empty() {
            request = request
                .header(CONTENT_TYPE, "application/json")
                .body(message.body);
        }
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
        Ok((status, received))
    }

    /// Signs a call by Standard Webhooks. The id names the call, so that a signature is of no use for
    /// another one.
    fn sign(&self, method: &Method, path: &str, body: Vec<u8>) -> Result<Message, CarrierError> {
        let message = Message {
            headers: Vec::new(),
            body,
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
            let call = self.decide((Method::PUT, None), &consignment.shipment_id, &shipment);
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
            let call = self.decide((Method::POST, Some("recall")), shipment_id, &body);
            Ok(match call.await? {
                Answer::Accepted { tracking_number } => {
                    Recalled::TooLate(Parcel { tracking_number })
                }
                Answer::Recalled => Recalled::NeverTaken,
            })
        }
        .boxed()
    }

    fn status<'a>(
        &'a self,
        shipment_id: &'a str,
    ) -> BoxFuture<'a, Result<Option<TrackingEvent>, CarrierError>> {
        async move {
            let call = self.call((Method::GET, None), shipment_id, Vec::new());
            let (status, received) = call.await?;
            read_status(status, &received, Utc::now())
        }
        .boxed()
    }
}

fn require_success(status: StatusCode, body: &[u8]) -> Result<(), CarrierError> {
    if status.is_success() {
        return Ok(());
    }
    Err(CarrierError(format!(
        "the carrier responded {}",
        refusal(status, body)
    )))
}

fn unreadable() -> CarrierError {
    CarrierError("the carrier's response cannot be read".to_owned())
}

/// Reads the answer to a question about a shipment.
fn read_status(
    status: StatusCode,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<Option<TrackingEvent>, CarrierError> {
    // A bridge can be without this call.
    let without_call = [
        StatusCode::NOT_FOUND,
        StatusCode::METHOD_NOT_ALLOWED,
        StatusCode::NOT_IMPLEMENTED,
    ];
    if without_call.contains(&status) {
        return Ok(None);
    }
    require_success(status, body)?;
    let answer: StatusAnswer = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let kind = match answer.status {
        ShipmentStatus::InTransit => TrackingKind::InTransit,
        ShipmentStatus::Delivered => TrackingKind::Delivered,
        ShipmentStatus::Exception => TrackingKind::Exception,
        ShipmentStatus::Returned => TrackingKind::Returned,
        // Nothing has happened to the parcel.
        ShipmentStatus::Unknown | ShipmentStatus::Accepted | ShipmentStatus::Recalled => {
            return Ok(None);
        }
    };
    Ok(Some(TrackingEvent {
        id: format!("status:{kind}"),
        kind,
        at: answer.at.unwrap_or(now),
        description: None,
        location: None,
    }))
}

fn read_answer(status: StatusCode, body: &[u8]) -> Result<Answer, CarrierError> {
    require_success(status, body)?;
    let answer: Answer = serde_json::from_slice(body).map_err(|_| unreadable())?;
    if let Answer::Accepted { tracking_number } = &answer {
        let length = tracking_number.chars().count();
        let is_text = !tracking_number.contains(char::is_control)
            && !domain::overrides_direction(tracking_number);
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
            (
                201,
                r#"{"status": "accepted", "tracking_number": "a\u202eb"}"#,
            ),
            (302, accepted),
            (404, r#"{"status": "recalled"}"#),
        ] {
            assert!(answer(status, body).is_err(), "{status} {body}");
        }
    }

    #[test]
    fn status_is_a_report_or_nothing() {
        let now: DateTime<Utc> = "2026-11-24T10:15:00Z".parse().unwrap();
        let read = |status: u16, body: &str| {
            let status = StatusCode::from_u16(status).unwrap();
            let event = read_status(status, body.as_bytes(), now)?;
            Ok::<_, CarrierError>(event.map(|event| (event.id, event.kind, event.at)))
        };
        let at: DateTime<Utc> = "2026-11-23T09:30:00Z".parse().unwrap();
        let delivered = format!(
            r#"{{"status": "delivered", "tracking_number": "TN-1", "at": "{}"}}"#,
            at.to_rfc3339()
        );
        assert_eq!(
            read(200, &delivered).unwrap(),
            Some(("status:delivered".to_owned(), TrackingKind::Delivered, at))
        );
        let (_, kind, since) = read(200, r#"{"status": "returned"}"#).unwrap().unwrap();
        assert_eq!((kind, since), (TrackingKind::Returned, now));
        for (status, body) in [
            (200, r#"{"status": "unknown"}"#),
            (200, r#"{"status": "accepted", "tracking_number": "TN-1"}"#),
            (200, r#"{"status": "recalled"}"#),
            (404, ""),
            (405, "<html>"),
            (501, "<html>"),
        ] {
            assert_eq!(read(status, body).unwrap(), None, "{status} {body}");
        }
        for (status, body) in [
            (200, ""),
            (200, r#"{"status": "lost"}"#),
            (200, r#"{"status": "delivered", "at": "yesterday"}"#),
            (302, r#"{"status": "delivered"}"#),
            (401, r#"{"code": "signature_wrong"}"#),
            (503, ""),
        ] {
            assert!(read(status, body).is_err(), "{status} {body}");
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
