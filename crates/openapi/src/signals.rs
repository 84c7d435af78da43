//! Describes the actions on an order.

use serde_json::Value;

use crate::{
    description::{BODY_PROBLEMS, Description, ORDER_ACTIONS, problem_kinds},
    examples, parameters,
    requests::Body,
    response::{json_content, response},
    types::SchemaRegistry,
};
use contract::RefusalCode;
use orderflow_http::{ProblemCode, ProblemKind, SignalOperation};
use signal::{SignalDone, SignalUndecided};

struct Action {
    summary: &'static str,
    details: &'static str,
    body: Body,
    example: Value,
    refusals: &'static [RefusalCode],
}

fn action(operation: SignalOperation) -> Action {
    match operation {
        SignalOperation::Approve => Action {
            summary: "Approve an order",
            details: "Approves an order in manual review. An approval that arrives earlier is applied when the review begins.",
            body: Body::Approval,
            example: examples::accepted("pending", "pay", "Order approved."),
            refusals: &[RefusalCode::NotInReview, RefusalCode::OrderClosed],
        },
        SignalOperation::Reject => Action {
            summary: "Reject an order",
            details: "Rejects and cancels an order in manual review.",
            body: Body::Rejection,
            example: examples::accepted("pending", "manual_review", "Order rejected."),
            refusals: &[RefusalCode::NotInReview, RefusalCode::OrderClosed],
        },
        SignalOperation::Cancel => Action {
            summary: "Cancel an order",
            details: "Cancels an order that has not shipped, refunds its payment and releases its inventory. \
                A cancel during dispatch waits up to 22 s for the carrier's response. \
                If the outcome is still unknown, the response is 202.",
            body: Body::Cancellation,
            example: examples::accepted("cancelled", "compensate", "Order cancelled."),
            refusals: &[RefusalCode::AlreadyShipped, RefusalCode::OrderClosed],
        },
        SignalOperation::UpdateAddress => Action {
            summary: "Update the shipping address",
            details: "Changes the address of an order that has not shipped. Omitted fields keep their value.",
            body: Body::Address,
            example: examples::address_updated(),
            refusals: &[
                RefusalCode::AlreadyShipped,
                RefusalCode::OrderClosed,
                RefusalCode::AddressIncomplete,
            ],
        },
        SignalOperation::CancelPayment => Action {
            summary: "Cancel the payment",
            details: "Refunds the payment and keeps the order. \
                The order is `pending` again and waits for another payment to be confirmed. \
                The payment time-out starts again.",
            body: Body::PaymentCancellation,
            example: examples::accepted("pending", "pay", "Payment cancelled and refunded."),
            refusals: &[
                RefusalCode::NotPaid,
                RefusalCode::AlreadyShipped,
                RefusalCode::OrderClosed,
            ],
        },
        SignalOperation::ConfirmPayment => Action {
            summary: "Confirm the payment",
            details: "Records a payment that the customer made through another payment provider. \
                `amount` must be equal to the order's total. \
                A repeated confirmation of the same transaction has no second effect. \
                A refusal has the member `payment_status`. With `not_taken`, the refund is the task of the caller; \
                `payment_refunded` means that orderflow has the payment and refunds it.",
            body: Body::Payment,
            example: examples::accepted("payment_confirmed", "prepare", "Payment confirmed."),
            refusals: &[
                RefusalCode::AlreadyPaid,
                RefusalCode::OrderClosed,
                RefusalCode::PaymentNotExpected,
                RefusalCode::PaymentIdInUse,
                RefusalCode::PaymentRefunded,
                RefusalCode::PaymentMismatch,
                RefusalCode::TransactionMismatch,
            ],
        },
        SignalOperation::Hold => Action {
            summary: "Hold an order",
            details: "A held order does not go on to its payment or its dispatch until it is released. \
                An order that waits for a payment still takes it. \
                A hold during dispatch waits up to 22 s for the carrier's response.",
            body: Body::Hold,
            example: examples::accepted("payment_confirmed", "pay", "Order held."),
            refusals: &[RefusalCode::AlreadyShipped, RefusalCode::OrderClosed],
        },
        SignalOperation::Release => Action {
            summary: "Release an order",
            details: "Lets a held order go on.",
            body: Body::Release,
            example: examples::accepted("payment_confirmed", "pay", "Order released."),
            refusals: &[],
        },
        SignalOperation::UpdateItems => Action {
            summary: "Change the quantities of an order",
            details: "Sets the units of the SKUs in `items`, before dispatch; other SKUs keep theirs, and zero removes one. \
                Fewer units release stock, and captured money above the new total is refunded. \
                More units are possible before the payment begins, and not for a customer's key. \
                The discount of a line and the tax keep their ratio to the value of the items. \
                A change during dispatch waits up to 22 s for the carrier's response.",
            body: Body::Items,
            example: examples::items_updated(),
            refusals: &[
                RefusalCode::ItemsNotChangeable,
                RefusalCode::IncreaseNotAllowed,
                RefusalCode::InsufficientStock,
                RefusalCode::PaymentInProgress,
                RefusalCode::AlreadyShipped,
                RefusalCode::OrderClosed,
            ],
        },
        SignalOperation::Update => Action {
            summary: "Update an order's notes",
            details: "Changes `external_reference`, `note` and `metadata` of an order in any status, also after its end. \
                An omitted field keeps its value. `null` or a blank text removes a value. \
                `metadata` is merged: a value replaces that of its name, and `null` removes it.",
            body: Body::Notes,
            example: examples::notes_updated(),
            refusals: &[RefusalCode::MetadataTooLarge, RefusalCode::OrderClosed],
        },
        SignalOperation::ConfirmDelivery => Action {
            summary: "Confirm the delivery",
            details: "Records that the carrier delivered the parcel. \
                `delivered_at` must be between the dispatch and now.",
            body: Body::Delivery,
            example: examples::accepted("delivered", "done", "Delivery confirmed."),
            refusals: &[
                RefusalCode::NotShipped,
                RefusalCode::DeliveryTimeInvalid,
                RefusalCode::OrderClosed,
            ],
        },
    }
}

