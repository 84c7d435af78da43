//! The function `start`: makes one order of one request, however often it is sent.
//!
//! A Temporal client and nothing else: it writes no database. Start reading at [`App`].

mod answer;
mod app;
mod create;
mod read;
mod start;

pub use answer::Answer;
pub use app::App;
