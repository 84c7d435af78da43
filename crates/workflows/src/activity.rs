//! The activities, declared: what goes in and what comes out. The worker implements them.
//!
//! Each may run twice. A refusal by the outside world is a value here, never an error: Temporal's own
//! retries are left for what died on the way (see [`crate::policies`]).
#![expect(clippy::unimplemented, reason = "declarations; the macro wants bodies")]

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use contract::{FieldError, PaymentConfirmation};
use domain::{
    Address, AuditEvent, DeliveryOutcome, EventType, Line, Money, Order, OrderId, OrderRecord,
    PaymentEvent, PaymentId, PaymentStatus, Sku, TransactionId,
};

/// The image of the order and the entries of its trail that the database may not have yet. Whatever
/// activity writes next takes them along, in its first transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Write {
    pub record: OrderRecord,
    /// Goes up with each write, so that a late twin of an old one changes nothing.
    pub version: u32,
    pub events: Vec<AuditEvent>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Receive {
    pub write: Write,
    /// Tells this run from an older order of the same id that Temporal has forgotten.
    pub run_id: String,
    pub document: serde_json::Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Received {
    Fresh,
    /// The database has another order of this id; it was not touched.
    Duplicate,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Validated {
    Valid { order: Box<Order> },
    Invalid { errors: Vec<FieldError> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Validate {
    pub document: serde_json::Value,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Reserved {
    Held,
    Unavailable { sku: Sku, available: i64 },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Charge {
    pub write: Write,
    pub payment_id: PaymentId,
    pub amount: Money,
    pub payment_method: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Charged {
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
pub struct ConfirmedPayment {
    pub write: Write,
    pub payment_id: PaymentId,
    pub amount: Money,
    pub confirmation: PaymentConfirmation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaymentRecorded {
    Recorded,
    /// The payment id pays another order.
    PaymentInUse,
    /// The transaction paid another order.
    TransactionInUse,
    /// It is recorded, and the provider has taken it back already.
    TakenBack,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refund {
    pub write: Write,
    pub payment_id: PaymentId,
}

/// What became of a payment that was undone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refunded {
    /// `refunded`; `declined` when nothing had been captured and nothing can be any more; `refund_due`
    /// when the provider has no way to refund and an operator must.
    pub status: PaymentStatus,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Package {
    pub order_id: OrderId,
    pub shipment_id: String,
    pub address: Option<Address>,
    pub lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shipment {
    pub order_id: OrderId,
    pub shipment_id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Dispatched {
    Dispatched {
        tracking_number: String,
        provider: String,
    },
    /// The carrier refused or did not answer.
    Failed { reason: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ShipmentCancelled {
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
pub struct Delivery {
    pub event: PaymentEvent,
    /// An operator wants it to be looked at again, whatever became of it.
    pub again: bool,
}

/// What has become of an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    pub event: PaymentEvent,
    pub outcome: DeliveryOutcome,
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
pub enum Settled {
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
    pub kind: EventType,
    pub payload: serde_json::Value,
}

/// What is done about the events of payment providers, on the orders' task queue.
pub struct SettlementSteps;

#[activity_definitions]
impl SettlementSteps {
    /// Writes that the event is there; what became of it, where it was settled before.
    #[activity(name = "ReceiveDelivery")]
    pub fn receive_delivery(delivery: Delivery) -> Option<DeliveryOutcome> {
        unimplemented!()
    }
    /// Writes what became of the event, and says how its payment stands by all that its provider has told.
    #[activity(name = "RecordDelivery")]
    pub fn record_delivery(delivered: Delivered) -> Option<PaymentStatus> {
        unimplemented!()
    }
    #[activity(name = "FindOrder")]
    pub fn find_order(event: PaymentEvent) -> Found {
        unimplemented!()
    }
    #[activity(name = "SettlePayment")]
    pub fn settle_payment(stray: Stray) -> Settled {
        unimplemented!()
    }
    /// Has the trail of an order that has ended go on; what that makes of the event, nothing where it has not ended.
    #[activity(name = "AppendToTrail")]
    pub fn append_to_trail(postscript: Postscript) -> Option<DeliveryOutcome> {
        unimplemented!()
    }
}

/// What the order's workflow has done, on its own task queue.
pub struct OrderSteps;

#[activity_definitions]
impl OrderSteps {
    #[activity(name = "ReceiveOrder")]
    pub fn receive_order(receive: Receive) -> Received {
        unimplemented!()
    }
    #[activity(name = "ValidateOrder")]
    pub fn validate_order(validate: Validate) -> Validated {
        unimplemented!()
    }
    #[activity(name = "ReserveInventory")]
    pub fn reserve_inventory(write: Write) -> Reserved {
        unimplemented!()
    }
    #[activity(name = "ChargePayment")]
    pub fn charge_payment(charge: Charge) -> Charged {
        unimplemented!()
    }
    #[activity(name = "RecordPayment")]
    pub fn record_payment(payment: ConfirmedPayment) -> PaymentRecorded {
        unimplemented!()
    }
    #[activity(name = "RefundPayment")]
    pub fn refund_payment(refund: Refund) -> Refunded {
        unimplemented!()
    }
    /// Gives back what the order holds, and says whether it held anything.
    #[activity(name = "ReleaseInventory")]
    pub fn release_inventory(write: Write) -> bool {
        unimplemented!()
    }
    /// The parcel has left: what was held is shipped.
    #[activity(name = "CommitInventory")]
    pub fn commit_inventory(write: Write) {
        unimplemented!()
    }
    #[activity(name = "ConfirmDelivery")]
    pub fn confirm_delivery(write: Write) {
        unimplemented!()
    }
    /// Writes the order's image and the new entries of its trail, nothing else.
    #[activity(name = "RecordOrder")]
    pub fn record_order(write: Write) {
        unimplemented!()
    }
}

/// What ships an order, on the shipping task queue.
pub struct ShippingSteps;

#[activity_definitions]
impl ShippingSteps {
    #[activity(name = "PreparePackage")]
    pub fn prepare_package(package: Package) {
        unimplemented!()
    }
    #[activity(name = "DispatchCarrier")]
    pub fn dispatch_carrier(shipment: Shipment) -> Dispatched {
        unimplemented!()
    }
    #[activity(name = "CancelShipment")]
    pub fn cancel_shipment(shipment: Shipment) -> ShipmentCancelled {
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
