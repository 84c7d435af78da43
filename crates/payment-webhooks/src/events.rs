//! Translates webhook events into payment events.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    draft::{Draft, ignored_because},
    environment::Deployment,
    json::{Why, as_event_id},
    providers::{adyen, checkout, gocardless, mollie, shopify, square, standard, stripe},
    verify::Verified,
};
use domain::{PaymentEvent, PaymentEventKind, WebhookProvider};

/// Returns the payment events of a webhook message, each once. There is always at least one, if
/// only to record that the message could not be read.
///
/// This never fails: a signed message that cannot be understood must be recorded, so that it does
/// not block the messages after it.
pub fn events(verified: &Verified<'_>, deployment: &Deployment) -> Vec<PaymentEvent> {
    let provider = verified.provider();
    let drafts = match serde_json::from_slice::<Value>(verified.body()) {
        Err(_) => {
            let event_id = verified.signed_id.and_then(as_event_id);
            vec![Draft {
                event_id,
                ..Draft::unreadable("the body is not JSON")
            }]
        }
        Ok(body) => match provider {
            WebhookProvider::Stripe => vec![stripe::read_event(&body, deployment)],
            WebhookProvider::Adyen => adyen::read_events(verified.body(), &body, deployment),
            WebhookProvider::Standard => vec![standard::read_event(&body, verified)],
            WebhookProvider::Square => vec![square::read_event(&body)],
            WebhookProvider::Mollie => vec![mollie::read_event(&body)],
            WebhookProvider::GoCardless => gocardless::read_events(&body),
            WebhookProvider::Checkout => vec![checkout::read_event(&body)],
            WebhookProvider::Shopify => vec![shopify::read_event(&body, verified)],
        },
    };
    let mut seen = BTreeSet::new();
    drafts
        .into_iter()
        .enumerate()
        .map(|(index, draft)| {
            into_payment_event(provider, draft, || digest_id(verified.body(), index))
        })
        .filter(|event| seen.insert(event.event_id.clone()))
        .collect()
}

fn into_payment_event(
    provider: WebhookProvider,
    draft: Draft,
    digest: impl Fn() -> String,
) -> PaymentEvent {
    let Draft {
        event_id,
        order_id,
        transaction_id,
        mut aliases,
        customer,
        payment_id,
        kind,
    } = draft;
    let is_unnamed = transaction_id.is_none() || event_id.is_none();
    let kind = kind.and_then(|kind| check_payment(kind, is_unnamed));
    aliases.retain(|alias| Some(alias) != transaction_id.as_ref());
    PaymentEvent {
        provider,
        event_id: event_id.unwrap_or_else(digest),
        order_id,
        transaction_id,
        aliases,
        customer,
        payment_id,
        kind: kind.unwrap_or_else(|why| PaymentEventKind::Unreadable {
            reason: why.to_owned(),
        }),
    }
}

/// Rejects money without an id, and ignores a payment or a refund of zero, such as the check of a
/// card.
fn check_payment(kind: PaymentEventKind, is_unnamed: bool) -> Result<PaymentEventKind, Why> {
    let (name, amount) = match &kind {
        PaymentEventKind::Paid { amount, .. } => ("paid", amount),
        PaymentEventKind::Authorised { amount, .. } => ("authorised", amount),
        PaymentEventKind::Refunded { amount, .. } => ("refunded", amount),
        PaymentEventKind::AttemptFailed { .. }
        | PaymentEventKind::Voided { .. }
        | PaymentEventKind::CaptureFailed { .. }
        | PaymentEventKind::Processing
        | PaymentEventKind::RefundFailed { .. }
        | PaymentEventKind::Returned { .. }
        | PaymentEventKind::Disputed { .. }
        | PaymentEventKind::Warning { .. }
        | PaymentEventKind::CompletedUnpaid { .. }
        | PaymentEventKind::Unconfirmed { .. }
        | PaymentEventKind::Ignored { .. }
        | PaymentEventKind::Unreadable { .. }
        | PaymentEventKind::ReportRefused { .. }
        | PaymentEventKind::Resolved { .. } => return Ok(kind),
    };
    if amount.is_zero() {
        let name = Some(name.to_owned());
        return Ok(ignored_because(name, "the amount is zero".to_owned()));
    }
    let is_payment = !matches!(kind, PaymentEventKind::Refunded { .. });
    if is_payment && is_unnamed {
        return Err("a payment without an id of its own");
    }
    Ok(kind)
}

/// Replaces a missing event id: the same bytes are the same event.
fn digest_id(body: &[u8], index: usize) -> String {
    let hash = HEXLOWER.encode(&Sha256::digest(body));
    format!("sha256-{hash}-{index}")
}
