//! The function `signal`: asks something of an order and tells what truly happened.
//!
//! A Temporal client and nothing else. Start reading at [`App`].

mod answer;
mod app;
mod closed;

pub use answer::{Done, Undecided};
pub use app::App;
