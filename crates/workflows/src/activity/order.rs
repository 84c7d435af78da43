//! Activities of an order, and their inputs and outputs.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;
use temporalio_workflow::ActivityExecutionError;

use contract::{FieldError, PaymentConfirmation};
use domain::{
    Address, AuditEvent, CaptureMode, LineItem, Money, Order, OrderId, OrderState, PaymentEvent,
    PaymentId, PaymentStatus, Shortage, Sku, Transaction, TransactionId,
};

/// The order's state and the audit events that the database may not have yet. The next activity
/// that writes stores them in its first transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingWrite {
    pub record: OrderState,
    /// Increases with each write, so that a late duplicate of an old write changes nothing.
    pub version: u32,
    pub events: Vec<AuditEvent>,
    /// The first run of the order, which owns the row. Writes of earlier releases have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<String>,
    /// The time of the workflow task that decided the write, by Temporal's clock. Writes of earlier
    /// releases have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_time: Option<DateTime<Utc>>,
    /// The parcel of the write: prepared with `RecordOrder`, dispatched with `CommitInventory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parcel: Option<Box<ParcelRecord>>,
    /// Rows of other tables that the database may have lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Box<LostRows>>,
}

/// A parcel, as the order writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParcelRecord {
    pub shipment_id: String,
    /// The shipping attempt, from 1. A later attempt replaces the contents of an earlier one.
    pub attempt: u32,
    pub address: Option<Address>,
    pub lines: Vec<LineItem>,
    /// The carrier has the parcel under this number; `None`: it is prepared.
    pub tracking_number: Option<String>,
}

/// An order's rows besides its own row and its audit events, as the workflow knows them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LostRows {
    pub transactions: Vec<Transaction>,
    /// The line items whose stock the order holds.
    pub reserved: Vec<LineItem>,
}

/// The type of the error of an activity whose write the database did not accept, because it lacks
/// earlier audit events. The error's detail is the number of the last event that the database has.
pub const MISSING_EVENTS: &str = "missing_events";

/// Returns the number of the last audit event that the database has, if the activity failed because
/// the database lacks earlier ones.
pub(crate) fn missing_events(error: &ActivityExecutionError) -> Option<u32> {
    // A regular activity's failure has the application's failure as its cause, a local one's is it.
    let mut failure = error.failure();
    while let Some(found) = failure {
        if let Some(info) = found.maybe_application_failure()
            && info.r#type == MISSING_EVENTS
        {
            let details = info.details.as_ref()?.payloads.first()?;
            return serde_json::from_slice(&details.data).ok();
        }
        failure = found.cause.as_deref();
    }
    None
}

/// The input of `ReceiveOrder`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReceiveOrderInput {
    pub write: PendingWrite,
    pub document: serde_json::Value,
}

/// The output of `ReceiveOrder`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReceiveOrderOutcome {
    Fresh,
    /// The database has another order with this id. Its row is unchanged.
    Duplicate,
}

/// The output of `FindEarlierEffects`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EarlierEffects {
    pub transactions: Vec<Transaction>,
    pub parcels: Vec<EarlierParcel>,
}

/// A parcel of an earlier run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlierParcel {
    pub number: u32,
    pub state: ParcelState,
}

/// The state of a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParcelState {
    Prepared,
    Dispatched,
    Cancelled,
}

/// The output of `ValidateOrder`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ValidationOutcome {
    Valid { order: Box<Order> },
    Invalid { errors: Vec<FieldError> },
}

/// The input of `ValidateOrder`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ValidateOrderInput {
    pub document: serde_json::Value,
    /// A function of an earlier release has accepted the document, so its rules apply.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_earlier: bool,
}

/// The input of `ReserveInventory`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReserveInventoryInput {
    #[serde(flatten)]
    pub write: PendingWrite,
    /// The most units of all unpaid orders of the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_limit: Option<u32>,
}

/// The output of `ReserveInventory`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ReservationOutcome {
    #[serde(rename = "held")]
    Reserved,
    /// The database has another order with this id. Its row is unchanged.
    Duplicate,
    Unavailable {
        sku: Sku,
        available: i64,
        /// Each SKU that is short, the first of which is `sku`. Results of earlier releases have none.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shortages: Vec<Shortage>,
    },
    /// Another order has used the quote. Nothing is written.
    QuoteUsed,
    /// Nothing is reserved, because the other unpaid orders of the customer hold this number of units.
    CustomerLimit { held: i64 },
}

/// The input of `ChangeReservation`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeReservationInput {
    pub write: PendingWrite,
    /// The line items that the order needs.
    pub lines: Vec<LineItem>,
}

/// The output of `ChangeReservation`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ChangeReservationOutcome {
    Changed,
    /// The reservation is as before.
    Short {
        sku: Sku,
        available: i64,
    },
    /// The order holds nothing any more.
    Released,
    /// The database has a later write of the order, so the order asks again.
    Superseded,
}

/// The input of `ChargePayment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChargePaymentInput {
    pub write: PendingWrite,
    pub payment_id: PaymentId,
    pub amount: Money,
    pub payment_method: Option<String>,
    #[serde(default = "capture_immediately")]
    pub capture: CaptureMode,
}

/// The mode of charges that were scheduled before the setting existed.
fn capture_immediately() -> CaptureMode {
    CaptureMode::Immediate
}

