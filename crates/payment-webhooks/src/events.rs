//! What a notification says, in our words.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    adyen, checkout, gocardless,
    json::{Why, as_event_id},
    mollie, shopify, square, standard, stripe,
    verify::Verified,
};
use domain::{OrderId, PaymentEvent, PaymentEventKind, PaymentId, TransactionId, WebhookProvider};

/// Which of a provider's two systems this deployment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Live,
    Test,
}

/// What one provider's file makes of one event.
pub(crate) struct Draft {
    pub(crate) event_id: Option<String>,
    pub(crate) order_id: Option<OrderId>,
    pub(crate) transaction_id: Option<TransactionId>,
    /// Ours, where the charge is one of ours.
    pub(crate) payment_id: Option<PaymentId>,
    pub(crate) kind: Result<PaymentEventKind, Why>,
}

impl Draft {
    pub(crate) fn unreadable(why: Why) -> Self {
        Self {
            event_id: None,
            order_id: None,
            transaction_id: None,
            payment_id: None,
            kind: Err(why),
        }
    }
}

/// The events of a notification, each once; there is always one, if only to say that nothing could be read.
///
/// It never fails: what was signed and can't be understood must be recorded and out of the way of what comes next.
pub fn events(verified: &Verified<'_>, environment: Environment) -> Vec<PaymentEvent> {
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
            WebhookProvider::Stripe => vec![stripe::read(&body)],
            WebhookProvider::Adyen => adyen::read(verified.body(), &body, environment),
            WebhookProvider::Standard => vec![standard::read(&body, verified)],
            WebhookProvider::Square => vec![square::read(&body)],
            WebhookProvider::Mollie => vec![mollie::read(&body)],
            WebhookProvider::GoCardless => gocardless::read(&body),
            WebhookProvider::Checkout => vec![checkout::read(&body)],
            WebhookProvider::Shopify => vec![shopify::read(&body, verified)],
        },
    };
    let mut seen = BTreeSet::new();
    drafts
        .into_iter()
        .enumerate()
        .map(|(index, draft)| finish(provider, draft, || digest(verified.body(), index)))
        .filter(|event| seen.insert(event.event_id.clone()))
        .collect()
}

fn finish(provider: WebhookProvider, draft: Draft, digest: impl Fn() -> String) -> PaymentEvent {
    let Draft {
        event_id,
        order_id,
        transaction_id,
        payment_id,
        kind,
    } = draft;
    let paid_without_name = matches!(kind, Ok(PaymentEventKind::Paid { .. }))
        && (transaction_id.is_none() || event_id.is_none());
    let kind = if paid_without_name {
        Err("a payment without an id of its own")
    } else {
        kind
    };
    PaymentEvent {
        provider,
        event_id: event_id.unwrap_or_else(digest),
        order_id,
        transaction_id,
        payment_id,
        kind: kind.unwrap_or_else(|why| PaymentEventKind::Unreadable {
            reason: why.to_owned(),
        }),
    }
}

/// Stands for the id that an event should have: the same bytes are the same event.
fn digest(body: &[u8], index: usize) -> String {
    let hash = HEXLOWER.encode(&Sha256::digest(body));
    format!("sha256-{hash}-{index}")
}

pub(crate) fn ignored(event_type: Option<String>) -> PaymentEventKind {
    PaymentEventKind::Ignored {
        event_type: event_type.unwrap_or_else(|| "unnamed".to_owned()),
    }
}

pub(crate) fn unconfirmed(event_type: Option<String>) -> PaymentEventKind {
    PaymentEventKind::Unconfirmed {
        event_type: event_type.unwrap_or_else(|| "unnamed".to_owned()),
    }
}
