//! The function `signal`: asks something of an order and tells what truly happened.
//!
//! A Temporal client and nothing else. Start reading at [`App`].

mod app;
mod closed_order;
mod response;

pub use app::App;
pub use response::{SignalDone, SignalUndecided};
