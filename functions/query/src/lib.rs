//! The function `query`: one order's state, from wherever it is true and at hand.
//!
//! It only reads. Start reading at [`App`]; the order of sources is in `state`, how a caller waits in `wait`.

mod app;
mod health;
mod order_source;
mod response;
mod wait;

pub use app::App;
pub use health::{DependencyHealth, Health};
