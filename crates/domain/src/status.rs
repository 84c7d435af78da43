//! The status of an order, for callers, and its step, for operators.

/// Defines an enum whose variants have fixed texts, used by serde, `Display` and `parse` alike.
#[macro_export]
macro_rules! string_enum {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident => $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize, ::serde::Deserialize)]
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use crate::string_enum;

string_enum! {
    /// The status of an order.
    OrderStatus {
        Pending => "pending",
        PaymentConfirmed => "payment_confirmed",
        Preparing => "preparing",
        Shipped => "shipped",
        Delivered => "delivered",
        Cancelled => "cancelled",
        Failed => "failed",
    }
}

string_enum! {
    /// The processing step of an order.
    Step {
        Receive => "receive",
        Validate => "validate",
        ManualReview => "manual_review",
        Pay => "pay",
        Prepare => "prepare",
        Dispatch => "dispatch",
        Deliver => "deliver",
        Compensate => "compensate",
        Done => "done",
    }
}

impl OrderStatus {
    /// Returns whether the state machine has this transition. `cancelled` and `failed` are final. A
    /// paid order that has not shipped can become `pending` again, when its payment is cancelled.
    pub fn can_transition_to(self, next: Self) -> bool {
        match self {
            Self::Pending => matches!(
                next,
                Self::PaymentConfirmed | Self::Cancelled | Self::Failed
            ),
            Self::PaymentConfirmed => {
                matches!(
                    next,
                    Self::Preparing | Self::Pending | Self::Cancelled | Self::Failed
                )
            }
            Self::Preparing => matches!(
                next,
                Self::Shipped | Self::Pending | Self::Cancelled | Self::Failed
            ),
            Self::Shipped => matches!(next, Self::Delivered),
            Self::Delivered | Self::Cancelled | Self::Failed => false,
        }
    }

    /// Returns whether the order has shipped. A shipped order cannot be cancelled or redirected.
    pub fn is_dispatched(self) -> bool {
        matches!(self, Self::Shipped | Self::Delivered)
    }

    pub fn is_terminal(self) -> bool {
        Self::ALL.iter().all(|next| !self.can_transition_to(*next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_states_are_final() {
        let last: Vec<_> = OrderStatus::ALL
            .iter()
            .filter(|status| status.is_terminal())
            .collect();
        assert_eq!(
            last,
            [
                &OrderStatus::Delivered,
                &OrderStatus::Cancelled,
                &OrderStatus::Failed
            ]
        );
    }

    #[test]
    fn shipped_order_cannot_be_cancelled() {
        assert!(!OrderStatus::Shipped.can_transition_to(OrderStatus::Cancelled));
        assert!(!OrderStatus::Shipped.can_transition_to(OrderStatus::Failed));
    }

    #[test]
    fn names_round_trip() {
        for status in OrderStatus::ALL {
            assert_eq!(OrderStatus::parse(status.as_str()), Some(*status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
        assert_eq!(Step::parse("lunch"), None);
    }
}
