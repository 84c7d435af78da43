//! The notifications that customers receive by mail, and the audit events that cause them.

use crate::{AuditEventType, status::string_enum};

string_enum! {
    /// A kind of mail to the customer. Each kind is sent once per order, or once for each of its
    /// subjects.
    NotificationKind {
        OrderReceived => "order_received",
        PaymentConfirmed => "payment_confirmed",
        OrderShipped => "order_shipped",
        OrderDelivered => "order_delivered",
        OrderCancelled => "order_cancelled",
        RefundCompleted => "refund_completed",
        ReturnReceived => "return_received",
    }
}

impl NotificationKind {
    /// Returns the types of audit events that cause this notification.
    pub const fn event_types(self) -> &'static [AuditEventType] {
        match self {
            // Not `order_received`: the customer is known after validation only.
            Self::OrderReceived => &[AuditEventType::OrderValidated],
            Self::PaymentConfirmed => &[
                AuditEventType::PaymentCaptured,
                AuditEventType::PaymentConfirmed,
            ],
            Self::OrderShipped => &[AuditEventType::OrderShipped],
            Self::OrderDelivered => &[AuditEventType::OrderDelivered],
            Self::OrderCancelled => &[AuditEventType::OrderCancelled, AuditEventType::OrderFailed],
            Self::RefundCompleted => &[AuditEventType::RefundCompleted],
            Self::ReturnReceived => &[AuditEventType::ReturnReceived],
        }
    }

    /// Returns the field of the audit event that names the subject; `None` for a notification that an
    /// order has once. A trigger of the database writes the mails with a subject.
    pub const fn subject_field(self) -> Option<&'static str> {
        match self {
            Self::RefundCompleted => Some("refund_id"),
            Self::ReturnReceived => Some("return_id"),
            Self::OrderReceived
            | Self::PaymentConfirmed
            | Self::OrderShipped
            | Self::OrderDelivered
            | Self::OrderCancelled => None,
        }
    }

    /// Returns the notification that this type of audit event causes, once per order.
    pub fn for_event(entry: AuditEventType) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.subject_field().is_none() && kind.event_types().contains(&entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_order_causes_the_cancellation_mail() {
        for entry in [AuditEventType::OrderCancelled, AuditEventType::OrderFailed] {
            assert_eq!(
                NotificationKind::for_event(entry),
                Some(NotificationKind::OrderCancelled)
            );
        }
        assert_eq!(
            NotificationKind::for_event(AuditEventType::AddressUpdated),
            None
        );
        assert_eq!(
            NotificationKind::for_event(AuditEventType::RefundCompleted),
            None
        );
    }

    #[test]
    fn each_event_type_causes_at_most_one_mail() {
        for entry in AuditEventType::ALL {
            let kinds = NotificationKind::ALL
                .iter()
                .filter(|kind| kind.event_types().contains(entry))
                .count();
            assert!(kinds <= 1, "{entry}");
        }
    }
}
