//! The function `start`: starts one order per request; a retry does not start a second order.
//!
//! The function is a Temporal client and has no database. Start reading at `handler`.

mod app;
mod body;
mod create;
mod handler;
mod health;
mod quote;
mod reservation;
mod response;
mod start;

pub use app::App;
pub use health::{DependencyHealth, Health};
pub use response::StartResponse;
