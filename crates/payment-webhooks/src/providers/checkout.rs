//! Checkout.com.

use serde_json::Value;

use crate::{
    draft::{Draft, ignored},
    json::{self, Why, event_id, order_id, text, transaction_id, word},
};
use domain::{DisputeStage, Money, PaymentEventKind as Kind, WebhookProvider};

pub(crate) fn read_event(body: &Value) -> Draft {
    let event_id = event_id(body, "/id");
    let Some(event_type) = text(body, "/type") else {
        return Draft {
            event_id,
            ..Draft::unreadable("the event has no type")
        };
    };
    let data = body.get("data").unwrap_or(&Value::Null);
    let of_dispute = event_type.starts_with("dispute_");
    Draft {
        event_id,
        order_id: order_id(data, "/reference")
            .or_else(|| order_id(data, "/payment_reference"))
            .or_else(|| order_id(data, "/metadata/order_id")),
        transaction_id: transaction_id(data, if of_dispute { "/payment_id" } else { "/id" }),
        payment_id: None,
        kind: read_kind(event_type, body, data),
    }
}

fn read_kind(event_type: &str, body: &Value, data: &Value) -> Result<Kind, Why> {
    let dispute = |stage| Kind::Disputed { stage };
    // A refund is an action on the payment. Without the id of the action, the id of the event
    // identifies the refund.
    let refund_id = || event_id(data, "/action_id").or_else(|| event_id(body, "/id"));
    Ok(match event_type {
        "payment_captured" => Kind::Paid {
            amount: read_money(data)?,
            payment_method: None,
        },
        // The customer can try again.
        "payment_declined" => Kind::AttemptFailed {
            reason: "declined".to_owned(),
        },
        "payment_capture_declined" => Kind::AttemptFailed {
            reason: "capture_declined".to_owned(),
        },
        "payment_approved" | "payment_pending" | "payment_capture_pending" => Kind::Processing,
        "payment_canceled" => Kind::Failed {
            reason: "canceled".to_owned(),
        },
        "payment_expired" => Kind::Failed {
            reason: "expired".to_owned(),
        },
        "payment_voided" => Kind::Failed {
            reason: "voided".to_owned(),
        },
        "payment_refunded" => {
            let refund_id = Some(refund_id().ok_or("the refund has no id")?);
            Kind::Refunded {
                amount: read_money(data)?,
                refund_id,
            }
        }
        "payment_refund_declined" => {
            let reason = "refund_declined".to_owned();
            Kind::RefundFailed {
                reason,
                amount: read_money(data).ok(),
                refund_id: refund_id(),
            }
        }
        "dispute_received" => dispute(DisputeStage::Opened),
        "dispute_won" => dispute(DisputeStage::Won),
        "dispute_lost" | "dispute_accepted" | "dispute_expired" => dispute(DisputeStage::Lost),
        _ => ignored(word(body, "/type")),
    })
}

fn read_money(data: &Value) -> Result<Money, Why> {
    json::money(WebhookProvider::Checkout, data, "/amount", "/currency")
}
