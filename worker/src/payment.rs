//! The payment provider, behind one trait: what any of them must promise us.

mod simulator;
mod stripe;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

use domain::{Money, OrderId, PaymentId, TransactionId};
pub use simulator::Simulator;
pub use stripe::{Stripe, StripeSettings};

/// The provider of a payment that somebody else's gateway captured and confirmed to us.
pub(crate) const EXTERNAL: &str = "external";

/// Who charges and refunds; fixed when the worker starts.
#[derive(Debug, Clone)]
pub enum ProviderSettings {
    Simulator,
    Stripe(StripeSettings),
}

/// What is known of a payment's past: where to look before anything is asked of its provider again.
#[derive(Debug, Clone)]
pub struct Past {
    /// Since when the provider may have heard of it.
    pub since: DateTime<Utc>,
    /// Whether it was asked before, and perhaps did what was wanted without our knowing.
    pub asked: bool,
    /// Its transaction at the provider, where that is known.
    pub transaction_id: Option<TransactionId>,
}

/// A charge. The payment id is the idempotency key: the same one is the same charge, for ever.
#[derive(Debug, Clone)]
pub struct ChargeRequest {
    pub payment_id: PaymentId,
    pub order_id: OrderId,
    pub amount: Money,
    pub payment_method: Option<String>,
    pub past: Past,
}

/// A provider's clear answer to a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    Captured(TransactionId),
    /// Begun, and not decided: the customer must do something first, or a bank. A webhook will tell.
    Unfinished(TransactionId),
    /// Final.
    Declined(String),
}

/// Undoing a payment, whatever became of it.
#[derive(Debug, Clone)]
pub struct RefundRequest {
    pub payment_id: PaymentId,
    pub order_id: OrderId,
    pub amount: Money,
    /// The payment's own provider: ours, or the one whose confirmation somebody sent.
    pub provider: String,
    pub past: Past,
}

/// What became of the money.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refund {
    /// The money of this capture went back.
    Refunded(TransactionId),
    /// Nothing had been captured, and nothing will be any more under this payment id.
    NeverCaptured,
    /// This provider can't refund that payment: a person must.
    Unsupported,
}

/// Nobody knows what happened; ask again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub String);

/// A payment provider. Each call may be made twice, and the second finds what the first did.
pub trait PaymentProvider: Send + Sync + 'static {
    /// The name in `payments.provider`.
    fn name(&self) -> &'static str;

    /// Captures once per payment id.
    fn charge<'a>(&'a self, request: &'a ChargeRequest) -> BoxFuture<'a, Result<Charge, NoAnswer>>;

    /// Refunds once per payment id; where nothing was captured, closes the payment id for good.
    fn refund<'a>(&'a self, request: &'a RefundRequest) -> BoxFuture<'a, Result<Refund, NoAnswer>>;
}
