//! Square. A payment has many updates; its id identifies them as one payment.

use serde_json::Value;

use crate::{
    draft::{Draft, ignored},
    json::{self, Why, event_id, order_id, text, transaction_id, word},
};
use domain::{DisputeStage, Money, PaymentEventKind as Kind, WebhookProvider};

pub(crate) fn read_event(body: &Value) -> Draft {
    let event_id = event_id(body, "/event_id");
    let Some(event_type) = text(body, "/type") else {
        return Draft {
            event_id,
            ..Draft::unreadable("the event has no type")
        };
    };
    let name = word(body, "/type");
    let object = |name: &str| {
        body.pointer("/data/object")
            .and_then(|object| object.get(name))
            .unwrap_or(&Value::Null)
    };
    match event_type {
        "payment.created" | "payment.updated" => {
            let payment = object("payment");
            Draft {
                event_id,
                order_id: order_id(payment, "/reference_id"),
                transaction_id: transaction_id(payment, "/id"),
                payment_id: None,
                kind: payment_kind(payment),
            }
        }
        "refund.created" | "refund.updated" => {
            let refund = object("refund");
            Draft {
                event_id,
                order_id: None,
                transaction_id: transaction_id(refund, "/payment_id"),
                payment_id: None,
                kind: refund_kind(refund, name),
            }
        }
        "dispute.created" | "dispute.state.updated" | "dispute.state.changed" => {
            let dispute = object("dispute");
            Draft {
                event_id,
                order_id: None,
                transaction_id: transaction_id(dispute, "/disputed_payment/payment_id"),
                payment_id: None,
                kind: Ok(Kind::Disputed {
                    stage: stage(dispute),
                }),
            }
        }
        _ => Draft {
            event_id,
            order_id: None,
            transaction_id: None,
            payment_id: None,
            kind: Ok(ignored(name)),
        },
    }
}

fn payment_kind(payment: &Value) -> Result<Kind, Why> {
    match text(payment, "/status") {
        Some("COMPLETED") => Ok(Kind::Paid {
            amount: read_money(payment)?,
            payment_method: word(payment, "/source_type"),
        }),
        Some("APPROVED" | "PENDING") => Ok(Kind::Processing),
        // The failure of this payment. Another payment for the order can follow.
        Some("FAILED") => Ok(Kind::AttemptFailed {
            reason: "failed".to_owned(),
        }),
        Some("CANCELED") => Ok(Kind::AttemptFailed {
            reason: "canceled".to_owned(),
        }),
        _ => Err("the payment's status is not one we know"),
    }
}

fn refund_kind(refund: &Value, name: Option<String>) -> Result<Kind, Why> {
    let refund_id = event_id(refund, "/id");
    match text(refund, "/status") {
        Some("COMPLETED") => {
            let refund_id = Some(refund_id.ok_or("the refund has no id")?);
            Ok(Kind::Refunded {
                amount: read_money(refund)?,
                refund_id,
            })
        }
        Some("FAILED" | "REJECTED") => {
            let reason = "refund_failed".to_owned();
            Ok(Kind::RefundFailed {
                reason,
                amount: read_money(refund).ok(),
                refund_id,
            })
        }
        Some("PENDING") => Ok(ignored(name)),
        _ => Err("the refund's status is not one we know"),
    }
}

fn stage(dispute: &Value) -> DisputeStage {
    match text(dispute, "/state") {
        Some("WON") => DisputeStage::Won,
        Some("LOST" | "ACCEPTED") => DisputeStage::Lost,
        _ => DisputeStage::Opened,
    }
}

fn read_money(object: &Value) -> Result<Money, Why> {
    json::money(
        WebhookProvider::Square,
        object,
        "/amount_money/amount",
        "/amount_money/currency",
    )
}
