//! Activities for payment events, and their inputs and outputs.

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use domain::{
    AuditEventType, Money, OrderId, PaymentEvent, PaymentStatus, Span, Transaction, TransactionId,
    WebhookOutcome, WebhookProvider,
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
    /// Whether a settlement has decided about the event. An order hands an event about a
    /// transaction of another order to a settlement instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub settled: bool,
}

/// The result of `RecordDelivery`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RecordedEvent {
    /// The event is recorded.
    Recorded {
        /// The event's transaction; `None` if the ledger does not have it.
        transaction: Option<Box<Transaction>>,
        /// Whether the transaction belongs to another order. The outcome is not recorded then.
        #[serde(default)]
        is_of_another_order: bool,
        /// Whether the event reports another payment than the one that has its ids.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_second_payment: bool,
        /// Events about payments that only callers have claimed, and that this event refutes.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        refuted: Vec<PaymentEvent>,
    },
    /// The result of an earlier release.
    Status(Option<PaymentStatus>),
}

/// The result of `RecordDeliveries`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedBatch {
    /// The events' transactions after the last event, each once.
    pub transactions: Vec<Transaction>,
    /// The indexes of events whose transaction belongs to another order. Their outcomes are not
    /// recorded.
    pub of_another_order: Vec<usize>,
    /// Events about payments that only callers have claimed, and that the events refute.
    pub refuted: Vec<PaymentEvent>,
}

/// The order of a payment event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundOrder {
    /// The order that the event names, or the order that the event's transaction paid.
    pub order_id: Option<OrderId>,
    #[serde(rename = "whose")]
    pub presence: OrderPresence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderPresence {
    /// The order does not exist (yet).
    Unknown,
    /// The order's row is not closed.
    Open,
    Closed,
}

/// Money that no open order takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnmatchedPaymentInput {
    pub event: PaymentEvent,
    pub transaction_id: TransactionId,
    pub amount: Money,
    /// Whether the settlement can wait for an event that reports whose money this is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub can_wait: bool,
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
    /// The money can be that of a session that a caller confirmed for the same order. The settlement
    /// waits for an event that reports it.
    Waits,
}

/// An audit event for an order that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LateAuditEventInput {
    pub event: PaymentEvent,
    pub order_id: OrderId,
    pub kind: AuditEventType,
    pub payload: serde_json::Value,
}

/// The input of [`ReconcileWorkflow`](crate::ReconcileWorkflow).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReconcileInput {
    pub provider: WebhookProvider,
    /// The age of the oldest payment to compare.
    pub since: Span,
}

/// The report of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReconcileReport {
    /// The number of payments that were compared.
    pub checked: u64,
    pub differences: Vec<ReconcileDifference>,
    /// Whether the worker has no adapter that lists the payments of the provider.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsupported: bool,
}

/// One field of a payment that differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReconcileDifference {
    pub transaction_id: TransactionId,
    pub field: String,
    pub ours: serde_json::Value,
    pub theirs: serde_json::Value,
}

/// The output of `ReconcilePayments`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReconcileOutcome {
    pub report: ReconcileReport,
    /// Events that report what the ledger does not have.
    pub lost_events: Vec<PaymentEvent>,
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

    /// Records the outcome of the event and its movements of money.
    #[activity(name = "RecordDelivery")]
    pub fn record_delivery(delivered: RecordPaymentEventInput) -> RecordedEvent {
        unimplemented!()
    }

    /// Records the outcomes of several events of one order, and their movements of money.
    #[activity(name = "RecordDeliveries")]
    pub fn record_deliveries(delivered: Vec<RecordPaymentEventInput>) -> RecordedBatch {
        unimplemented!()
    }

    /// Finds the order of a payment event.
    #[activity(name = "FindOrder")]
    pub fn find_order(event: PaymentEvent) -> FoundOrder {
        unimplemented!()
    }

    /// Records money that no open order takes, and refunds what its order does not need.
    #[activity(name = "SettlePayment")]
    pub fn settle_payment(unmatched: UnmatchedPaymentInput) -> SettlePaymentOutcome {
        unimplemented!()
    }

    /// Refunds what an order that has ended does not need any more: money that came back to us after
    /// another payment had replaced it, or after the order had stopped.
    #[activity(name = "RefundEndedOrder")]
    pub fn refund_ended_order(order_id: OrderId) -> SettlePaymentOutcome {
        unimplemented!()
    }

    /// Compares a provider's payments with the ledger. It changes nothing.
    #[activity(name = "ReconcilePayments")]
    pub fn reconcile_payments(input: ReconcileInput) -> ReconcileOutcome {
        unimplemented!()
    }

    /// Appends an audit event to an order that has ended and returns the event's outcome. Returns
    /// `None` when the order has not ended.
    #[activity(name = "AppendToTrail")]
    pub fn append_to_trail(late: LateAuditEventInput) -> Option<WebhookOutcome> {
        unimplemented!()
    }
}

// The macro generates the definitions in a private module; implementations need their paths.
pub use settlement_activities::{
    AppendToTrail, FindOrder, ReceiveDelivery, ReconcilePayments, RecordDeliveries, RecordDelivery,
    RefundEndedOrder, SettlePayment,
};
