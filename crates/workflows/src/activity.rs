//! The activities, declared: what goes in and what comes out. The worker implements them.
//!
//! Each may run twice. A refusal by the outside world is a value here, never an error: Temporal's own
//! retries are left for what died on the way (see [`crate::policies`]).
#![expect(clippy::unimplemented, reason = "declarations; the macro wants bodies")]

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use contract::{FieldError, PaymentConfirmation};
use domain::{
    Address, AuditEvent, AuditEventType, LineItem, Money, Order, OrderId, OrderState, PaymentEvent,
    PaymentId, PaymentStatus, Sku, TransactionId, WebhookOutcome,
};

/// The image of the order and the entries of its trail that the database may not have yet. Whatever
/// activity writes next takes them along, in its first transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingWrite {
    pub record: OrderState,
    /// Goes up with each write, so that a late twin of an old one changes nothing.
    pub version: u32,
    pub events: Vec<AuditEvent>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReceiveOrderInput {
    pub write: PendingWrite,
    /// Tells this run from an older order of the same id that Temporal has forgotten.
    pub run_id: String,
    pub document: serde_json::Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiveOrderOutcome {
    Fresh,
    /// The database has another order of this id; it was not touched.
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
    Held,
    Unavailable { sku: Sku, available: i64 },
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
    /// Begun, and not decided: the customer must do something first. A confirmation of this transaction will tell.
    Unfinished {
        transaction_id: TransactionId,
    },
    /// Final: this payment will never be captured.
    Declined {
        reason: String,
    },
    /// The payment id pays another order already.
    InUse,
    /// Nobody knows whether it was captured; the next try finds out first.
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
    /// The payment id pays another order.
    PaymentInUse,
    /// The transaction paid another order.
    TransactionInUse,
    /// It is recorded, and the provider has taken it back already.
    TakenBack,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefundPaymentInput {
    pub write: PendingWrite,
    pub payment_id: PaymentId,
}

/// What became of a payment that was undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefundOutcome {
    /// `refunded`; `declined` when nothing had been captured and nothing can be any more; `refund_due`
    /// when the provider has no way to refund and an operator must.
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
    /// The carrier refused or did not answer.
    Failed { reason: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum CancelShipmentOutcome {
    /// The carrier does not have the parcel and will not take it any more.
    Cancelled,
    /// Too late: the carrier has it.
    AlreadyDispatched {
        tracking_number: String,
        provider: String,
    },
}

/// An event of a payment provider, before anything comes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReceivePaymentEventInput {
    pub event: PaymentEvent,
    /// An operator wants it to be looked at again, whatever became of it.
    pub again: bool,
}

/// What has become of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordPaymentEventInput {
    pub event: PaymentEvent,
    pub outcome: WebhookOutcome,
    /// Why, for operators.
    pub detail: Option<String>,
}

/// What the database has of the order that an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The order that the event names, or whose payment its transaction is.
    pub order_id: Option<OrderId>,
    pub whose: Whose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// There is no such order (yet).
    Unknown,
    /// Its row does not say that it has ended.
    Open,
    Closed,
}

/// Money that no order waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stray {
    pub event: PaymentEvent,
    pub transaction_id: TransactionId,
    pub amount: Money,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettlePaymentOutcome {
    /// It is the order's own payment, of which the order takes care.
    Known,
    Refunded,
    /// The provider has no way to refund it for us: a person must.
    RefundDue,
    /// It was never captured, or is no money at all.
    NothingToRefund,
}

/// An entry for the trail of an order that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Postscript {
    pub event: PaymentEvent,
    pub order_id: OrderId,
    pub kind: AuditEventType,
    pub payload: serde_json::Value,
}

/// What is done about the events of payment providers, on the orders' task queue.
pub struct SettlementSteps;

#[activity_definitions]
impl SettlementSteps {
    /// Writes that the event is there; what became of it, where it was settled before.
    #[activity(name = "ReceiveDelivery")]
    pub fn receive_delivery(delivery: ReceivePaymentEventInput) -> Option<WebhookOutcome> {
        unimplemented!()
    }
    /// Writes what became of the event, and says how its payment stands by all that its provider has told.
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
    /// Has the trail of an order that has ended go on; what that makes of the event, nothing where it has not ended.
    #[activity(name = "AppendToTrail")]
    pub fn append_to_trail(postscript: Postscript) -> Option<WebhookOutcome> {
        unimplemented!()
    }
}

/// What the order's workflow has done, on its own task queue.
pub struct OrderSteps;

#[activity_definitions]
impl OrderSteps {
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
    /// Gives back what the order holds, and says whether it held anything.
    #[activity(name = "ReleaseInventory")]
    pub fn release_inventory(write: PendingWrite) -> bool {
        unimplemented!()
    }
    /// The parcel has left: what was held is shipped.
    #[activity(name = "CommitInventory")]
    pub fn commit_inventory(write: PendingWrite) {
        unimplemented!()
    }
    #[activity(name = "ConfirmDelivery")]
    pub fn confirm_delivery(write: PendingWrite) {
        unimplemented!()
    }
    /// Writes the order's image and the new entries of its trail, nothing else.
    #[activity(name = "RecordOrder")]
    pub fn record_order(write: PendingWrite) {
        unimplemented!()
    }
}

/// What ships an order, on the shipping task queue.
pub struct ShippingSteps;

#[activity_definitions]
impl ShippingSteps {
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

// The macro puts the markers into private modules; implementations need their paths.
pub use order_steps::{
    ChargePayment, CommitInventory, ConfirmDelivery, ReceiveOrder, RecordOrder, RecordPayment,
    RefundPayment, ReleaseInventory, ReserveInventory, ValidateOrder,
};
pub use settlement_steps::{
    AppendToTrail, FindOrder, ReceiveDelivery, RecordDelivery, SettlePayment,
};
pub use shipping_steps::{CancelShipment, DispatchCarrier, PreparePackage};
