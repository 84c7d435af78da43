//! A payment provider that sends signed notifications.

use chrono::Utc;
use reqwest::Method;
use serde_json::Value;

use crate::{
    webhooks::{secrets, signed_as},
    world::World,
};
use domain::{Currency, Decimal, Money, OrderId, TransactionId, WebhookProvider};
use payment_webhooks::{Facts, Message, SampleKind, Secrets, sample};

pub(crate) struct Sender<'a> {
    world: &'a World,
    pub(crate) provider: WebhookProvider,
    secrets: Secrets,
}

/// A payment that a notification is about.
#[derive(Debug, Clone)]
pub(crate) struct About {
    pub(crate) order_id: String,
    pub(crate) transaction_id: String,
    pub(crate) amount: Money,
}

pub(crate) fn money(amount: &str, currency: &str) -> Money {
    let amount: Decimal = amount.parse().unwrap();
    Money::from_decimal(amount, Currency::parse(currency).unwrap()).unwrap()
}

impl<'a> Sender<'a> {
    pub(crate) fn of(world: &'a World, provider: WebhookProvider) -> Self {
        Self {
            world,
            provider,
            secrets: secrets(provider),
        }
    }

    pub(crate) fn about(&self, order_id: &str, transaction_id: &str, amount: &str) -> About {
        About {
            order_id: order_id.to_owned(),
            transaction_id: transaction_id.to_owned(),
            amount: money(amount, "USD"),
        }
    }

    /// The id under which the event is recorded that [`Sender::send`] sends under this name.
    pub(crate) fn event_id(&self, kind: SampleKind, about: &About, name: &str) -> String {
        let event_id = Self::named(kind, about, name);
        match (self.provider, kind) {
            // Adyen's are made of what it signs.
            (WebhookProvider::Adyen, SampleKind::Paid) => {
                format!("AUTHORISATION:{}:true", about.transaction_id)
            }
            (WebhookProvider::Adyen, SampleKind::Failed) => {
                format!("AUTHORISATION:{}:false", about.transaction_id)
            }
            (WebhookProvider::Adyen, SampleKind::Refunded) => format!("REFUND:{event_id}:true"),
            (WebhookProvider::Adyen, SampleKind::Disputed) => format!("CHARGEBACK:{event_id}:true"),
            _ => event_id,
        }
    }

    fn named(kind: SampleKind, about: &About, name: &str) -> String {
        format!("{}-{name}-{}", kind.as_str(), about.transaction_id)
    }

    /// A notification, signed now; the status of the answer.
    pub(crate) async fn send(&self, kind: SampleKind, about: &About, name: &str) -> u16 {
        self.deliver(&self.message(kind, about, name, now())).await
    }

    pub(crate) fn message(&self, kind: SampleKind, about: &About, name: &str, now: i64) -> Message {
        let event_id = Self::named(kind, about, name);
        let facts = Facts {
            order_id: &OrderId::parse(&about.order_id).unwrap(),
            amount: about.amount,
            transaction_id: &TransactionId::parse(&about.transaction_id).unwrap(),
            event_id: &event_id,
            now,
        };
        signed_as(
            &self.secrets,
            sample(self.provider, kind, &facts).unwrap(),
            &event_id,
            now,
        )
    }

    /// A body of one's own.
    pub(crate) async fn post(&self, body: &Value) -> u16 {
        let id = body["id"].as_str().unwrap_or("unnamed");
        self.deliver(&signed_as(
            &self.secrets,
            Message::new(body.to_string()),
            id,
            now(),
        ))
        .await
    }

    /// As a provider does: what is not taken is sent again.
    pub(crate) async fn deliver(&self, message: &Message) -> u16 {
        let path = format!("/webhooks/{}", self.provider);
        let body = String::from_utf8(message.body.clone()).unwrap();
        let headers = message.header_pairs();
        let send = async || {
            self.world
                .send(Method::POST, &path, &headers, Some(body.clone()))
                .await
                .status
                .as_u16()
        };
        self.world
            .eventually("an answer that is not 503", send, |status| *status != 503)
            .await
    }
}

pub(crate) fn now() -> i64 {
    Utc::now().timestamp()
}
