//! Recalls: requests that conflict with dispatch and wait for the carrier's response.

use serde::{Deserialize, Serialize};

use super::OrderWorkflow;
use contract::RequestOrigin;
use domain::{Address, ItemQuantity};

/// The requests that arrived while the parcel may be on its way to the carrier. The carrier's
/// response decides all of them together.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Recall {
    /// The reason to end the order. It overrides the other requests.
    pub(super) stop: Option<StopReason>,
    pub(super) address: Option<Address>,
    /// New quantities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) items: Vec<ItemQuantity>,
    /// Refund the payment and wait for another one.
    pub(super) payment: bool,
    /// Wait for a decision about the payment.
    pub(super) hold: bool,
    #[serde(default)]
    pub(super) origins: RecallOrigins,
}

/// The origins of the requests in a recall, for the audit events of their effects.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct RecallOrigins {
    pub(super) stop: Option<RequestOrigin>,
    pub(super) address: Option<RequestOrigin>,
    pub(super) items: Option<RequestOrigin>,
}

/// The reason to end an order while it ships.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum StopReason {
    Cancel {
        reason: Option<String>,
        /// The reason for the customer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        public_reason: Option<String>,
        by: String,
    },
    Deadline,
}

impl StopReason {
    /// Returns the stop by Temporal's own cancel request.
    pub(super) fn by_temporal(reason: Option<String>) -> Self {
        Self::Cancel {
            reason,
            public_reason: None,
            by: "temporal".to_owned(),
        }
    }
}

/// The shipping phase. Requests that conflict with dispatch wait for the carrier's response.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Shipping {
    /// The requests without a decision.
    pub(super) recall: Option<Recall>,
}

impl OrderWorkflow {
    pub(super) fn is_recalled(&self) -> bool {
        self.shipping
            .as_ref()
            .is_some_and(|shipping| shipping.recall.is_some())
    }

    /// Returns whether the pending recall ends the order.
    pub(super) fn is_stop_requested(&self) -> bool {
        self.shipping
            .as_ref()
            .and_then(|shipping| shipping.recall.as_ref())
            .is_some_and(|recall| recall.stop.is_some())
    }

    /// Ends the pending recall and wakes the requests that wait for it.
    pub(super) fn resolve_recall(&mut self) -> Option<Recall> {
        self.recalls_decided += 1;
        self.shipping
            .as_mut()
            .and_then(|shipping| shipping.recall.take())
    }

    /// Returns whether the recall with this number is decided.
    pub(super) fn is_recall_decided(&self, recall_number: u32) -> bool {
        self.shipping.is_none() || self.recalls_decided > recall_number
    }
}
