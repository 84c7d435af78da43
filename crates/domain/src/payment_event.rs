//! What a payment provider tells of a payment, whichever provider it is.

use crate::{Money, OrderId, PaymentId, TransactionId, status::named};
use serde::{Deserialize, Serialize};

named! {
    /// Who sends webhooks; the name in their path and in `payments.provider`.
    WebhookProvider {
        Stripe => "stripe",
        Adyen => "adyen",
        Standard => "standard",
        Square => "square",
        Mollie => "mollie",
        GoCardless => "gocardless",
        Checkout => "checkout",
        Shopify => "shopify",
    }
}

/// One event of a provider. It names ids and amounts, nobody's name, card or address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentEvent {
    pub provider: WebhookProvider,
    /// The provider's own id of the event: the same event again has the same.
    pub event_id: String,
    #[serde(default)]
    pub order_id: Option<OrderId>,
    /// The provider's id of the payment.
    #[serde(default)]
    pub transaction_id: Option<TransactionId>,
    /// Ours, where we gave it to the provider with a charge of our own.
    #[serde(default)]
    pub payment_id: Option<PaymentId>,
    #[serde(flatten)]
    pub kind: PaymentEventKind,
}

/// What it says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PaymentEventKind {
    /// The money was captured.
    Paid {
        amount: Money,
        #[serde(default)]
        payment_method: Option<String>,
    },
    /// One attempt to pay failed; another may follow.
    AttemptFailed {
        reason: String,
    },
    /// The payment will never be captured.
    Failed {
        reason: String,
    },
    /// Nothing is decided yet.
    Processing,
    /// Money went back at the provider, all of it or a part.
    Refunded {
        amount: Money,
    },
    RefundFailed {
        reason: String,
    },
    /// The customer disputes the payment, or the dispute was decided.
    Disputed {
        stage: DisputeStage,
    },
    /// Verified, but it does not say order, amount and currency: never taken as paid by itself.
    Unconfirmed {
        event_type: String,
    },
    /// Of no concern for orders.
    Ignored {
        event_type: String,
    },
    /// Signed, and still not to be understood.
    Unreadable {
        reason: String,
    },
}

named! {
    DisputeStage {
        Opened => "opened",
        Won => "won",
        Lost => "lost",
    }
}
