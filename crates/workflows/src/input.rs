//! Inputs, outputs and signal payloads of the workflows. Fields may be added to these types; no
//! field may be removed or renamed, because histories contain them.

use serde::{Deserialize, Serialize};

use crate::message::Decode;
use contract::{RefundRequest, RequestOrigin, ReturnChange, TrackingReport};
use domain::{
    Address, AuditEvent, AuditEventType, CustomerId, Failure, LineItem, OrderId, OrderPolicy,
    OrderState, OrderStatus, PaymentEvent, Profile, RefundId, ReturnId, ShipmentInfo, Span,
    Transaction,
};

/// The input of [`OrderWorkflow`](crate::OrderWorkflow). Only `order` is required. The order id is
/// part of the workflow id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderInput {
    /// The order document in any spelling of the HTTP contract. The activity `ValidateOrder` checks
    /// it, so an invalid order ends as `failed` with the reasons.
    #[serde(default)]
    pub order: serde_json::Value,
    /// The rules for this order. Defaults to the policy of `profile`.
    #[serde(default)]
    pub policy: Option<OrderPolicy>,
    /// A named policy. Defaults to `production`.
    #[serde(default)]
    pub profile: Option<Profile>,
    /// The task queue of `ShippingWorkflow`. Defaults to
    /// [`SHIPPING_TASK_QUEUE`](crate::SHIPPING_TASK_QUEUE).
    #[serde(default)]
    pub shipping_task_queue: Option<String>,
    /// The version of the order's rules. From 2 on, the order is validated before its first write,
    /// which also reserves its stock. From 3 on, an authorisation that is captured in part does not
    /// pay the rest. From 4 on, an automatic delivery after 0 s starts no timer. From 5 on, the history
    /// is bounded: the order continues as new, and takes payment events in batches. From 6 on, the
    /// document meets the rules of [`contract::Rules::Current`]. From 7 on, a delivery must lie between
    /// the dispatch and its confirmation. Defaults to 1, for other Temporal
    /// clients, whose documents must meet the current rules too.
    #[serde(default)]
    pub receipt: u32,
    /// The origin of the start. Starts by other Temporal clients have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<RequestOrigin>,
    /// The order of a lost workflow, which this run brings to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Box<Recovery>>,
    /// The state of the run before, which continued as new. The other fields are then unused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continued: Option<serde_json::Value>,
}

/// An order as its row has it, after its workflow was lost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recovery {
    /// The first run of the order, which owns the row.
    pub chain_id: String,
    pub state: OrderState,
    /// The newest audit events, the last of which is the last of `state`.
    pub events: Vec<AuditEvent>,
    /// The cause of the loss, for the audit log.
    pub reason: String,
}

impl OrderInput {
    pub(crate) fn policy(&self) -> OrderPolicy {
        self.policy
            .clone()
            .unwrap_or_else(|| self.profile.unwrap_or(Profile::Production).policy())
    }
}

impl Decode for OrderInput {
    fn decode(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("workflow input: {error}"))
    }
}

/// The result of an order's workflow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderOutcome {
    pub order_id: OrderId,
    pub status: OrderStatus,
    pub cancellation_reason: Option<String>,
    pub failure: Option<Failure>,
    pub shipment: Option<ShipmentInfo>,
}

/// A payment event on its way to an order or to a settlement: the payload of the signal
/// `payment_event`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentEventSignal {
    pub event: PaymentEvent,
    /// The order received the event and cannot use the payment.
    #[serde(default)]
    pub declined: bool,
    /// An operator replays the event.
    #[serde(default)]
    pub again: bool,
    /// The settlement's wait for an order that does not exist yet.
    #[serde(default)]
    pub grace: Option<Span>,
}

impl PaymentEventSignal {
    /// A new event, which no order has declined. Its settlement does not wait for an unknown order.
    pub fn new(event: PaymentEvent) -> Self {
        Self {
            event,
            declined: false,
            again: false,
            grace: None,
        }
    }
}

impl Decode for PaymentEventSignal {
    fn decode(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("payment event: {error}"))
    }
}

/// A report of a carrier: the payload of the signal `tracking_report`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrackingSignal {
    pub report: TrackingReport,
}

impl Decode for TrackingSignal {
    fn decode(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("tracking report: {error}"))
    }
}

/// The outcome of a payment that the order could not use: the payload of the signal `stray_money`,
/// which a settlement sends to the order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnmatchedPaymentSignal {
    pub event: PaymentEvent,
    pub refunded: bool,
}

impl Decode for UnmatchedPaymentSignal {
    fn decode(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("settlement outcome: {error}"))
    }
}

/// The input of [`RefundWorkflow`](crate::RefundWorkflow).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundInput {
    pub order_id: OrderId,
    pub refund_id: RefundId,
    pub request: RefundRequest,
    /// The name of the caller.
    pub requested_by: String,
    /// The origin of the request, for the audit log. Refunds that are started again have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<RequestOrigin>,
    /// A hash of the request, which distinguishes a repeated request from another one with the same id.
    pub fingerprint: String,
}

/// The input of [`ReturnWorkflow`](crate::ReturnWorkflow) and of its update: one change of a return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReturnInput {
    pub order_id: OrderId,
    pub return_id: ReturnId,
    pub change: ReturnChange,
    pub origin: RequestOrigin,
    /// The customer of a caller that reaches only the customer's orders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
    /// A hash of the request, which distinguishes a repeated request from another one with the same id.
    pub fingerprint: String,
}

/// An audit event about a refund: the payload of the signal `refund_changed`, which a refund sends to
/// its order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RefundNotice {
    pub kind: AuditEventType,
    pub payload: serde_json::Value,
    /// The transactions of the order.
    pub transactions: Vec<Transaction>,
}

impl Decode for RefundNotice {
    fn decode(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("refund: {error}"))
    }
}

/// The input of [`ShippingWorkflow`](crate::ShippingWorkflow).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShippingInput {
    pub order_id: OrderId,
    pub attempt: u32,
    /// The parcel's name at the carrier. All attempts use the same name, so the carrier makes one
    /// parcel.
    pub shipment_id: String,
    pub address: Option<Address>,
    pub lines: Vec<LineItem>,
    /// The wait before the first step: the back-off after a failed attempt, or the shipping delay.
    pub delay: Span,
    /// The id of the order's workflow, which receives the signal `dispatch_failed`.
    pub parent: String,
    /// The order has prepared the parcel and records its dispatch. Orders of earlier releases leave
    /// both to the attempt.
    #[serde(default)]
    pub recorded_by_order: bool,
}

/// The result of one attempt to ship.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ShippingOutcome {
    Dispatched {
        tracking_number: String,
        provider: String,
    },
    /// The order asked this attempt to stop before it dispatched the parcel. `uncertain`: an
    /// earlier call to the carrier got no clear response, so the carrier may have the parcel.
    Stopped {
        uncertain: bool,
    },
    Failed {
        reason: String,
    },
}
