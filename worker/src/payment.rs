//! The payment provider, behind one trait: what any of them must promise us.

mod simulator;

use domain::{Money, OrderId, PaymentId, TransactionId};
use futures::future::BoxFuture;
pub use simulator::Simulator;

/// A charge. The payment id is the idempotency key: the same one is the same charge, for ever.
#[derive(Debug, Clone)]
pub struct ChargeRequest {
    pub payment_id: PaymentId,
    pub order_id: OrderId,
    pub amount: Money,
    pub payment_method: Option<String>,
}

/// A provider's clear answer to a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    Captured(TransactionId),
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
    /// Set when it is known that the money was captured.
    pub captured: Option<TransactionId>,
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
