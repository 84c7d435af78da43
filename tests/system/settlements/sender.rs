//! A payment provider that sends signed webhook events.

use chrono::Utc;
use reqwest::Method;
use serde_json::Value;

use crate::{
    harness::Harness,
    webhooks::{sign_as, test_secrets},
};
use domain::{Currency, Decimal, Money, OrderId, TransactionId, WebhookProvider};
use payment_webhooks::{Facts, Message, SampleKind, Secrets, sample};

pub(crate) struct WebhookSender<'a> {
    harness: &'a Harness,
    pub(crate) provider: WebhookProvider,
    secrets: Secrets,
}

/// The payment of a webhook event.
#[derive(Debug, Clone)]
pub(crate) struct SamplePayment {
    pub(crate) order_id: String,
    pub(crate) transaction_id: String,
    pub(crate) amount: Money,
}

pub(crate) fn parse_money(amount: &str, currency: &str) -> Money {
    let amount: Decimal = amount.parse().unwrap();
    Money::from_decimal(amount, Currency::parse(currency).unwrap()).unwrap()
}

impl<'a> WebhookSender<'a> {
    pub(crate) fn new(harness: &'a Harness, provider: WebhookProvider) -> Self {
        Self {
            harness,
            provider,
            secrets: test_secrets(provider),
        }
    }

    pub(crate) fn payment(
        &self,
        order_id: &str,
        transaction_id: &str,
        amount: &str,
    ) -> SamplePayment {
        SamplePayment {
            order_id: order_id.to_owned(),
            transaction_id: transaction_id.to_owned(),
            amount: parse_money(amount, "USD"),
        }
    }

    /// Returns the id under which an event of [`WebhookSender::send_event`] is recorded.
    pub(crate) fn event_id(&self, kind: SampleKind, about: &SamplePayment, name: &str) -> String {
        let event_id = Self::event_name(kind, about, name);
        if self.provider != WebhookProvider::Adyen {
            return event_id;
        }
        // Adyen's event ids are made of signed fields.
        let code = match kind {
            SampleKind::Paid | SampleKind::Authorised | SampleKind::Returned => {
                return format!("AUTHORISATION:{}:true", about.transaction_id);
            }
            SampleKind::Failed => {
                return format!("AUTHORISATION:{}:false", about.transaction_id);
            }
            SampleKind::Captured => "CAPTURE",
            SampleKind::Voided => "CANCELLATION",
            SampleKind::CaptureFailed => "CAPTURE_FAILED",
            SampleKind::Refunded => "REFUND",
            SampleKind::RefundFailed => "REFUNDED_REVERSED",
            SampleKind::Disputed => "CHARGEBACK",
            SampleKind::DisputeWon => "CHARGEBACK_REVERSED",
            SampleKind::DisputeLost => "SECOND_CHARGEBACK",
            SampleKind::Warning => "NOTIFICATION_OF_FRAUD",
        };
        format!("{code}:{event_id}:true")
    }

    fn event_name(kind: SampleKind, about: &SamplePayment, name: &str) -> String {
        format!("{}-{name}-{}", kind.as_str(), about.transaction_id)
    }

    /// Sends a webhook event, signed now; returns the status of the response.
    pub(crate) async fn send_event(
        &self,
        kind: SampleKind,
        about: &SamplePayment,
        name: &str,
    ) -> u16 {
        self.post_message(&self.sign_event(kind, about, name, unix_now()))
            .await
    }

    pub(crate) fn sign_event(
        &self,
        kind: SampleKind,
        about: &SamplePayment,
        name: &str,
        now: i64,
    ) -> Message {
        let event_id = Self::event_name(kind, about, name);
        let facts = Facts {
            order_id: &OrderId::parse(&about.order_id).unwrap(),
            amount: about.amount,
            transaction_id: &TransactionId::parse(&about.transaction_id).unwrap(),
            event_id: &event_id,
            now,
        };
        sign_as(
            &self.secrets,
            sample(self.provider, kind, &facts).unwrap(),
            &event_id,
            now,
        )
    }

    /// Sends this body, signed now.
    pub(crate) async fn post_body(&self, body: &Value) -> u16 {
        let id = body["id"].as_str().unwrap_or("unnamed");
        self.post_message(&sign_as(
            &self.secrets,
            Message::new(body.to_string()),
            id,
            unix_now(),
        ))
        .await
    }

    /// Sends a message and repeats it after a 503 response, as providers do.
    pub(crate) async fn post_message(&self, message: &Message) -> u16 {
        let path = format!("/webhooks/{}", self.provider);
        let body = String::from_utf8(message.body.clone()).unwrap();
        let headers = message.header_pairs();
        let send = async || {
            self.harness
                .send(Method::POST, &path, &headers, Some(body.clone()))
                .await
                .status
                .as_u16()
        };
        self.harness
            .wait_until("a response other than 503", send, |status| *status != 503)
            .await
    }
}

pub(crate) fn unix_now() -> i64 {
    Utc::now().timestamp()
}
