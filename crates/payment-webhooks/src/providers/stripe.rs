//! Stripe. A payment can be reported as an intent, a checkout session, an invoice and a charge; the
//! id of the intent identifies all of them, and the other ids are aliases.

use serde_json::Value;

use crate::{
    draft::{Draft, ignored, ignored_because, unconfirmed},
    environment::{Deployment, Environment},
    json::{
        self, Why, event_id, linked_id, order_id, payment_id, some_money, text, transaction_id,
        word,
    },
};
use domain::{
    DisputeStage, Money, PaymentEventKind as Kind, PaymentWarning, TransactionId, WebhookProvider,
};

const STRIPE: WebhookProvider = WebhookProvider::Stripe;

pub(crate) fn read_event(body: &Value, deployment: &Deployment) -> Draft {
    let draft = read_draft(body);
    match foreign_reason(body, deployment) {
        Some(reason) => Draft {
            kind: Ok(ignored_because(word(body, "/type"), reason)),
            ..draft
        },
        None => draft,
    }
}

/// Returns the reason why the event is not about a payment to this deployment.
fn foreign_reason(body: &Value, deployment: &Deployment) -> Option<String> {
    let is_live = deployment.environment == Environment::Live;
    if let Some(livemode) = body.get("livemode").and_then(Value::as_bool)
        && livemode != is_live
    {
        let environment = deployment.environment.as_str();
        return Some(format!(
            "livemode is {livemode}, but WEBHOOK_ENVIRONMENT is {environment}"
        ));
    }
    // `context` can be a path such as `org_1/acct_1`, of which the last part has the money.
    ["account", "context"].into_iter().find_map(|field| {
        let account = body.get(field).filter(|account| !account.is_null())?;
        let account = account.as_str().unwrap_or_default();
        let last = account.rsplit('/').next().unwrap_or_default();
        let is_ours = deployment
            .stripe_accounts
            .iter()
            .any(|ours| ours == account || ours == last);
        let is_id = (1..=100).contains(&account.len())
            && (account.starts_with("acct_") || account.starts_with("org_"))
            && account
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/'));
        let name = if is_id { account } else { "unreadable" };
        (!is_ours).then(|| format!("{field} is {name}, which is not in STRIPE_ACCOUNTS"))
    })
}

fn read_draft(body: &Value) -> Draft {
    let event_id = event_id(body, "/id");
    let Some(event_type) = text(body, "/type") else {
        return Draft {
            event_id,
            ..Draft::unreadable("the event has no type")
        };
    };
    let name = word(body, "/type");
    if let Some(thin_type) = event_type.strip_prefix("v1.") {
        return thin_draft(body, event_id, thin_type, name);
    }
    let object = body.pointer("/data/object").unwrap_or(&Value::Null);
    let mut ids = payment_ids(event_type, object).into_iter().flatten();
    Draft {
        order_id: order_id(object, "/metadata/order_id")
            .or_else(|| order_id(object, "/client_reference_id")),
        transaction_id: ids.next(),
        aliases: ids.collect(),
        customer: linked_id(object, "customer").map(|id| id.to_string()),
        payment_id: payment_id(object, "/metadata/payment_id"),
        ..Draft::new(event_id, read_kind(event_type, object, name))
    }
}

/// Reads an event of an event destination that contains only the id of its object.
fn thin_draft(
    body: &Value,
    event_id: Option<String>,
    thin_type: &str,
    name: Option<String>,
) -> Draft {
    let family = thin_type.split('.').next().unwrap_or_default();
    let kind = match family {
        "payment_intent" | "checkout" | "charge" | "refund" | "invoice" | "invoice_payment"
        | "radar" | "review" => unconfirmed(name),
        _ => ignored(name),
    };
    Draft {
        transaction_id: transaction_id(body, "/related_object/id"),
        ..Draft::new(event_id, Ok(kind))
    }
}

/// Returns the ids of the payment, the best first.
fn payment_ids(event_type: &str, object: &Value) -> [Option<TransactionId>; 4] {
    let own = transaction_id(object, "/id");
    let intent = linked_id(object, "payment_intent");
    let charge = linked_id(object, "charge");
    let invoice = linked_id(object, "invoice");
    let family = event_type.split('.').next().unwrap_or_default();
    match (family, event_type) {
        ("payment_intent", _) => [own, invoice, linked_id(object, "latest_charge"), None],
        ("checkout", _) => [intent, invoice, own, None],
        ("invoice", _) => {
            let payment = object
                .pointer("/payments/data/0/payment")
                .unwrap_or(&Value::Null);
            [
                intent.or_else(|| linked_id(payment, "payment_intent")),
                charge.or_else(|| linked_id(payment, "charge")),
                None,
                own,
            ]
        }
        ("invoice_payment", _) => {
            let payment = object.get("payment").unwrap_or(&Value::Null);
            [
                linked_id(payment, "payment_intent"),
                linked_id(payment, "charge"),
                invoice,
                None,
            ]
        }
        // The object of these two is a charge.
        (
            "charge",
            "charge.succeeded" | "charge.captured" | "charge.failed" | "charge.expired"
            | "charge.pending" | "charge.refunded" | "charge.updated",
        ) => [intent, own, invoice, None],
        // A refund, a dispute, a warning or a review.
        _ => [intent.or(charge).or(own), None, None, None],
    }
}

