//! What a customer is told of by mail, and which entries of the audit trail tell it.

use crate::{EventType, status::named};

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
    pub const fn entries(self) -> &'static [EventType] {
        match self {
            // Not `order_received`: whom to write to is known once the order was read.
            Self::OrderReceived => &[EventType::OrderValidated],
            Self::PaymentConfirmed => &[EventType::PaymentCaptured, EventType::PaymentConfirmed],
            Self::OrderShipped => &[EventType::OrderShipped],
            Self::OrderDelivered => &[EventType::OrderDelivered],
            Self::OrderCancelled => &[EventType::OrderCancelled, EventType::OrderFailed],
        }
    }

    /// The mail that tells of this entry, if one does.
    pub fn of(entry: EventType) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.entries().contains(&entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_fails_is_told_of_like_one_that_is_cancelled() {
        for entry in [EventType::OrderCancelled, EventType::OrderFailed] {
            assert_eq!(
                NotificationKind::of(entry),
                Some(NotificationKind::OrderCancelled)
            );
        }
        assert_eq!(NotificationKind::of(EventType::AddressUpdated), None);
    }

    #[test]
    fn no_entry_belongs_to_two_mails() {
        for entry in EventType::ALL {
            let kinds = NotificationKind::ALL
                .iter()
                .filter(|kind| kind.entries().contains(entry))
                .count();
            assert!(kinds <= 1, "{entry}");
        }
    }
}
