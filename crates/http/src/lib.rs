//! The HTTP layer that all Lambda functions and the local gateway share: the route table, requests
//! and responses, problem documents, idempotency keys, pagination.
//!
//! HTTP status codes are set here and in no other crate. The crate makes no decision about orders.
//!
//! Start reading at [`serve`], which handles every request, and [`ROUTES`], the route table.
//! Authentication is in `auth`, scopes are in [`Access`], and the check that a customer owns the
//! order is [`ApiRequest::require_order_access`].

mod accept;
mod access;
mod auth;
mod base_path;
mod body;
mod caller;
mod conditional;
mod cors;
mod idempotency;
mod lambda;
mod long_poll;
mod order_id;
#[cfg(feature = "temporal")]
mod ownership;
mod pagination;
mod prefer;
mod problem;
mod query_parameters;
mod rate_limit;
mod request;
mod request_id;
mod response;
mod response_headers;
mod route;
mod serve;
mod trace;

pub use access::{Access, Scope};
pub use auth::{
    NewApiKey, QuoteError, QuoteKey, QuoteVerifier, VerifiedQuote, configure_auth, create_api_key,
};
pub use body::{MAX_BODY_BYTES, MAX_WEBHOOK_BYTES};
pub use caller::Caller;
pub use conditional::{ETag, IfNoneMatch};
pub use cors::configure_cors;
pub use idempotency::{
    IdempotencyKey, MAX_LENGTH as MAX_IDEMPOTENCY_KEY_LENGTH, random_refund_id, random_return_id,
};
pub use lambda::{Application, run};
pub use long_poll::LongPoll;
pub use order_id::{order_id_from_key, random_order_id};
pub use pagination::{PageCursor, decode_cursor, encode_cursor, encode_segment, next_link};
pub use prefer::{MAX_WAIT_SECONDS, Wait};
pub use problem::{Problem, ProblemCode, ProblemDocument, ProblemKind};
pub use query_parameters::{DEFAULT_LIMIT, MAX_LIMIT, QueryParameters};
pub use rate_limit::set_rate_limiter;
pub use request::ApiRequest;
pub use request_id::new_request_id;
pub use response::ApiResponse;
pub use route::{
    AdminOperation, EndpointOperation, EventsOperation, Function, Operation, QueryOperation,
    ROUTES, ReturnOperation, Route, RouteError, SignalOperation, StartOperation, WebOperation,
    find_route,
};
pub use serve::serve;
