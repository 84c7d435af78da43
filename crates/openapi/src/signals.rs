//! What orders can be told.

use serde_json::Value;

use crate::types::Types;
use crate::{
    answer::{answer, json_content},
    examples,
    operation::{BODY, Description, TELL, ours},
    parameters,
    requests::Body,
};
use contract::RefusalCode;
use orderflow_http::{ProblemCode, ProblemKind, SignalOperation};
use signal::{SignalDone, SignalUndecided};

struct Words {
    summary: &'static str,
    details: &'static str,
    body: Body,
    example: Value,
    refusals: &'static [RefusalCode],
}

fn words(signalling: SignalOperation) -> Words {
    match signalling {
        SignalOperation::Approve => Words {
            summary: "The manual review is passed",
            details: "Kept when it comes before the review begins.",
            body: Body::Approval,
            example: examples::accepted("pending", "manual_review", "Order approved."),
            refusals: &[RefusalCode::NotInReview, RefusalCode::OrderClosed],
        },
        SignalOperation::Reject => Words {
            summary: "The manual review is refused: the order is cancelled",
            details: "",
            body: Body::Rejection,
            example: examples::accepted("pending", "manual_review", "Order rejected."),
            refusals: &[RefusalCode::NotInReview, RefusalCode::OrderClosed],
        },
        SignalOperation::Cancel => Words {
            summary: "Cancel before dispatch",
            details: "What was charged is refunded, what was reserved released. Where the parcel may be leaving just now, \
                the answer waits for who won; after 22 s it is 202, and the status will tell.",
            body: Body::Cancellation,
            example: examples::accepted("cancelled", "compensate", "Order cancelled."),
            refusals: &[RefusalCode::AlreadyShipped, RefusalCode::OrderClosed],
        },
        SignalOperation::UpdateAddress => Words {
            summary: "Send it to another address",
            details: "Fields that are left out keep their value.",
            body: Body::Address,
            example: examples::redirected(),
            refusals: &[
                RefusalCode::AlreadyShipped,
                RefusalCode::OrderClosed,
                RefusalCode::AddressIncomplete,
            ],
        },
        SignalOperation::CancelPayment => Words {
            summary: "Give the money back and wait for another payment",
            details: "The order is `pending` again, its payment time-out starts anew, and the next payment comes by confirmation.",
            body: Body::PaymentCancellation,
            example: examples::accepted("pending", "pay", "Payment cancelled and refunded."),
            refusals: &[
                RefusalCode::NotPaid,
                RefusalCode::AlreadyShipped,
                RefusalCode::OrderClosed,
            ],
        },
        SignalOperation::ConfirmPayment => Words {
            summary: "A payment gateway's word that the customer has paid",
            details: "The amount must be the order's total to the last digit. A transaction that the order knows has no second effect.",
            body: Body::Payment,
            example: examples::accepted("payment_confirmed", "prepare", "Payment confirmed."),
            refusals: &[
                RefusalCode::AlreadyPaid,
                RefusalCode::OrderClosed,
                RefusalCode::PaymentNotExpected,
                RefusalCode::PaymentIdInUse,
                RefusalCode::PaymentMismatch,
            ],
        },
        SignalOperation::ConfirmDelivery => Words {
            summary: "The carrier's word that the parcel arrived",
            details: "",
            body: Body::Delivery,
            example: examples::accepted("delivered", "done", "Delivery confirmed."),
            refusals: &[RefusalCode::NotShipped, RefusalCode::OrderClosed],
        },
    }
}

pub(crate) fn description(signalling: SignalOperation, types: &mut Types) -> Description {
    let Words {
        summary,
        details,
        body,
        example,
        refusals,
    } = words(signalling);
    let done = json_content(&types.of::<SignalDone<'static>>(), &example);
    let undecided = json_content(
        &types.of::<SignalUndecided<'static>>(),
        &examples::undecided(),
    );
    let mut problems = ours(&[
        &BODY,
        &[
            ProblemCode::InvalidIdempotencyKey,
            ProblemCode::IdempotencyKeyReused,
            ProblemCode::InvalidQuery,
            ProblemCode::OrderNotFound,
            ProblemCode::TemporalUnavailable,
            ProblemCode::WorkerUnavailable,
        ],
    ]);
    // An order of an older worker may understand less than this API does.
    problems.extend(
        refusals
            .iter()
            .chain(&[RefusalCode::Malformed])
            .map(|code| ProblemKind::Refusal(*code)),
    );
    Description {
        tag: TELL,
        summary,
        details,
        parameters: vec![parameters::shared("IdempotencyKey")],
        body: Some(body),
        answers: vec![
            (
                200,
                answer(
                    "It holds. `already`: it held before, nothing new happened.",
                    &[],
                    done,
                ),
            ),
            (
                202,
                answer(
                    "Not decided yet; look there.",
                    &[("location", "Location")],
                    undecided,
                ),
            ),
        ],
        problems,
    }
}
