//! `/webhook-endpoints`: the endpoints that receive messages about orders.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{app::App, random};
use contract::{
    EndpointChangeRequest, EndpointRequest, EndpointUrl, FieldError, InvalidFields, SubscribedType,
};
use orderflow_http::{
    ApiRequest, ApiResponse, Problem, ProblemCode, QueryParameters, encode_segment,
};
use store::endpoints::{self, EVENT_BUS_ID, Endpoint, EndpointChange, MAX_ENDPOINTS, NewEndpoint};

/// The time for which the previous secret also signs, so that a receiver can change to the new one.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// The body of `GET /webhook-endpoints`.
#[derive(Debug, Serialize)]
pub struct EndpointList {
    pub webhook_endpoints: Vec<Endpoint>,
}

/// The body of the response to `POST /webhook-endpoints`.
#[derive(Debug, Serialize)]
pub struct EndpointCreated {
    #[serde(flatten)]
    pub endpoint: Endpoint,
    /// The key of the signatures, which no other response contains.
    pub secret: String,
}

/// The body of the response to a rotation.
#[derive(Debug, Serialize)]
pub struct SecretRotated {
    pub secret: String,
    /// The time until which messages also have a signature of the previous secret.
    pub previous_valid_until: DateTime<Utc>,
}

pub(crate) async fn create(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    QueryParameters::new(request).finish()?;
    let EndpointRequest {
        url,
        events,
        description,
    } = request.parse_body()?;
    check_address(app, &url)?;
    let (id, secret) = (random::endpoint_id(), random::secret());
    let new = NewEndpoint {
        id: &id,
        url: url.as_str(),
        events: &type_names(&events),
        description: description.as_deref(),
        created_by: request.caller.actor(),
        secret: &secret,
    };
    let pool = app.database.pool().await?;
    match endpoints::create(&pool, new).await? {
        Some(endpoint) => ApiResponse::created(
            format!("/webhook-endpoints/{}", encode_segment(&endpoint.id)),
            &EndpointCreated { endpoint, secret },
        ),
        None => Err(Problem::new(
            ProblemCode::EndpointLimit,
            format!("There are {MAX_ENDPOINTS} endpoints already; delete one first."),
        )),
    }
}

pub(crate) async fn list(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    QueryParameters::new(request).finish()?;
    let pool = app.database.pool().await?;
    ApiResponse::ok(&EndpointList {
        webhook_endpoints: endpoints::list(&pool).await?,
    })
}

pub(crate) async fn get(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    QueryParameters::new(request).finish()?;
    let pool = app.database.pool().await?;
    let found = endpoints::find(&pool, endpoint_id(request)?).await?;
    ApiResponse::ok(&found.ok_or_else(unknown_endpoint)?)
}

pub(crate) async fn change(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    QueryParameters::new(request).finish()?;
    let EndpointChangeRequest {
        url,
        events,
        description,
    } = request.parse_body()?;
    if let Some(url) = &url {
        check_address(app, url)?;
    }
    let events = events.as_deref().map(type_names);
    let change = EndpointChange {
        url: url.as_ref().map(EndpointUrl::as_str),
        events: events.as_deref(),
        description: description.as_ref().map(Option::as_deref),
    };
    let pool = app.database.pool().await?;
    let changed = endpoints::change(&pool, changeable_id(request)?, change).await?;
    ApiResponse::ok(&changed.ok_or_else(unknown_endpoint)?)
}

pub(crate) async fn delete(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    QueryParameters::new(request).finish()?;
    let pool = app.database.pool().await?;
    if endpoints::delete(&pool, endpoint_id(request)?).await? {
        Ok(ApiResponse::no_content())
    } else {
        Err(unknown_endpoint())
    }
}

pub(crate) async fn rotate_secret(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    QueryParameters::new(request).finish()?;
    let secret = random::secret();
    let pool = app.database.pool().await?;
    let end = endpoints::rotate_secret(&pool, changeable_id(request)?, &secret, OVERLAP).await?;
    let previous_valid_until = end.ok_or_else(unknown_endpoint)?;
    ApiResponse::ok(&SecretRotated {
        secret,
        previous_valid_until,
    })
}

pub(crate) async fn enable(app: &App, request: &ApiRequest) -> Result<ApiResponse, Problem> {
    QueryParameters::new(request).finish()?;
    let pool = app.database.pool().await?;
    let enabled = endpoints::enable(&pool, endpoint_id(request)?).await?;
    ApiResponse::ok(&enabled.ok_or_else(unknown_endpoint)?)
}

fn type_names(events: &[SubscribedType]) -> Vec<String> {
    let names = events.iter().map(|kind| kind.as_str().to_owned());
    names.collect()
}

/// Rejects an address that no worker would send to.
fn check_address(app: &App, url: &EndpointUrl) -> Result<(), Problem> {
    url.check(app.addresses).map_err(|error| {
        InvalidFields(vec![FieldError {
            pointer: "/url".to_owned(),
            detail: error.to_string(),
        }])
        .into()
    })
}

/// Returns the endpoint id in the path. An id that no endpoint can have is unknown.
pub(crate) fn endpoint_id(request: &ApiRequest) -> Result<&str, Problem> {
    let id = request.path_parameter();
    let is_id = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_id.then_some(id).ok_or_else(unknown_endpoint)
}

/// Returns the endpoint id in the path, unless it is that of the event bus. Only the settings of the
/// worker change the bus. Callers may delete it.
fn changeable_id(request: &ApiRequest) -> Result<&str, Problem> {
    match endpoint_id(request)? {
        EVENT_BUS_ID => Err(Problem::new(
            ProblemCode::EndpointFixed,
            "Only the setting EVENT_BUS_NAME of the worker changes the event bus; it has no secret.",
        )),
        id => Ok(id),
    }
}

pub(crate) fn unknown_endpoint() -> Problem {
    Problem::new(
        ProblemCode::EndpointNotFound,
        "No endpoint has this id; GET /webhook-endpoints lists all endpoints.",
    )
}
