//! The messages that other systems receive about an order, and the audit events that cause them.

use crate::{AuditEventType, status::string_enum};

string_enum! {
    /// The type of a message about an order.
    MessageType {
        OrderCreated => "order.created",
        OrderPaid => "order.paid",
        OrderShipped => "order.shipped",
        OrderDelivered => "order.delivered",
        OrderCancelled => "order.cancelled",
        OrderFailed => "order.failed",
        OrderHeld => "order.held",
        OrderReleased => "order.released",
        OrderRefunded => "order.refunded",
        /// Any other change that the order document shows.
        OrderUpdated => "order.updated",
    }
}

impl MessageType {
    /// Returns the type of the message about an audit event, or `None` if it causes no message. The
    /// function `endpoint_event_type` of the database returns the same.
    pub const fn for_event(event: AuditEventType) -> Option<Self> {
        Some(match event {
            AuditEventType::OrderReceived => Self::OrderCreated,
            AuditEventType::PaymentCaptured | AuditEventType::PaymentConfirmed => Self::OrderPaid,
            AuditEventType::OrderShipped => Self::OrderShipped,
            AuditEventType::OrderDelivered => Self::OrderDelivered,
            AuditEventType::OrderCancelled => Self::OrderCancelled,
            AuditEventType::OrderFailed => Self::OrderFailed,
            AuditEventType::OrderHeld => Self::OrderHeld,
            AuditEventType::OrderReleased => Self::OrderReleased,
            AuditEventType::PaymentRefunded
            | AuditEventType::PaymentRefundReported
            | AuditEventType::RefundCompleted => Self::OrderRefunded,
            AuditEventType::ReviewStarted
            | AuditEventType::ReviewApproved
            | AuditEventType::PaymentAuthorised
            | AuditEventType::PaymentPartReceived
            | AuditEventType::PaymentCaptureFailed
            | AuditEventType::PaymentReturned
            | AuditEventType::PaymentWarning
            | AuditEventType::PaymentDisputed
            | AuditEventType::PaymentHeld
            | AuditEventType::PaymentReleased
            | AuditEventType::PaymentRefundFailed
            | AuditEventType::PaymentRefundDue
            | AuditEventType::PaymentCancelled
            | AuditEventType::RefundDue
            | AuditEventType::ReturnRequested
            | AuditEventType::ReturnApproved
            | AuditEventType::ReturnRejected
            | AuditEventType::ReturnReceived
            | AuditEventType::ReturnCancelled
            | AuditEventType::ReturnClosed
            | AuditEventType::OrderUpdated
            | AuditEventType::ItemsUpdated
            | AuditEventType::ShipmentTracked
            | AuditEventType::AddressUpdated
            | AuditEventType::ShipmentStopped => Self::OrderUpdated,
            AuditEventType::OrderValidated
            | AuditEventType::OrderInvalid
            | AuditEventType::InventoryReserved
            | AuditEventType::InventoryUnavailable
            | AuditEventType::InventoryReleased
            | AuditEventType::ReviewRejected
            | AuditEventType::ReviewTimedOut
            | AuditEventType::PaymentRequested
            | AuditEventType::PaymentAccepted
            | AuditEventType::PaymentDeclined
            | AuditEventType::PaymentUnavailable
            | AuditEventType::PaymentMismatch
            | AuditEventType::PaymentTimedOut
            | AuditEventType::PaymentProcessing
            | AuditEventType::PaymentAttemptFailed
            | AuditEventType::PaymentExcess
            | AuditEventType::CheckoutCompletedUnpaid
            | AuditEventType::PaymentConcernResolved
            | AuditEventType::UnmatchedPaymentRefunded
            | AuditEventType::UnmatchedPaymentRefundDue
            | AuditEventType::PaymentCancelRequested
            | AuditEventType::RefundRequested
            | AuditEventType::RefundFailed
            | AuditEventType::ItemsRequested
            | AuditEventType::AddressRequested
            | AuditEventType::ShipmentStarted
            | AuditEventType::DispatchFailed
            | AuditEventType::CancelRequested
            | AuditEventType::RequestRefused
            | AuditEventType::DeadlinePassed
            | AuditEventType::OrderRecovered
            | AuditEventType::CompensationFinished => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_type_has_a_cause() {
        for kind in MessageType::ALL {
            let causes = AuditEventType::ALL
                .iter()
                .filter(|event| MessageType::for_event(**event) == Some(*kind));
            assert!(causes.count() > 0, "{kind}");
        }
    }
}
