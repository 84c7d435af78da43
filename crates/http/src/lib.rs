//! What all functions share between the event that arrives and the answer that leaves: the route
//! table, reading a request, problem documents, idempotency keys, pages.
//!
//! The only place that knows HTTP status codes. It never decides anything about orders. Start reading
//! at [`serve`], which every call passes through, and [`ROUTES`], the one table of what can be called. Who may
//! call is in `auth`, what for in [`Access`], and whose order it must be in [`Call::require_own`].

mod access;
mod auth;
mod body;
mod call;
mod caller;
mod etag;
mod glances;
mod idempotency;
mod lambda;
mod order_id;
mod ownership;
mod page;
mod parameters;
mod place;
mod prefer;
mod problem;
mod rate;
mod reply;
mod request_id;
mod route;
mod serve;
mod setting;

pub use access::{Access, Scope};
pub use auth::{NewApiKey, check_callers, create_api_key};
pub use body::LARGEST as LARGEST_BODY;
pub use call::Call;
pub use caller::Caller;
pub use etag::{ETag, Known};
pub use glances::Glances;
pub use idempotency::{IdempotencyKey, LONGEST as LONGEST_IDEMPOTENCY_KEY};
pub use lambda::{Application, run};
pub use order_id::{fresh_order_id, keyed_order_id};
pub use page::{Page, next_link};
pub use parameters::{DEFAULT_LIMIT, LARGEST_LIMIT, Parameters};
pub use prefer::{LONGEST as LONGEST_WAIT, Wait};
pub use problem::{Code, Kind, Problem, ProblemDocument};
pub use rate::limit_calls;
pub use reply::Reply;
pub use route::{
    Documenting, Function, Listing, NoRoute, Operation, Querying, ROUTES, Route, Signalling,
    Starting, find,
};
pub use serve::serve;
pub use setting::{from_env, is_on, refused_setting};
