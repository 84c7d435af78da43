//! What the workflows are started with and what they end with. These types change by addition only.

use serde::{Deserialize, Serialize};

use crate::message::Decode;
use domain::{
    Address, Failure, LineItem, OrderId, OrderPolicy, OrderStatus, PaymentEvent, Profile,
    ShipmentInfo, Span,
};

/// The input of `OrderWorkflow`. Only `order` is needed; the id is in the workflow's id.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OrderInput {
    /// The order in any spelling of the HTTP contract. Not checked here: `ValidateOrder` does that,
    /// so that a bad order ends `failed` with its reasons.
    #[serde(default)]
    pub order: serde_json::Value,
    /// How the order is handled; without it, as `profile` says.
    #[serde(default)]
    pub policy: Option<OrderPolicy>,
    /// Without it, `production`.
    #[serde(default)]
    pub profile: Option<Profile>,
    /// Where `ShippingWorkflow` runs; `shipping-tq` unless the deployment has another.
    #[serde(default)]
    pub shipping_task_queue: Option<String>,
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
        serde_json::from_str(text).map_err(|error| format!("the workflow's input {error}"))
    }
}

/// How an order ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderOutcome {
    pub order_id: OrderId,
    pub status: OrderStatus,
    pub cancellation_reason: Option<String>,
    pub failure: Option<Failure>,
    pub shipment: Option<ShipmentInfo>,
}

/// An event of a payment provider on its way to where something comes of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaymentEventSignal {
    pub event: PaymentEvent,
    /// Its order has it and has no use for it.
    #[serde(default)]
    pub declined: bool,
    /// An operator sends it once more.
    #[serde(default)]
    pub again: bool,
    /// How long an order that is not there may still appear.
    #[serde(default)]
    pub grace: Option<Span>,
}

impl Decode for PaymentEventSignal {
    fn decode(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("the notice {error}"))
    }
}

/// What became of money that an order had no use for, told to the order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UnmatchedPaymentSignal {
    pub event: PaymentEvent,
    pub refunded: bool,
}

impl Decode for UnmatchedPaymentSignal {
    fn decode(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("the settlement {error}"))
    }
}

/// The input of `ShippingWorkflow`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShippingInput {
    pub order_id: OrderId,
    pub attempt: u32,
    /// Names the parcel at the carrier, the same over all attempts: however often we ask, one parcel.
    pub shipment_id: String,
    pub address: Option<Address>,
    pub lines: Vec<LineItem>,
    /// To wait before anything is done: the back-off after a failed attempt, or the shipping delay.
    pub delay: Span,
    /// The order's workflow, to be told of a failed dispatch.
    pub parent: String,
}

/// How one attempt to ship ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ShippingOutcome {
    Dispatched {
        tracking_number: String,
        provider: String,
    },
    /// The order asked to stop, and this attempt did not dispatch. `uncertain`: the carrier was asked
    /// before and did not answer clearly, so it must be asked whether it has the parcel.
    Stopped {
        uncertain: bool,
    },
    Failed {
        reason: String,
    },
}
