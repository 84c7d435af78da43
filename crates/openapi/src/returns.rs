//! Describes the routes of returns.

use crate::{
    description::{BODY_PROBLEMS, Description, ORDER_ACTIONS, ORDERS, problem_kinds},
    examples,
    operation::READ_PROBLEMS,
    parameters,
    requests::Body,
    response::{json_content, response},
    types::SchemaRegistry,
};
use contract::{RefusalCode, ReturnList, ReturnView};
use orderflow_http::{ProblemCode, ProblemKind, ReturnOperation};

pub(crate) const fn operation_id(operation: ReturnOperation) -> &'static str {
    match operation {
        ReturnOperation::Request => "requestReturn",
        ReturnOperation::Approve => "approveReturn",
        ReturnOperation::Reject => "rejectReturn",
        ReturnOperation::Receive => "receiveReturn",
        ReturnOperation::Cancel => "cancelReturn",
    }
}

/// The problems of each request about a return.
const PROBLEMS: [ProblemCode; 7] = [
    ProblemCode::InvalidIdempotencyKey,
    ProblemCode::InvalidQuery,
    ProblemCode::OrderNotFound,
    ProblemCode::PreconditionFailed,
    ProblemCode::TooManyRequestsForOrder,
    ProblemCode::TemporalUnavailable,
    ProblemCode::WorkerUnavailable,
];

/// The header with the version of the order.
const TAG: (&str, &str) = ("etag", "OptionalETag");

/// The parts of the description that differ between the operations.
struct Parts {
    summary: &'static str,
    details: &'static str,
    body: Body,
    response: &'static str,
    state: &'static str,
    problems: &'static [ProblemCode],
    refusals: &'static [RefusalCode],
}

const fn parts(operation: ReturnOperation) -> Parts {
    match operation {
        ReturnOperation::Request => Parts {
            summary: "Request a return",
            details: "Requests the return of units of a delivered order, for the shop to decide. \
                The units of all returns are at most the delivered ones; the problem names the units that are left. \
                Send an `Idempotency-Key`: a repeated request then returns the same return.",
            body: Body::Return,
            response: "The return is requested. Read it at `Location`.",
            state: "requested",
            problems: &[ProblemCode::IdempotencyKeyReused],
            refusals: &[RefusalCode::NotDelivered, RefusalCode::ReturnExceedsItems],
        },
        ReturnOperation::Approve => Parts {
            summary: "Approve a return",
            details: "Approves a requested return: the customer can send the units back. \
                A repeated request has no second effect.",
            body: Body::ReturnNote,
            response: "The return is approved.",
            state: "approved",
            problems: &[ProblemCode::CustomerCaller, ProblemCode::ReturnNotFound],
            refusals: &[RefusalCode::ReturnStateConflict],
        },
        ReturnOperation::Reject => Parts {
            summary: "Reject a return",
            details: "Rejects a requested return, and ends it. A repeated request has no second effect.",
            body: Body::ReturnNote,
            response: "The return is rejected.",
            state: "rejected",
            problems: &[ProblemCode::CustomerCaller, ProblemCode::ReturnNotFound],
            refusals: &[RefusalCode::ReturnStateConflict],
        },
        ReturnOperation::Receive => Parts {
            summary: "Receive a return",
            details: "Reports that units of an approved return are back: those of `items`, or all. \
                Their value is refunded, and the return is `closed` when the refund has ended. \
                With `restock`, the units are available again. \
                A repeated request has no second effect.",
            body: Body::ReturnReceipt,
            response: "The units are received. `refund_id` names the refund, unless there is no money to refund.",
            state: "received",
            problems: &[ProblemCode::CustomerCaller, ProblemCode::ReturnNotFound],
            refusals: &[
                RefusalCode::ReturnStateConflict,
                RefusalCode::ReturnExceedsItems,
                RefusalCode::RefundExceedsItems,
            ],
        },
        ReturnOperation::Cancel => Parts {
            summary: "Cancel a return",
            details: "Cancels a return whose units are not received. A repeated request has no second effect.",
            body: Body::ReturnNote,
            response: "The return is cancelled.",
            state: "cancelled",
            problems: &[ProblemCode::ReturnNotFound],
            refusals: &[RefusalCode::ReturnStateConflict],
        },
    }
}

pub(crate) fn describe_change(
    operation: ReturnOperation,
    types: &mut SchemaRegistry,
) -> Description {
    let parts = parts(operation);
    let content = json_content(
        &types.schema_of::<ReturnView>(),
        &examples::return_in_state(parts.state),
    );
    let mut problems = problem_kinds(&[&BODY_PROBLEMS, &PROBLEMS, parts.problems]);
    problems.extend(parts.refusals.iter().copied().map(ProblemKind::Refusal));
    let key = parameters::shared("IdempotencyKey");
    let state = parameters::shared("IfMatch");
    let (status, headers, parameters): (_, &[_], _) = match operation {
        ReturnOperation::Request => (201, &[("location", "Location"), TAG], vec![key, state]),
        ReturnOperation::Approve
        | ReturnOperation::Reject
        | ReturnOperation::Receive
        | ReturnOperation::Cancel => (200, &[TAG], vec![parameters::return_id(), key, state]),
    };
    Description {
        tag: ORDER_ACTIONS,
        summary: parts.summary,
        details: parts.details,
        parameters,
        body: Some(parts.body),
        responses: vec![(status, response(parts.response, headers, content))],
        problems,
    }
}

pub(crate) fn describe_list(types: &mut SchemaRegistry) -> Description {
    Description {
        tag: ORDERS,
        summary: "List returns",
        details: "Returns the returns of an order, oldest first.",
        parameters: Vec::new(),
        body: None,
        responses: vec![(
            200,
            response(
                "The returns of the order.",
                &[],
                json_content(&types.schema_of::<ReturnList>(), &examples::return_list()),
            ),
        )],
        problems: problem_kinds(&[&READ_PROBLEMS]),
    }
}

pub(crate) fn describe_return(types: &mut SchemaRegistry) -> Description {
    Description {
        tag: ORDERS,
        summary: "Get a return",
        details: "Returns one return of an order.",
        parameters: vec![parameters::return_id()],
        body: None,
        responses: vec![(
            200,
            response(
                "The return.",
                &[],
                json_content(
                    &types.schema_of::<ReturnView>(),
                    &examples::return_in_state("closed"),
                ),
            ),
        )],
        problems: problem_kinds(&[&READ_PROBLEMS, &[ProblemCode::ReturnNotFound]]),
    }
}
