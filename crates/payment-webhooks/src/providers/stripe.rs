//! Stripe. A payment can be reported as an intent and as a checkout session; the id of the intent
//! identifies both.

use serde_json::Value;

use crate::{
    draft::{Draft, ignored},
    json::{self, Why, event_id, order_id, payment_id, text, transaction_id, word},
};
use domain::{DisputeStage, Money, PaymentEventKind as Kind, TransactionId, WebhookProvider};

pub(crate) fn read_event(body: &Value) -> Draft {
    let object = body.pointer("/data/object").unwrap_or(&Value::Null);
    let Some(event_type) = text(body, "/type") else {
        return Draft {
            event_id: event_id(body, "/id"),
            ..Draft::unreadable("the event has no type")
        };
    };
    let family = event_type.split('.').next().unwrap_or_default();
    Draft {
        event_id: event_id(body, "/id"),
        order_id: order_id(object, "/metadata/order_id")
            .or_else(|| order_id(object, "/client_reference_id")),
        transaction_id: match family {
            "payment_intent" => transaction_id(object, "/id"),
            // A checkout session, a charge, a refund or a dispute.
            _ => intent(object)
                .or_else(|| transaction_id(object, "/charge"))
                .or_else(|| transaction_id(object, "/id")),
        },
        payment_id: payment_id(object, "/metadata/payment_id"),
        kind: read_kind(event_type, object, word(body, "/type")),
    }
}

/// Returns the intent of the object, which contains its id or the whole intent.
fn intent(object: &Value) -> Option<TransactionId> {
    transaction_id(object, "/payment_intent")
        .or_else(|| transaction_id(object, "/payment_intent/id"))
}

fn read_kind(event_type: &str, object: &Value, name: Option<String>) -> Result<Kind, Why> {
    match event_type {
        "payment_intent.succeeded" => paid(object, received(object)?),
        "payment_intent.payment_failed" => {
            let declined = word(object, "/last_payment_error/decline_code");
            let reason = declined.or_else(|| word(object, "/last_payment_error/code"));
            Ok(Kind::AttemptFailed {
                reason: reason.unwrap_or_else(|| "payment_failed".to_owned()),
            })
        }
        "payment_intent.canceled" => {
            let reason =
                word(object, "/cancellation_reason").unwrap_or_else(|| "canceled".to_owned());
            Ok(Kind::Failed { reason })
        }
        "payment_intent.processing" => Ok(Kind::Processing),
        // The session only saves a card.
        "checkout.session.completed" if text(object, "/mode") == Some("setup") => Ok(ignored(name)),
        "checkout.session.completed" => match text(object, "/payment_status") {
            Some("paid" | "no_payment_required") => {
                paid(object, read_money(object, "/amount_total")?)
            }
            Some("unpaid") => Ok(Kind::Processing),
            _ => Err("the session's payment_status is not one we know"),
        },
        "checkout.session.async_payment_succeeded" => {
            paid(object, read_money(object, "/amount_total")?)
        }
        "checkout.session.async_payment_failed" => Ok(Kind::AttemptFailed {
            reason: "async_payment_failed".to_owned(),
        }),
        "checkout.session.expired" => Ok(Kind::Failed {
            reason: "session_expired".to_owned(),
        }),
        "charge.refunded" => {
            // The sum of all refunds of the charge. Each refund also has its own event.
            Ok(Kind::Refunded {
                amount: read_money(object, "/amount_refunded")?,
                refund_id: None,
            })
        }
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            refund(object, name)
        }
        "charge.dispute.created" => Ok(Kind::Disputed {
            stage: DisputeStage::Opened,
        }),
        "charge.dispute.closed" => match text(object, "/status") {
            // An inquiry that was closed without a dispute counts as won.
            Some("won" | "warning_closed") => Ok(Kind::Disputed {
                stage: DisputeStage::Won,
            }),
            Some("lost") => Ok(Kind::Disputed {
                stage: DisputeStage::Lost,
            }),
            _ => Err("how the dispute ended is not among the ways we know"),
        },
        _ => Ok(ignored(name)),
    }
}

fn paid(object: &Value, amount: Money) -> Result<Kind, Why> {
    // Several entries are the methods that the customer could choose; a single one is the method
    // that was used.
    let several = object.pointer("/payment_method_types/1").is_some();
    let payment_method = if several {
        None
    } else {
        word(object, "/payment_method_types/0")
    };
    Ok(Kind::Paid {
        amount,
        payment_method,
    })
}

/// Returns the received amount. It is smaller than `amount` if the intent captured less than
/// authorised.
fn received(object: &Value) -> Result<Money, Why> {
    let is_there = object
        .get("amount_received")
        .is_some_and(|amount| !amount.is_null());
    read_money(
        object,
        if is_there {
            "/amount_received"
        } else {
            "/amount"
        },
    )
}

fn refund(object: &Value, name: Option<String>) -> Result<Kind, Why> {
    let refund_id = event_id(object, "/id");
    match text(object, "/status") {
        Some("succeeded") => {
            let refund_id = Some(refund_id.ok_or("the refund has no id")?);
            Ok(Kind::Refunded {
                amount: read_money(object, "/amount")?,
                refund_id,
            })
        }
        Some("failed" | "canceled") => {
            let reason =
                word(object, "/failure_reason").unwrap_or_else(|| "refund_failed".to_owned());
            Ok(Kind::RefundFailed {
                reason,
                amount: read_money(object, "/amount").ok(),
                refund_id,
            })
        }
        Some("pending" | "requires_action") => Ok(ignored(name)),
        _ => Err("the refund's status is not one we know"),
    }
}

fn read_money(object: &Value, amount: &str) -> Result<Money, Why> {
    json::money(WebhookProvider::Stripe, object, amount, "/currency")
}
