//! The result of reading one event, before it becomes a payment event.

use crate::json::Why;
use domain::{OrderId, PaymentEventKind, PaymentId, TransactionId};

/// The result of a provider's file for one event.
pub(crate) struct Draft {
    pub(crate) event_id: Option<String>,
    pub(crate) order_id: Option<OrderId>,
    pub(crate) transaction_id: Option<TransactionId>,
    /// Other ids of the same payment.
    pub(crate) aliases: Vec<TransactionId>,
    /// The provider's id of the customer.
    pub(crate) customer: Option<String>,
    /// The order's payment id, if the charge was made by this system.
    pub(crate) payment_id: Option<PaymentId>,
    pub(crate) kind: Result<PaymentEventKind, Why>,
}

impl Draft {
    /// Returns a draft without an order and a payment.
    pub(crate) fn new(event_id: Option<String>, kind: Result<PaymentEventKind, Why>) -> Self {
        Self {
            event_id,
            order_id: None,
            transaction_id: None,
            aliases: Vec::new(),
            customer: None,
            payment_id: None,
            kind,
        }
    }

    pub(crate) fn unreadable(why: Why) -> Self {
        Self::new(None, Err(why))
    }
}

pub(crate) fn ignored(event_type: Option<String>) -> PaymentEventKind {
    PaymentEventKind::Ignored {
        event_type: event_type.unwrap_or_else(unnamed),
        reason: None,
    }
}

/// Returns an ignored event that would have a meaning for another deployment.
pub(crate) fn ignored_because(event_type: Option<String>, reason: String) -> PaymentEventKind {
    PaymentEventKind::Ignored {
        event_type: event_type.unwrap_or_else(unnamed),
        reason: Some(reason),
    }
}

pub(crate) fn unconfirmed(event_type: Option<String>) -> PaymentEventKind {
    PaymentEventKind::Unconfirmed {
        event_type: event_type.unwrap_or_else(unnamed),
    }
}

fn unnamed() -> String {
    "unnamed".to_owned()
}
