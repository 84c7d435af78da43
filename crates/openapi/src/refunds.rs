//! Describes the routes of refunds.

use crate::{
    description::{BODY_PROBLEMS, Description, ORDER_ACTIONS, ORDERS, problem_kinds},
    examples,
    operation::READ_PROBLEMS,
    parameters,
    requests::Body,
    response::{json_content, response},
    types::SchemaRegistry,
};
use contract::{RefundList, RefundView, RefusalCode};
use orderflow_http::{ProblemCode, ProblemKind};

pub(crate) fn describe_request(types: &mut SchemaRegistry) -> Description {
    let content = json_content(
        &types.schema_of::<RefundView>(),
        &examples::accepted_refund(),
    );
    let mut problems = problem_kinds(&[
        &BODY_PROBLEMS,
        &[
            ProblemCode::CustomerCaller,
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
    problems.extend(
        [
            RefusalCode::NotPaid,
            RefusalCode::NotShipped,
            RefusalCode::RefundExceedsPayment,
            RefusalCode::RefundExceedsItems,
        ]
        .map(ProblemKind::Refusal),
    );
    Description {
        tag: ORDER_ACTIONS,
        summary: "Refund an order",
        details: "Refunds a part of the captured money of a paid order, also after its end: an `amount`, \
            or the value of `items` and of a part of the shipping. \
            With `restock`, the items of an order that has shipped are available again. \
            The order goes on as before. \
            The sum of all refunds is at most what was captured; the problem names what is left. \
            Send an `Idempotency-Key`: a repeated request then returns the same refund.",
        parameters: vec![
            parameters::shared("IdempotencyKey"),
            parameters::shared("IfMatch"),
        ],
        body: Some(Body::Refund),
        responses: vec![(
            202,
            response(
                "The money is reserved for the refund, which ends `refunded`, `failed` or `due`. Read it at `Location`. \
                 The `ETag` is missing while an open order has not written its audit event.",
                &[("location", "Location"), ("etag", "OptionalETag")],
                content,
            ),
        )],
        problems,
    }
}

pub(crate) fn describe_list(types: &mut SchemaRegistry) -> Description {
    Description {
        tag: ORDERS,
        summary: "List refunds",
        details: "Returns the refunds of an order that the shop has made, oldest first.",
        parameters: Vec::new(),
        body: None,
        responses: vec![(
            200,
            response(
                "The refunds of the order.",
                &[],
                json_content(&types.schema_of::<RefundList>(), &examples::refund_list()),
            ),
        )],
        problems: problem_kinds(&[&READ_PROBLEMS]),
    }
}

pub(crate) fn describe_refund(types: &mut SchemaRegistry) -> Description {
    Description {
        tag: ORDERS,
        summary: "Get a refund",
        details: "Returns one refund of an order.",
        parameters: vec![parameters::refund_id()],
        body: None,
        responses: vec![(
            200,
            response(
                "The refund.",
                &[],
                json_content(&types.schema_of::<RefundView>(), &examples::refund()),
            ),
        )],
        problems: problem_kinds(&[&READ_PROBLEMS, &[ProblemCode::RefundNotFound]]),
    }
}