pub(crate) fn description(operation: SignalOperation, types: &mut SchemaRegistry) -> Description {
    let Action {
        summary,
        details,
        body,
        example,
        refusals,
    } = action(operation);
    let done = json_content(&types.schema_of::<SignalDone<'static>>(), &example);
    let undecided = json_content(
        &types.schema_of::<SignalUndecided<'static>>(),
        &examples::undecided(),
    );
    let mut problems = problem_kinds(&[
        &BODY_PROBLEMS,
        &[
            ProblemCode::InvalidIdempotencyKey,
            ProblemCode::IdempotencyKeyReused,
            ProblemCode::InvalidQuery,
            ProblemCode::OrderNotFound,
            ProblemCode::PreconditionFailed,
            ProblemCode::TooManyRequestsForOrder,
            ProblemCode::TemporalUnavailable,
            ProblemCode::WorkerUnavailable,
        ],
    ]);
    // An older worker may refuse as malformed a request that this version of the API accepts.
    problems.extend(
        refusals
            .iter()
            .chain(&[RefusalCode::Malformed])
            .map(|code| ProblemKind::Refusal(*code)),
    );
    Description {
        tag: ORDER_ACTIONS,
        summary,
        details,
        parameters: vec![
            parameters::shared("IdempotencyKey"),
            parameters::shared("IfMatch"),
        ],
        body: Some(body),
        responses: vec![
            (
                200,
                response(
                    "The order accepted the request. `already` is true if an earlier request had the same effect. \
                     Outcomes of earlier releases have no `ETag`.",
                    &[("etag", "OptionalETag")],
                    done,
                ),
            ),
            (
                202,
                response(
                    "The outcome is not known yet. Read the status at `Location`.",
                    &[("location", "Location")],
                    undecided,
                ),
            ),
        ],
        problems,
    }
}
