//! Declarations of the activities: names, inputs and outputs. The worker implements them.
//!
//! Temporal may run each activity more than once, so an implementation must be idempotent. A
//! refusal by an external system is a value in the output, never an error. Errors are for lost
//! attempts, which Temporal retries (see `policies.rs`).
#![expect(clippy::unimplemented, reason = "declarations; the macro wants bodies")]

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use contract::{FieldError, PaymentConfirmation};
use domain::{
    Address, AuditEvent, AuditEventType, LineItem, Money, Order, OrderId, OrderState, PaymentEvent,
    PaymentId, PaymentStatus, Sku, TransactionId, WebhookOutcome,
};

/// The order's state and the audit events that the database may not have yet. The next activity
/// that writes stores them in its first transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingWrite {
    pub record: OrderState,
    /// Increases with each write, so that a late duplicate of an old write changes nothing.
    pub version: u32,
    pub events: Vec<AuditEvent>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReceiveOrderInput {
    pub write: PendingWrite,
    /// Distinguishes this run from an older order with the same id that is past Temporal's
    /// retention.
    pub run_id: String,
    pub document: serde_json::Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiveOrderOutcome {
    Fresh,
    /// The database has another order with this id. Its row is unchanged.
    Duplicate,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ValidationOutcome {
    Valid { order: Box<Order> },
    Invalid { errors: Vec<FieldError> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidateOrderInput {
    pub document: serde_json::Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ReservationOutcome {
    #[serde(rename = "held")]
    Reserved,
    Unavailable {
        sku: Sku,
        available: i64,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChargePaymentInput {
    pub write: PendingWrite,
    pub payment_id: PaymentId,
    pub amount: Money,
    pub payment_method: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ChargeOutcome {
    Captured {
        transaction_id: TransactionId,
    },
    /// The charge began and needs an action of the customer. A confirmation of this transaction
    /// follows.
    Unfinished {
        transaction_id: TransactionId,
    },
    /// Final: this payment is never captured.
    Declined {
        reason: String,
    },
    /// The payment id is used for another order.
    InUse,
    /// The response is missing, so the payment may be captured. The next call finds out first.
    Unavailable {
        reason: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordPaymentInput {
    pub write: PendingWrite,
    pub payment_id: PaymentId,
    pub amount: Money,
    pub confirmation: PaymentConfirmation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordPaymentOutcome {
    Recorded,
    /// The payment id is used for another order.
    PaymentInUse,
    /// The transaction was used for another order.
    TransactionInUse,
    /// The payment is recorded, and the provider has already refunded it.
    #[serde(rename = "taken_back")]
    AlreadyRefunded,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefundPaymentInput {
    pub write: PendingWrite,
    pub payment_id: PaymentId,
}

/// The result of a refund.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefundOutcome {
    /// `refunded`; `declined` when no payment was captured and none can be captured later;
    /// `refund_due` when the provider cannot refund by API and an operator must refund.
    pub status: PaymentStatus,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PreparePackageInput {
    pub order_id: OrderId,
    pub shipment_id: String,
    pub address: Option<Address>,
    pub lines: Vec<LineItem>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShipmentRequest {
    pub order_id: OrderId,
    pub shipment_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum DispatchOutcome {
    Dispatched {
        tracking_number: String,
        provider: String,
    },
    /// The carrier refused or did not respond.
    Failed { reason: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum CancelShipmentOutcome {
    /// The carrier does not have the parcel and will not accept it later.
    Cancelled,
    /// The carrier already has the parcel.
    AlreadyDispatched {
        tracking_number: String,
        provider: String,
    },
}

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
    #[activity(name = "FindOrder")]
    pub fn find_order(event: PaymentEvent) -> Found {
        unimplemented!()
    }
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

/// Activities of an order, on the orders' task queue.
pub struct OrderActivities;

#[activity_definitions]
impl OrderActivities {
    #[activity(name = "ReceiveOrder")]
    pub fn receive_order(receive: ReceiveOrderInput) -> ReceiveOrderOutcome {
        unimplemented!()
    }
    #[activity(name = "ValidateOrder")]
    pub fn validate_order(validate: ValidateOrderInput) -> ValidationOutcome {
        unimplemented!()
    }
    #[activity(name = "ReserveInventory")]
    pub fn reserve_inventory(write: PendingWrite) -> ReservationOutcome {
        unimplemented!()
    }
    #[activity(name = "ChargePayment")]
    pub fn charge_payment(charge: ChargePaymentInput) -> ChargeOutcome {
        unimplemented!()
    }
    #[activity(name = "RecordPayment")]
    pub fn record_payment(payment: RecordPaymentInput) -> RecordPaymentOutcome {
        unimplemented!()
    }
    #[activity(name = "RefundPayment")]
    pub fn refund_payment(refund: RefundPaymentInput) -> RefundOutcome {
        unimplemented!()
    }
    /// Releases the order's reservation. Returns whether the order had one.
    #[activity(name = "ReleaseInventory")]
    pub fn release_inventory(write: PendingWrite) -> bool {
        unimplemented!()
    }
    /// Marks the reserved stock as shipped.
    #[activity(name = "CommitInventory")]
    pub fn commit_inventory(write: PendingWrite) {
        unimplemented!()
    }
    #[activity(name = "ConfirmDelivery")]
    pub fn confirm_delivery(write: PendingWrite) {
        unimplemented!()
    }
    /// Writes the order's projection and new audit events, and nothing else.
    #[activity(name = "RecordOrder")]
    pub fn record_order(write: PendingWrite) {
        unimplemented!()
    }
}

/// Activities that ship an order, on the shipping task queue.
pub struct ShippingActivities;

#[activity_definitions]
impl ShippingActivities {
    #[activity(name = "PreparePackage")]
    pub fn prepare_package(package: PreparePackageInput) {
        unimplemented!()
    }
    #[activity(name = "DispatchCarrier")]
    pub fn dispatch_carrier(shipment: ShipmentRequest) -> DispatchOutcome {
        unimplemented!()
    }
    #[activity(name = "CancelShipment")]
    pub fn cancel_shipment(shipment: ShipmentRequest) -> CancelShipmentOutcome {
        unimplemented!()
    }
}

// The macro generates the definitions in private modules; implementations need their paths.
pub use order_activities::{
    ChargePayment, CommitInventory, ConfirmDelivery, ReceiveOrder, RecordOrder, RecordPayment,
    RefundPayment, ReleaseInventory, ReserveInventory, ValidateOrder,
};
pub use settlement_activities::{
    AppendToTrail, FindOrder, ReceiveDelivery, RecordDelivery, SettlePayment,
};
pub use shipping_activities::{CancelShipment, DispatchCarrier, PreparePackage};
