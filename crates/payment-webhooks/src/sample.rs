//! Sample events as the providers write them, about an order, for `orderflow webhook send` and for
//! tests.

use serde_json::{Value, json};

use crate::sign::Message;
use domain::{Money, OrderId, TransactionId, UnitsError, WebhookProvider};

/// The kind of a sample event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SampleKind {
    Paid,
    Failed,
    Refunded,
    Disputed,
}

impl SampleKind {
    pub const ALL: [Self; 4] = [Self::Paid, Self::Failed, Self::Refunded, Self::Disputed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Failed => "failed",
            Self::Refunded => "refunded",
            Self::Disputed => "disputed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// The facts that a sample event reports.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    pub order_id: &'a OrderId,
    pub amount: Money,
    /// The payment; a refund and a dispute refer to it.
    pub transaction_id: &'a TransactionId,
    /// The event id; different for each event.
    pub event_id: &'a str,
    /// Seconds since 1970.
    pub now: i64,
}

/// The reason why there is no such sample.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    #[error("{provider} has no event for a payment that is {}", kind.as_str())]
    NoSuchEvent {
        provider: WebhookProvider,
        kind: SampleKind,
    },
    #[error("{provider} can't write this amount: {source}")]
    Amount {
        provider: WebhookProvider,
        source: UnitsError,
    },
}

/// Returns whether the provider has an event of this kind. Mollie has only one kind.
pub fn has_sample(provider: WebhookProvider, kind: SampleKind) -> bool {
    provider != WebhookProvider::Mollie || kind == SampleKind::Paid
}

/// Returns an unsigned message; [`crate::sign`] adds the signature.
pub fn sample(
    provider: WebhookProvider,
    kind: SampleKind,
    facts: &Facts<'_>,
) -> Result<Message, SampleError> {
    if !has_sample(provider, kind) {
        return Err(SampleError::NoSuchEvent { provider, kind });
    }
    let units = || {
        provider
            .units_from_money(facts.amount)
            .map_err(|source| SampleError::Amount { provider, source })
    };
    let body = match provider {
        WebhookProvider::Stripe => stripe(kind, facts, units()?),
        WebhookProvider::Adyen => adyen(kind, facts, units()?),
        WebhookProvider::Standard => standard(kind, facts),
        WebhookProvider::Square => square(kind, facts, units()?),
        WebhookProvider::Mollie => mollie(facts),
        WebhookProvider::GoCardless => gocardless(kind, facts),
        WebhookProvider::Checkout => checkout(kind, facts, units()?),
        WebhookProvider::Shopify => shopify(facts),
    };
    let headers = match provider {
        WebhookProvider::Shopify => vec![
            ("x-shopify-topic", shopify_topic(kind).to_owned()),
            ("x-shopify-webhook-id", facts.event_id.to_string()),
        ],
        WebhookProvider::Stripe
        | WebhookProvider::Adyen
        | WebhookProvider::Standard
        | WebhookProvider::Square
        | WebhookProvider::Mollie
        | WebhookProvider::GoCardless
        | WebhookProvider::Checkout => Vec::new(),
    };
    Ok(Message {
        headers,
        body: body.to_string().into_bytes(),
    })
}

fn stripe(kind: SampleKind, facts: &Facts<'_>, units: i64) -> Value {
    let currency = facts.amount.currency().code().to_ascii_lowercase();
    let metadata = json!({"order_id": facts.order_id});
    let payment = facts.transaction_id;
    let intent = |status, received| {
        json!({
            "id": payment, "object": "payment_intent", "amount": units, "amount_received": received,
            "currency": currency, "status": status, "metadata": metadata, "payment_method_types": ["card"],
        })
    };
    let (event_type, object) = match kind {
        SampleKind::Paid => ("payment_intent.succeeded", intent("succeeded", units)),
        SampleKind::Failed => {
            let mut intent = intent("requires_payment_method", 0);
            intent["last_payment_error"] =
                json!({"code": "card_declined", "decline_code": "generic_decline"});
            ("payment_intent.payment_failed", intent)
        }
        SampleKind::Refunded => {
            let refund = json!({
                "id": format!("re_{}", facts.event_id), "object": "refund", "amount": units, "currency": currency,
                "payment_intent": payment, "status": "succeeded", "metadata": metadata,
            });
            ("refund.created", refund)
        }
        SampleKind::Disputed => {
            let dispute = json!({
                "id": format!("dp_{}", facts.event_id), "object": "dispute", "amount": units, "currency": currency,
                "payment_intent": payment, "status": "needs_response", "metadata": metadata,
            });
            ("charge.dispute.created", dispute)
        }
    };
    json!({
        "id": facts.event_id, "object": "event", "created": facts.now, "livemode": false, "type": event_type,
        "data": {"object": object},
    })
}

