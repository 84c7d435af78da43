//! What all functions share between the event that arrives and the answer that leaves: the route
//! table, reading a request, problem documents, idempotency keys, pages.
//!
//! The only place that knows HTTP status codes. It never decides anything about orders. Start reading
//! at [`serve`], which every call passes through, and [`ROUTES`], the one table of what can be called. Who may
//! call is in `auth`, what for in [`Access`], and whose order it must be in [`Call::require_own`].

mod access;
mod auth;
mod base_path;
mod body;
mod caller;
mod conditional;
mod idempotency;
mod lambda;
mod long_poll;
mod order_id;
mod ownership;
mod pagination;
mod prefer;
mod problem;
mod query_parameters;
mod rate_limit;
mod request;
mod request_id;
mod response;
mod route;
mod serve;

pub use access::{Access, Scope};
pub use auth::{NewApiKey, configure_auth, create_api_key};
pub use body::MAX_BODY_BYTES as LARGEST_BODY;
pub use caller::Caller;
pub use conditional::{ETag, IfNoneMatch};
pub use idempotency::{IdempotencyKey, MAX_KEY_LENGTH as LONGEST_IDEMPOTENCY_KEY};
pub use lambda::{Application, run};
pub use long_poll::LongPoll;
pub use order_id::{order_id_from_key, random_order_id};
pub use pagination::{PageCursor, next_link};
pub use prefer::{MAX_WAIT_SECONDS as LONGEST_WAIT, Wait};
pub use problem::{Problem, ProblemCode, ProblemDocument, ProblemKind};
pub use query_parameters::{DEFAULT_LIMIT, MAX_LIMIT, QueryParameters};
pub use rate_limit::set_rate_limiter;
pub use request::ApiRequest;
pub use response::ApiResponse;
pub use route::{
    EventsOperation, Function, Operation, QueryOperation, ROUTES, Route, RouteError,
    SignalOperation, StartOperation, WebOperation, find_route,
};
pub use serve::serve;
