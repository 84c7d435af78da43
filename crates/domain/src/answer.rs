//! What an order answers to a request. A refusal by the order's state is an answer, not an error.

use crate::{Address, OrderStatus, Step, status::named};
use serde::{Deserialize, Serialize};

named! {
    /// Why the order's state forbids it; the `code` of the caller's problem document.
    RefusalCode {
        AlreadyShipped => "already_shipped",
        OrderClosed => "order_closed",
        NotInReview => "not_in_review",
        PaymentNotExpected => "payment_not_expected",
        AlreadyPaid => "already_paid",
        NotPaid => "not_paid",
        PaymentMismatch => "payment_mismatch",
        NotShipped => "not_shipped",
        AddressIncomplete => "address_incomplete",
        PaymentIdInUse => "payment_id_in_use",
        Malformed => "malformed",
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Answer {
    /// It holds. `already`: it held before, nothing new happened.
    Done {
        status: OrderStatus,
        step: Step,
        message: String,
        #[serde(default)]
        already: bool,
        #[serde(default)]
        shipping_address: Option<Address>,
    },
    Refused {
        code: RefusalCode,
        detail: String,
        status: OrderStatus,
    },
    /// The carrier has not said yet who won; the order's state will tell.
    Undecided {
        status: OrderStatus,
        message: String,
    },
}
