//! The function `start`: makes one order of one request, however often it is sent.
//!
//! A Temporal client and nothing else: it writes no database. Start reading at [`App`].

mod app;
mod body;
mod create;
mod response;
mod start;

pub use app::App;
pub use response::StartResponse;
