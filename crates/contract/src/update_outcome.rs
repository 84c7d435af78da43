//! The outcomes of requests to an order. A refusal is an outcome, not an error.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{LineItemView, ReportedPayment};
use domain::{Address, Decimal, Notes, OrderStatus, Step, string_enum};

string_enum! {
    /// The reason of a refusal; the `code` of the problem document.
    RefusalCode {
        AlreadyShipped => "already_shipped",
        OrderClosed => "order_closed",
        NotInReview => "not_in_review",
        PaymentNotExpected => "payment_not_expected",
        AlreadyPaid => "already_paid",
        NotPaid => "not_paid",
        PaymentMismatch => "payment_mismatch",
        /// The order has the confirmed payment, and refunds it.
        PaymentRefunded => "payment_refunded",
        /// The confirmed transaction is known, with another amount.
        TransactionMismatch => "transaction_mismatch",
        NotShipped => "not_shipped",
        /// The time of a delivery is not between the dispatch and now.
        DeliveryTimeInvalid => "delivery_time_invalid",
        AddressIncomplete => "address_incomplete",
        PaymentIdInUse => "payment_id_in_use",
        ItemsNotChangeable => "items_not_changeable",
        IncreaseNotAllowed => "increase_not_allowed",
        InsufficientStock => "insufficient_stock",
        PaymentInProgress => "payment_in_progress",
        MetadataTooLarge => "metadata_too_large",
        RefundExceedsPayment => "refund_exceeds_payment",
        RefundExceedsItems => "refund_exceeds_items",
        NotDelivered => "not_delivered",
        ReturnExceedsItems => "return_exceeds_items",
        /// The state of the return does not allow the request.
        ReturnStateConflict => "return_state_conflict",
        Malformed => "malformed",
    }
}

/// The items of an order after a change, and its new total.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangedItems {
    pub items: Vec<LineItemView>,
    pub total_amount: Decimal,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum UpdateOutcome {
    /// The order accepted the request. `already` means that an earlier request had the same effect.
    Done {
        status: OrderStatus,
        step: Step,
        message: String,
        #[serde(default)]
        already: bool,
        #[serde(default)]
        shipping_address: Option<Box<Address>>,
        /// The notes after a change of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notes: Option<Box<Notes>>,
        /// The items after a change of them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        items: Option<Box<ChangedItems>>,
        /// The number of the last audit event. Outcomes of earlier releases have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<u32>,
    },
    Refused {
        code: RefusalCode,
        detail: String,
        status: OrderStatus,
        /// The payment of a refused confirmation. Outcomes of earlier releases have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        payment: Option<ReportedPayment>,
    },
    /// The outcome is not known yet, because the carrier has not responded. The order's status
    /// shows it later.
    Undecided {
        status: OrderStatus,
        message: String,
    },
}

impl UpdateOutcome {
    /// Returns the success of a request that moves the order to this step.
    #[must_use]
    pub fn at_step(mut self, next: Step) -> Self {
        if let Self::Done { step, .. } = &mut self {
            *step = next;
        }
        self
    }
}

/// The outcome of an update, with the fingerprint of its request. Temporal returns the first
/// outcome for a repeated update id. The fingerprint shows whether the repeated request is the
/// same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedOutcome {
    #[serde(flatten)]
    pub outcome: UpdateOutcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// The outcome of a request to change an order that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedOrderOutcome {
    Decided(UpdateOutcome),
    /// The order has another state than the request's `If-Match`.
    OrderChanged {
        /// The number of the last audit event.
        seq: u32,
    },
    /// The order's workflow still writes its row.
    StillOpen,
    NotFound,
}

/// Returns a fingerprint, which is equal for equal requests.
pub fn request_fingerprint(request: &impl Serialize) -> Option<String> {
    let text = serde_json::to_vec(request).ok()?;
    Some(HEXLOWER.encode(&Sha256::digest(text)[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcome_without_fingerprint_deserializes() {
        let text = r#"{"outcome":"undecided","status":"pending","message":"later"}"#;
        let read: RecordedOutcome = serde_json::from_str(text).unwrap();
        assert_eq!(
            (
                read.request.as_deref(),
                serde_json::to_string(&read).unwrap().as_str()
            ),
            (None, text)
        );
    }

    #[test]
    fn fingerprint_differs_between_requests() {
        assert_eq!(request_fingerprint(&"a"), request_fingerprint(&"a"));
        assert_ne!(request_fingerprint(&"a"), request_fingerprint(&"b"));
    }
}
