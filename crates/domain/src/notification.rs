//! What a customer is told of by mail, and which entries of the audit trail tell it.

use crate::{AuditEventType, status::named};

named! {
    /// A mail to the customer; each goes out once for an order.
    NotificationKind {
        OrderReceived => "order_received",
        PaymentConfirmed => "payment_confirmed",
        OrderShipped => "order_shipped",
        OrderDelivered => "order_delivered",
        OrderCancelled => "order_cancelled",
    }
}

impl NotificationKind {
    /// The entries of the audit trail that this mail tells of.
    pub const fn event_types(self) -> &'static [AuditEventType] {
        match self {
            // Not `order_received`: whom to write to is known once the order was read.
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

    /// The mail that tells of this entry, if one does.
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
    fn an_order_that_fails_is_told_of_like_one_that_is_cancelled() {
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
    fn no_entry_belongs_to_two_mails() {
        for entry in AuditEventType::ALL {
            let kinds = NotificationKind::ALL
                .iter()
                .filter(|kind| kind.event_types().contains(entry))
                .count();
            assert!(kinds <= 1, "{entry}");
        }
    }
}
