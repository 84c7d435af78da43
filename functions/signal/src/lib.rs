//! The function `signal`: sends a command to an order and returns the order's decision.
//!
//! The function is a Temporal client and has no database. Start reading at [`App`].

mod app;
mod closed_order;
mod refund;
mod response;
mod returns;

pub use app::App;
pub use response::{SignalDone, SignalUndecided};
