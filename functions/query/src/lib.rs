//! The function `query`: returns one order's state from its workflow, the database or Temporal.
//!
//! The function only reads. Start reading at `handler`; `order_source` has the order of the
//! sources, and `wait` has the long poll.

mod app;
mod handler;
mod order_source;
mod refunds;
mod response;
mod returns;
mod wait;

pub use app::App;
