//! The result of reading one event, before it becomes a payment event.

use crate::json::Why;
use domain::{OrderId, PaymentEventKind, PaymentId, TransactionId};

/// The result of a provider's file for one event.
pub(crate) struct Draft {
    pub(crate) event_id: Option<String>,
    pub(crate) order_id: Option<OrderId>,
    pub(crate) transaction_id: Option<TransactionId>,
    /// The order's payment id, if the charge was made by this system.
    pub(crate) payment_id: Option<PaymentId>,
    pub(crate) kind: Result<PaymentEventKind, Why>,
}

impl Draft {
    pub(crate) fn unreadable(why: Why) -> Self {
        Self {
            event_id: None,
            order_id: None,
            transaction_id: None,
            payment_id: None,
            kind: Err(why),
        }
    }
}

pub(crate) fn ignored(event_type: Option<String>) -> PaymentEventKind {
    PaymentEventKind::Ignored {
        event_type: event_type.unwrap_or_else(|| "unnamed".to_owned()),
    }
}

pub(crate) fn unconfirmed(event_type: Option<String>) -> PaymentEventKind {
    PaymentEventKind::Unconfirmed {
        event_type: event_type.unwrap_or_else(|| "unnamed".to_owned()),
    }
}
