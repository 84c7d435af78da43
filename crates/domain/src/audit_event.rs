//! The types of audit events, which are a closed list.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::status::string_enum;

string_enum! {
    /// The type of an audit event.
    AuditEventType {
        OrderReceived => "order_received",
        OrderValidated => "order_validated",
        OrderInvalid => "order_invalid",
        InventoryReserved => "inventory_reserved",
        InventoryUnavailable => "inventory_unavailable",
        InventoryReleased => "inventory_released",
        ReviewStarted => "review_started",
        ReviewApproved => "review_approved",
        ReviewRejected => "review_rejected",
        ReviewTimedOut => "review_timed_out",
        PaymentRequested => "payment_requested",
        PaymentCaptured => "payment_captured",
        PaymentAccepted => "payment_accepted",
        PaymentConfirmed => "payment_confirmed",
        PaymentDeclined => "payment_declined",
        PaymentUnavailable => "payment_unavailable",
        PaymentMismatch => "payment_mismatch",
        PaymentTimedOut => "payment_timed_out",
        PaymentProcessing => "payment_processing",
        PaymentAttemptFailed => "payment_attempt_failed",
        PaymentAuthorised => "payment_authorised",
        PaymentCaptureFailed => "payment_capture_failed",
        PaymentReturned => "payment_returned",
        PaymentWarning => "payment_warning",
        PaymentDisputed => "payment_disputed",
        PaymentPartReceived => "payment_part_received",
        PaymentExcess => "payment_excess",
        PaymentHeld => "payment_held",
        PaymentReleased => "payment_released",
        CheckoutCompletedUnpaid => "checkout_completed_unpaid",
        PaymentConcernResolved => "payment_concern_resolved",
        PaymentRefundReported => "payment_refund_reported",
        PaymentRefundFailed => "payment_refund_failed",
        UnmatchedPaymentRefunded => "stray_payment_refunded",
        UnmatchedPaymentRefundDue => "stray_payment_refund_due",
        PaymentCancelRequested => "payment_cancel_requested",
        PaymentCancelled => "payment_cancelled",
        PaymentRefunded => "payment_refunded",
        PaymentRefundDue => "payment_refund_due",
        RefundRequested => "refund_requested",
        RefundCompleted => "refund_completed",
        RefundDue => "refund_due",
        RefundFailed => "refund_failed",
        ReturnRequested => "return_requested",
        ReturnApproved => "return_approved",
        ReturnRejected => "return_rejected",
        ReturnReceived => "return_received",
        ReturnCancelled => "return_cancelled",
        ReturnClosed => "return_closed",
        OrderHeld => "order_held",
        OrderReleased => "order_released",
        OrderUpdated => "order_updated",
        ItemsRequested => "items_requested",
        ItemsUpdated => "items_updated",
        AddressRequested => "address_requested",
        AddressUpdated => "address_updated",
        ShipmentStarted => "shipment_started",
        DispatchFailed => "dispatch_failed",
        ShipmentStopped => "shipment_stopped",
        OrderShipped => "order_shipped",
        ShipmentTracked => "shipment_tracked",
        OrderDelivered => "order_delivered",
        CancelRequested => "cancel_requested",
        OrderCancelled => "order_cancelled",
        OrderFailed => "order_failed",
        RequestRefused => "request_refused",
        DeadlinePassed => "deadline_passed",
        OrderRecovered => "order_recovered",
        CompensationFinished => "compensation_finished",
    }
}

/// One event of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// The number of the event in its order, from 1 on and without a gap.
    pub seq: u32,
    #[serde(rename = "type")]
    pub kind: AuditEventType,
    pub payload: serde_json::Value,
    pub ts: DateTime<Utc>,
}
