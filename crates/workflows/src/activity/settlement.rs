//! Activities for payment events, and their inputs and outputs.

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use domain::{
    AuditEventType, Money, OrderId, PaymentEvent, PaymentStatus, TransactionId, WebhookOutcome,
};

/// A payment event that was received and has no outcome yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReceivePaymentEventInput {
    pub event: PaymentEvent,
    /// An operator replays the event, so it is processed again whatever its outcome was.
    pub again: bool,
}

/// A payment event with its outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordPaymentEventInput {
    pub event: PaymentEvent,
    pub outcome: WebhookOutcome,
    /// The reason of the outcome, for operators.
    pub detail: Option<String>,
}

/// The database's knowledge about the order of a payment event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The order that the event names, or the order that the event's transaction paid.
    pub order_id: Option<OrderId>,
    pub whose: Whose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// The order does not exist (yet).
    Unknown,
    /// The order's row is not closed.
    Open,
    Closed,
}

/// An unmatched payment: no open order takes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stray {
    pub event: PaymentEvent,
    pub transaction_id: TransactionId,
    pub amount: Money,
}

/// The outcome of an unmatched payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlePaymentOutcome {
    /// The payment belongs to the order, whose workflow handles it.
    Known,
    Refunded,
    /// The provider cannot refund by API; an operator must refund.
    RefundDue,
    /// The payment was never captured, or the event is not about a payment.
    NothingToRefund,
}

/// An audit event for an order that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Postscript {
    pub event: PaymentEvent,
    pub order_id: OrderId,
    pub kind: AuditEventType,
    pub payload: serde_json::Value,
}

/// Activities for payment events, on the orders' task queue.
pub struct SettlementActivities;

#[activity_definitions]
impl SettlementActivities {
    /// Records the event. Returns its outcome when the event was settled before.
    #[activity(name = "ReceiveDelivery")]
    pub fn receive_delivery(delivery: ReceivePaymentEventInput) -> Option<WebhookOutcome> {
        unimplemented!()
    }

    /// Records the outcome of the event. Returns the payment's status after all events of the
    /// provider.
    #[activity(name = "RecordDelivery")]
    pub fn record_delivery(delivered: RecordPaymentEventInput) -> Option<PaymentStatus> {
        unimplemented!()
    }

    /// Finds the order of a payment event.
    #[activity(name = "FindOrder")]
    pub fn find_order(event: PaymentEvent) -> Found {
        unimplemented!()
    }

    /// Refunds an unmatched payment.
    #[activity(name = "SettlePayment")]
    pub fn settle_payment(stray: Stray) -> SettlePaymentOutcome {
        unimplemented!()
    }

    /// Appends an audit event to an order that has ended and returns the event's outcome. Returns
    /// `None` when the order has not ended.
    #[activity(name = "AppendToTrail")]
    pub fn append_to_trail(postscript: Postscript) -> Option<WebhookOutcome> {
        unimplemented!()
    }
}

// The macro generates the definitions in a private module; implementations need their paths.
pub use settlement_activities::{
    AppendToTrail, FindOrder, ReceiveDelivery, RecordDelivery, SettlePayment,
};
