//! Describes the routes of the endpoints that receive messages.

use crate::{
    admin::CUSTOMER,
    description::{BODY_PROBLEMS, Description, ENDPOINTS, problem_kinds},
    examples,
    operation::LIST_PROBLEMS,
    parameters,
    requests::Body,
    response::{json_content, response},
    types::SchemaRegistry,
};
use admin::{DeliveryList, EndpointCreated, EndpointList, SecretRotated};
use orderflow_http::{EndpointOperation, ProblemCode};
use store::{endpoint_outbox::Delivery, endpoints::Endpoint};

/// Returns the operation id, which names the method of a generated client.
pub(crate) const fn operation_id(operation: EndpointOperation) -> &'static str {
    match operation {
        EndpointOperation::Create => "createEndpoint",
        EndpointOperation::List => "listEndpoints",
        EndpointOperation::Get => "getEndpoint",
        EndpointOperation::Change => "changeEndpoint",
        EndpointOperation::Delete => "deleteEndpoint",
        EndpointOperation::RotateSecret => "rotateEndpointSecret",
        EndpointOperation::Enable => "enableEndpoint",
        EndpointOperation::Test => "testEndpoint",
        EndpointOperation::ListDeliveries => "listDeliveries",
        EndpointOperation::Redeliver => "redeliver",
    }
}

/// The problem of an unknown endpoint.
const UNKNOWN: [ProblemCode; 1] = [ProblemCode::EndpointNotFound];
/// The problem of a change of the event bus.
const FIXED: [ProblemCode; 1] = [ProblemCode::EndpointFixed];

pub(crate) fn describe(operation: EndpointOperation, types: &mut SchemaRegistry) -> Description {
    match operation {
        EndpointOperation::Create => describe_creation(types),
        EndpointOperation::List => Description {
            details: "Returns all endpoints, the oldest first. No response contains a secret. \
                There are 50 at most, and the endpoint `event_bus`, which is the event bus of the setting `EVENT_BUS_NAME`.",
            responses: vec![(
                200,
                response(
                    "All endpoints.",
                    &[],
                    json_content(
                        &types.schema_of::<EndpointList>(),
                        &examples::endpoint_list(),
                    ),
                ),
            )],
            problems: problem_kinds(&[&LIST_PROBLEMS, &CUSTOMER]),
            ..blank("List the endpoints")
        },
        EndpointOperation::Get => Description {
            details: "Returns one endpoint without its secret.",
            responses: vec![endpoint_response("The endpoint.", types)],
            ..of_endpoint("Get an endpoint", &[])
        },
        EndpointOperation::Change => Description {
            details: "Changes the fields that the request has. Messages that wait are sent to the new address. \
                The new types apply to later events.",
            body: Some(Body::EndpointChange),
            responses: vec![endpoint_response("The changed endpoint.", types)],
            ..of_endpoint("Change an endpoint", &[&BODY_PROBLEMS[..], &FIXED].concat())
        },
        EndpointOperation::Delete => Description {
            details: "Deletes the endpoint, its secrets, and its messages. \
                While a worker has the setting `EVENT_BUS_NAME`, it creates the endpoint `event_bus` again.",
            responses: vec![(204, response("The endpoint is deleted.", &[], None))],
            ..of_endpoint("Delete an endpoint", &[])
        },
        EndpointOperation::RotateSecret => Description {
            details: "Creates a new secret and returns it once. \
                For 24 hours, each message has a signature of the new secret and one of the previous secret.",
            responses: vec![(
                200,
                response(
                    "The new secret.",
                    &[],
                    json_content(
                        &types.schema_of::<SecretRotated>(),
                        &examples::secret_rotated(),
                    ),
                ),
            )],
            ..of_endpoint("Rotate the secret", &FIXED)
        },
        EndpointOperation::Enable => Description {
            details: "Enables a disabled endpoint. Its pending messages are sent, and repeated for the full time again. \
                Events of the time in which it was disabled are not sent.",
            responses: vec![endpoint_response("The enabled endpoint.", types)],
            ..of_endpoint("Enable an endpoint", &[])
        },
        EndpointOperation::Test => Description {
            details: "Sends a message of the type `endpoint.test` to the endpoint, whatever types it receives.",
            responses: vec![delivery_response(types)],
            ..of_endpoint("Send a test message", &[ProblemCode::EndpointDisabled])
        },
        EndpointOperation::ListDeliveries => {
            let mut parameters = vec![parameters::endpoint_id(), parameters::delivery_status()];
            parameters.extend([parameters::shared("Limit"), parameters::cursor()]);
            Description {
                details: "Returns the messages to the endpoint, the newest first, with the outcome of their attempts. \
                    The `Link` header has the URL of the next page.",
                parameters,
                responses: vec![(
                    200,
                    response(
                        "A page of the messages.",
                        &[("link", "Link")],
                        json_content(
                            &types.schema_of::<DeliveryList>(),
                            &examples::delivery_list(),
                        ),
                    ),
                )],
                ..of_endpoint("List the messages of an endpoint", &[])
            }
        }
        EndpointOperation::Redeliver => Description {
            details: "Sends a message again, also one that was delivered or has failed. \
                It has the same `webhook-id` and the same body as before.",
            parameters: vec![parameters::endpoint_id(), parameters::delivery_id()],
            responses: vec![delivery_response(types)],
            ..of_endpoint(
                "Send a message again",
                &[ProblemCode::DeliveryNotFound, ProblemCode::EndpointDisabled],
            )
        },
    }
}

/// Returns a description without details and responses.
fn blank(summary: &'static str) -> Description {
    Description {
        tag: ENDPOINTS,
        summary,
        details: "",
        parameters: Vec::new(),
        body: None,
        responses: Vec::new(),
        problems: Vec::new(),
    }
}

/// Returns a description of an operation on one endpoint.
fn of_endpoint(summary: &'static str, problems: &[ProblemCode]) -> Description {
    Description {
        parameters: vec![parameters::endpoint_id()],
        problems: problem_kinds(&[&LIST_PROBLEMS, &CUSTOMER, &UNKNOWN, problems]),
        ..blank(summary)
    }
}

fn endpoint_response(description: &str, types: &mut SchemaRegistry) -> (u16, serde_json::Value) {
    let content = json_content(&types.schema_of::<Endpoint>(), &examples::endpoint());
    (200, response(description, &[], content))
}

fn delivery_response(types: &mut SchemaRegistry) -> (u16, serde_json::Value) {
    let content = json_content(&types.schema_of::<Delivery>(), &examples::delivery());
    let headers = [("location", "ResourceLocation")];
    (
        202,
        response("The message will be sent.", &headers, content),
    )
}

fn describe_creation(types: &mut SchemaRegistry) -> Description {
    let content = json_content(
        &types.schema_of::<EndpointCreated>(),
        &examples::endpoint_created(),
    );
    Description {
        details: "Creates an endpoint and returns its secret once. The endpoint receives a signed message for each later event \
            of the types in `events`. The address must be public and use TLS, unless the setting `ENDPOINT_ADDRESSES` is `any`.",
        body: Some(Body::Endpoint),
        responses: vec![(
            201,
            response(
                "The endpoint is created.",
                &[("location", "ResourceLocation")],
                content,
            ),
        )],
        problems: problem_kinds(&[
            &BODY_PROBLEMS,
            &CUSTOMER,
            &[
                ProblemCode::InvalidQuery,
                ProblemCode::EndpointLimit,
                ProblemCode::DatabaseUnavailable,
            ],
        ]),
        ..blank("Create an endpoint")
    }
}
