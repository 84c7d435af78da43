//! What an order answers to a request. A refusal by the order's state is an answer, not an error.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use domain::{Address, OrderStatus, Step, named};

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
pub enum UpdateOutcome {
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

/// An answer as an update gives it, with the fingerprint of what was asked: under the same update id the first answer
/// comes again, and who asked for something else then must not take it for its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordedOutcome {
    #[serde(flatten)]
    pub outcome: UpdateOutcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// The same for two requests that ask the same.
pub fn request_fingerprint(request: &impl Serialize) -> Option<String> {
    let text = serde_json::to_vec(request).ok()?;
    Some(HEXLOWER.encode(&Sha256::digest(text)[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_a_fingerprint_is_read_as_before() {
        let text = r#"{"outcome":"undecided","status":"pending","message":"later"}"#;
        let read: RecordedOutcome = serde_json::from_str(text).unwrap();
        assert_eq!(
            (
                read.request.as_deref(),
                serde_json::to_string(&read).unwrap().as_str()
            ),
            (None, text)
        );
    }

    #[test]
    fn a_fingerprint_tells_requests_apart() {
        assert_eq!(request_fingerprint(&"a"), request_fingerprint(&"a"));
        assert_ne!(request_fingerprint(&"a"), request_fingerprint(&"b"));
    }
}