fn adyen(kind: SampleKind, facts: &Facts<'_>, units: i64) -> Value {
    let (event_code, success) = match kind {
        SampleKind::Paid => ("AUTHORISATION", "true"),
        SampleKind::Failed => ("AUTHORISATION", "false"),
        SampleKind::Refunded => ("REFUND", "true"),
        SampleKind::Disputed => ("CHARGEBACK", "true"),
    };
    let mut item = json!({
        "pspReference": facts.transaction_id, "merchantReference": facts.order_id, "merchantAccountCode": "Orderflow",
        "amount": {"currency": facts.amount.currency(), "value": units},
        "eventCode": event_code, "success": success, "additionalData": {},
    });
    if event_code != "AUTHORISATION" {
        item["pspReference"] = json!(facts.event_id);
        item["originalReference"] = json!(facts.transaction_id);
    }
    json!({"live": "false", "notificationItems": [{"NotificationRequestItem": item}]})
}

fn standard(kind: SampleKind, facts: &Facts<'_>) -> Value {
    let event_type = match kind {
        SampleKind::Paid => "payment.succeeded",
        SampleKind::Failed => "payment.failed",
        SampleKind::Refunded => "payment.refunded",
        SampleKind::Disputed => "payment.disputed",
    };
    json!({
        "type": event_type, "timestamp": time(facts),
        "data": {
            "order_id": facts.order_id, "transaction_id": facts.transaction_id, "amount": facts.amount.decimal(),
            "currency": facts.amount.currency(), "payment_method": "card",
        },
    })
}

fn square(kind: SampleKind, facts: &Facts<'_>, units: i64) -> Value {
    let money = json!({"amount": units, "currency": facts.amount.currency()});
    let payment = |status| {
        let payment = json!({
            "id": facts.transaction_id, "status": status, "amount_money": money, "source_type": "CARD",
            "reference_id": facts.order_id,
        });
        ("payment.updated", "payment", payment)
    };
    let (event_type, name, object) = match kind {
        SampleKind::Paid => payment("COMPLETED"),
        SampleKind::Failed => payment("FAILED"),
        SampleKind::Refunded => {
            let refund = json!({
                "id": format!("refund-{}", facts.event_id), "status": "COMPLETED", "amount_money": money,
                "payment_id": facts.transaction_id,
            });
            ("refund.updated", "refund", refund)
        }
        SampleKind::Disputed => {
            let dispute = json!({
                "id": format!("dispute-{}", facts.event_id), "state": "INQUIRY_EVIDENCE_REQUIRED",
                "amount_money": money, "disputed_payment": {"payment_id": facts.transaction_id},
            });
            ("dispute.created", "dispute", dispute)
        }
    };
    json!({
        "merchant_id": "ORDERFLOW", "type": event_type, "event_id": facts.event_id, "created_at": time(facts),
        "data": {"type": name, "id": object["id"], "object": {name: object}},
    })
}

fn mollie(facts: &Facts<'_>) -> Value {
    json!({
        "resource": "event", "id": facts.event_id, "type": "payment-link.paid",
        "entityId": facts.transaction_id, "createdAt": time(facts),
        "_embedded": {"entity": {"metadata": {"order_id": facts.order_id}}},
    })
}

fn gocardless(kind: SampleKind, facts: &Facts<'_>) -> Value {
    let action = match kind {
        SampleKind::Paid => "confirmed",
        SampleKind::Failed => "failed",
        SampleKind::Refunded => "refunded",
        SampleKind::Disputed => "charged_back",
    };
    json!({"events": [{
        "id": facts.event_id, "created_at": time(facts), "resource_type": "payments", "action": action,
        "links": {"payment": facts.transaction_id}, "details": {"origin": "api"},
        "resource_metadata": {"order_id": facts.order_id},
    }]})
}

fn checkout(kind: SampleKind, facts: &Facts<'_>, units: i64) -> Value {
    let event_type = match kind {
        SampleKind::Paid => "payment_captured",
        SampleKind::Failed => "payment_declined",
        SampleKind::Refunded => "payment_refunded",
        SampleKind::Disputed => "dispute_received",
    };
    let mut data = json!({
        "id": facts.transaction_id, "action_id": format!("act_{}", facts.event_id), "amount": units,
        "currency": facts.amount.currency(), "reference": facts.order_id,
    });
    if kind == SampleKind::Disputed {
        data["id"] = json!(format!("dsp_{}", facts.event_id));
        data["payment_id"] = json!(facts.transaction_id);
    }
    json!({"id": facts.event_id, "type": event_type, "version": "1.0.0", "created_on": time(facts), "data": data})
}

fn shopify(facts: &Facts<'_>) -> Value {
    json!({
        "name": facts.order_id, "total_price": facts.amount.decimal().to_string(),
        "currency": facts.amount.currency(), "admin_graphql_api_id": facts.transaction_id,
    })
}

fn shopify_topic(kind: SampleKind) -> &'static str {
    match kind {
        SampleKind::Paid => "orders/paid",
        SampleKind::Failed => "order_transactions/create",
        SampleKind::Refunded => "refunds/create",
        SampleKind::Disputed => "disputes/create",
    }
}

fn time(facts: &Facts<'_>) -> String {
    let time = chrono::DateTime::from_timestamp(facts.now, 0).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