fn read_kind(event_type: &str, object: &Value, name: Option<String>) -> Result<Kind, Why> {
    let voided = |reason: &str| Kind::Voided {
        reason: reason.to_owned(),
    };
    match event_type {
        "payment_intent.succeeded" => paid(object, received(object)?),
        "payment_intent.amount_capturable_updated" => Ok(Kind::Authorised {
            amount: read_money(object, "/amount_capturable")?,
            payment_method: payment_method(object),
            captured: false,
        }),
        "payment_intent.payment_failed" => Ok(Kind::AttemptFailed {
            reason: word(object, "/last_payment_error/decline_code")
                .or_else(|| word(object, "/last_payment_error/code"))
                .unwrap_or_else(|| "payment_failed".to_owned()),
        }),
        "payment_intent.canceled" => {
            let reason = word(object, "/cancellation_reason");
            Ok(voided(reason.as_deref().unwrap_or("canceled")))
        }
        "payment_intent.processing" => Ok(Kind::Processing),
        // The session only saves a card.
        "checkout.session.completed" if text(object, "/mode") == Some("setup") => Ok(ignored(name)),
        "checkout.session.completed" => session(object),
        "checkout.session.async_payment_succeeded" => {
            paid(object, read_money(object, "/amount_total")?)
        }
        "checkout.session.async_payment_failed" => Ok(Kind::AttemptFailed {
            reason: "async_payment_failed".to_owned(),
        }),
        "checkout.session.expired" => Ok(voided("session_expired")),
        "invoice.paid" | "invoice.payment_succeeded" => invoice(object, name),
        "invoice_payment.paid" => paid(object, read_money(object, "/amount_paid")?),
        "invoice.payment_failed" => Ok(Kind::AttemptFailed {
            reason: "invoice_payment_failed".to_owned(),
        }),
        "charge.succeeded" | "charge.captured" | "charge.failed" | "charge.expired"
        | "charge.pending" => charge(event_type, object, name),
        "charge.refunded" => {
            // The sum of all refunds of the charge. Each refund also has its own event.
            Ok(Kind::Refunded {
                amount: refunded_sum(object)?,
                refund_id: None,
            })
        }
        "refund.created" | "refund.updated" | "refund.failed" | "charge.refund.updated" => {
            refund(object, name)
        }
        "charge.dispute.created"
        | "charge.dispute.updated"
        | "charge.dispute.closed"
        | "charge.dispute.funds_withdrawn"
        | "charge.dispute.funds_reinstated" => dispute(event_type, object),
        "radar.early_fraud_warning.created" | "radar.early_fraud_warning.updated" => {
            Ok(warning(object, PaymentWarning::Fraud))
        }
        "review.opened" => Ok(warning(object, PaymentWarning::ReviewOpened)),
        "review.closed" => Ok(warning(object, PaymentWarning::ReviewClosed)),
        _ => Ok(ignored(name)),
    }
}

fn paid(object: &Value, amount: Money) -> Result<Kind, Why> {
    Ok(Kind::Paid {
        amount,
        payment_method: payment_method(object),
        // The amount of an intent, a session or an invoice is the sum of all captures.
        capture_id: None,
        refunded: None,
    })
}

/// Returns the method that was used. Several entries are the methods that the customer could
/// choose.
fn payment_method(object: &Value) -> Option<String> {
    let several = object.pointer("/payment_method_types/1").is_some();
    if several {
        None
    } else {
        word(object, "/payment_method_types/0")
    }
}

fn session(object: &Value) -> Result<Kind, Why> {
    let amount = || read_money(object, "/amount_total");
    match text(object, "/payment_status") {
        Some("paid") => paid(object, amount()?),
        // A trial, a credit or a full discount. No money has arrived, whatever the total is.
        Some("no_payment_required") => Ok(Kind::CompletedUnpaid {
            reason: "no_payment_required".to_owned(),
            amount: amount().ok(),
        }),
        Some("unpaid") => Ok(Kind::Processing),
        _ => Err("the session's payment_status is not one we know"),
    }
}

fn invoice(object: &Value, name: Option<String>) -> Result<Kind, Why> {
    let has_several = object.pointer("/payments/data/1").is_some();
    let is_elsewhere = object.get("paid_out_of_band").and_then(Value::as_bool) == Some(true);
    if has_several || is_elsewhere {
        // The sum is not the amount of one payment, or Stripe does not have the money.
        return Ok(unconfirmed(name));
    }
    let amount = read_money(object, "/amount_paid")?;
    if amount.is_zero() {
        return Ok(Kind::CompletedUnpaid {
            reason: "invoice_without_payment".to_owned(),
            amount: Some(amount),
        });
    }
    paid(object, amount)
}

