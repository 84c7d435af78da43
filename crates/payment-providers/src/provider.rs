//! The interface to payment providers, and the guarantees that each must give.

use chrono::{DateTime, Utc};
use futures::{FutureExt, future::BoxFuture};

use domain::{CaptureMode, Money, OrderId, PaymentId, TransactionId};

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
    /// Must not change between two tries of one charge.
    pub capture: CaptureMode,
    pub past: Past,
}

/// A provider's definite response to a charge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Charge {
    Captured(TransactionId),
    /// The money is reserved, and [`PaymentProvider::capture`] takes it. Only with
    /// [`CaptureMode::OnDispatch`].
    Authorised(TransactionId),
    /// The payment is pending: the customer or a bank must act first. A webhook event reports the
    /// result.
    Unfinished(TransactionId),
    /// The decline is final. Contains a code.
    Declined(String),
}

/// The request to capture an authorised payment.
#[derive(Debug, Clone)]
pub struct CaptureRequest {
    pub order_id: OrderId,
    pub transaction_id: TransactionId,
    /// At most the authorised amount. The provider releases the rest.
    pub amount: Money,
    /// The idempotency key of this one capture, the same for each try. At most 255 characters.
    pub key: String,
}

/// A provider's definite response to a capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capture {
    /// The money was captured, now or before.
    Captured {
        /// The provider's id of this one capture, and `amount` is the amount of this capture.
        /// Without an id, `amount` is the sum of all captures of the transaction.
        capture_id: Option<String>,
        amount: Money,
    },
    /// The provider accepted the request. A webhook event reports the result.
    Requested,
    /// The refusal is final. `reason` is a code.
    Refused { reason: String },
    /// This provider cannot capture the payment; an operator must.
    Unsupported,
}

/// The request to refund a part of a payment, or to compensate a payment with any outcome.
#[derive(Debug, Clone)]
pub struct RefundRequest {
    pub payment_id: PaymentId,
    pub order_id: OrderId,
    /// The part to refund now. With `whole`, the amount that is left as far as the caller knows;
    /// for a charge with an unknown outcome, the amount of the charge.
    ///
    /// Zero, together with `whole`, is only for a payment that was authorised and not captured.
    /// Stripe is asked in any case; Adyen cannot be asked, so there the payment is then voided.
    pub amount: Money,
    /// The idempotency key of this one refund, the same for each try, such as
    /// `refund:ORDER:PAYMENT:TARGET`. At most 255 characters. Requests with two keys are two
    /// refunds.
    pub key: String,
    /// Refunds everything that is left, whatever `amount` is. If nothing was captured, voids the
    /// payment permanently.
    pub whole: bool,
    /// The value of `payments.provider`: ours, or the gateway that confirmed the payment.
    pub provider: String,
    pub past: Past,
}

/// The outcome of a refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refund {
    /// The money was refunded, now or before.
    Refunded {
        transaction_id: TransactionId,
        /// The provider's id of this one refund, which webhook events also have, and `amount` is
        /// the amount of this refund. Without an id, everything was refunded before by others, and
        /// `amount` is the sum of all refunds of the transaction.
        refund_id: Option<String>,
        /// Can be less than the requested amount, if less was left.
        amount: Money,
    },
    /// The provider accepted the request. A webhook event reports the result.
    Requested {
        /// The provider's id of this one refund or void, which the webhook event also has.
        refund_id: Option<String>,
    },
    /// Nothing was captured. If the whole payment was to be refunded, nothing can be captured later
    /// under this payment id either.
    NeverCaptured,
    /// This provider cannot refund the payment; an operator must.
    Unsupported,
}

/// A payment as the provider's records have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPayment {
    pub transaction_id: TransactionId,
    /// The order that the payment names.
    pub order_id: Option<OrderId>,
    /// The payment id that the payment names, which only our own charges have.
    pub payment_id: Option<PaymentId>,
    /// The amount that was authorised; `None` if nothing was authorised yet.
    pub authorised: Option<Money>,
    /// The sum of all captures.
    pub captured: Money,
    /// The sum of all refunds, without failed ones.
    pub refunded: Money,
    /// Whether a bank still processes the payment, which takes days for some methods.
    pub processing: bool,
    /// Whether nothing more can be captured.
    pub ended: bool,
    pub created: DateTime<Utc>,
    /// Other ids by which webhook events may name the same payment.
    pub aliases: Vec<TransactionId>,
}

impl FoundPayment {
    /// Returns whether the payment has moved, reserved or may still move money.
    pub fn has_money(&self) -> bool {
        let authorised = self.authorised.is_some() && !self.ended;
        !self.captured.is_zero() || authorised || self.processing
    }
}

/// The outcome is unknown; call again. The text has no secrets and no text of the provider.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OutcomeUnknown(pub String);

/// A call to a provider.
pub type ProviderCall<'a, T> = BoxFuture<'a, Result<T, OutcomeUnknown>>;

/// A payment provider. Each call can be repeated, and the repeated call finds the effect of the
/// first.
///
/// The default methods are those of a provider that supports nothing.
pub trait PaymentProvider: Send + Sync + 'static {
    /// The value of `payments.provider`.
    fn name(&self) -> &'static str;

    /// Captures or authorises a payment, once per payment id.
    fn charge<'a>(&'a self, _request: &'a ChargeRequest) -> ProviderCall<'a, Charge> {
        let declined = Charge::Declined("charge_not_supported".to_owned());
        std::future::ready(Ok(declined)).boxed()
    }

    /// Captures an authorised payment, once per key.
    fn capture<'a>(&'a self, _request: &'a CaptureRequest) -> ProviderCall<'a, Capture> {
        std::future::ready(Ok(Capture::Unsupported)).boxed()
    }

    /// Refunds once per key, and never more than was captured. If the whole payment is to be
    /// refunded and nothing was captured, voids the payment id permanently.
    fn refund<'a>(&'a self, _request: &'a RefundRequest) -> ProviderCall<'a, Refund> {
        std::future::ready(Ok(Refund::Unsupported)).boxed()
    }

    /// Returns the captured, authorised and processing payments of an order that were created at or
    /// after `since`.
    fn find_payments<'a>(
        &'a self,
        _order_id: &'a OrderId,
        _since: DateTime<Utc>,
    ) -> ProviderCall<'a, Vec<FoundPayment>> {
        std::future::ready(Ok(Vec::new())).boxed()
    }

    /// Returns one payment in any state. `None`: the provider does not have it, or cannot be asked.
    fn find_payment<'a>(
        &'a self,
        _transaction_id: &'a TransactionId,
    ) -> ProviderCall<'a, Option<FoundPayment>> {
        std::future::ready(Ok(None)).boxed()
    }

    /// Returns all captured, authorised and processing payments that were created at or after
    /// `since`, never only a part of them. `None`: the provider has no such list.
    fn list_payments(&self, _since: DateTime<Utc>) -> ProviderCall<'_, Option<Vec<FoundPayment>>> {
        std::future::ready(Ok(None)).boxed()
    }
}