/// The output of `ChargePayment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ChargeOutcome {
    Captured {
        transaction_id: TransactionId,
        /// The ledger's copy. Results of earlier releases have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transaction: Option<Box<Transaction>>,
    },
    /// The money is reserved, and is captured after dispatch.
    Authorised { transaction: Box<Transaction> },
    /// The charge began and needs an action of the customer. A confirmation of this transaction
    /// follows.
    Unfinished { transaction_id: TransactionId },
    /// Final: this payment is never captured.
    Declined { reason: String },
    /// The payment id is used for another order.
    InUse,
    /// The response is missing, so the payment may be captured. The next call finds out first.
    Unavailable { reason: String },
}

/// The input of `RecordPayment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordPaymentInput {
    pub write: PendingWrite,
    pub payment_id: PaymentId,
    pub amount: Money,
    pub confirmation: PaymentConfirmation,
    /// The webhook event that reported the payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Box<PaymentEvent>>,
}

/// The output of `RecordPayment`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordPaymentOutcome {
    Recorded,
    /// The payment id is used for another order.
    PaymentInUse,
    /// The transaction is used for another order, or its money must be refunded.
    TransactionInUse,
    /// The payment is recorded, and the provider has already refunded it.
    #[serde(rename = "taken_back")]
    AlreadyRefunded,
}

/// The result of `RecordPayment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RecordPaymentResult {
    /// The result of an earlier release.
    Outcome(RecordPaymentOutcome),
    Recorded {
        outcome: RecordPaymentOutcome,
        /// With `TransactionInUse`, the transaction if it is not of another order: its money must be
        /// refunded.
        transaction: Option<Box<Transaction>>,
    },
}

impl RecordPaymentResult {
    pub fn into_parts(self) -> (RecordPaymentOutcome, Option<Transaction>) {
        match self {
            Self::Outcome(outcome) => (outcome, None),
            Self::Recorded {
                outcome,
                transaction,
            } => (outcome, transaction.map(|transaction| *transaction)),
        }
    }
}

/// The input of `RefundPayment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefundPaymentInput {
    pub write: PendingWrite,
    pub payment_id: PaymentId,
    /// The minor units that the order keeps. `None`: the whole payment is refunded, and made sure
    /// that it is never captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<i64>,
    /// The order's copy of the transaction, which restores a row that the database has lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Box<Transaction>>,
}

/// The input of `CapturePayment`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CapturePaymentInput {
    pub write: PendingWrite,
    pub payment_id: PaymentId,
    /// The minor units to capture.
    pub amount: i64,
}

/// The input of `LookUpPayments`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookUpPaymentsInput {
    pub write: PendingWrite,
    pub total: Money,
    /// No payment of the order is older.
    pub since: DateTime<Utc>,
}

/// The payments that the providers have for an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookUpPaymentsOutcome {
    pub transactions: Vec<Transaction>,
    /// Whether a provider still processes a payment.
    pub processing: bool,
}

/// The result of a refund.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefundOutcome {
    /// `refunded`; `declined` when no payment was captured and none can be captured later;
    /// `refund_due` when the provider cannot refund by API and an operator must refund.
    pub status: PaymentStatus,
    /// The ledger's copy. Results of earlier releases have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<Box<Transaction>>,
}

/// Activities of an order, on the orders' task queue.
pub struct OrderActivities;

#[activity_definitions]
impl OrderActivities {
    /// Inserts the order's row, or detects an older order with the same id.
    #[activity(name = "ReceiveOrder")]
    pub fn receive_order(receive: ReceiveOrderInput) -> ReceiveOrderOutcome {
        unimplemented!()
    }

    /// Finds what earlier runs of an order did, after an operator reset its workflow.
    #[activity(name = "FindEarlierEffects")]
    pub fn find_earlier_effects(order_id: OrderId) -> EarlierEffects {
        unimplemented!()
    }

    /// Validates the order document.
    #[activity(name = "ValidateOrder")]
    pub fn validate_order(validate: ValidateOrderInput) -> ValidationOutcome {
        unimplemented!()
    }

    /// Reserves the stock of all line items, or of none.
    #[activity(name = "ReserveInventory")]
    pub fn reserve_inventory(reserve: ReserveInventoryInput) -> ReservationOutcome {
        unimplemented!()
    }

    /// Changes the reserved stock to the given line items, or changes nothing.
    #[activity(name = "ChangeReservation")]
    pub fn change_reservation(change: ChangeReservationInput) -> ChangeReservationOutcome {
        unimplemented!()
    }

    /// Charges the payment, at most once for each payment id.
    #[activity(name = "ChargePayment")]
    pub fn charge_payment(charge: ChargePaymentInput) -> ChargeOutcome {
        unimplemented!()
    }

    /// Records a confirmed payment.
    #[activity(name = "RecordPayment")]
    pub fn record_payment(payment: RecordPaymentInput) -> RecordPaymentResult {
        unimplemented!()
    }

    /// Captures authorised money after dispatch. Returns the transaction with its balance.
    #[activity(name = "CapturePayment")]
    pub fn capture_payment(capture: CapturePaymentInput) -> Option<Transaction> {
        unimplemented!()
    }

    /// Asks the payment providers for payments of the order whose webhook events may be lost, and
    /// records them.
    #[activity(name = "LookUpPayments")]
    pub fn look_up_payments(look_up: LookUpPaymentsInput) -> LookUpPaymentsOutcome {
        unimplemented!()
    }

    /// Refunds the payment or a part of it, or makes sure that it is never captured.
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

    /// Records the delivery.
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

// The macro generates the definitions in a private module; implementations need their paths.
pub use order_activities::{
    CapturePayment, ChangeReservation, ChargePayment, CommitInventory, ConfirmDelivery,
    FindEarlierEffects, LookUpPayments, ReceiveOrder, RecordOrder, RecordPayment, RefundPayment,
    ReleaseInventory, ReserveInventory, ValidateOrder,
};