/// Reads a charge of the older Charges API. A charge of an intent is reported by the intent.
fn charge(event_type: &str, object: &Value, name: Option<String>) -> Result<Kind, Why> {
    if linked_id(object, "payment_intent").is_some() {
        return Ok(ignored(name));
    }
    let payment_method = word(object, "/payment_method_details/type");
    match event_type {
        "charge.pending" => Ok(Kind::Processing),
        "charge.expired" => Ok(Kind::Voided {
            reason: "charge_expired".to_owned(),
        }),
        "charge.failed" => Ok(Kind::AttemptFailed {
            reason: word(object, "/failure_code").unwrap_or_else(|| "charge_failed".to_owned()),
        }),
        "charge.succeeded" if object.get("captured").and_then(Value::as_bool) == Some(false) => {
            Ok(Kind::Authorised {
                amount: read_money(object, "/amount")?,
                payment_method,
                captured: false,
            })
        }
        _ => Ok(Kind::Paid {
            amount: first_money(object, &["/amount_captured", "/amount"])?,
            payment_method,
            capture_id: None,
            refunded: refunded_sum(object).ok().filter(|sum| !sum.is_zero()),
        }),
    }
}

/// Returns the sum of all refunds of a charge.
///
/// Stripe counts the part of an authorisation that was never captured as refunded, also in
/// `amount_refunded`. That part is not included here.
fn refunded_sum(charge: &Value) -> Result<Money, Why> {
    let units = |name: &str| charge.get(name).and_then(Value::as_i64);
    let released = units("amount")
        .zip(units("amount_captured"))
        .map_or(0, |(amount, captured)| amount.saturating_sub(captured));
    let refunded = units("amount_refunded").ok_or("the amount is missing or no whole number")?;
    let code = text(charge, "/currency").ok_or("the currency is missing")?;
    json::money_of(
        STRIPE,
        refunded.saturating_sub(released.max(0)).max(0),
        code,
    )
}

/// Returns the received amount. It is smaller than `amount` if the intent captured less than
/// authorised.
fn received(object: &Value) -> Result<Money, Why> {
    first_money(object, &["/amount_received", "/amount"])
}

/// Returns the first amount that the object has.
fn first_money(object: &Value, amounts: &[&str]) -> Result<Money, Why> {
    let is_there = |amount: &&&str| {
        object
            .pointer(amount)
            .is_some_and(|amount| !amount.is_null())
    };
    let amount = amounts.iter().find(is_there).copied();
    read_money(object, amount.unwrap_or_default())
}

fn refund(object: &Value, name: Option<String>) -> Result<Kind, Why> {
    let refund_id = event_id(object, "/id");
    if text(object, "/reason") == Some("expired_uncaptured_charge") {
        // Stripe released an authorisation; no captured money was refunded.
        return Ok(ignored(name));
    }
    match text(object, "/status") {
        Some("succeeded") => {
            let refund_id = Some(refund_id.ok_or("the refund has no id")?);
            Ok(Kind::Refunded {
                amount: read_money(object, "/amount")?,
                refund_id,
            })
        }
        Some("failed" | "canceled") => {
            let refund_id = Some(refund_id.ok_or("the refund has no id")?);
            let reason =
                word(object, "/failure_reason").unwrap_or_else(|| "refund_failed".to_owned());
            Ok(Kind::RefundFailed {
                reason,
                amount: some_money(STRIPE, object, "/amount", "/currency"),
                refund_id,
            })
        }
        Some("pending" | "requires_action") => Ok(ignored(name)),
        _ => Err("the refund's status is not one we know"),
    }
}

fn dispute(event_type: &str, object: &Value) -> Result<Kind, Why> {
    let stage = match text(object, "/status") {
        Some("lost") => DisputeStage::Lost,
        // An inquiry that was closed without a dispute, and a dispute that Stripe prevented, cost
        // nothing.
        Some("won" | "warning_closed" | "prevented") => DisputeStage::Won,
        // The payment was refunded before the decision.
        Some("charge_refunded") => DisputeStage::Closed,
        _ if event_type == "charge.dispute.closed" => {
            return Err("how the dispute ended is not among the ways we know");
        }
        // It needs a response or is under review.
        _ => DisputeStage::Opened,
    };
    Ok(Kind::Disputed {
        stage,
        dispute_id: event_id(object, "/id"),
        amount: some_money(STRIPE, object, "/amount", "/currency"),
        undefended: false,
    })
}

fn warning(object: &Value, warning: PaymentWarning) -> Kind {
    Kind::Warning {
        warning,
        warning_id: event_id(object, "/id"),
    }
}

fn read_money(object: &Value, amount: &str) -> Result<Money, Why> {
    json::money(STRIPE, object, amount, "/currency")
}
