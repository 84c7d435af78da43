//! Describes the routes of the function `admin`.

use crate::{
    description::{BODY_PROBLEMS, Description, STOCK, problem_kinds},
    endpoints, examples,
    operation::LIST_PROBLEMS,
    parameters,
    requests::Body,
    response::{json_content, response},
    types::SchemaRegistry,
};
use admin::{StockChanged, StockDetail, StockList};
use orderflow_http::{AdminOperation, ProblemCode};

/// Returns the operation id, which names the method of a generated client.
pub(crate) const fn operation_id(operation: AdminOperation) -> &'static str {
    match operation {
        AdminOperation::ListStock => "listStock",
        AdminOperation::GetStock => "getStock",
        AdminOperation::PutStock => "changeStock",
        AdminOperation::Endpoint(operation) => endpoints::operation_id(operation),
    }
}

/// The problem of a caller that is a customer. Every route of the function has it.
pub(crate) const CUSTOMER: [ProblemCode; 1] = [ProblemCode::CustomerCaller];

pub(crate) fn describe(operation: AdminOperation, types: &mut SchemaRegistry) -> Description {
    match operation {
        AdminOperation::ListStock => Description {
            tag: STOCK,
            summary: "List the stock",
            details: "Returns the stock of every SKU, sorted by SKU. \
                The `Link` header has the URL of the next page.",
            parameters: vec![parameters::shared("Limit"), parameters::cursor()],
            body: None,
            responses: vec![(
                200,
                response(
                    "A page of the stock.",
                    &[("link", "Link")],
                    json_content(&types.schema_of::<StockList>(), &examples::stock_list()),
                ),
            )],
            problems: problem_kinds(&[&LIST_PROBLEMS, &CUSTOMER]),
        },
        AdminOperation::GetStock => Description {
            tag: STOCK,
            summary: "Get a SKU's stock",
            details: "Returns the stock of one SKU and its last 20 changes, the newest first.",
            parameters: vec![parameters::sku()],
            body: None,
            responses: vec![(
                200,
                response(
                    "The stock of the SKU.",
                    &[],
                    json_content(&types.schema_of::<StockDetail>(), &examples::stock_detail()),
                ),
            )],
            problems: problem_kinds(&[&LIST_PROBLEMS, &CUSTOMER, &[ProblemCode::SkuNotFound]]),
        },
        AdminOperation::PutStock => describe_change(types),
        AdminOperation::Endpoint(operation) => endpoints::describe(operation, types),
    }
}

fn describe_change(types: &mut SchemaRegistry) -> Description {
    let content = json_content(
        &types.schema_of::<StockChanged>(),
        &examples::stock_changed(),
    );
    Description {
        tag: STOCK,
        summary: "Set or adjust the stock",
        details: "Sets the available units of a SKU (`available`), or changes them by a number (`adjust`, with a `reason`). \
            Units that orders hold do not change. \
            Each change is kept with its caller, time and reason. \
            A repeated request with the same `Idempotency-Key` changes nothing.",
        parameters: vec![parameters::sku(), parameters::shared("IdempotencyKey")],
        body: Some(Body::Stock),
        responses: vec![
            (
                200,
                response("The new stock of the SKU.", &[], content.clone()),
            ),
            (
                201,
                response(
                    "The SKU was unknown and has stock now.",
                    &[("location", "ResourceLocation")],
                    content,
                ),
            ),
        ],
        problems: problem_kinds(&[
            &BODY_PROBLEMS,
            &CUSTOMER,
            &[
                ProblemCode::SkuNotFound,
                ProblemCode::InvalidQuery,
                ProblemCode::InsufficientStock,
                ProblemCode::StockLimit,
                ProblemCode::InvalidIdempotencyKey,
                ProblemCode::IdempotencyKeyReused,
                ProblemCode::DatabaseUnavailable,
            ],
        ]),
    }
}
