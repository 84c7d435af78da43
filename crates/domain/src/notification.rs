//! The notifications that customers receive by mail, and the audit events that cause them.

use crate::{AuditEventType, status::string_enum};

string_enum! {
    /// A kind of mail to the customer. Each kind is sent once per order.
    NotificationKind {
        OrderReceived => "order_received",
        PaymentConfirmed => "payment_confirmed",
        OrderShipped => "order_shipped",
        OrderDelivered => "order_delivered",
        OrderCancelled => "order_cancelled",
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
        }
    }

    /// Returns the notification that this type of audit event causes.
    pub fn for_event(entry: AuditEventType) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.event_types().contains(&entry))
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
