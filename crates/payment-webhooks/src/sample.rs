//! Sample events as the providers write them, about an order, for `orderflow webhook send` and for
//! tests.

use serde_json::{Value, json};

use crate::sign::Message;
use domain::{Money, OrderId, TransactionId, UnitsError, WebhookProvider, string_enum};

string_enum! {
    /// The kind of a sample event.
    SampleKind {
        Paid => "paid",
        /// The provider reserved the money.
        Authorised => "authorised",
        /// One capture, perhaps of a part.
        Captured => "captured",
        /// An attempt failed.
        Failed => "failed",
        /// The attempt or the authorisation ended.
        Voided => "voided",
        CaptureFailed => "capture-failed",
        Refunded => "refunded",
        RefundFailed => "refund-failed",
        /// A bank returned the money.
        Returned => "returned",
        Disputed => "disputed",
        DisputeWon => "dispute-won",
        DisputeLost => "dispute-lost",
        /// A warning of fraud.
        Warning => "warning",
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

/// Returns whether the provider has an event of this kind.
pub fn has_sample(provider: WebhookProvider, kind: SampleKind) -> bool {
    use SampleKind::{
        Authorised, CaptureFailed, Captured, DisputeLost, Disputed, Failed, Paid, RefundFailed,
        Refunded, Returned, Warning,
    };
    match provider {
        // An intent is captured as a whole, and a returned payment is a dispute.
        WebhookProvider::Stripe => !matches!(kind, Captured | CaptureFailed | Returned),
        WebhookProvider::Adyen => kind != Returned,
        WebhookProvider::Standard | WebhookProvider::Checkout => kind != Warning,
        // A failed payment ends.
        WebhookProvider::Square => !matches!(kind, Captured | CaptureFailed | Returned | Warning),
        WebhookProvider::Mollie => kind == Paid,
        WebhookProvider::GoCardless => !matches!(
            kind,
            Authorised | Captured | CaptureFailed | RefundFailed | DisputeLost | Warning
        ),
        WebhookProvider::Shopify => matches!(kind, Paid | Failed | Refunded | Disputed),
    }
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
    let refund = |status| {
        json!({
            "id": format!("re_{}", facts.event_id), "object": "refund", "amount": units, "currency": currency,
            "payment_intent": payment, "status": status, "metadata": metadata,
        })
    };
    let dispute = |status| {
        json!({
            "id": format!("dp_{payment}"), "object": "dispute", "amount": units, "currency": currency,
            "payment_intent": payment, "status": status, "metadata": metadata,
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
        SampleKind::Authorised | SampleKind::Captured | SampleKind::CaptureFailed => {
            let mut intent = intent("requires_capture", 0);
            intent["amount_capturable"] = json!(units);
            ("payment_intent.amount_capturable_updated", intent)
        }
        SampleKind::Voided => {
            let mut intent = intent("canceled", 0);
            intent["cancellation_reason"] = json!("abandoned");
            ("payment_intent.canceled", intent)
        }
        SampleKind::Refunded => ("refund.created", refund("succeeded")),
        SampleKind::RefundFailed => ("refund.failed", refund("failed")),
        SampleKind::Disputed | SampleKind::Returned => {
            ("charge.dispute.created", dispute("needs_response"))
        }
        SampleKind::DisputeWon => ("charge.dispute.closed", dispute("won")),
        SampleKind::DisputeLost => ("charge.dispute.closed", dispute("lost")),
        SampleKind::Warning => {
            let warning = json!({
                "id": format!("issfr_{}", facts.event_id), "object": "radar.early_fraud_warning",
                "actionable": true, "payment_intent": payment, "fraud_type": "misc",
            });
            ("radar.early_fraud_warning.created", warning)
        }
    };
    json!({
        "id": facts.event_id, "object": "event", "created": facts.now, "livemode": false, "type": event_type,
        "data": {"object": object},
    })
}

fn adyen(kind: SampleKind, facts: &Facts<'_>, units: i64) -> Value {
    let (event_code, success) = match kind {
        SampleKind::Paid | SampleKind::Authorised | SampleKind::Returned => {
            ("AUTHORISATION", "true")
        }
        SampleKind::Captured => ("CAPTURE", "true"),
        SampleKind::Failed => ("AUTHORISATION", "false"),
        SampleKind::Voided => ("CANCELLATION", "true"),
        SampleKind::CaptureFailed => ("CAPTURE_FAILED", "true"),
        SampleKind::Refunded => ("REFUND", "true"),
        SampleKind::RefundFailed => ("REFUNDED_REVERSED", "true"),
        SampleKind::Disputed => ("CHARGEBACK", "true"),
        SampleKind::DisputeWon => ("CHARGEBACK_REVERSED", "true"),
        SampleKind::DisputeLost => ("SECOND_CHARGEBACK", "true"),
        SampleKind::Warning => ("NOTIFICATION_OF_FRAUD", "true"),
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
    let payment = facts.transaction_id;
    let (event_type, more) = match kind {
        SampleKind::Paid | SampleKind::Warning => ("payment.succeeded", json!({})),
        SampleKind::Authorised => ("payment.authorized", json!({})),
        SampleKind::Captured => ("payment.captured", json!({"capture_id": facts.event_id})),
        SampleKind::Failed => ("payment.failed", json!({})),
        SampleKind::Voided => ("payment.canceled", json!({})),
        SampleKind::CaptureFailed => (
            "payment.capture_failed",
            json!({"capture_id": facts.event_id}),
        ),
        SampleKind::Refunded => (
            "payment.refunded",
            json!({"refund_id": format!("refund-{}", facts.event_id)}),
        ),
        SampleKind::RefundFailed => (
            "payment.refund_failed",
            json!({"refund_id": format!("refund-{}", facts.event_id)}),
        ),
        SampleKind::Returned => ("payment.returned", json!({})),
        SampleKind::Disputed => ("payment.disputed", dispute(payment, "opened")),
        SampleKind::DisputeWon => ("payment.disputed", dispute(payment, "won")),
        SampleKind::DisputeLost => ("payment.disputed", dispute(payment, "lost")),
    };
    let mut data = json!({
        "order_id": facts.order_id, "transaction_id": payment, "amount": facts.amount.decimal(),
        "currency": facts.amount.currency(), "payment_method": "card",
    });
    if let (Some(data), Value::Object(more)) = (data.as_object_mut(), more) {
        data.extend(more);
    }
    json!({"type": event_type, "timestamp": time(facts), "data": data})
}

fn dispute(payment: &TransactionId, stage: &str) -> Value {
    json!({"dispute_id": format!("dispute-{payment}"), "stage": stage})
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
    let refund = |status| {
        let refund = json!({
            "id": format!("refund-{}", facts.event_id), "status": status, "amount_money": money,
            "payment_id": facts.transaction_id,
        });
        ("refund.updated", "refund", refund)
    };
    let dispute = |event_type, state| {
        let dispute = json!({
            "id": format!("dispute-{}", facts.transaction_id), "state": state, "amount_money": money,
            "disputed_payment": {"payment_id": facts.transaction_id},
        });
        (event_type, "dispute", dispute)
    };
    let (event_type, name, object) = match kind {
        SampleKind::Authorised => payment("APPROVED"),
        SampleKind::Failed => payment("FAILED"),
        SampleKind::Voided => payment("CANCELED"),
        SampleKind::Refunded => refund("COMPLETED"),
        SampleKind::RefundFailed => refund("FAILED"),
        SampleKind::Disputed => dispute("dispute.created", "EVIDENCE_REQUIRED"),
        SampleKind::DisputeWon => dispute("dispute.state.updated", "WON"),
        SampleKind::DisputeLost => dispute("dispute.state.updated", "LOST"),
        SampleKind::Paid
        | SampleKind::Captured
        | SampleKind::CaptureFailed
        | SampleKind::Returned
        | SampleKind::Warning => payment("COMPLETED"),
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
        SampleKind::Failed => "failed",
        SampleKind::Voided => "cancelled",
        SampleKind::Refunded => "refunded",
        SampleKind::Returned => "late_failure_settled",
        SampleKind::Disputed => "charged_back",
        SampleKind::DisputeWon => "chargeback_cancelled",
        SampleKind::Paid
        | SampleKind::Authorised
        | SampleKind::Captured
        | SampleKind::CaptureFailed
        | SampleKind::RefundFailed
        | SampleKind::DisputeLost
        | SampleKind::Warning => "confirmed",
    };
    json!({"events": [{
        "id": facts.event_id, "created_at": time(facts), "resource_type": "payments", "action": action,
        "links": {"payment": facts.transaction_id}, "details": {"origin": "api"},
        "resource_metadata": {"order_id": facts.order_id},
    }]})
}

fn checkout(kind: SampleKind, facts: &Facts<'_>, units: i64) -> Value {
    let event_type = match kind {
        SampleKind::Paid | SampleKind::Captured | SampleKind::Warning => "payment_captured",
        SampleKind::Authorised => "payment_approved",
        SampleKind::Failed => "payment_declined",
        SampleKind::Voided => "payment_voided",
        SampleKind::CaptureFailed => "payment_capture_declined",
        SampleKind::Refunded => "payment_refunded",
        SampleKind::RefundFailed => "payment_refund_declined",
        SampleKind::Returned => "payment_returned",
        SampleKind::Disputed => "dispute_received",
        SampleKind::DisputeWon => "dispute_won",
        SampleKind::DisputeLost => "dispute_lost",
    };
    // Each sample of a paid payment is the same capture.
    let action = if kind == SampleKind::Paid {
        facts.transaction_id.as_str()
    } else {
        facts.event_id
    };
    let mut data = json!({
        "id": facts.transaction_id, "action_id": format!("act_{action}"), "amount": units,
        "currency": facts.amount.currency(), "reference": facts.order_id,
    });
    if event_type.starts_with("dispute_") {
        data["id"] = json!(format!("dsp_{}", facts.transaction_id));
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
        SampleKind::Failed => "order_transactions/create",
        SampleKind::Refunded => "refunds/create",
        SampleKind::Disputed => "disputes/create",
        SampleKind::Paid
        | SampleKind::Authorised
        | SampleKind::Captured
        | SampleKind::Voided
        | SampleKind::CaptureFailed
        | SampleKind::RefundFailed
        | SampleKind::Returned
        | SampleKind::DisputeWon
        | SampleKind::DisputeLost
        | SampleKind::Warning => "orders/paid",
    }
}

fn time(facts: &Facts<'_>) -> String {
    let time = chrono::DateTime::from_timestamp(facts.now, 0).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
