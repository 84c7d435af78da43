//! The interface to payment providers, and the guarantees that each must give.

mod simulator;
mod stripe;

use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

use domain::{Money, OrderId, PaymentId, TransactionId};
pub use simulator::Simulator;
pub use stripe::{Stripe, StripeSettings};

/// The provider of a payment that another gateway captured and confirmed through the API.
pub(crate) const EXTERNAL: &str = "external";

/// The provider that charges and refunds; fixed when the worker starts.
#[derive(Debug, Clone)]
pub enum ProviderSettings {
    Simulator,
    Stripe(StripeSettings),
}

/// The history of a payment, which decides where to look before the provider is called again.
#[derive(Debug, Clone)]
pub struct Past {
    /// The earliest time at which the provider can have received a request.
    pub since: DateTime<Utc>,
    /// Whether an earlier call may have succeeded without a response.
    pub asked: bool,
    /// The transaction at the provider, if it is known.
    pub transaction_id: Option<TransactionId>,
}

/// A charge. The payment id is the idempotency key: calls with the same id are the same charge,
/// permanently.
#[derive(Debug, Clone)]
pub struct ChargeRequest {
    pub payment_id: PaymentId,
    pub order_id: OrderId,
    pub amount: Money,
    pub payment_method: Option<String>,
    pub past: Past,
}

/// A provider's definite response to a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    Captured(TransactionId),
    /// The payment is pending: the customer or a bank must act first. A webhook event reports the
    /// result.
    Unfinished(TransactionId),
    /// The decline is final.
    Declined(String),
}

/// The request to compensate a payment with any outcome.
#[derive(Debug, Clone)]
pub struct RefundRequest {
    pub payment_id: PaymentId,
    pub order_id: OrderId,
    pub amount: Money,
    /// The provider of the payment: ours, or the gateway that confirmed it.
    pub provider: String,
    pub past: Past,
}

/// The outcome of a compensation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refund {
    /// The captured money was refunded.
    Refunded(TransactionId),
    /// Nothing was captured, and nothing can be captured later under this payment id.
    NeverCaptured,
    /// This provider cannot refund the payment; an operator must.
    Unsupported,
}

/// The outcome is unknown; call again.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OutcomeUnknown(pub String);

/// A payment provider. Each call can be repeated, and the repeated call finds the effect of the
/// first.
pub trait PaymentProvider: Send + Sync + 'static {
    /// The value of `payments.provider`.
    fn name(&self) -> &'static str;

    /// Captures a payment once per payment id.
    fn charge<'a>(
        &'a self,
        request: &'a ChargeRequest,
    ) -> BoxFuture<'a, Result<Charge, OutcomeUnknown>>;

    /// Refunds once per payment id. If nothing was captured, voids the payment id permanently.
    fn refund<'a>(
        &'a self,
        request: &'a RefundRequest,
    ) -> BoxFuture<'a, Result<Refund, OutcomeUnknown>>;
}
