//! Square. A payment has many updates; its id identifies them as one payment.

use serde_json::Value;

use crate::{
    draft::{Draft, ignored},
    json::{self, Why, event_id, order_id, some_money, text, transaction_id, word},
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
                order_id: order_id(payment, "/reference_id"),
                transaction_id: transaction_id(payment, "/id"),
                ..Draft::new(event_id, payment_kind(payment))
            }
        }
        "refund.created" | "refund.updated" => {
            let refund = object("refund");
            Draft {
                transaction_id: transaction_id(refund, "/payment_id"),
                ..Draft::new(event_id, refund_kind(refund, name))
            }
        }
        _ => match text(object("dispute"), "/state") {
            // Also the events about evidence contain the dispute.
            Some(state) if event_type.starts_with("dispute.") => {
                let dispute = object("dispute");
                Draft {
                    transaction_id: transaction_id(dispute, "/disputed_payment/payment_id")
                        .or_else(|| transaction_id(dispute, "/payment_id")),
                    ..Draft::new(event_id, Ok(dispute_kind(dispute, state)))
                }
            }
            _ => Draft::new(event_id, Ok(ignored(name))),
        },
    }
}

fn payment_kind(payment: &Value) -> Result<Kind, Why> {
    let voided = |reason: &str| Kind::Voided {
        reason: reason.to_owned(),
    };
    match text(payment, "/status") {
        // Square captures a payment as a whole. The event also has the sum of its refunds.
        Some("COMPLETED") => Ok(Kind::Paid {
            amount: read_money(payment)?,
            payment_method: word(payment, "/source_type"),
            capture_id: None,
            refunded: some_money(
                WebhookProvider::Square,
                payment,
                "/refunded_money/amount",
                "/refunded_money/currency",
            ),
        }),
        Some("APPROVED") => Ok(Kind::Authorised {
            amount: read_money(payment)?,
            payment_method: word(payment, "/source_type"),
            captured: false,
        }),
        Some("PENDING") => Ok(Kind::Processing),
        // The end of this payment. Another payment for the order can follow.
        Some("FAILED") => Ok(voided("failed")),
        Some("CANCELED") => Ok(voided("canceled")),
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
            let refund_id = Some(refund_id.ok_or("the refund has no id")?);
            Ok(Kind::RefundFailed {
                reason: "refund_failed".to_owned(),
                amount: some_amount(refund),
                refund_id,
            })
        }
        Some("PENDING") => Ok(ignored(name)),
        _ => Err("the refund's status is not one we know"),
    }
}

fn dispute_kind(dispute: &Value, state: &str) -> Kind {
    let stage = match state {
        "WON" => DisputeStage::Won,
        "LOST" | "ACCEPTED" => DisputeStage::Lost,
        // An inquiry moves no money.
        "INQUIRY_CLOSED" => DisputeStage::Closed,
        // It needs evidence, or the bank decides.
        _ => DisputeStage::Opened,
    };
    Kind::Disputed {
        stage,
        dispute_id: event_id(dispute, "/id").or_else(|| event_id(dispute, "/dispute_id")),
        amount: some_amount(dispute),
        undefended: false,
    }
}

fn some_amount(object: &Value) -> Option<Money> {
    some_money(
        WebhookProvider::Square,
        object,
        "/amount_money/amount",
        "/amount_money/currency",
    )
}

fn read_money(object: &Value) -> Result<Money, Why> {
    json::money(
        WebhookProvider::Square,
        object,
        "/amount_money/amount",
        "/amount_money/currency",
    )
}
