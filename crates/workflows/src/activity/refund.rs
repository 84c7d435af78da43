//! Activities for refunds that the shop makes, and their inputs and outputs.

use serde::{Deserialize, Serialize};
use temporalio_macros::activity_definitions;

use crate::{RefundInput, RefundNotice};
use contract::{RefundDecision, RequestOrigin};
use domain::{OrderId, RefundId, RefundState, Span};

/// A refund of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundReference {
    pub order_id: OrderId,
    pub refund_id: RefundId,
}

/// The input of `AnnounceRefund`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnnounceRefundInput {
    #[serde(flatten)]
    pub refund: RefundReference,
    /// Whether the event reports the result. Otherwise it reports the request.
    pub is_result: bool,
    /// The origin of the request. Refunds of earlier releases have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<RequestOrigin>,
}

/// The output of `AnnounceRefund`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum AnnounceRefundOutcome {
    /// The audit log has the event.
    Written,
    /// The order is open: its workflow must append the event.
    Open { notice: Box<RefundNotice> },
    /// There is no such order, or no result.
    Nothing,
}

/// The input of `RecoverRefunds`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoverRefundsInput {
    /// The time for which a refund has not changed.
    pub idle_for: Span,
}

/// Activities for refunds, on the orders' task queue.
pub struct RefundActivities;

#[activity_definitions]
impl RefundActivities {
    /// Reserves the money of a refund, once.
    #[activity(name = "ClaimRefund")]
    pub fn claim_refund(refund: RefundInput) -> RefundDecision {
        unimplemented!()
    }

    /// Pays the parts of a refund that have no result, and returns the state of the refund.
    #[activity(name = "PayRefund")]
    pub fn pay_refund(refund: RefundReference) -> RefundState {
        unimplemented!()
    }

    /// Makes the units of a refund available again, once.
    #[activity(name = "RestockRefund")]
    pub fn restock_refund(refund: RefundReference) {
        unimplemented!()
    }

    /// Appends the request or the result of a refund to the audit log of an order that has ended.
    #[activity(name = "AnnounceRefund")]
    pub fn announce_refund(announce: AnnounceRefundInput) -> AnnounceRefundOutcome {
        unimplemented!()
    }

    /// Starts the workflows of unfinished refunds again, and returns their number.
    #[activity(name = "RecoverRefunds")]
    pub fn recover_refunds(recover: RecoverRefundsInput) -> u32 {
        unimplemented!()
    }
}

// The macro generates the definitions in a private module; implementations need their paths.
pub use refund_activities::{
    AnnounceRefund, ClaimRefund, PayRefund, RecoverRefunds, RestockRefund,
};
