//! Checkout.com. A capture, a refund and a return are actions on the payment, each with an id.

use serde_json::Value;

use crate::{
    draft::{Draft, ignored},
    json::{self, Why, event_id, order_id, some_money, text, transaction_id, word},
};
use domain::{DisputeStage, Money, PaymentEventKind as Kind, WebhookProvider};

const CHECKOUT: WebhookProvider = WebhookProvider::Checkout;

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
    let kind = match event_type.strip_prefix("dispute_") {
        Some(event) => Ok(dispute(event, data)),
        None => read_kind(event_type, body, data),
    };
    Draft {
        order_id: order_id(data, "/reference")
            .or_else(|| order_id(data, "/payment_reference"))
            .or_else(|| order_id(data, "/metadata/order_id")),
        transaction_id: transaction_id(data, if of_dispute { "/payment_id" } else { "/id" }),
        ..Draft::new(event_id, kind)
    }
}

fn read_kind(event_type: &str, body: &Value, data: &Value) -> Result<Kind, Why> {
    let voided = |reason: &str| Kind::Voided {
        reason: reason.to_owned(),
    };
    let action_id = || event_id(data, "/action_id");
    // An action that had no effect must not be counted against the other actions, so it needs an id.
    let refused_id = || action_id().or_else(|| event_id(body, "/id"));
    let amount = || some_money(CHECKOUT, data, "/amount", "/currency");
    Ok(match event_type {
        "payment_approved" => Kind::Authorised {
            amount: read_money(data)?,
            payment_method: None,
            captured: false,
        },
        // Without an action id, the amount counts as the sum of all captures, so that a repeated
        // report is not a second capture.
        "payment_captured" => Kind::Paid {
            amount: read_money(data)?,
            payment_method: None,
            capture_id: action_id(),
            refunded: some_money(CHECKOUT, data, "/balances/total_refunded", "/currency"),
        },
        // The customer can try again.
        "payment_declined" | "payment_authentication_failed" => Kind::AttemptFailed {
            reason: "declined".to_owned(),
        },
        "payment_capture_declined" => Kind::CaptureFailed {
            reason: "capture_declined".to_owned(),
            amount: amount(),
            capture_id: refused_id(),
            refused: true,
        },
        "payment_pending" | "payment_capture_pending" => Kind::Processing,
        "payment_canceled" => voided("canceled"),
        "payment_expired" => voided("expired"),
        "payment_voided" => voided("voided"),
        "payment_refunded" => Kind::Refunded {
            amount: read_money(data)?,
            refund_id: action_id(),
        },
        "payment_refund_declined" => Kind::RefundFailed {
            reason: "refund_declined".to_owned(),
            amount: amount(),
            refund_id: refused_id(),
        },
        "payment_returned" => Kind::Returned {
            amount: amount(),
            return_id: action_id().or_else(|| event_id(data, "/id")),
        },
        _ => ignored(word(body, "/type")),
    })
}

/// Reads `dispute_{event}`. An arbitration is a new round after the first decision.
fn dispute(event: &str, data: &Value) -> Kind {
    let stage = match event {
        "won" | "canceled" | "arbitration_won" => DisputeStage::Won,
        "lost" | "accepted" | "expired" | "arbitration_lost" => DisputeStage::Lost,
        // The payment was refunded before.
        "resolved" => DisputeStage::Closed,
        // It was received, needs evidence, or is with the card scheme.
        _ => DisputeStage::Opened,
    };
    let dispute_id = event_id(data, "/id");
    Kind::Disputed {
        stage,
        dispute_id: if event.starts_with("arbitration") {
            dispute_id.and_then(|id| json::as_event_id(&format!("{id}#1")))
        } else {
            dispute_id
        },
        amount: some_money(CHECKOUT, data, "/amount", "/currency"),
        undefended: event == "expired",
    }
}

fn read_money(data: &Value) -> Result<Money, Why> {
    json::money(CHECKOUT, data, "/amount", "/currency")
}
