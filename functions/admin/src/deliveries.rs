//! `/webhook-endpoints/{id}/deliveries`: the messages to one endpoint and their outcomes.

use lambda_http::http::header;
use serde::Serialize;

use crate::{
    app::App,
    endpoints::{endpoint_id, unknown_endpoint},
    random,
};
use orderflow_http::{
    ApiRequest, ApiResponse, Problem, ProblemCode, QueryParameters, decode_cursor, encode_cursor,
    encode_segment, next_link,
};
use store::{
    endpoint_outbox::{self, Delivery},
    endpoints,
};

/// The values of the parameter `status`.
const STATUSES: [&str; 3] = ["pending", "delivered", "failed"];

/// The body of `GET /webhook-endpoints/{id}/deliveries`.
#[derive(Debug, Serialize)]
pub struct DeliveryList {
    pub deliveries: Vec<Delivery>,
}

pub(crate) async fn list(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    let mut parameters = QueryParameters::new(request);
    let status = parameters.parse("status", "must be pending, delivered or failed", |text| {
        STATUSES.into_iter().find(|status| *status == text)
    });
    let before = parameters.parse(
        "cursor",
        "must be the cursor of a previous page's Link header",
        |text| parse_id(&decode_cursor(text)?),
    );
    let limit = parameters.parse_limit();
    parameters.finish()?;
    let pool = app.database.pool().await?;
    let endpoint = endpoints::find(&pool, endpoint_id(request)?)
        .await?
        .ok_or_else(unknown_endpoint)?;
    // One more entry than requested shows whether a next page exists.
    let mut deliveries =
        endpoint_outbox::list_deliveries(&pool, &endpoint.id, status, before, limit + 1).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_last = deliveries.len() <= limit;
    deliveries.truncate(limit);
    let next = deliveries.last().filter(|_| !is_last).map(|last| {
        let parameter = |name| request.query_parameter(name).map(str::to_owned);
        let parameters = [
            ("status", parameter("status")),
            ("limit", parameter("limit")),
            ("cursor", Some(encode_cursor(&last.id.to_string()))),
        ];
        let path = format!(
            "/webhook-endpoints/{}/deliveries",
            encode_segment(&endpoint.id)
        );
        next_link(&path, &parameters)
    });
    let response = ApiResponse::ok(&DeliveryList { deliveries })?;
    Ok(match next {
        Some(next) => response.with_header(header::LINK, next),
        None => response,
    })
}

pub(crate) async fn redeliver(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    QueryParameters::new(request).finish()?;
    let pool = app.database.pool().await?;
    let endpoint_id = require_enabled(app, request).await?;
    let unknown = || {
        Problem::new(
            ProblemCode::DeliveryNotFound,
            "The endpoint has no delivery with this id.",
        )
    };
    let id = parse_id(request.second_parameter()).ok_or_else(unknown)?;
    let delivery = endpoint_outbox::redeliver(&pool, &endpoint_id, id).await?;
    accepted(&endpoint_id, &delivery.ok_or_else(unknown)?)
}

pub(crate) async fn send_test(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    QueryParameters::new(request).finish()?;
    let pool = app.database.pool().await?;
    let endpoint_id = require_enabled(app, request).await?;
    let delivery = endpoint_outbox::add_test(&pool, &endpoint_id, &random::message_id()).await?;
    accepted(&endpoint_id, &delivery.ok_or_else(unknown_endpoint)?)
}

/// Returns the id of the endpoint. A disabled one would never get the message.
async fn require_enabled(app: &App, request: &ApiRequest) -> Result<String, Problem> {
    let pool = app.database.pool().await?;
    let endpoint = endpoints::find(&pool, endpoint_id(request)?)
        .await?
        .ok_or_else(unknown_endpoint)?;
    if endpoint.is_enabled {
        Ok(endpoint.id)
    } else {
        Err(Problem::new(
            ProblemCode::EndpointDisabled,
            "The endpoint is disabled; enable it first.",
        ))
    }
}

fn accepted(endpoint_id: &str, delivery: &Delivery) -> Result<ApiResponse, Problem> {
    let path = format!(
        "/webhook-endpoints/{}/deliveries",
        encode_segment(endpoint_id)
    );
    ApiResponse::accepted(path, delivery)
}

/// Parses an id in the form in which responses have it.
fn parse_id(text: &str) -> Option<i64> {
    let id: i64 = text.parse().ok()?;
    (id > 0 && id.to_string() == text).then_some(id)
}
